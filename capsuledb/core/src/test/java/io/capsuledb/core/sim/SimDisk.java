package io.capsuledb.core.sim;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.RecordCodec;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The medium under {@link SimRecordStore}: it outlives the store, so that a test can cut the power
 * and open it again.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>at most one store is open on a disk; a power cut kills it, and everything it is asked
 *       afterwards fails;
 *   <li>what is <em>durable</em> survives a power cut; what is <em>unsynced</em> is seen by reads
 *       but gone after one. A truthful disk has unsynced records never: {@code append} returns
 *       after they became durable. {@link #lieAboutSync} makes it a lying one;
 *   <li>a batch that is being appended is seen by no read before it is complete;
 *   <li>a release is durable from the next append or {@link #sync} on. A power cut before that
 *       brings the whole record back or not: which of them, the history of the disk decides, so
 *       that runs repeat.
 * </ul>
 *
 * <p>Faults are programmed by the number of the append they hit, from 1, counted over the life of
 * the disk; {@link #appends} is the number of the last one. Each is used once. Thread-safe.
 */
public final class SimDisk {

  /** How many records of the batch reach the medium when a fault strikes: all of them. */
  public static final int ALL = Integer.MAX_VALUE;

  private volatile @Nullable CapsuleException unavailable;
  private volatile boolean replicated;

  private static final long AWAIT_HELD_SECONDS = 30;

  /** What goes wrong in an append. */
  enum Kind {
    ERROR,
    OUT_OF_SPACE,
    POWER_CUT
  }

  /**
   * Something that goes wrong in an append or in {@code initialize}. The first {@code survivors}
   * records of the batch are durable nevertheless, as a torn group; metadata is, unless {@code
   * survivors} is 0.
   */
  public static final class Fault {
    final Kind kind;
    final int survivors;

    private Fault(Kind kind, int survivors) {
      if (survivors < 0) {
        throw new IllegalArgumentException("survivors " + survivors);
      }
      this.kind = kind;
      this.survivors = survivors;
    }

    /** The write fails with an I/O error, and nothing of it reached the medium. */
    public static Fault error() {
      return new Fault(Kind.ERROR, 0);
    }

    /** The write fails with an I/O error after {@code survivors} records became durable. */
    public static Fault error(int survivors) {
      return new Fault(Kind.ERROR, survivors);
    }

    /** The disk is full; nothing of the write reached it. */
    public static Fault outOfSpace() {
      return new Fault(Kind.OUT_OF_SPACE, 0);
    }

    /** The power goes before anything was written. */
    public static Fault powerCutBefore() {
      return new Fault(Kind.POWER_CUT, 0);
    }

    /** The power goes after {@code survivors} records of the batch became durable. */
    public static Fault powerCutDuring(int survivors) {
      return new Fault(Kind.POWER_CUT, survivors);
    }

    /** The power goes after the whole batch became durable and before the append returns. */
    public static Fault powerCutAfter() {
      return new Fault(Kind.POWER_CUT, ALL);
    }

    @Override
    public String toString() {
      return kind + " with " + (survivors == ALL ? "all" : survivors) + " surviving";
    }
  }

  /** Where a record is stored: ordered as both numbers are, unsigned. */
  record Position(long writer, long sequence) implements Comparable<Position> {
    @Override
    public int compareTo(Position other) {
      int byWriter = Long.compareUnsigned(writer, other.writer);
      return byWriter != 0 ? byWriter : Long.compareUnsigned(sequence, other.sequence);
    }

    String describe() {
      return "writer " + Long.toHexString(writer) + " sequence " + Long.toUnsignedString(sequence);
    }
  }

  /** A stored record; {@code damaged} means the store's checksum no longer fits. */
  static final class Slot {
    final byte[] bytes;
    final boolean damaged;

    Slot(byte[] bytes, boolean damaged) {
      this.bytes = bytes;
      this.damaged = damaged;
    }
  }

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition appendEnded = lock.newCondition();
  private final Condition appendHeld = lock.newCondition();
  private final Condition appendReleased = lock.newCondition();

  // Everything below is guarded by the lock.
  private NavigableMap<Position, Slot> records = new TreeMap<>();
  private Map<Hash32, Position> index = new HashMap<>();
  private byte @Nullable [] metadata;
  private boolean metadataDamaged;

  private final Map<Position, Hash32> unsynced = new HashMap<>();
  private boolean metadataUnsynced;
  private boolean lying;

  /** Whole records whose stubs are not durable yet. */
  private final NavigableMap<Position, Slot> unsyncedReleases = new TreeMap<>();

  private final Map<Long, Fault> faults = new HashMap<>();
  private @Nullable Fault initializeFault;
  private @Nullable Fault releaseFault;
  private long capacityBytes = Long.MAX_VALUE;

  private long generation;
  private boolean open;
  private @Nullable String appendFailure;
  private boolean appending;

  private boolean holding;
  private @Nullable List<StoredRecord> held;
  private @Nullable Fault heldFault;

  private long appends;
  private long recordsAppended;
  private long bytesAppended;
  private long reads;
  private long scans;
  private long releases;

  // ------------------------------------------------------------------ life of a store

  /**
   * Opens the disk.
   *
   * @throws UnavailableException if a store is open on it
   */
  public SimRecordStore open() {
    lock.lock();
    try {
      if (open) {
        throw new UnavailableException("the simulated disk is open already; close it, or powerCut");
      }
      open = true;
      appendFailure = null;
      generation++;
      return new SimRecordStore(this, generation);
    } finally {
      lock.unlock();
    }
  }

  /**
   * Cuts the power: the open store is dead, unsynced data is gone, an append in progress leaves
   * nothing behind.
   */
  public void powerCut() {
    powerCut(0);
  }

  /** Cuts the power; the first {@code survivors} records of a held append are durable. */
  public void powerCut(int survivors) {
    lock.lock();
    try {
      List<StoredRecord> batch = held;
      if (batch != null) {
        makeDurable(batch, survivors);
      }
      losePower();
    } finally {
      lock.unlock();
    }
  }

  /** What a disk of the same content would be, without faults: for roll-back and comparison. */
  public SimDisk copy() {
    lock.lock();
    try {
      SimDisk copy = new SimDisk();
      copy.records = new TreeMap<>(records);
      copy.index = new HashMap<>(index);
      copy.metadata = metadata;
      copy.metadataDamaged = metadataDamaged;
      return copy;
    } finally {
      lock.unlock();
    }
  }

  // ------------------------------------------------------------------ programming faults

  /** Makes append number {@code number} suffer {@code fault}. */
  public SimDisk onAppend(long number, Fault fault) {
    lock.lock();
    try {
      if (number <= appends) {
        throw new IllegalArgumentException("append " + number + " has been: now at " + appends);
      }
      faults.put(number, fault);
      return this;
    } finally {
      lock.unlock();
    }
  }

  /** Makes the next append suffer {@code fault}. */
  public SimDisk onNextAppend(Fault fault) {
    lock.lock();
    try {
      return onAppend(appends + 1, fault);
    } finally {
      lock.unlock();
    }
  }

  /** Makes the next {@code initialize} suffer {@code fault}. */
  public SimDisk onInitialize(Fault fault) {
    lock.lock();
    try {
      initializeFault = fault;
      return this;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Makes the next {@code release} suffer {@code fault}: the survivors are stubs from then on, the
   * others stay whole.
   */
  public SimDisk onNextRelease(Fault fault) {
    lock.lock();
    try {
      releaseFault = fault;
      return this;
    } finally {
      lock.unlock();
    }
  }

  /** Limits what the disk holds; an append beyond it is out of space and leaves nothing behind. */
  public SimDisk capacityBytes(long bytes) {
    lock.lock();
    try {
      capacityBytes = bytes;
      return this;
    } finally {
      lock.unlock();
    }
  }

  /** From now on appends return before their records are durable (or, with false, no longer). */
  public SimDisk lieAboutSync(boolean lie) {
    lock.lock();
    try {
      lying = lie;
      return this;
    } finally {
      lock.unlock();
    }
  }

  /** Makes what a lying disk holds durable. */
  public void sync() {
    lock.lock();
    try {
      unsynced.clear();
      unsyncedReleases.clear();
      metadataUnsynced = false;
    } finally {
      lock.unlock();
    }
  }

  // ------------------------------------------------------------------ appends step by step

  /** What the store says of the chances of an append, from now on; null: nothing. */
  public SimDisk unavailable(@Nullable CapsuleException why) {
    unavailable = why;
    return this;
  }

  @Nullable CapsuleException unavailable() {
    return unavailable;
  }

  /** Whether the store is to say that it replicates. */
  public SimDisk replicated(boolean says) {
    replicated = says;
    return this;
  }

  boolean replicated() {
    return replicated;
  }

  /** From now on every append waits to be released by the test (or, with false, no longer). */
  public SimDisk holdAppends(boolean hold) {
    lock.lock();
    try {
      holding = hold;
      if (!hold) {
        release(null);
      }
      return this;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Waits until an append is held.
   *
   * @return its batch
   * @throws AssertionError if none comes within 30 s
   */
  public List<StoredRecord> awaitHeldAppend() {
    lock.lock();
    try {
      long remaining = TimeUnit.SECONDS.toNanos(AWAIT_HELD_SECONDS);
      while (true) {
        List<StoredRecord> batch = held;
        if (batch != null) {
          return List.copyOf(batch);
        }
        if (remaining <= 0) {
          throw new AssertionError("no append was held within " + AWAIT_HELD_SECONDS + " s");
        }
        remaining = appendHeld.awaitNanos(remaining);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted while waiting for an append", e);
    } finally {
      lock.unlock();
    }
  }

  /** Lets the held append complete. */
  public void releaseHeldAppend() {
    releaseHeld(null);
  }

  /** Lets the held append suffer {@code fault}. */
  public void failHeldAppend(Fault fault) {
    releaseHeld(fault);
  }

  private void releaseHeld(@Nullable Fault fault) {
    lock.lock();
    try {
      if (held == null) {
        throw new IllegalStateException("no append is held; see awaitHeldAppend");
      }
      release(fault);
    } finally {
      lock.unlock();
    }
  }

  private void release(@Nullable Fault fault) {
    held = null;
    heldFault = fault;
    appendReleased.signalAll();
  }

  // ------------------------------------------------------------------ damage

  /**
   * Flips a byte of a stored record so that the store's checksum notices: every read of the record
   * is an {@code IntegrityException} from here on.
   */
  public void flipByte(long writer, long sequence, int byteIndex) {
    damage(writer, sequence, byteIndex, true);
  }

  /**
   * Flips a byte of a stored record unnoticed: the store hands the altered bytes out as if they
   * were right, as a hostile store would.
   */
  public void forgeByte(long writer, long sequence, int byteIndex) {
    damage(writer, sequence, byteIndex, false);
  }

  private void damage(long writer, long sequence, int byteIndex, boolean noticed) {
    lock.lock();
    try {
      Position position = new Position(writer, sequence);
      Slot slot = existing(position);
      byte[] bytes = slot.bytes.clone();
      bytes[byteIndex] ^= (byte) 0xff;
      records.put(position, new Slot(bytes, slot.damaged || noticed));
    } finally {
      lock.unlock();
    }
  }

  /** Puts other bytes in the place of a stored record, unnoticed. */
  public void forge(long writer, long sequence, byte[] bytes) {
    lock.lock();
    try {
      Position position = new Position(writer, sequence);
      existing(position);
      records.put(position, new Slot(bytes.clone(), false));
    } finally {
      lock.unlock();
    }
  }

  /** Exchanges two stored records of a writer, unnoticed; the hash index stays as it is. */
  public void swap(long writer, long oneSequence, long otherSequence) {
    lock.lock();
    try {
      Position one = new Position(writer, oneSequence);
      Position other = new Position(writer, otherSequence);
      Slot slot = existing(one);
      records.put(one, existing(other));
      records.put(other, slot);
    } finally {
      lock.unlock();
    }
  }

  /** Flips a byte of the metadata; noticed by the store's checksum or not. */
  public void flipMetadataByte(int byteIndex, boolean noticed) {
    lock.lock();
    try {
      byte[] old = metadata;
      if (old == null) {
        throw new IllegalStateException("there is no metadata to damage");
      }
      byte[] bytes = old.clone();
      bytes[byteIndex] ^= (byte) 0xff;
      metadata = bytes;
      metadataDamaged |= noticed;
    } finally {
      lock.unlock();
    }
  }

  /** Loses a record; its entry in the hash index stays, so that {@code audit} finds it. */
  public void lose(long writer, long sequence) {
    lock.lock();
    try {
      existing(new Position(writer, sequence));
      records.remove(new Position(writer, sequence));
    } finally {
      lock.unlock();
    }
  }

  /**
   * Rolls a writer back: forgets its records from {@code fromSequence} on without a trace, as a
   * store restored from an old copy would.
   */
  public void rollBack(long writer, long fromSequence) {
    lock.lock();
    try {
      Position from = new Position(writer, fromSequence);
      records.subMap(from, true, new Position(writer, -1L), true).clear();
      index.values().removeIf(at -> at.writer == writer && at.compareTo(from) >= 0);
    } finally {
      lock.unlock();
    }
  }

  private Slot existing(Position position) {
    Slot slot = records.get(position);
    if (slot == null) {
      throw new IllegalStateException("there is no record at " + position.describe());
    }
    return slot;
  }

  // ------------------------------------------------------------------ counters

  /** Appends begun so far, failed ones included. */
  public long appends() {
    return counted(() -> appends);
  }

  /** Records of the appends that returned. */
  public long recordsAppended() {
    return counted(() -> recordsAppended);
  }

  /** Bytes of the records of the appends that returned. */
  public long bytesAppended() {
    return counted(() -> bytesAppended);
  }

  /** Reads of one record so far, by position or hash. */
  public long reads() {
    return counted(() -> reads);
  }

  /** Scans so far. */
  public long scans() {
    return counted(() -> scans);
  }

  /** Records whose payload was released so far, each counted once. */
  public long releases() {
    return counted(() -> releases);
  }

  /** Records on the disk, unsynced ones included. */
  public long recordCount() {
    return counted(() -> records.size());
  }

  private long counted(LongSupplier counter) {
    lock.lock();
    try {
      return counter.getAsLong();
    } finally {
      lock.unlock();
    }
  }

  // ------------------------------------------------------------------ what the store asks for

  /** Something done under the lock while the store is alive. */
  interface Access<T extends @Nullable Object> {
    T with(NavigableMap<Position, Slot> records, Map<Hash32, Position> index);
  }

  <T extends @Nullable Object> T access(SimRecordStore store, Access<T> access) {
    lock.lock();
    try {
      store.checkAlive(generation);
      return access.with(records, index);
    } finally {
      lock.unlock();
    }
  }

  <T extends @Nullable Object> T read(SimRecordStore store, Access<T> access) {
    lock.lock();
    try {
      reads++;
      return access(store, access);
    } finally {
      lock.unlock();
    }
  }

  <T extends @Nullable Object> T scan(SimRecordStore store, Access<T> access) {
    lock.lock();
    try {
      scans++;
      return access(store, access);
    } finally {
      lock.unlock();
    }
  }

  byte @Nullable [] metadata(SimRecordStore store) {
    lock.lock();
    try {
      store.checkAlive(generation);
      byte[] current = metadata;
      if (current != null && metadataDamaged) {
        throw new IntegrityException(
            Rejection.of(Rejection.Reason.STORAGE_CHECKSUM, "the capsule's metadata"));
      }
      return current == null ? null : current.clone();
    } finally {
      lock.unlock();
    }
  }

  void initialize(SimRecordStore store, byte[] bytes) {
    lock.lock();
    try {
      store.checkAlive(generation);
      refuseAfterFailure();
      if (metadata != null) {
        throw new InvalidRequestException("the simulated disk has metadata already");
      }
      Fault fault = initializeFault;
      initializeFault = null;
      if (fault == null || fault.survivors > 0) {
        metadata = bytes.clone();
        metadataUnsynced = fault == null && lying;
      }
      strike(fault);
    } finally {
      lock.unlock();
    }
  }

  void append(SimRecordStore store, List<StoredRecord> batch) {
    lock.lock();
    try {
      store.checkAlive(generation);
      while (appending) {
        appendEnded.awaitUninterruptibly();
      }
      store.checkAlive(generation);
      refuseAfterFailure();
      refuseEquivocation(batch);
      appending = true;
      appends++;
      Fault fault = faults.remove(appends);
      try {
        Fault onRelease = hold(store, batch);
        fault = onRelease == null ? fault : onRelease;
        if (fault == null
            && capacityBytes != Long.MAX_VALUE
            && occupied() + bytesOf(batch) > capacityBytes) {
          fault = Fault.outOfSpace();
        }
        if (fault == null && lying) {
          for (StoredRecord r : batch) {
            Position position = new Position(r.writer(), r.sequence());
            if (!records.containsKey(position)) {
              unsynced.put(position, r.hash());
            }
          }
        }
        makeDurable(batch, fault == null ? ALL : fault.survivors);
        if (fault == null && !lying) {
          // One log holds both, so what syncs it syncs what is before.
          unsyncedReleases.clear();
        }
        strike(fault);
        recordsAppended += batch.size();
        bytesAppended += bytesOf(batch);
      } finally {
        appending = false;
        appendEnded.signalAll();
      }
    } finally {
      lock.unlock();
    }
  }

  /** Waits for the test if it wants that; returns the fault it ordered. */
  private @Nullable Fault hold(SimRecordStore store, List<StoredRecord> batch) {
    if (!holding) {
      return null;
    }
    held = batch;
    appendHeld.signalAll();
    while (held != null) {
      appendReleased.awaitUninterruptibly();
    }
    store.checkAlive(generation);
    Fault fault = heldFault;
    heldFault = null;
    return fault;
  }

  private void makeDurable(List<StoredRecord> batch, int survivors) {
    for (StoredRecord r : batch.subList(0, Math.min(survivors, batch.size()))) {
      Position position = new Position(r.writer(), r.sequence());
      // What is there is the same record, perhaps in its other form; then that form stays.
      records.putIfAbsent(position, new Slot(r.bytes().clone(), false));
      index.put(r.hash(), position);
    }
  }

  void release(SimRecordStore store, List<StoredRecord> stubs) {
    lock.lock();
    try {
      store.checkAlive(generation);
      refuseAfterFailure();
      NavigableMap<Position, Slot> whole = new TreeMap<>();
      for (StoredRecord stub : stubs) {
        Position position = new Position(stub.writer(), stub.sequence());
        Slot slot = records.get(position);
        if (slot == null || !position.equals(index.get(stub.hash()))) {
          throw new InvalidRequestException(
              "there is no record " + stub.hash() + " at " + position.describe() + " to release");
        }
        if (slot.damaged) {
          throw new IntegrityException(
              Rejection.of(
                  Rejection.Reason.STORAGE_CHECKSUM, "the record at " + position.describe()));
        }
        if (Arrays.equals(slot.bytes, stub.bytes())) {
          continue;
        }
        if (!RecordCodec.isStubOf(stub.bytes(), slot.bytes)) {
          throw new InvalidRequestException(
              "not the stub of what is stored at " + position.describe());
        }
        whole.put(position, slot);
      }
      Fault fault = releaseFault;
      releaseFault = null;
      int replaced = 0;
      for (StoredRecord stub : stubs) {
        Position position = new Position(stub.writer(), stub.sequence());
        Slot before = whole.remove(position);
        if (before == null || (fault != null && replaced == fault.survivors)) {
          continue;
        }
        records.put(position, new Slot(stub.bytes().clone(), false));
        if (fault == null) {
          unsyncedReleases.put(position, before);
        }
        replaced++;
      }
      releases += replaced;
      strike(fault);
    } finally {
      lock.unlock();
    }
  }

  private void refuseEquivocation(List<StoredRecord> batch) {
    Map<Position, byte[]> inBatch = new HashMap<>();
    for (StoredRecord r : batch) {
      Position position = new Position(r.writer(), r.sequence());
      Slot slot = records.get(position);
      byte[] other = slot == null ? inBatch.put(position, r.bytes()) : slot.bytes;
      if (other != null && !sameRecord(other, r.bytes())) {
        throw new IntegrityException(
            Rejection.of(
                Rejection.Reason.EQUIVOCATION,
                "another record is stored already at " + position.describe()));
      }
    }
  }

  private static boolean sameRecord(byte[] one, byte[] other) {
    return Arrays.equals(one, other)
        || RecordCodec.isStubOf(one, other)
        || RecordCodec.isStubOf(other, one);
  }

  private void refuseAfterFailure() {
    if (appendFailure != null) {
      throw new StorageException(
          "an earlier write failed (" + appendFailure + "): reopen the disk");
    }
  }

  private void strike(@Nullable Fault fault) {
    if (fault == null) {
      return;
    }
    switch (fault.kind) {
      case ERROR -> {
        appendFailure = "simulated I/O error";
        throw new StorageException("simulated I/O error");
      }
      case OUT_OF_SPACE -> {
        appendFailure = "simulated disk full";
        throw new StorageException("the simulated disk is full");
      }
      case POWER_CUT -> {
        losePower();
        throw new StorageException("the simulated disk lost power");
      }
    }
  }

  private void losePower() {
    SplittableRandom fate = new SplittableRandom(generation * 31 + unsyncedReleases.size());
    unsyncedReleases.forEach(
        (position, whole) -> {
          // Not, if the record was rolled back, lost or damaged since.
          Slot stub = records.get(position);
          if (fate.nextBoolean() && stub != null && RecordCodec.isStub(stub.bytes)) {
            records.put(position, whole);
          }
        });
    unsyncedReleases.clear();
    unsynced.forEach(
        (position, hash) -> {
          records.remove(position);
          index.remove(hash);
        });
    unsynced.clear();
    if (metadataUnsynced) {
      metadata = null;
      metadataUnsynced = false;
    }
    open = false;
    generation++;
    release(null);
  }

  void close(long ofGeneration) {
    lock.lock();
    try {
      if (ofGeneration == generation) {
        open = false;
      }
    } finally {
      lock.unlock();
    }
  }

  long occupied() {
    lock.lock();
    try {
      byte[] m = metadata;
      long total = m == null ? 0 : m.length;
      for (Slot slot : records.values()) {
        total += slot.bytes.length;
      }
      return total;
    } finally {
      lock.unlock();
    }
  }

  private static long bytesOf(List<StoredRecord> batch) {
    long total = 0;
    for (StoredRecord r : batch) {
      total += r.bytes().length;
    }
    return total;
  }
}
