package io.capsuledb.replication.replica;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Telemetry.Counter;
import io.capsuledb.core.port.Telemetry.Distribution;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.Refusal;
import io.capsuledb.replication.session.DropReason;
import io.capsuledb.replication.session.Messenger;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The shell of a {@link ReplicaCore}: threads, links and the disk.
 *
 * <p>Three kinds of agents: one steps the core, one commits, some answer reads. They share queues,
 * each with a bound; what does not fit is refused with {@link Refusal#BUSY} and never waits in
 * memory. When the disk fails under the core, the shell closes the log and opens it again, with a
 * new core, until that works; links stay as they are and hear refusals meanwhile.
 *
 * <p>Thread-safe.
 */
public final class ReplicaServer implements Messenger.Events, AutoCloseable {

  /** Bytes of messages that may wait for the core. */
  static final long MAX_INBOX_BYTES = 128L << 20;

  /** Messages that may wait for the core. */
  static final int MAX_INBOX = 65_536;

  /** Reads that may wait. */
  static final int MAX_READS = 8192;

  private static final int READERS = 2;
  private static final int INPUTS_PER_STEP = 512;
  private static final int TICK_MS = 10;
  private static final long FIRST_REOPEN_NANOS = TimeUnit.MILLISECONDS.toNanos(250);
  private static final long LAST_REOPEN_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** A log that has been open for so long without a failure is all right. */
  private static final long QUIET_NANOS = TimeUnit.SECONDS.toNanos(30);

  private static final double NANOS = 1e-9;

  private static final int MAX_CHANGES_HERE = 64;

  private static final System.Logger LOG = System.getLogger(ReplicaServer.class.getName());

  /** What a server is made of. */
  public record Ports(Clock clock, Entropy entropy, Scheduler scheduler, Telemetry telemetry) {}

  /** Something for the core to do. */
  private sealed interface Input {
    record Up(long link, PublicKey peer) implements Input {}

    record Down(long link) implements Input {}

    record Received(long link, Message message, long bytes) implements Input {}

    record Committed(@Nullable CapsuleException failed) implements Input {}

    record Damaged(CapsuleName capsule, long writer, long sequence) implements Input {}
  }

  private record Read(long link, Message.Request request) {}

  private final ReplicaOptions options;
  private final ReplicaIdentity identity;
  private final Secp256k1 curve;
  private final Supplier<? extends ReplicaLog> opener;
  private final Ports ports;
  private final List<Scheduler.Running> agents = new ArrayList<>();

  private final Object monitor = new Object();
  // Guarded by monitor:
  private final ArrayDeque<Input> inbox = new ArrayDeque<>();
  private final ArrayDeque<Read> reads = new ArrayDeque<>();
  private ReplicaLog.@Nullable Batch toCommit;
  private final CommitPace pace = new CommitPace();
  private long inboxBytes;
  private int committing;
  private int reading;

  private final AtomicLong busy = new AtomicLong();
  private volatile @Nullable Messenger messenger;
  private volatile @Nullable ReplicaLog log;
  private volatile @Nullable ReplicaReader reader;
  private volatile @Nullable CapsuleException trouble;
  private volatile List<Message.Counter> status = List.of();
  private Scheduler.@Nullable Running stepping;
  private Scheduler.@Nullable Running writing;
  private final List<Scheduler.Running> answering = new ArrayList<>();

  /** Whether an agent steps the core: its own, or the one that commits. */
  private final AtomicBoolean isStepping = new AtomicBoolean();

  // Of who set isStepping:
  private @Nullable ReplicaCore core;
  private final Map<Long, PublicKey> links = new HashMap<>();
  private long nextTick;
  private long nextStatus;
  private long openedAt;
  private long reopenAt;
  private long reopenDelay = FIRST_REOPEN_NANOS;

  private ReplicaServer(
      ReplicaOptions options,
      ReplicaIdentity identity,
      Secp256k1 curve,
      Supplier<? extends ReplicaLog> opener,
      Ports ports) {
    this.options = options;
    this.identity = identity;
    this.curve = curve;
    this.opener = opener;
    this.ports = ports;
  }

  /**
   * Starts a replica without links: {@link #attach} gives it a messenger.
   *
   * @param opener opens the replica's log, now and again after a failure
   * @throws CapsuleException if the log cannot be opened now
   */
  public static ReplicaServer start(
      ReplicaOptions options,
      ReplicaIdentity identity,
      Secp256k1 curve,
      Supplier<? extends ReplicaLog> opener,
      Ports ports) {
    ReplicaServer server = new ReplicaServer(options, identity, curve, opener, ports);
    server.open();
    server.writing = ports.scheduler().start("replica-commit", server::commitStep, 0);
    server.agents.add(server.writing);
    for (int i = 0; i < READERS; i++) {
      Scheduler.Running agent = ports.scheduler().start("replica-read-" + i, server::readStep, 0);
      server.answering.add(agent);
      server.agents.add(agent);
    }
    server.stepping = ports.scheduler().start("replica-core", server::step, TICK_MS);
    server.agents.add(server.stepping);
    return server;
  }

  /** Gives it the messenger whose events it is told; once, before that listens or dials. */
  public void attach(Messenger links) {
    messenger = links;
  }

  // ------------------------------------------------------------------ events, on any thread

  @Override
  public void up(long link, PublicKey peer, long dial) {
    enqueue(new Input.Up(link, peer));
  }

  @Override
  public void down(long link, DropReason reason, String detail) {
    enqueue(new Input.Down(link));
  }

  @Override
  public void received(long link, Message message) {
    long bytes = bytesOf(message);
    boolean full;
    synchronized (monitor) {
      full = inbox.size() >= MAX_INBOX || inboxBytes + bytes > MAX_INBOX_BYTES;
      if (!full) {
        inbox.add(new Input.Received(link, message, bytes));
        inboxBytes += bytes;
      }
    }
    if (full) {
      refuseBusy(link, message);
    } else {
      stepHere();
    }
  }

  /**
   * Steps the core on the caller's thread if nobody else is at it: what came need not wait for
   * another thread to wake.
   */
  private void stepHere() {
    boolean open = true;
    if (isStepping.compareAndSet(false, true)) {
      try {
        // Opening the log again takes long, and is the agent's.
        open = core != null;
        if (open) {
          stepAlone();
        }
      } finally {
        isStepping.set(false);
      }
    }
    if (mayCommitHere()) {
      commitStep();
    }
    handOver();
    if (!open || hasInput()) {
      signal(stepping);
    }
  }

  /**
   * Whether a commit is made on the thread that read what is to be committed: if nothing else is
   * there to be done meanwhile, and the disk has long been as fast as another thread wakes.
   */
  private boolean mayCommitHere() {
    synchronized (monitor) {
      return toCommit != null
          && inbox.isEmpty()
          && toCommit.size() <= MAX_CHANGES_HERE
          && pace.isQuick(ports.clock().monotonicNanos());
    }
  }

  /** Has what is to be committed be committed. */
  private void handOver() {
    boolean due;
    synchronized (monitor) {
      due = toCommit != null;
    }
    if (due) {
      signal(writing);
    }
  }

  private static long bytesOf(Message message) {
    List<Blob> blobs =
        switch (message) {
          case Message.Append append -> append.records();
          case Message.Records records -> records.records();
          case Message.Relay relay -> List.of(relay.frame());
          default -> List.of();
        };
    long bytes = 256;
    for (Blob blob : blobs) {
      bytes += blob.length();
    }
    return bytes;
  }

  private void refuseBusy(long link, Message message) {
    busy.incrementAndGet();
    if (message instanceof Message.Request request) {
      send(
          link,
          new Message.Refused(
              request.request(), Refusal.BUSY, 0, 0, "too much is waiting at this replica"));
    }
  }

  /** A record that a scrub or a read found damaged. */
  public void damaged(CapsuleName capsule, long writer, long sequence) {
    enqueue(new Input.Damaged(capsule, writer, sequence));
  }

  private void enqueue(Input input) {
    synchronized (monitor) {
      inbox.add(input);
    }
    signal(stepping);
  }

  private static void signal(Scheduler.@Nullable Running agent) {
    if (agent != null) {
      agent.signal();
    }
  }

  private void send(long link, Message message) {
    Messenger to = messenger;
    if (to != null) {
      // What finds no room is lost, as anything may be that goes over a network.
      to.send(link, message);
    }
  }

  // ------------------------------------------------------------------ the core's agent

  private final class Out implements ReplicaOutbox {
    @Override
    public void send(long link, Message message) {
      ReplicaServer.this.send(link, message);
    }

    @Override
    public void commit(ReplicaLog.Batch batch) {
      synchronized (monitor) {
        if (toCommit != null) {
          throw new IllegalStateException("a commit is under way");
        }
        // Who steps hands it over, or commits it itself.
        toCommit = batch;
      }
    }

    @Override
    public void answer(long link, Message.Request read) {
      boolean full;
      synchronized (monitor) {
        full = reads.size() >= MAX_READS;
        if (!full) {
          reads.add(new Read(link, read));
        }
      }
      if (full) {
        refuseBusy(link, read);
      } else {
        answering.forEach(ReplicaServer::signal);
      }
    }
  }

  private void open() {
    ReplicaLog opened = opener.get();
    log = opened;
    reader = new ReplicaReader(opened, this::damaged);
    byte[] seed = new byte[Long.BYTES];
    ports.entropy().fill(seed);
    ReplicaCore fresh =
        new ReplicaCore(
            options,
            identity,
            curve,
            opened,
            new Out(),
            ports.telemetry(),
            LittleEndian.getLong(seed, 0));
    links.forEach(fresh::up);
    openedAt = ports.clock().monotonicNanos();
    core = fresh;
    trouble = null;
    fresh.endStep();
  }

  /** One step of the core's agent. */
  private boolean step() {
    if (!isStepping.compareAndSet(false, true)) {
      // Who steps signals when it is done.
      return false;
    }
    boolean more;
    try {
      more = stepAlone();
    } finally {
      isStepping.set(false);
    }
    handOver();
    return more;
  }

  private boolean stepAlone() {
    ReplicaCore at = core;
    if (at == null) {
      return reopen();
    }
    List<Input> inputs = take();
    long now = ports.clock().monotonicNanos();
    try {
      for (Input input : inputs) {
        apply(at, now, input);
      }
      if (now - nextTick >= 0) {
        nextTick = now + TimeUnit.MILLISECONDS.toNanos(TICK_MS);
        at.tick(now);
      }
      at.endStep();
      if (now - nextStatus >= 0) {
        nextStatus = now + TimeUnit.MILLISECONDS.toNanos(200);
        status = at.status();
      }
    } catch (CapsuleException e) {
      fail(e);
      return true;
    } catch (RuntimeException | Error e) {
      LOG.log(System.Logger.Level.ERROR, "event=replica.defect", e);
      fail(new StorageException("the replica met a defect and starts again", e));
      return true;
    }
    CapsuleException failure = at.failure();
    if (failure != null) {
      fail(failure);
    } else if (now - openedAt > QUIET_NANOS) {
      reopenDelay = FIRST_REOPEN_NANOS;
    }
    return !inputs.isEmpty();
  }

  private List<Input> take() {
    List<Input> inputs = new ArrayList<>();
    synchronized (monitor) {
      while (inputs.size() < INPUTS_PER_STEP && !inbox.isEmpty()) {
        Input next = inbox.remove();
        if (next instanceof Input.Received received) {
          inboxBytes -= received.bytes();
        }
        inputs.add(next);
      }
    }
    return inputs;
  }

  private void apply(ReplicaCore at, long now, Input input) {
    switch (input) {
      case Input.Up up -> {
        links.put(up.link(), up.peer());
        at.up(up.link(), up.peer());
      }
      case Input.Down down -> {
        links.remove(down.link());
        at.down(down.link());
      }
      case Input.Received received -> at.receive(now, received.link(), received.message());
      case Input.Committed committed -> at.committed(committed.failed());
      case Input.Damaged damaged ->
          at.damaged(damaged.capsule(), damaged.writer(), damaged.sequence());
    }
  }

  /** Gives the core up; {@link #reopen} makes the next. */
  private void fail(CapsuleException why) {
    trouble = why;
    long delayMs = TimeUnit.NANOSECONDS.toMillis(reopenDelay);
    if (why instanceof UnavailableException) {
      LOG.log(
          System.Logger.Level.WARNING,
          "event=replica.full reopen_ms=" + delayMs + " reason=\"" + why.getMessage() + "\"");
    } else {
      LOG.log(
          System.Logger.Level.ERROR,
          "event=replica.stopped code=" + why.code() + " reopen_ms=" + delayMs,
          why);
    }
    core = null;
    reopenAt = ports.clock().monotonicNanos() + reopenDelay;
    reopenDelay = Math.min(LAST_REOPEN_NANOS, 2 * reopenDelay);
  }

  private boolean reopen() {
    long now = ports.clock().monotonicNanos();
    // Reads go on with the old log; everything else is refused at once.
    for (Input input : take()) {
      switch (input) {
        case Input.Up up -> links.put(up.link(), up.peer());
        case Input.Down down -> links.remove(down.link());
        case Input.Received received -> refuse(received);
        case Input.Committed committed -> LOG.log(System.Logger.Level.DEBUG, committed.toString());
        case Input.Damaged damaged -> LOG.log(System.Logger.Level.DEBUG, damaged.toString());
      }
    }
    if (now - reopenAt < 0) {
      return false;
    }
    ReplicaLog old = log;
    synchronized (monitor) {
      if (committing > 0 || reading > 0) {
        return true;
      }
      toCommit = null;
      // What became of the old core's commit is not for the new one.
      inbox.removeIf(input -> input instanceof Input.Committed);
      reader = null;
      log = null;
    }
    if (old != null) {
      old.close();
    }
    try {
      open();
      LOG.log(System.Logger.Level.INFO, "event=replica.reopened");
    } catch (CapsuleException e) {
      fail(e);
    }
    return true;
  }

  private void refuse(Input.Received received) {
    if (received.message() instanceof Message.ReadRange
        || received.message() instanceof Message.ReadHash) {
      new Out().answer(received.link(), (Message.Request) received.message());
    } else if (received.message() instanceof Message.Request request) {
      send(
          received.link(),
          new Message.Refused(
              request.request(),
              trouble instanceof UnavailableException ? Refusal.FULL : Refusal.DAMAGED,
              0,
              0,
              "nothing is stored at present"));
    }
  }

  // ------------------------------------------------------------------ other agents

  private boolean commitStep() {
    ReplicaLog.Batch batch;
    ReplicaLog to;
    synchronized (monitor) {
      batch = toCommit;
      to = log;
      if (batch == null || to == null) {
        return false;
      }
      toCommit = null;
      committing++;
    }
    CapsuleException failed = null;
    long begin = ports.clock().monotonicNanos();
    try {
      to.commit(batch);
    } catch (CapsuleException e) {
      failed = e;
    } catch (RuntimeException | Error e) {
      failed = new StorageException("a commit met a defect", e);
    }
    long nanos = ports.clock().monotonicNanos() - begin;
    double seconds = nanos * NANOS;
    ports.telemetry().observe(Distribution.STORE_SYNC_SECONDS, seconds);
    ports.telemetry().count(Counter.RECORDS_DURABLE, failed == null ? batch.size() : 0);
    synchronized (monitor) {
      committing--;
      pace.committed(begin + nanos, nanos);
      inbox.addFirst(new Input.Committed(failed));
    }
    // What was committed is answered, and the next commit begun, without another thread's waking.
    step();
    if (hasInput()) {
      signal(stepping);
    }
    return true;
  }

  private boolean hasInput() {
    synchronized (monitor) {
      return !inbox.isEmpty();
    }
  }

  private boolean readStep() {
    Read read;
    ReplicaReader from;
    synchronized (monitor) {
      from = reader;
      read = from == null ? null : reads.poll();
      if (read == null || from == null) {
        return false;
      }
      reading++;
    }
    try {
      send(read.link, from.answer(read.request));
    } catch (RuntimeException | Error e) {
      LOG.log(System.Logger.Level.ERROR, "event=replica.read_failed", e);
      send(
          read.link,
          new Message.Refused(
              read.request.request(), Refusal.DAMAGED, 0, 0, "the read failed here"));
    } finally {
      synchronized (monitor) {
        reading--;
      }
    }
    return true;
  }

  // ------------------------------------------------------------------ looking

  /** Who it is. */
  public PublicKey key() {
    return identity.key();
  }

  /** Why nothing is stored at present, or null. */
  public @Nullable String trouble() {
    CapsuleException why = trouble;
    return why == null ? null : why.code() + ": " + why.getMessage();
  }

  /** What the core counted, at most a fraction of a second ago. */
  public List<Message.Counter> status() {
    return status;
  }

  /** The log as it is now; null while it is being opened again. */
  public @Nullable ReplicaLog log() {
    return log;
  }

  /** Messages that found no room. */
  public long refusedBusy() {
    return busy.get();
  }

  /** Stops its agents and closes its log; the messenger is its owner's. Idempotent. */
  @Override
  public void close() {
    for (int i = agents.size() - 1; i >= 0; i--) {
      agents.get(i).close();
    }
    agents.clear();
    ReplicaLog open = log;
    log = null;
    if (open != null) {
      open.close();
    }
  }
}
