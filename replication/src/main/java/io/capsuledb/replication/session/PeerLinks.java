package io.capsuledb.replication.session;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.protocol.Blob;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Bodies to and from peers that proved who they are. Listens, dials, dials again for as long as it
 * is not told otherwise, and drops whoever sends rubbish. Thread-safe.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>The events of a link are up, then any number of received, then down, one at a time. A link
 *       that never was up has none.
 *   <li>{@code receiving} of a link guards the receiving half of its session and the order of its
 *       events; {@code sending} guards the sending half and the order of its frames. Events are
 *       told under the former only, so that whoever gets one may send, also while it holds locks of
 *       its own that it holds elsewhere when it sends.
 *   <li>Public-key operations are done by the agent, never on the transport's thread.
 *   <li>{@code halfOpen} and the dials belong to the agent.
 * </ul>
 */
public final class PeerLinks implements AutoCloseable {

  private static final System.Logger LOG = System.getLogger(PeerLinks.class.getName());

  /** Handshake frames of one link that wait for the agent. A handshake has one at a time. */
  private static final int MAX_WAITING_HANDSHAKES = 2;

  private static final int TASKS_PER_STEP = 64;
  private static final int TICK_MS = 20;
  private static final int MAX_RESETS_PER_TICK = 2;
  private static final int MAX_DOUBLINGS = 20;

  /**
   * What happens. Told on threads of the transport and of the messenger, which must not be kept
   * waiting; for one link never by two at once.
   */
  public interface Events {
    /**
     * A peer proved who it is: bodies can be sent.
     *
     * @param link the link's number, which never comes back
     * @param peer whose private key the other side has
     * @param dial what {@link PeerLinks#connect} returned; 0 if the peer made the link
     */
    void up(long link, PublicKey peer, long dial);

    /**
     * The peer of that link sent this.
     *
     * @param peer as {@link #up} told
     * @return why it is no message, which ends the link; null if it is one
     */
    @Nullable Rejection received(long link, PublicKey peer, Blob body);

    /** The link is gone; a dialled one is dialled again, and then has another number. */
    void down(long link, DropReason reason, String detail);
  }

  /** What links need from outside. */
  public record Ports(Clock clock, Entropy entropy, Scheduler scheduler, Telemetry telemetry) {}

  private static final class Link {
    final long id;
    final Object receiving = new Object();
    final Object sending = new Object();
    final AtomicBoolean ending = new AtomicBoolean();
    final AtomicInteger waitingHandshakes = new AtomicInteger();
    volatile @Nullable Session session;
    volatile boolean up;
    volatile @Nullable PublicKey peer;
    @Nullable Dial dial;
    long upAt;

    Link(long id) {
      this.id = id;
    }
  }

  private static final class Dial {
    final long id;
    final String address;
    final @Nullable PublicKey expected;
    long link;
    int failures;
    long due;

    Dial(long id, String address, @Nullable PublicKey expected, long due) {
      this.id = id;
      this.address = address;
      this.expected = expected;
      this.due = due;
    }
  }

  private final Identity self;
  private final MessengerOptions options;
  private final Ports ports;
  private final Events events;
  private final Network network;
  private final ConcurrentLinkedQueue<Runnable> inbox = new ConcurrentLinkedQueue<>();
  private final Map<Long, Link> links = new ConcurrentHashMap<>();
  private final AtomicLong lastDial = new AtomicLong();
  private final EnumMap<DropReason, LongAdder> dropped = new EnumMap<>(DropReason.class);
  private final EnumMap<DropReason, LongAdder> refused = new EnumMap<>(DropReason.class);
  private final LongAdder handshakes = new LongAdder();
  private final LongAdder sent = new LongAdder();
  private final LongAdder received = new LongAdder();
  private final LongAdder notSent = new LongAdder();
  private volatile Scheduler.@Nullable Running running;
  private volatile boolean closed;

  // The agent's.
  private final LinkedHashSet<Long> halfOpen = new LinkedHashSet<>();
  private final Map<Long, Dial> dials = new HashMap<>();
  private final Map<Long, Dial> dialsByLink = new HashMap<>();
  private long nextTick;
  private int resetsLeft;

  private PeerLinks(
      Identity self,
      MessengerOptions options,
      Ports ports,
      Function<Transport.Events, Network> network,
      Events events) {
    this.self = self;
    this.options = options;
    this.ports = ports;
    this.events = events;
    for (DropReason reason : DropReason.values()) {
      dropped.put(reason, new LongAdder());
      refused.put(reason, new LongAdder());
    }
    nextTick = ports.clock().monotonicNanos();
    this.network = network.apply(new Links());
  }

