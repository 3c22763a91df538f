package io.capsuledb.engine.lsm;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointLayout;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordStub;
import io.capsuledb.core.record.RecordType;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Replaces records that a durable checkpoint has released by their stubs, a few at a time. What a
 * crash leaves undone is done again after the next start: releasing twice does nothing.
 *
 * <p>{@link #release} from any thread; one thread steps.
 */
final class Releaser {

  private static final System.Logger LOG = System.getLogger(Releaser.class.getName());

  /** Records looked at in one step. */
  private static final int STEP_RECORDS = 256;

  /** Bytes read in one step, about. */
  private static final long STEP_BYTES = 8 << 20;

  private static final int MAX_UNSYNCED = CheckpointLayout.MAX_RANGES;

  private final CapsuleName name;
  private final RecordStore store;
  private final Clock clock;
  private final long delayNanos;
  private final ArrayDeque<Due> queue = new ArrayDeque<>();
  private Checkpoint.@Nullable Range current;
  private long sequence;
  private long end;

  /** What this step has passed, though the store does not know of it yet. */
  private final List<Checkpoint.Range> passed = new ArrayList<>();

  /**
   * What the store was told, but may forget if the power fails: stubs are not synced. Checkpoints
   * name it until one of them, which came after, is known to be durable. At most {@link
   * #MAX_UNSYNCED}: whoever writes no checkpoints, because another worker does, keeps no more.
   */
  private final List<Checkpoint.Range> unsynced = new ArrayList<>();

  /** Bytes released whose room was not given back yet. */
  private final AtomicLong releasedBytes = new AtomicLong();

  private record Due(Checkpoint.Range range, long dueNanos) {}

  /**
   * A releaser.
   *
   * @param delayNanos how long what is released stays, for others who may still read it
   */
  Releaser(
      CapsuleName name,
      RecordStore store,
      Clock clock,
      long delayNanos,
      List<Checkpoint.Range> first) {
    this.name = name;
    this.store = store;
    this.clock = clock;
    this.delayNanos = delayNanos;
    release(first);
  }

  void release(List<Checkpoint.Range> ranges) {
    long due = clock.monotonicNanos() + delayNanos;
    synchronized (queue) {
      ranges.forEach(range -> queue.add(new Due(range, due)));
    }
  }

  /** What is still to be released: a checkpoint repeats it, so that the newest one says it all. */
  List<Checkpoint.Range> pending() {
    synchronized (queue) {
      List<Checkpoint.Range> pending = new ArrayList<>(unsynced);
      pending.addAll(passed);
      queue.forEach(due -> pending.add(due.range));
      Checkpoint.Range range = current;
      if (range != null) {
        pending.add(range);
      }
      return pending;
    }
  }

  /** How many ranges have been released that a power failure may bring back. */
  int unsynced() {
    synchronized (queue) {
      return unsynced.size();
    }
  }

  /**
   * A durable append began after {@link #unsynced} said so: as many ranges will not come back.
   * Whoever asks and says so does both in turn.
   */
  void settled(int count) {
    synchronized (queue) {
      unsynced.subList(0, count).clear();
    }
  }

  long releasedBytes() {
    return releasedBytes.get();
  }

  /** Gives back the room of what was released so far. On another thread than the one that steps. */
  void reclaim() {
    long before = releasedBytes.get();
    store.reclaim();
    releasedBytes.addAndGet(-before);
  }

  /** Whether nothing is to be done, or not yet. */
  boolean isIdle() {
    synchronized (queue) {
      return !isDue() && current == null && passed.isEmpty();
    }
  }

  /** Under the queue's lock. */
  private boolean isDue() {
    Due first = queue.peek();
    return first != null && clock.monotonicNanos() - first.dueNanos >= 0;
  }

  /** Releases some records; returns whether there are more. */
  boolean step() {
    List<StoredRecord> stubs = new ArrayList<>();
    long bytes = 0;
    for (int i = 0; i < STEP_RECORDS && bytes < STEP_BYTES; i++) {
      Checkpoint.Range range = range();
      if (range == null) {
        break;
      }
      byte[] record = read(range.writer(), sequence);
      if (record != null && !RecordCodec.isStub(record)) {
        bytes += record.length;
        StoredRecord stub = stubOf(record);
        if (stub != null) {
          stubs.add(stub);
        }
      }
      sequence++;
    }
    if (!stubs.isEmpty()) {
      store.release(stubs);
      releasedBytes.addAndGet(bytes);
    }
    synchronized (queue) {
      unsynced.addAll(passed.subList(0, Math.min(passed.size(), MAX_UNSYNCED - unsynced.size())));
      passed.clear();
    }
    return !isIdle();
  }

  private Checkpoint.@Nullable Range range() {
    synchronized (queue) {
      Checkpoint.Range range = current;
      while (range == null || sequence > end) {
        if (range != null) {
          passed.add(range);
        }
        Due next = isDue() ? queue.poll() : null;
        range = next == null ? null : next.range;
        current = range;
        if (range == null) {
          break;
        }
        sequence = range.fromSequence();
        // Beyond the newest there is nothing, and perhaps no end of it.
        end = Math.min(range.toSequence(), store.newestSequence(range.writer()));
      }
      return range;
    }
  }

  /** A record that is damaged is left as it is: fsck is to find it. */
  private byte @Nullable [] read(long writer, long at) {
    try {
      return store.read(writer, at);
    } catch (IntegrityException damaged) {
      LOG.log(
          System.Logger.Level.WARNING,
          "event=release.skipped record=\"{0}\" reason={1}",
          CapsuleRecord.describe(writer, at),
          damaged.rejection().reason());
      return null;
    }
  }

  /**
   * The stub of a whole record, or null if it keeps its payload. The payload is not hashed: it is
   * wanted by nobody, and what is kept of the record vouches for itself. A SYNC, and the RTS before
   * it, stay whole: they say what a moment was.
   */
  private @Nullable StoredRecord stubOf(byte[] bytes) {
    RecordType type = RecordCodec.typeOf(bytes);
    if (type == null
        || !type.mayBeReleased()
        || type == RecordType.SYNC
        || type == RecordType.RTS
        || RecordCodec.isStub(bytes)) {
      return null;
    }
    byte[] bare;
    try {
      bare = RecordCodec.stub(bytes);
    } catch (InvalidRequestException damaged) {
      return null;
    }
    return RecordCodec.decodeStub(name, bare)
                instanceof Decoded.Accepted<RecordStub>(RecordStub stub)
            && stub.header().payloadLength() > 0
        ? new StoredRecord(stub.header().writer(), stub.header().sequence(), stub.hash(), bare)
        : null;
  }

  /** Where the record with a hash is, or null if it is not there or damaged. */
  Checkpoint.@Nullable Range rangeOf(Hash32 hash) {
    byte[] bytes;
    try {
      bytes = store.read(hash);
    } catch (IntegrityException damaged) {
      return null;
    }
    if (bytes != null
        && RecordCodec.decode(name, bytes)
            instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record)) {
      long at = record.header().sequence();
      return new Checkpoint.Range(record.header().writer(), at, at);
    }
    return null;
  }
}
