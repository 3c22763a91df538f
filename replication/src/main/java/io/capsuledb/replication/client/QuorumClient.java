package io.capsuledb.replication.client;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.protocol.SignedStatement;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Runs a {@link QuorumClientCore}: one agent gives it what happens and does what it wants done;
 * callers wait for the answers.
 *
 * <p>The core belongs to the agent; everybody else puts work into the inbox. What callers look at
 * is volatile. Thread-safe.
 */
public final class QuorumClient implements ReplicaLinks.Events, AutoCloseable {

  /** What a client needs from outside. */
  public record Ports(ReplicaLinks links, Clock clock, Entropy entropy, Scheduler scheduler) {}

  /** Learns what happens; called on the agent, must return at once and not throw. */
  public interface Listener {
    /** Does nothing. */
    Listener NONE = new Listener() {};

    /** Links to these replicas are wanted from now on. */
    default void membership(Membership membership) {}

    /**
     * There is proof against a replica, or against a writer if {@code replica} is null.
     *
     * @param evidence as in the payload of an EVIDENCE record
     */
    default void accused(@Nullable PublicKey replica, Blob evidence) {}

    /** A replica was wrong. */
    default void struck(PublicKey replica, String reason) {}
  }

  /** Something that will be known. Looked at by whoever asked for it. */
  public static final class Answer<T> {
    private volatile @Nullable T value;
    private volatile @Nullable CapsuleException failure;

    private Answer() {}

    /** Whether it is known, or known not to come. */
    public boolean isDone() {
      return value != null || failure != null;
    }
  }

  /** Says that an append is durable. */
  public enum Stored {
    /** It is. */
    DURABLE
  }

  /**
   * What replicas gave for a read.
   *
   * @param records none if there is nothing
   * @param from who gave them; null without records
   */
  public record Found(List<Blob> records, @Nullable PublicKey from) {
    public Found {
      records = List.copyOf(records);
    }
  }

  /**
   * How a step of a seal came out.
   *
   * @param value the head to propose, or that is final; null if it was overruled
   * @param beyond the ballot to go beyond; null if it was not overruled
   * @param said what replicas have promised; none if it was overruled
   */
  public record SealOutcome(
      @Nullable ChainHead value, @Nullable Ballot beyond, Map<PublicKey, SealState> said) {
    public SealOutcome {
      said = Map.copyOf(said);
    }
  }

  private static final System.Logger LOG = System.getLogger(QuorumClient.class.getName());
  private static final long TICK_MS = 5;
  private static final int INPUTS_PER_STEP = 256;

  /** Steps that who appends does at most, of all that is to be done. */
  private static final int STEPS_HERE = 4;

  private static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long LISTEN_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  /** The number of every request that is about frames: their replies are not told apart. */
  private static final long FRAMES_REQUEST = 0;

  private static final long NEEDY_NANOS = TimeUnit.SECONDS.toNanos(3);
  private static final long FOREVER_NANOS = TimeUnit.DAYS.toNanos(36_500);

  private final CapsuleName capsule;
  private final QuorumOptions options;
  private final Ports ports;
  private final Listener listener;
  private final Scheduler.Gate gate;
  private final ConcurrentLinkedQueue<LongConsumer> inbox = new ConcurrentLinkedQueue<>();
  private final Object roomMonitor = new Object();
  private long takenBytes;

  private volatile @Nullable CapsuleException failure;
  private volatile @Nullable CapsuleException unavailable;
  private volatile boolean available;
  private volatile @Nullable Blob metadata;
  private volatile @Nullable Membership membership;
  private volatile List<Blob> signedMemberships = List.of();
  private volatile List<QuorumClientCore.ReplicaStatus> replicas = List.of();
  private volatile QuorumClientCore.@Nullable Stats stats;
  private volatile boolean closed;
  private volatile @Nullable Consumer<Blob> frames;
  private volatile boolean needy;

  /** Who said when that others need relays of frames; the newest word of each replica. */
  private final Map<PublicKey, Long> needySeen = new ConcurrentHashMap<>();

