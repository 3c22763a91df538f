package io.capsuledb.scl.resp;

import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.sim.SimClock;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.core.sim.SimRecordStore;
import io.capsuledb.core.sim.SimScheduler;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.CapsuleDbOptions;
import io.capsuledb.engine.CapsulePorts;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A server without sockets or threads: real connections over embedded channels, a real engine over
 * a simulated disk, and nothing happens but when the test says so. Text stands for bytes as
 * Latin-1.
 */
final class Wire implements AutoCloseable {

  final SimClock clock = new SimClock();
  final SimDisk disk = new SimDisk();
  final SimScheduler scheduler = new SimScheduler(5);
  final CapsuleDb db;
  final ServerState state;
  private final List<Client> clients = new ArrayList<>();

  Wire() {
    this(RespServerOptions.builder().build(), 64L << 20);
  }

  Wire(RespServerOptions options, long memtableBytes) {
    SimEntropy entropy = new SimEntropy(3);
    byte[] seed = new byte[64];
    entropy.fill(seed);
    KeyTree owner = KeyTree.fromSeed(SecretBytes.own(seed));
    SimRecordStore store = disk.open();
    store.initialize(NewCapsule.sign(owner, 0, List.of(), 0, entropy));
    db =
        CapsuleDb.open(
            CapsuleDbOptions.builder().memtableBytes(memtableBytes).build(),
            new CapsulePorts(store, clock, entropy, scheduler, Telemetry.NONE),
            owner.application(0, 0),
            records -> {});
    state = new ServerState(db, options, clock, entropy, Telemetry.NONE);
    state.table(new CommandTable(CommandCatalog.all(state, List.of())));
    db.onDurable(() -> state.loops().forEach(LoopState::durableGrew));
    scheduler.run();
  }

  Client connect() {
    Client client = new Client();
    clients.add(client);
    return client;
  }

  /** Lets the engine make everything durable, and every connection notice. */
  void settle() {
    scheduler.run();
    pump();
  }

  /** Lets every connection do what it can, while the engine stands still. */
  void pump() {
    for (Client client : clients) {
      client.channel.runPendingTasks();
    }
  }

  /** Lets time pass, for the engine and for every connection's timers. */
  void pass(long milliseconds) {
    clock.advanceMs(milliseconds);
    scheduler.tick();
    scheduler.run();
    for (Client client : clients) {
      client.channel.advanceTimeBy(milliseconds, TimeUnit.MILLISECONDS);
      client.channel.runScheduledPendingTasks();
      client.channel.runPendingTasks();
    }
  }

  @Override
  public void close() {
    clients.forEach(client -> client.channel.finishAndReleaseAll());
    state.workers().close();
    scheduler.run();
    db.close();
  }

  /** One connection, with an event loop of its own. */
  final class Client {
    final EmbeddedChannel channel = new EmbeddedChannel();
    final LoopState loop = new LoopState(state, channel.eventLoop());
    final RespConnection connection;

    private Client() {
      state.loops().add(loop);
      if (!state.admit()) {
        throw new AssertionError("the server is full");
      }
      Session session =
          new Session(
              state.nextClientId(),
              "127.0.0.1:50000",
              "127.0.0.1:6380",
              state.options().users().isEmpty() ? AclUsers.EVERYBODY : null,
              clock.monotonicNanos());
      connection = new RespConnection(state, loop, session);
      channel.pipeline().addLast(connection);
    }

    /** Sends bytes in one piece. */
    void send(String bytes) {
      channel.writeInbound(Unpooled.copiedBuffer(bytes, StandardCharsets.ISO_8859_1));
    }

    /** Sends commands of words between spaces, all in one piece. */
    void command(String... commands) {
      StringBuilder bytes = new StringBuilder();
      for (String command : commands) {
        String[] words = command.split(" ", -1);
        bytes.append('*').append(words.length).append("\r\n");
        for (String word : words) {
          bytes.append('$').append(word.length()).append("\r\n").append(word).append("\r\n");
        }
      }
      send(bytes.toString());
    }

    /** What has arrived since the last call. */
    String received() {
      StringBuilder received = new StringBuilder();
      ByteBuf out;
      while ((out = channel.readOutbound()) != null) {
        received.append(out.toString(StandardCharsets.ISO_8859_1));
        out.release();
      }
      return received.toString();
    }

    /** Sends commands, lets everything become durable, and returns the replies. */
    String ask(String... commands) {
      command(commands);
      settle();
      return received();
    }

    boolean open() {
      return channel.isOpen();
    }

    /** Ends the connection, if it is open, and forgets it. */
    void disconnect() {
      channel.finishAndReleaseAll();
      clients.remove(this);
      state.loops().remove(loop);
    }
  }
}
