package io.capsuledb.engine.lsm;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.RecordCodec;
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

  private final CapsuleName name;
  private final RecordStore store;
  private final ArrayDeque<Checkpoint.Range> queue = new ArrayDeque<>();
  private Checkpoint.@Nullable Range current;
  private long sequence;
  private long end;

  /** What this step has passed, though the store does not know of it yet. */
  private final List<Checkpoint.Range> passed = new ArrayList<>();

  /** Bytes released whose room was not given back yet. */
  private final AtomicLong releasedBytes = new AtomicLong();

  Releaser(CapsuleName name, RecordStore store, List<Checkpoint.Range> first) {
    this.name = name;
    this.store = store;
    queue.addAll(first);
  }

  void release(List<Checkpoint.Range> ranges) {
    synchronized (queue) {
      queue.addAll(ranges);
    }
  }

  /** What is still to be released: a checkpoint repeats it, so that the newest one says it all. */
  List<Checkpoint.Range> pending() {
    synchronized (queue) {
      List<Checkpoint.Range> pending = new ArrayList<>(queue);
      pending.addAll(passed);
      Checkpoint.Range range = current;
      if (range != null) {
        pending.add(range);
      }
      return pending;
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

  boolean isIdle() {
    synchronized (queue) {
      return queue.isEmpty() && current == null && passed.isEmpty();
    }
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
        range = queue.poll();
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

  private @Nullable StoredRecord stubOf(byte[] bytes) {
    if (RecordCodec.decode(name, bytes)
            instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record)
        && record.header().type() != RecordType.ROSTER
        && record.header().type() != RecordType.CHECKPOINT
        && record.header().payloadLength() > 0) {
      return new StoredRecord(
          record.header().writer(),
          record.header().sequence(),
          record.hash(),
          RecordCodec.stub(bytes));
    }
    return null;
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