  private volatile Scheduler.@Nullable Running running;

  /** The thread that steps the core, or null. */
  private volatile @Nullable Thread stepper;

  /** Whether somebody steps the core: the agent, or who appends. */
  private final AtomicBoolean stepping = new AtomicBoolean();

  // Of who set stepping.
  private final QuorumClientCore core;
  private final Set<PublicKey> up = ConcurrentHashMap.newKeySet();
  private final Map<Long, Appending> appends = new HashMap<>();
  private final Map<Long, Answer<Found>> reads = new HashMap<>();
  private final Map<Long, Answer<RecoveredFrontier>> recoveries = new HashMap<>();
  private final Map<Long, Answer<SealOutcome>> seals = new HashMap<>();
  private long nextTick;
  private long nextListen;

  private record Appending(RecordStore.Appended done, long bytes) {}

  private QuorumClient(
      CapsuleName capsule, QuorumOptions options, Secp256k1 curve, Ports ports, Listener listener) {
    this.capsule = capsule;
    this.options = options;
    this.ports = ports;
    this.listener = listener;
    this.gate = ports.scheduler().gate();
    this.core = new QuorumClientCore(capsule, options, curve, ports.entropy());
    this.nextTick = ports.clock().monotonicNanos();
    this.nextListen = nextTick;
  }

  /** Starts a client. Whoever owns the links tells it of them by {@link ReplicaLinks.Events}. */
  public static QuorumClient start(
      CapsuleName capsule, QuorumOptions options, Secp256k1 curve, Ports ports, Listener listener) {
    QuorumClient client = new QuorumClient(capsule, options, curve, ports, listener);
    client.running = ports.scheduler().start("quorum-client", client::step, TICK_MS);
    return client;
  }

  // ------------------------------------------------------------------ events of links

  @Override
  public void up(PublicKey replica) {
    enqueue(
        now -> {
          up.add(replica);
          nextListen = now;
          core.linkUp(now, replica);
        });
  }

  @Override
  public void down(PublicKey replica) {
    enqueue(
        now -> {
          up.remove(replica);
          core.linkDown(now, replica);
        });
  }

  @Override
  public void received(PublicKey replica, Message message) {
    if (message instanceof Message.Relayed(_, Blob frame)) {
      Consumer<Blob> hears = frames;
      if (hears != null) {
        hears.accept(frame);
      }
      return;
    }
    if (message instanceof Message.Listening(_, int others)) {
      if (others > 0) {
        needySeen.put(replica, ports.clock().monotonicNanos());
      } else {
        needySeen.remove(replica);
      }
      return;
    }
    inbox.add(now -> core.received(now, replica, message));
    // On the thread that read it: what comes of it need not wait for another one to wake.
    stepHere();
  }

  private void enqueue(LongConsumer input) {
    inbox.add(input);
    signal();
  }

  private void signal() {
    Scheduler.Running agent = running;
    if (agent != null) {
      agent.signal();
    }
  }

  // ------------------------------------------------------------------ the agent

  private boolean step() {
    if (!stepping.compareAndSet(false, true)) {
      // Who steps looks again when it is done.
      return false;
    }
    try {
      return stepAlone();
    } finally {
      stepping.set(false);
    }
  }

  /**
   * Steps on the caller's thread if nobody else is at it, so that what was enqueued need not wait
   * for another thread to wake. The caller holds no lock.
   */
  private void stepHere() {
    for (int i = 0; (i < STEPS_HERE || closed) && !inbox.isEmpty(); i++) {
      if (!stepping.compareAndSet(false, true)) {
        break;
      }
      try {
        stepAlone();
      } finally {
        stepping.set(false);
      }
    }
    // Also what came while the other one was at its end.
    if (!inbox.isEmpty()) {
      signal();
    }
  }

  private boolean stepAlone() {
    stepper = Thread.currentThread();
    try {
      return stepped();
    } catch (CapsuleException e) {
      end(e);
    } catch (RuntimeException | AssertionError e) {
      LOG.log(System.Logger.Level.ERROR, "event=quorum_client.defect", e);
      end(new StorageException("the client of the replicas failed", e));
    } finally {
      stepper = null;
    }
    return false;
  }

