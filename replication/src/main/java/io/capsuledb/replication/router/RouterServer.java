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
import io.capsuledb.replication.protocol.RouterMessage;
import io.capsuledb.replication.session.DropReason;
import io.capsuledb.replication.session.Identity;
import io.capsuledb.replication.session.MessengerOptions;
import io.capsuledb.replication.session.Network;
import io.capsuledb.replication.session.PeerLinks;
import io.capsuledb.replication.session.SessionOptions;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The shell of a {@link RouterCore}: links, one agent that steps it, and what waits for the agent,
 * which is bounded: what finds no room is dropped and counted, as a network would. Thread-safe.
 */
public final class RouterServer implements AutoCloseable {

  /** Bytes of frames that may wait for the agent. */
  static final long MAX_INBOX_BYTES = 64L << 20;

  /** Frames that may wait for the agent. */
  static final int MAX_INBOX = 16_384;

  /** Links beside those of children: visitors, and the one above. */
  private static final int SPARE_LINKS = 64;

  private static final int INPUTS_PER_STEP = 256;
  private static final int TICK_MS = 20;

  /** What a router needs from outside. */
  public record Ports(Clock clock, Entropy entropy, Scheduler scheduler, Telemetry telemetry) {}

  private sealed interface Input {
    record Up(long link, PublicKey peer, long dial) implements Input {}

    record Down(long link) implements Input {}

    record Received(long link, Blob body) implements Input {}
  }

  private final Ports ports;
  private final Object monitor = new Object();
  // Guarded by monitor:
  private final ArrayDeque<Input> inbox = new ArrayDeque<>();
  private long inboxBytes;
  private int inboxFrames;

  private final LongAdder overflow = new LongAdder();
  private volatile Map<String, Long> counters = Map.of();
  private volatile List<RouterMessage.Hop> path = List.of();
  private volatile @Nullable PeerLinks links;
  private volatile Scheduler.@Nullable Running running;
  private String address = "";

  // The agent's.
  private @Nullable RouterCore core;
  private final Dials dials = new Dials();
  private long nextTick;
  private long nextCounters;

  private RouterServer(Ports ports) {
    this.ports = ports;
  }

  /** Deadlines of routers' links: a side that is cut off is noticed by heartbeats anyway. */
  public static MessengerOptions links(RouterOptions options) {
    int most = options.fanOut() + options.maxClients() + SPARE_LINKS;
    return new MessengerOptions(
        new SessionOptions(2_000, 2_000, 10_000), most, SPARE_LINKS / 2, 50, 1_000);
  }

  /**
   * Starts a router; when this returns, it takes children.
   *
   * @param listen where to listen, as the transport writes addresses
   * @param advertised where others reach it; empty: where it listens
   * @param parents routers above it, the best first; none: it is the root
   * @param network makes the transport
   * @throws io.capsuledb.core.error.InvalidRequestException if it cannot listen there
   */
  public static RouterServer start(
      RouterOptions options,
      Identity self,
      String listen,
      String advertised,
      List<String> parents,
      Ports ports,
      Function<Transport.Events, Network> network) {
    RouterServer server = new RouterServer(ports);
    PeerLinks links =
        PeerLinks.start(
            self,
            links(options),
            new PeerLinks.Ports(
                ports.clock(), ports.entropy(), ports.scheduler(), ports.telemetry()),
            network,
            server.new Inbox());
    server.links = links;
    boolean started = false;
    try {
      server.address = links.listen(listen);
      byte[] seed = new byte[Long.BYTES];
      ports.entropy().fill(seed);
      server.core =
          new RouterCore(
              options,
              self.key(),
              advertised.isEmpty() ? server.address : advertised,
              parents,
              LittleEndian.getLong(seed, 0),
              ports.clock().monotonicNanos());
      server.nextTick = ports.clock().monotonicNanos();
      server.nextCounters = server.nextTick;
      server.running = ports.scheduler().start("router", server::step, TICK_MS);
      started = true;
      return server;
    } finally {
      if (!started) {
        links.close();
      }
    }
  }