  /**
   * Starts without links.
   *
   * @param network makes the transport, which is closed with the links
   */
  public static PeerLinks start(
      Identity self,
      MessengerOptions options,
      Ports ports,
      Function<Transport.Events, Network> network,
      Events events) {
    PeerLinks links = new PeerLinks(self, options, ports, network, events);
    links.running = ports.scheduler().start("messenger", links::step, TICK_MS);
    return links;
  }

  // ------------------------------------------------------------------ any thread

  /** The key that peers see. */
  public PublicKey identity() {
    return self.key();
  }

  /**
   * Accepts links.
   *
   * @param address as the transport writes addresses; port 0 is any free one
   * @return the address with the port that was taken
   * @throws io.capsuledb.core.error.InvalidRequestException if it cannot be listened on
   */
  public String listen(String address) {
    return network.listen(address);
  }

  /**
   * Keeps a link to a peer, until {@link #disconnect}: dials, and after each end dials again.
   *
   * @param expected the key it must prove to have; null for any
   * @return the dial's number, which {@link Events#up} repeats
   */
  public long connect(String address, @Nullable PublicKey expected) {
    long dial = lastDial.incrementAndGet();
    enqueue(
        () -> dials.put(dial, new Dial(dial, address, expected, ports.clock().monotonicNanos())));
    return dial;
  }

  /** Ends what {@link #connect} began. Idempotent. */
  public void disconnect(long dial) {
    enqueue(
        () -> {
          @Nullable Dial known = dials.remove(dial);
          if (known != null && known.link != 0) {
            @Nullable Link link = links.get(known.link);
            if (link != null) {
              end(link, DropReason.LOCAL, "disconnected");
            } else {
              network.drop(known.link);
            }
          }
        });
  }

  /**
   * Sends a body if the link is up and has room for it.
   *
   * @param body at least a byte; not to be modified from here on
   * @return false if it was not sent; true says nothing of its arrival
   */
  public boolean send(long number, byte[] body) {
    @Nullable Link link = links.get(number);
    @Nullable Session session = link == null ? null : link.session;
    if (link == null || session == null || !link.up || link.ending.get()) {
      notSent.increment();
      return false;
    }
    boolean taken = false;
    synchronized (link.sending) {
      // A frame that finds no room leaves a gap in the counters, which the peer allows.
      if (session.isUp()) {
        Blob frame = session.seal(body, ports.clock().monotonicNanos());
        taken = network.send(number, frame.bytes());
      }
    }
    (taken ? sent : notSent).increment();
    if (taken) {
      ports.telemetry().count(Telemetry.Counter.BYTES_OUT, body.length);
    }
    return taken;
  }

  /** Ends a link; {@link Events#down} follows. Idempotent. */
  public void drop(long number, String detail) {
    @Nullable Link link = links.get(number);
    if (link != null) {
      end(link, DropReason.LOCAL, detail);
    }
  }

  /** Everything counted so far, by stable names, and the transport's counters. */
  public Map<String, Long> counters() {
    Map<String, Long> counters = new TreeMap<>(network.counters());
    counters.put("session.links", (long) links.size());
    counters.put("session.up", links.values().stream().filter(link -> link.up).count());
    counters.put("session.handshakes", handshakes.sum());
    counters.put("session.messages_sent", sent.sum());
    counters.put("session.messages_not_sent", notSent.sum());
    counters.put("session.messages_received", received.sum());
    for (DropReason reason : DropReason.values()) {
      counters.put("session.dropped." + reason.label(), count(dropped, reason));
      counters.put("session.refused." + reason.label(), count(refused, reason));
    }
    return counters;
  }

  /** Ends all links, each with its {@link Events#down}, and the transport. Idempotent. */
  @Override
  public void close() {
    closed = true;
    Scheduler.@Nullable Running agent = running;
    if (agent != null) {
      agent.close();
    }
    network.close();
    for (Link link : List.copyOf(links.values())) {
      if (link.ending.compareAndSet(false, true)) {
        count(dropped, DropReason.CLOSING, 1);
      }
      finish(link, DropReason.CLOSING, "closing");
    }
  }

  private void enqueue(Runnable task) {
    inbox.add(task);
    Scheduler.@Nullable Running agent = running;
    if (agent != null) {
      agent.signal();
    }
  }

  // ------------------------------------------------------------------ the transport's thread

  private final class Links implements Transport.Events {
    @Override
    public void opened(long number) {
      links.put(number, new Link(number));
      enqueue(() -> begin(number));
    }