  private boolean stepped() {
    long now = ports.clock().monotonicNanos();
    for (int i = 0; i < INPUTS_PER_STEP; i++) {
      LongConsumer input = inbox.poll();
      if (input == null) {
        break;
      }
      input.accept(now);
    }
    if (now - nextTick >= 0) {
      nextTick = now + TimeUnit.MILLISECONDS.toNanos(TICK_MS);
      core.tick(now);
      unavailable = core.unavailable(now);
      replicas = core.replicas();
      stats = core.stats();
    }
    if (frames != null && now - nextListen >= 0) {
      nextListen = now + LISTEN_NANOS;
      for (PublicKey replica : up) {
        ports.links().send(replica, new Message.Listen(FRAMES_REQUEST, capsule, needy));
      }
    }
    boolean changed = false;
    for (List<QuorumOutput> outputs = core.take(); !outputs.isEmpty(); outputs = core.take()) {
      for (QuorumOutput output : outputs) {
        changed |= handle(now, output);
      }
    }
    available = core.available();
    if (closed) {
      abandon(unknown());
    }
    if (changed) {
      gate.signalAll();
    }
    return !inbox.isEmpty();
  }

  /** Returns whether somebody may have waited for it. */
  private boolean handle(long now, QuorumOutput output) {
    switch (output) {
      case QuorumOutput.Send(PublicKey replica, Message message) -> {
        if (!ports.links().send(replica, message)) {
          core.notSent(now, replica, message);
        }
        return false;
      }
      case QuorumOutput.Appended(long ticket, CapsuleException unknown) -> {
        if (unknown == null) {
          Appending appending = appends.remove(ticket);
          if (appending != null) {
            giveBack(appending.bytes);
            appending.done.appended(null);
          }
        }
      }
      case QuorumOutput.Durable _ -> {
        return false;
      }
      case QuorumOutput.Read(long ticket, var records, PublicKey from, CapsuleException failed) -> {
        Answer<Found> answer = reads.remove(ticket);
        if (answer != null) {
          complete(answer, failed == null ? new Found(records, from) : null, failed);
        }
      }
      case QuorumOutput.Recovered(long ticket, RecoveredFrontier frontier) ->
          complete(recoveries.remove(ticket), frontier, null);
      case QuorumOutput.MetadataFound _ -> metadata = core.metadata();
      case QuorumOutput.MembershipAdopted(Membership adopted) -> {
        signedMemberships = core.signedMemberships();
        membership = adopted;
        metadata = core.metadata();
        listener.membership(adopted);
        up.forEach(replica -> core.linkUp(now, replica));
      }
      case QuorumOutput.SealReached(long ticket, ChainHead value, var said) ->
          complete(seals.remove(ticket), new SealOutcome(value, null, said), null);
      case QuorumOutput.Abandoned(long ticket) -> {
        Appending appending = appends.remove(ticket);
        if (appending != null) {
          giveBack(appending.bytes);
          appending.done.appended(new UnavailableException("the append was given up"));
        }
      }
      case QuorumOutput.SealOverruled(long ticket, Ballot beyond) ->
          complete(seals.remove(ticket), new SealOutcome(null, beyond, Map.of()), null);
      case QuorumOutput.Accused(PublicKey replica, Blob evidence) -> {
        LOG.log(
            System.Logger.Level.ERROR,
            "event=evidence.found capsule={0} against={1}",
            capsule,
            replica == null ? "writer" : replica);
        listener.accused(replica, evidence);
      }
      case QuorumOutput.Struck(PublicKey replica, String reason) -> {
        LOG.log(System.Logger.Level.DEBUG, "event=replica.wrong replica={0} {1}", replica, reason);
        listener.struck(replica, reason);
      }
      case QuorumOutput.Failed(CapsuleException cause) -> end(cause);
    }
    return true;
  }

  private static <T> void complete(
      @Nullable Answer<T> answer, @Nullable T value, @Nullable CapsuleException failed) {
    if (answer != null) {
      answer.value = value;
      answer.failure = failed;
    }
  }

