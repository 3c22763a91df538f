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
import io.capsuledb.engine.Transaction;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Runs commands on keys against a real engine over a simulated disk and clock: what is left of a
 * server without connections. Checks of every command that it wrote exactly one reply, and that a
 * refusal staged nothing.
 */
final class CommandRunner implements AutoCloseable {

  private static final long MEMTABLE_BYTES = 256L << 20;

  final SimClock clock = new SimClock();
  private final SimEntropy entropy = new SimEntropy(1);
  private final SimDisk disk = new SimDisk();
  private final KeyTree owner;
  private final Map<String, CommandSpec> specs = new HashMap<>();
  private SimScheduler scheduler = new SimScheduler(1);
  private SimRecordStore store = disk.open();
  private CapsuleDb db;
  private CommandContext context;
  private int protocol = 2;

  CommandRunner() {
    byte[] seed = new byte[64];
    entropy.fill(seed);
    owner = KeyTree.fromSeed(SecretBytes.own(seed));
    store.initialize(NewCapsule.sign(owner, 0, List.of(), 0, entropy));
    for (CommandSpec spec : KeyspaceCommands.allSpecs(new ScanCursors(entropy))) {
      specs.put(spec.name(), spec);
    }
    db = open();
    context = new CommandContext(db, clock);
  }

  private CapsuleDb open() {
    return CapsuleDb.open(
        CapsuleDbOptions.builder().memtableBytes(MEMTABLE_BYTES).build(),
        new CapsulePorts(store, clock, entropy, scheduler, Telemetry.NONE),
        owner.application(0, 0),
        records -> {});
  }

  /** Closes the engine and opens it again over the same disk: everything is replayed. */
  void reopen() {
    scheduler.run();
    db.close();
    scheduler.kill();
    disk.powerCut();
    store = disk.open();
    scheduler = new SimScheduler(2);
    db = open();
    context = new CommandContext(db, clock);
  }

  void protocol(int version) {
    protocol = version;
  }

  CapsuleDb db() {
    return db;
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  /** Runs a command given as words; each character is one byte. Renders the reply. */
  String run(String... words) {
    byte[][] arguments = new byte[words.length][];
    for (int i = 0; i < words.length; i++) {
      arguments[i] = bytes(words[i]);
    }
    return run(arguments);
  }

  String run(byte[][] arguments) {
    return Replies.render(reply(arguments));
  }

  /** Runs a command and returns the bytes of its reply. */
  ByteBuf reply(byte[][] arguments) {
    String name = new String(arguments[0], StandardCharsets.ISO_8859_1).toUpperCase(Locale.ROOT);
    CommandSpec spec = specs.get(name);
    if (spec == null) {
      throw new IllegalArgumentException("no command " + name);
    }
    ByteBuf out = Unpooled.buffer();
    RespWriter writer = new RespWriter(out);
    writer.protocol(protocol);
    if (!spec.accepts(arguments.length)) {
      writer.error(Refusals.wrongArity(name.toLowerCase(Locale.ROOT)).getMessage());
      return out;
    }
    if (spec.has(CommandSpec.Flag.WRITE)) {
      try (Transaction transaction = db.begin()) {
        context.prepare(arguments, transaction, writer);
        runBody(spec, out, writer);
        // What a refused command staged would be committed here, as in EXEC.
        long before = db.committedTime();
        transaction.commit();
        if (out.getByte(0) == '-' && db.committedTime() != before) {
          throw new AssertionError(name + " was refused after it had staged a write");
        }
      }
    } else {
      context.prepare(arguments, null, writer);
      runBody(spec, out, writer);
    }
    scheduler.run();
    return out;
  }

  private void runBody(CommandSpec spec, ByteBuf out, RespWriter writer) {
    try {
      context.session(null);
      spec.body().run(context);
      if (context.deferred() instanceof Deferred.Offloaded offloaded) {
        offloaded.work().get().run(context);
      }
    } catch (CommandException e) {
      if (out.isReadable()) {
        throw new AssertionError(spec.name() + " was refused within its reply", e);
      }
      writer.error(e.getMessage());
    }
  }

  @Override
  public void close() {
    scheduler.run();
    db.close();
  }
}