  // ------------------------------------------------------------------ events, on any thread

  private final class Inbox implements PeerLinks.Events {
    @Override
    public void up(long link, PublicKey peer, long dial) {
      enqueue(new Input.Up(link, peer, dial));
    }

    @Override
    public @Nullable Rejection received(long link, PublicKey peer, Blob body) {
      boolean full;
      synchronized (monitor) {
        full = inboxFrames >= MAX_INBOX || inboxBytes + body.length() > MAX_INBOX_BYTES;
        if (!full) {
          inbox.add(new Input.Received(link, body));
          inboxFrames++;
          inboxBytes += body.length();
        }
      }
      if (full) {
        overflow.increment();
      } else {
        signal();
      }
      return null;
    }

    @Override
    public void down(long link, DropReason reason, String detail) {
      enqueue(new Input.Down(link));
    }
  }

  /** Ups and downs are as many as links are, so they need no bound of their own. */
  private void enqueue(Input input) {
    synchronized (monitor) {
      inbox.add(input);
    }
    signal();
  }

  private void signal() {
    Scheduler.@Nullable Running agent = running;
    if (agent != null) {
      agent.signal();
    }
  }

  // ------------------------------------------------------------------ the agent

  private boolean step() {
    RouterCore at = core;
    PeerLinks of = links;
    if (at == null || of == null) {
      return false;
    }
    boolean more = false;
    for (int i = 0; i < INPUTS_PER_STEP; i++) {
      @Nullable Input input;
      synchronized (monitor) {
        input = inbox.poll();
        if (input instanceof Input.Received(long _, Blob body)) {
          inboxFrames--;
          inboxBytes -= body.length();
        }
        more = !inbox.isEmpty();
      }
      if (input == null) {
        break;
      }
      apply(at, of, input);
    }
    long now = ports.clock().monotonicNanos();
    if (now - nextTick >= 0) {
      nextTick = now + TimeUnit.MILLISECONDS.toNanos(TICK_MS);
      at.tick(now);
      perform(at, of);
    }
    if (now - nextCounters >= 0) {
      nextCounters = now + TimeUnit.MILLISECONDS.toNanos(10 * TICK_MS);
      counters = at.counters();
      path = at.path();
    }
    return more;
  }

  private void apply(RouterCore at, PeerLinks of, Input input) {
    long now = ports.clock().monotonicNanos();
    switch (input) {
      case Input.Up(long link, PublicKey peer, long dial) ->
          at.up(now, link, peer, dials.token(dial));
      case Input.Down(long link) -> at.down(now, link);
      case Input.Received(long link, Blob body) -> {
        @Nullable Rejection rejection = at.received(now, link, body);
        if (rejection != null) {
          ports.telemetry().rejected(rejection.reason());
          of.drop(link, rejection.toString());
        }
      }
    }
    perform(at, of);
  }

  private void perform(RouterCore at, PeerLinks of) {
    for (List<RouterOutput> outputs = at.take(); !outputs.isEmpty(); outputs = at.take()) {
      for (RouterOutput output : outputs) {
        if (dials.perform(of, output)) {
          at.notSent();
        }
      }
    }
  }

  // ------------------------------------------------------------------ any thread

  /** Where it listens, with the port that was taken. */
  public String address() {
    return address;
  }

  /** Routers from the root to the one above; empty for the root of its tree. */
  public List<RouterMessage.Hop> path() {
    return path;
  }

  /** Everything counted so far, by stable names, links' counters among them. */
  public Map<String, Long> counters() {
    Map<String, Long> all = new TreeMap<>(counters);
    all.put("dropped.inbox", overflow.sum());
    PeerLinks of = links;
    if (of != null) {
      all.putAll(of.counters());
    }
    return all;
  }

  /** Ends all links; children look for another router. Idempotent. */
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