  private void giveBack(long bytes) {
    synchronized (roomMonitor) {
      takenBytes -= bytes;
    }
  }

  private void end(CapsuleException cause) {
    if (failure == null) {
      failure = cause;
      LOG.log(System.Logger.Level.ERROR, "event=quorum_client.failed reason=\"{0}\"", cause);
    }
    abandon(cause);
    gate.signalAll();
  }

  /** Tells everybody who waits for appends that their outcome will not be known. */
  private void abandon(CapsuleException why) {
    List<Appending> left = List.copyOf(appends.values());
    appends.clear();
    for (Appending appending : left) {
      giveBack(appending.bytes);
      appending.done.appended(why);
    }
  }

  // ------------------------------------------------------------------ waiting

  /**
   * Waits for an answer.
   *
   * @return the answer, or null if it did not come in time
   * @throws CapsuleException why it will not come; {@link OutcomeUnknownException} if the client
   *     was closed meanwhile
   */
  public <T> @Nullable T await(Answer<T> answer, long timeoutNanos) {
    long deadline = ports.clock().monotonicNanos() + timeoutNanos;
    while (true) {
      T value = answer.value;
      if (value != null) {
        return value;
      }
      CapsuleException failed = answer.failure;
      if (failed != null) {
        throw failed;
      }
      checkRunning();
      long left = deadline - ports.clock().monotonicNanos();
      if (left <= 0) {
        return null;
      }
      gate.await(() -> answer.isDone() || isStopped(), Math.min(left, LOOK_NANOS));
    }
  }

  /** Waits for an answer for as long as it takes. */
  public <T> T await(Answer<T> answer) {
    T value = await(answer, FOREVER_NANOS);
    if (value == null) {
      throw new IllegalStateException("waited for a hundred years");
    }
    return value;
  }

  /**
   * Waits a while.
   *
   * @throws CapsuleException as {@link #await}, if the client stops
   */
  void pause(long nanos) {
    long end = ports.clock().monotonicNanos() + nanos;
    while (ports.clock().monotonicNanos() - end < 0) {
      checkRunning();
      gate.await(this::isStopped, end - ports.clock().monotonicNanos());
    }
  }

  private boolean isStopped() {
    return closed || failure != null;
  }

  private void checkRunning() {
    CapsuleException failed = failure;
    if (failed != null) {
      throw failed;
    }
    if (closed) {
      throw unknown();
    }
  }

  private static OutcomeUnknownException unknown() {
    return new OutcomeUnknownException(
        "closed while replicas had not said yet that they hold the records");
  }

  private <T> Answer<T> ask(Map<Long, Answer<T>> waiting, Function<Long, Long> question) {
    Answer<T> answer = new Answer<>();
    enqueue(
        now -> {
          try {
            waiting.put(question.apply(now), answer);
          } catch (CapsuleException e) {
            complete(answer, null, e);
            gate.signalAll();
          }
        });
    return answer;
  }

  // ------------------------------------------------------------------ the capsule

  /** The capsule's name. */
  public CapsuleName capsule() {
    return capsule;
  }

  /** Makes the capsule known; replicas that do not hold it are told to. */
  public void know(byte[] signedMetadata) {
    enqueue(now -> core.know(now, Blob.of(signedMetadata)));
  }

  /**
   * The signed metadata.
   *
   * @return null if they are not known, and no replica said what they are in time
   */
  public byte @Nullable [] metadata(long timeoutNanos) {
    long deadline = ports.clock().monotonicNanos() + timeoutNanos;
    while (true) {
      Blob known = metadata;
      if (known != null) {
        return known.bytes();
      }
      checkRunning();
      long left = deadline - ports.clock().monotonicNanos();
      if (left <= 0) {
        return null;
      }
      gate.await(() -> metadata != null || isStopped(), Math.min(left, LOOK_NANOS));
    }
  }

  /** The newest membership that is known, or null. */
  public @Nullable Membership membership() {
    return membership;
  }

