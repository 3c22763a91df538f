package io.capsuledb.engine.lsm;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.NewWriter;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The chain that the tree's records are in: a writer of its own, with the role of a compactor, so
 * that blocks neither delay the DATA records of clients' writes nor wait for them.
 *
 * <p>The writer is born with the first record. Records are sealed in order, and stored in the order
 * they were sealed, in as few durable appends as their sizes allow. After a failure nothing more
 * can be appended: what the store holds of the chain is then unknown.
 *
 * <p>A flush or merge is a {@link Work}: which of its records are stored is known from the moment
 * they are, so that a manifest of another, written meanwhile, can say that it does not need them.
 *
 * <p>Thread-safe: what is between {@link #begin} and {@link Appender#close} is of one thread and
 * consecutive in the chain.
 */
final class TreeChain implements AutoCloseable {

  /** Sealed bytes beyond which they are stored before more is sealed. */
  private static final int APPEND_BYTES = 1 << 20;

  private final CapsuleName name;
  private final KeyRing keys;
  private final Secp256k1 curve;
  private final RecordStore store;
  private final LongSupplier newWriter;
  private final LongSupplier newestTime;

  /** Fair: who flushes without a pause would else keep a merge from writing anything. */
  private final java.util.concurrent.locks.ReentrantLock lock =
      new java.util.concurrent.locks.ReentrantLock(true);

  // Guarded by lock:
  private @Nullable RecordSealer sealer;
  private long lamport;
  private boolean closed;

  /** Whether there may be a chain, and how often that was said. */
  private boolean appointed;

  /** Whether sealed records were not stored: nothing can follow in this chain. */
  private boolean lost;

  private int tenure;

  /** The newest record that is durable, of the chain that there is. */
  private @Nullable Ended durable;

  private long firstLamport;

  /** Chains that have ended. */
  private final List<Ended> ended = new ArrayList<>();

  private final Set<Work> works = new LinkedHashSet<>();

  /**
   * A chain that has not begun.
   *
   * @param newWriter draws an index that no writer of the capsule has
   * @param newestTime a Lamport time at or above that of every operation committed so far
   * @param appointed whether it may begin
   */
  TreeChain(
      CapsuleName name,
      KeyRing keys,
      Secp256k1 curve,
      RecordStore store,
      LongSupplier newWriter,
      LongSupplier newestTime,
      boolean appointed) {
    this.name = name;
    this.keys = keys;
    this.curve = curve;
    this.store = store;
    this.newWriter = newWriter;
    this.newestTime = newestTime;
    this.appointed = appointed;
  }

  /**
   * A chain that has ended.
   *
   * @param newest its last record, as far as is known
   * @param firstLamport Lamport time of its first record
   */
  record Ended(Ref newest, long firstLamport) {}

  /** Chains that have ended since this was asked last. */
  List<Ended> takeEnded() {
    lock.lock();
    try {
      List<Ended> taken = List.copyOf(ended);
      ended.clear();
      return taken;
    } finally {
      lock.unlock();
    }
  }

  /** Allows a chain: a new one, whatever there was before. */
  void appoint() {
    lock.lock();
    try {
      end();
      appointed = true;
    } finally {
      lock.unlock();
    }
  }

  /** Ends the chain; whoever is writing to it gets an {@link UnavailableException}. */
  void dismiss() {
    lock.lock();
    try {
      end();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Ends the chain for good and begins another with the next record, in whatever key generation is
   * in force then. Meanwhile nobody writes; whoever was about to write what it had begun before
   * gets an {@link UnavailableException}.
   *
   * @param between done in between, with the chain that has ended or null if there was none
   */
  void renew(Consumer<@Nullable Ended> between) {
    lock.lock();
    try {
      boolean may = appointed;
      Ended before = durable;
      end();
      ended.remove(before);
      between.accept(before);
      appointed = may;
    } finally {
      lock.unlock();
    }
  }

  /** How often the chain was ended. */
  int tenure() {
    lock.lock();
    try {
      return tenure;
    } finally {
      lock.unlock();
    }
  }

  private void end() {
    appointed = false;
    lost = false;
    tenure++;
    Ended newest = durable;
    if (newest != null) {
      ended.add(newest);
      durable = null;
    }
    RecordSealer chain = sealer;
    if (chain != null) {
      chain.close();
      sealer = null;
    }
  }

  /**
   * Checks that a flush or merge may still become a manifest.
   *
   * @throws UnavailableException if the chain that it was written to has ended since
   */
  void check(Work work) {
    lock.lock();
    try {
      if (!appointed || work.tenure != tenure) {
        throw new UnavailableException("the chain that this was written to has ended");
      }
    } finally {
      lock.unlock();
    }
  }

  /** Starts a run of consecutive records that count at once. */
  Appender begin() {
    return begin(null);
  }

  /**
   * Starts a run of consecutive records.
   *
   * @param work what they are part of, and of use with only; null if nothing
   */
  Appender begin(@Nullable Work work) {
    lock.lock();
    if (closed || lost) {
      lock.unlock();
      throw new IllegalStateException("the tree's chain is closed");
    }
    if (!appointed || (work != null && work.tenure != tenure)) {
      lock.unlock();
      throw new UnavailableException("the chain that this was written to has ended");
    }
    return new Appender(work);
  }

  /** Records that nobody needs unless a manifest names them in the end. */
  final class Work {
    /** Guarded by the chain's lock. */
    private List<Checkpoint.Range> ranges = new ArrayList<>();

    private final int tenure;

    private Work(int tenure) {
      this.tenure = tenure;
    }

    private void add(long writer, long sequence) {
      Checkpoint.Range last = ranges.isEmpty() ? null : ranges.getLast();
      if (last != null && last.writer() == writer && last.toSequence() + 1 == sequence) {
        ranges.set(ranges.size() - 1, new Checkpoint.Range(writer, last.fromSequence(), sequence));
      } else {
        ranges.add(new Checkpoint.Range(writer, sequence, sequence));
      }
    }

    /**
     * Ends it, finished or not.
     *
     * @return its records
     */
    List<Checkpoint.Range> end() {
      lock.lock();
      try {
        works.remove(this);
        List<Checkpoint.Range> all = ranges;
        ranges = new ArrayList<>();
        return all;
      } finally {
        lock.unlock();
      }
    }
  }

  /** Begins a flush or merge. */
  Work work() {
    lock.lock();
    try {
      Work work = new Work(tenure);
      works.add(work);
      return work;
    } finally {
      lock.unlock();
    }
  }

  /** A record that was sealed: where it is and what it is called. */
  record Ref(long writer, long sequence, Hash32 hash, int bytes, long lamport) {}

  /** Appends consecutive records. Of the thread that began it. */
  final class Appender implements AutoCloseable {
    private final List<StoredRecord> pending = new ArrayList<>();
    private final @Nullable Work work;
    private long pendingBytes;
    private @Nullable Ref newest;

    private Appender(@Nullable Work work) {
      this.work = work;
    }

    /** The records of everything that is under way, but not of what ends now. */
    List<Checkpoint.Range> unfinished(Work ending) {
      List<Checkpoint.Range> unfinished = new ArrayList<>();
      for (Work other : works) {
        if (!other.equals(ending)) {
          unfinished.addAll(other.ranges);
        }
      }
      return unfinished;
    }

    /** Seals a record. It is durable after {@link #flush}. */
    Ref append(RecordType type, List<Hash32> parents, byte[] payload) {
      RecordSealer chain = sealer;
      if (chain == null) {
        chain = introduce();
        sealer = chain;
      }
      Ref ref = seal(chain, type, parents, payload);
      if (work != null) {
        work.add(ref.writer(), ref.sequence());
      }
      return ref;
    }

    private Ref seal(RecordSealer chain, RecordType type, List<Hash32> parents, byte[] payload) {
      if (pending.size() >= RecordStore.MAX_BATCH_RECORDS
          || (pendingBytes > 0 && pendingBytes + payload.length > APPEND_BYTES)) {
        flush();
      }
      lamport = Math.max(lamport, newestTime.getAsLong()) + 1;
      CapsuleRecord record = chain.seal(type, 0, lamport, parents, payload, 0, payload.length);
      Ref ref =
          new Ref(
              record.header().writer(),
              record.header().sequence(),
              record.hash(),
              record.bytes().length,
              lamport);
      pending.add(new StoredRecord(ref.writer(), ref.sequence(), record.hash(), record.bytes()));
      pendingBytes += record.bytes().length;
      newest = ref;
      if (ref.sequence() == 1) {
        firstLamport = lamport;
      }
      return ref;
    }

    private RecordSealer introduce() {
      try (NewWriter fresh = keys.introduce(RosterEntry.Role.COMPACTOR, newWriter)) {
        RosterEntry entry = fresh.entry();
        RecordSealer chain;
        try (SecretBytes dataKey = keys.dataKey(entry.generation(), entry.writer())) {
          chain =
              new RecordSealer(
                  name, entry.generation(), entry.writer(), fresh.takeSigningKey(), dataKey, curve);
        }
        seal(chain, RecordType.ROSTER, List.of(), fresh.roster());
        return chain;
      }
    }

    /** Makes everything appended so far durable. */
    void flush() {
      if (!pending.isEmpty()) {
        store.append(List.copyOf(pending));
        pending.clear();
        pendingBytes = 0;
        Ref stored = newest;
        if (stored != null) {
          durable = new Ended(stored, firstLamport);
        }
      }
    }

    /** Ends the run; what was not flushed is lost, and with it the chain. */
    @Override
    public void close() {
      if (!pending.isEmpty()) {
        pending.clear();
        lost = true;
      }
      lock.unlock();
    }
  }

  /** The newest record of this chain that is durable, or null before the first. */
  @Nullable Ref head() {
    lock.lock();
    try {
      Ended newest = durable;
      return newest == null ? null : newest.newest();
    } finally {
      lock.unlock();
    }
  }

  /** The writer of this chain, or 0 before its first record. */
  long writer() {
    lock.lock();
    try {
      RecordSealer chain = sealer;
      return chain == null ? 0 : chain.writer();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      RecordSealer chain = sealer;
      if (chain != null) {
        chain.close();
        sealer = null;
      }
    } finally {
      lock.unlock();
    }
  }
}