    @Override
    public void received(long number, byte[] frame) {
      @Nullable Link link = links.get(number);
      if (link == null || link.ending.get()) {
        return;
      }
      if (link.session != null && !Session.isHandshake(frame)) {
        take(link, frame);
        return;
      }
      if (link.waitingHandshakes.incrementAndGet() > MAX_WAITING_HANDSHAKES) {
        end(link, DropReason.UNEXPECTED, "handshake frames without waiting for an answer");
        return;
      }
      enqueue(
          () -> {
            link.waitingHandshakes.decrementAndGet();
            take(link, frame);
          });
    }

    @Override
    public void closed(long number, String reason) {
      @Nullable Link link = links.get(number);
      if (link != null) {
        end(link, DropReason.TRANSPORT, reason);
      } else {
        enqueue(() -> redial(number, false));
      }
    }
  }

  /** Gives a frame to the session, and does what comes of it. Any thread; one at a time. */
  private void take(Link link, byte[] frame) {
    synchronized (link.receiving) {
      @Nullable Session session = link.session;
      if (session == null || link.ending.get()) {
        return;
      }
      long now = ports.clock().monotonicNanos();
      Outcome outcome;
      if (link.up) {
        outcome = session.receive(frame, now);
      } else {
        // The end of a handshake sends the first frame and makes the keys of both directions.
        synchronized (link.sending) {
          outcome = session.receive(frame, now);
        }
      }
      handle(link, outcome, now);
    }
  }

  private void handle(Link link, Outcome outcome, long now) {
    switch (outcome) {
      case Outcome.Quiet() -> {}
      case Outcome.Answer(Blob frame) -> reply(link, frame);
      case Outcome.Refused(DropReason reason, @Nullable Blob frame) -> {
        count(refused, reason, 1);
        reject(reason);
        if (frame != null) {
          enqueue(() -> reset(link, frame));
        }
      }
      case Outcome.Established(PublicKey peer, @Nullable Blob frame) -> {
        network.admit(link.id);
        handshakes.increment();
        link.upAt = now;
        link.peer = peer;
        if (frame != null) {
          reply(link, frame);
        }
        if (!link.ending.get()) {
          link.up = true;
          @Nullable Dial dial = link.dial;
          if (dial == null) {
            ports.telemetry().count(Telemetry.Counter.CONNECTIONS_ACCEPTED, 1);
            enqueue(() -> halfOpen.remove(link.id));
          }
          tell(link, () -> events.up(link.id, peer, dial == null ? 0 : dial.id));
        }
      }
      case Outcome.Delivered(Blob body) -> {
        ports.telemetry().count(Telemetry.Counter.BYTES_IN, body.length());
        tell(
            link,
            () -> {
              @Nullable Rejection rejection = events.received(link.id, peerOf(link), body);
              if (rejection == null) {
                received.increment();
              } else {
                ports.telemetry().rejected(rejection.reason());
                end(link, DropReason.BAD_MESSAGE, rejection.toString());
              }
            });
      }
      case Outcome.Ended(DropReason reason, String detail) -> end(link, reason, detail);
    }
  }

  /** Only of links that are up. */
  private static PublicKey peerOf(Link link) {
    return java.util.Objects.requireNonNull(link.peer);
  }

  private void reply(Link link, Blob frame) {
    if (!network.send(link.id, frame.bytes())) {
      end(link, DropReason.TRANSPORT, "no room for a handshake");
    }
  }

  /** A bug of whoever listens ends the link it was told of, and nothing else. */
  private void tell(Link link, Runnable event) {
    try {
      event.run();
    } catch (RuntimeException | AssertionError e) {
      LOG.log(System.Logger.Level.ERROR, "event=messenger.listener_failed link=" + link.id, e);
      end(link, DropReason.LOCAL, "the listener failed");
    }
  }

  /** Begins to end a link; the agent does the rest. Any thread. */
  private void end(Link link, DropReason reason, String detail) {
    if (!link.ending.compareAndSet(false, true)) {
      return;
    }
    count(dropped, reason, 1);
    reject(reason);
    // Only for debugging: whoever can connect could fill a log. The counters say the same.
    LOG.log(
        System.Logger.Level.DEBUG,
        () ->
            "event=messenger.dropped link="
                + link.id
                + " reason="
                + reason.label()
                + " detail=\""
                + detail
                + "\"");
    network.drop(link.id);
    enqueue(() -> finish(link, reason, detail));
  }

  private void reject(DropReason reason) {
    if (reason.rejection() != null) {
      ports.telemetry().rejected(reason.rejection());
    }
  }

  // ------------------------------------------------------------------ the agent

  private boolean step() {
    for (int i = 0; i < TASKS_PER_STEP; i++) {
      @Nullable Runnable task = inbox.poll();
      if (task == null) {
        break;
      }
      task.run();
    }
    long now = ports.clock().monotonicNanos();
    if (now - nextTick >= 0 && !closed) {
      nextTick = now + nanos(TICK_MS);
      tick(now);
    }
    return !inbox.isEmpty();
  }