  /** The signed memberships from version 1 on. */
  public List<Blob> signedMemberships() {
    return signedMemberships;
  }

  /** Whether a quorum of replicas is connected, answers and takes records. */
  public boolean available() {
    return available && !isStopped();
  }

  /** Why new writes are refused, or null if they are not. */
  public @Nullable CapsuleException unavailable() {
    return unavailable;
  }

  /** Why this client stopped, or null. */
  public @Nullable CapsuleException failure() {
    return failure;
  }

  /** The replicas, as this client sees them. */
  public List<QuorumClientCore.ReplicaStatus> replicas() {
    return replicas;
  }

  /** What happened so far; null at the very beginning. */
  public QuorumClientCore.@Nullable Stats stats() {
    return stats;
  }

  // ------------------------------------------------------------------ appending

  /**
   * Hands records over, to be tried until they are durable. Waits while too much is pending.
   *
   * @param own whether nobody but this client writes these chains
   * @throws OutcomeUnknownException if the client is closed
   */
  public Answer<Stored> append(boolean own, List<StoredRecord> records) {
    Answer<Stored> answer = new Answer<>();
    append(
        own,
        records,
        failed -> {
          complete(answer, failed == null ? Stored.DURABLE : null, failed);
          gate.signalAll();
        });
    return answer;
  }

  /**
   * As {@link #append(boolean, List)}, for who does not wait.
   *
   * @param done told on any thread, perhaps before this returns, and of one append after the other
   */
  public void append(boolean own, List<StoredRecord> records, RecordStore.Appended done) {
    long sum = 0;
    for (StoredRecord record : records) {
      sum += record.bytes().length;
    }
    long bytes = sum;
    while (!reserve(bytes)) {
      checkRunning();
      gate.await(() -> hasRoom(bytes) || isStopped(), LOOK_NANOS);
    }
    checkRunning();
    List<StoredRecord> copy = List.copyOf(records);
    inbox.add(
        now -> {
          try {
            appends.put(
                core.append(now, own, copy, now + FOREVER_NANOS), new Appending(done, bytes));
          } catch (CapsuleException e) {
            giveBack(bytes);
            done.appended(e);
          }
        });
    stepHere();
  }

  private boolean hasRoom(long bytes) {
    synchronized (roomMonitor) {
      return takenBytes == 0 || takenBytes + bytes <= options.maxPendingBytes();
    }
  }

  private boolean reserve(long bytes) {
    synchronized (roomMonitor) {
      if (!hasRoom(bytes)) {
        return false;
      }
      takenBytes += bytes;
      return true;
    }
  }

  /** Lets go of a chain of somebody else that was brought to a quorum. */
  public void forget(long writer) {
    enqueue(now -> core.forget(writer));
  }

  /** Makes a writer's key known; see {@link QuorumClientCore#introduce}. */
  public void introduce(RosterEntry entry) {
    enqueue(now -> core.introduce(entry));
  }

  /** Tells replicas that payloads may go, by a CHECKPOINT that is durable. */
  public void release(long writer, long sequence, List<Checkpoint.Range> ranges) {
    List<Checkpoint.Range> copy = List.copyOf(ranges);
    enqueue(now -> core.release(now, writer, sequence, copy));
  }

  /** The statements that make a record durable; none if a quorum's are not there. */
  public List<SignedStatement> vouchers(long writer, long sequence) {
    Answer<List<SignedStatement>> answer = new Answer<>();
    enqueue(
        now -> {
          List<SignedStatement> statements = core.vouchers(writer, sequence);
          complete(answer, statements == null ? List.of() : statements, null);
          gate.signalAll();
        });
    return await(answer);
  }

  // ------------------------------------------------------------------ reading

  /** Reads the record with a hash; see {@link QuorumClientCore#read}. */
  public Answer<Found> read(Hash32 hash, boolean whole, long timeoutNanos) {
    return ask(reads, now -> core.read(now, hash, whole, now + timeoutNanos));
  }

