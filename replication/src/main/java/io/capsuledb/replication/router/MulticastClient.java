package io.capsuledb.replication.router;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.session.DropReason;
import io.capsuledb.replication.session.Identity;
import io.capsuledb.replication.session.MessengerOptions;
import io.capsuledb.replication.session.Network;
import io.capsuledb.replication.session.PeerLinks;
import io.capsuledb.replication.session.SessionOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Sends frames to everybody in the multicast tree, and gets everybody's: the shell of a {@link
 * MulticastCore}. Nothing is promised of a frame but that it comes at most once. Thread-safe.
 */
public final class MulticastClient implements AutoCloseable {

  private static final int TICK_MS = 20;
  private static final MessengerOptions LINKS =
      new MessengerOptions(new SessionOptions(2_000, 2_000, 10_000), 16, 4, 50, 1_000);

  /** What a client needs from outside. */
  public record Ports(Clock clock, Entropy entropy, Scheduler scheduler, Telemetry telemetry) {}

  private final Ports ports;
  private final Consumer<Blob> listener;
  private final Object monitor = new Object();
  // Guarded by monitor:
  private final MulticastCore core;
  private final Dials dials = new Dials();

  private final AtomicLong noRoom = new AtomicLong();
  private volatile @Nullable PeerLinks links;
  private volatile Scheduler.@Nullable Running running;

  private MulticastClient(Ports ports, MulticastCore core, Consumer<Blob> listener) {
    this.ports = ports;
    this.core = core;
    this.listener = listener;
  }

  /**
   * Starts a client, which looks for a router from now on.
   *
   * @param routers where it may join, the best first
   * @param network makes the transport
   * @param listener gets others' frames, on threads of the transport, which it must not keep
   *     waiting
   */
  public static MulticastClient start(
      RouterOptions options,
      Identity self,
      List<String> routers,
      Ports ports,
      Function<Transport.Events, Network> network,
      Consumer<Blob> listener) {
    byte[] seed = new byte[Long.BYTES];
    ports.entropy().fill(seed);
    MulticastClient client =
        new MulticastClient(
            ports,
            new MulticastCore(
                options,
                self.key(),
                routers,
                LittleEndian.getLong(seed, 0),
                ports.clock().monotonicNanos()),
            listener);
    client.links =
        PeerLinks.start(
            self,
            LINKS,
            new PeerLinks.Ports(
                ports.clock(), ports.entropy(), ports.scheduler(), ports.telemetry()),
            network,
            client.new Inbox());
    client.running = ports.scheduler().start("multicast", client::step, TICK_MS);
    return client;
  }

  private final class Inbox implements PeerLinks.Events {
    @Override
    public void up(long link, PublicKey peer, long dial) {
      synchronized (monitor) {
        core.up(ports.clock().monotonicNanos(), link, peer, dials.token(dial));
      }
      perform();
    }

    @Override
    public @Nullable Rejection received(long link, PublicKey peer, Blob body) {
      @Nullable Rejection rejection;
      synchronized (monitor) {
        rejection = core.received(ports.clock().monotonicNanos(), link, body);
      }
      perform();
      return rejection;
    }

    @Override
    public void down(long link, DropReason reason, String detail) {
      synchronized (monitor) {
        core.down(ports.clock().monotonicNanos(), link);
      }
      perform();
    }
  }

  private boolean step() {
    synchronized (monitor) {
      core.tick(ports.clock().monotonicNanos());
    }
    perform();
    return false;
  }

  /** Does what the core wants done; frames are given out without the lock. */
  private void perform() {
    PeerLinks of = links;
    if (of == null) {
      return;
    }
    List<Blob> delivered = new ArrayList<>();
    synchronized (monitor) {
      for (RouterOutput output : core.take()) {
        if (output instanceof RouterOutput.Deliver(Blob payload)) {
          delivered.add(payload);
        } else if (dials.perform(of, output)) {
          noRoom.incrementAndGet();
        }
      }
    }
    delivered.forEach(listener);
  }

  /**
   * Sends to everybody else, if there is a router and room.
   *
   * @param payload 1 byte to 4 MiB, not to be modified from here on
   * @return false if there is no router at present; true says nothing of its arrival
   */
  public boolean send(byte[] payload) {
    boolean sent;
    synchronized (monitor) {
      sent = core.send(Blob.of(payload));
    }
    perform();
    return sent;
  }

  /** Whether a router passes frames on at present. */
  public boolean isJoined() {
    synchronized (monitor) {
      return core.isJoined();
    }
  }

  /** Everything counted so far, by stable names, links' counters among them. */
  public Map<String, Long> counters() {
    Map<String, Long> all;
    synchronized (monitor) {
      all = new TreeMap<>(core.counters());
    }
    all.put("multicast.no_room", noRoom.get());
    PeerLinks of = links;
    if (of != null) {
      all.putAll(of.counters());
    }
    return all;
  }

  /** Leaves the tree. Idempotent. */
  @Override
  public void close() {
    Scheduler.@Nullable Running agent = running;
    if (agent != null) {
      agent.close();
    }
    PeerLinks of = links;
    if (of != null) {
      of.close();
    }
  }
}