  private void tick(long now) {
    resetsLeft = MAX_RESETS_PER_TICK;
    for (Link link : links.values()) {
      @Nullable Session session = link.session;
      if (session == null || link.ending.get()) {
        continue;
      }
      synchronized (link.receiving) {
        handle(link, session.tick(now), now);
      }
      synchronized (link.sending) {
        @Nullable Blob ping = link.ending.get() ? null : session.ping(now);
        if (ping != null && !network.send(link.id, ping.bytes())) {
          notSent.increment();
        }
      }
    }
    for (Dial dial : new ArrayList<>(dials.values())) {
      if (dial.link == 0 && now - dial.due >= 0) {
        dial(dial, now);
      }
    }
  }

  private void dial(Dial dial, long now) {
    try {
      dial.link = network.connect(dial.address);
      dialsByLink.put(dial.link, dial);
    } catch (InvalidRequestException e) {
      // Addresses may come from peers: one that is none must not stop the agent.
      LOG.log(System.Logger.Level.DEBUG, "event=messenger.no_address dial={0}", dial.id);
      dial.due = now + nanos(options.maxRedialMs());
    }
  }

  /** A link is there: the handshake begins. */
  private void begin(long number) {
    @Nullable Link link = links.get(number);
    if (link == null || link.ending.get()) {
      return;
    }
    if (links.size() > options.maxLinks()) {
      ports.telemetry().count(Telemetry.Counter.CONNECTIONS_REFUSED, 1);
      end(link, DropReason.TOO_MANY_LINKS, links.size() + " links");
      return;
    }
    long now = ports.clock().monotonicNanos();
    @Nullable Dial dial = dialsByLink.get(number);
    if (dial != null) {
      link.dial = dial;
      Session session =
          Session.client(self, dial.expected, options.session(), ports.entropy(), now);
      Blob hello = session.hello();
      link.session = session;
      reply(link, hello);
      return;
    }
    link.session = Session.server(self, options.session(), ports.entropy(), now);
    halfOpen.add(number);
    if (halfOpen.size() > options.maxHalfOpen()) {
      long oldest = halfOpen.removeFirst();
      @Nullable Link victim = links.get(oldest);
      if (victim != null && !victim.up) {
        end(victim, DropReason.TOO_MANY_HALF_OPEN, options.maxHalfOpen() + " handshakes");
      }
    }
  }

  private void reset(Link link, Blob frame) {
    if (resetsLeft > 0 && !link.ending.get()) {
      resetsLeft--;
      reply(link, frame);
    }
  }

  private void finish(Link link, DropReason reason, String detail) {
    synchronized (link.receiving) {
      @Nullable Session session = link.session;
      if (session != null) {
        synchronized (link.sending) {
          session.close();
        }
      }
      if (!links.remove(link.id, link)) {
        return;
      }
      if (link.up) {
        link.up = false;
        tell(link, () -> events.down(link.id, reason, detail));
      } else if (link.dial == null) {
        ports.telemetry().count(Telemetry.Counter.CONNECTIONS_REFUSED, 1);
      }
    }
    halfOpen.remove(link.id);
    long now = ports.clock().monotonicNanos();
    redial(link.id, link.upAt != 0 && now - link.upAt >= nanos(options.maxRedialMs()));
  }

  private void redial(long number, boolean lasted) {
    @Nullable Dial dial = dialsByLink.remove(number);
    if (dial == null) {
      return;
    }
    dial.failures = lasted ? 1 : dial.failures + 1;
    dial.link = 0;
    long longest =
        Math.min(
            options.maxRedialMs(),
            options.redialMs() << Math.min(dial.failures - 1, MAX_DOUBLINGS));
    // Half of it at least, so that many who lost one peer do not come back all at once.
    dial.due = ports.clock().monotonicNanos() + (long) (nanos(longest) * (0.5 + 0.5 * random()));
  }

  private double random() {
    byte[] bytes = new byte[Long.BYTES];
    ports.entropy().fill(bytes);
    return (LittleEndian.getLong(bytes, 0) >>> 11) * 0x1.0p-53;
  }

  private static long count(Map<DropReason, LongAdder> counters, DropReason reason) {
    @Nullable LongAdder counter = counters.get(reason);
    return counter == null ? 0 : counter.sum();
  }

  private static void count(Map<DropReason, LongAdder> counters, DropReason reason, long amount) {
    @Nullable LongAdder counter = counters.get(reason);
    if (counter != null) {
      counter.add(amount);
    }
  }

  private static long nanos(long ms) {
    return TimeUnit.MILLISECONDS.toNanos(ms);
  }
}