  /** Reads records of a writer; see {@link QuorumClientCore#readRange}. */
  public Answer<Found> readRange(long writer, long from, long to, int maxBytes, long timeoutNanos) {
    return ask(reads, now -> core.readRange(now, writer, from, to, maxBytes, now + timeoutNanos));
  }

  /** What a replica gave turned out to be wrong. */
  public void blame(PublicKey replica, String reason) {
    enqueue(now -> core.blame(now, replica, reason));
  }

  /** Asks a quorum what it holds; see {@link QuorumClientCore#recoverFrontier}. */
  public Answer<RecoveredFrontier> recover() {
    return ask(recoveries, core::recoverFrontier);
  }

  /** The same, as {@link QuorumClientCore#recoverFrontier(long, long)}. */
  public Answer<RecoveredFrontier> recover(long graceNanos) {
    return ask(recoveries, now -> core.recoverFrontier(now, graceNanos));
  }

  /** Says that a head is known to be durable; see {@link QuorumClientCore#demand}. */
  public void demand(long writer, ChainHead head) {
    enqueue(now -> core.demand(writer, head));
  }

  /** Follows one step in sealing a writer; see {@link QuorumClientCore#follow}. */
  public Answer<SealOutcome> follow(SealOrder order, Ballot ballot) {
    return follow(order, ballot, Set.of());
  }

  /** Follows one step, not counting what some replicas say. */
  public Answer<SealOutcome> follow(SealOrder order, Ballot ballot, Set<PublicKey> disbelieved) {
    Set<PublicKey> copy = Set.copyOf(disbelieved);
    return ask(seals, now -> core.follow(order, ballot, copy));
  }

  /** Says that a chain may come to its end; see {@link QuorumClientCore#expendable}. */
  public void expendable(long writer) {
    enqueue(now -> core.expendable(writer));
  }

  /** Gives a chain up; see {@link QuorumClientCore#abandon}. */
  public void abandon(long writer) {
    enqueue(now -> core.abandon(writer));
  }

  /** Whether replicas are a quorum of the newest membership that is known. */
  boolean isQuorum(Predicate<PublicKey> replicas) {
    Membership current = membership;
    return current != null && current.isQuorum(replicas);
  }

  // ------------------------------------------------------------------ frames

  /**
   * Listens to the frames that others have replicas relay, from now on.
   *
   * @param hears called on any thread, of each frame perhaps once for every replica; must return at
   *     once and not throw
   * @param nowhereElse whether others are to relay because of this client: it hears them in no
   *     other way
   */
  public void listen(Consumer<Blob> hears, boolean nowhereElse) {
    frames = hears;
    needy = nowhereElse;
    enqueue(now -> nextListen = now);
  }

  /**
   * Has replicas relay a frame to all others that listen. Nothing is promised of it, not even that
   * it comes only once.
   *
   * @param frame at most {@link Message#MAX_RELAYED_BYTES}, not to be modified from here on
   */
  public void relay(byte[] frame) {
    Message.Relay message = new Message.Relay(FRAMES_REQUEST, capsule, Blob.of(frame));
    for (PublicKey replica : up) {
      ports.links().send(replica, message);
    }
  }

  /** Whether somebody else hears frames only if replicas relay them, as far as replicas say. */
  public boolean othersNeedRelays() {
    long now = ports.clock().monotonicNanos();
    for (long seen : needySeen.values()) {
      if (now - seen < NEEDY_NANOS) {
        return true;
      }
    }
    return false;
  }

  /** Ends all waiting; what is pending may be durable or not. Idempotent. */
  @Override
  public void close() {
    closed = true;
    gate.signalAll();
    Scheduler.Running agent = running;
    if (agent != null) {
      agent.close();
    }
    if (Thread.currentThread().equals(stepper)) {
      // The step that this is called in tells those who wait, when it is done.
      return;
    }
    while (!stepping.compareAndSet(false, true)) {
      Thread.onSpinWait();
    }
    try {
      stepAlone();
    } finally {
      stepping.set(false);
    }
  }

  /** For callers that want one kind of failure where nothing answers in time. */
  static UnavailableException late(String what) {
    return new UnavailableException("no replica gave " + what + " in time");
  }
}
