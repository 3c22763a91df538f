package io.capsuledb.replication.replica;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads through what is held of a capsule for the CHECKPOINTs that justify its stubs; after a
 * restart also for the stubs, which are not remembered. A few records at each step.
 */
final class StubAudit {

  private static final int RECORDS_PER_STEP = 256;

  private final HeldCapsule capsule;
  private final ReplicaLog log;
  private final boolean initial;

  /** What is left to read: each chain up to where it was durable when the audit began. */
  private final List<Long> writers = new ArrayList<>();

  private final Map<Long, Long> ends = new HashMap<>();
  private final Map<Long, Ranges> released = new HashMap<>();
  private final Map<Long, Ranges> stubs = new HashMap<>();
  private long sequence;

  /**
   * An audit from the beginning.
   *
   * @param initial whether the stubs themselves have to be found
   */
  StubAudit(HeldCapsule capsule, ReplicaLog log, boolean initial) {
    this.capsule = capsule;
    this.log = log;
    this.initial = initial;
    for (HeldChain chain : capsule.chains()) {
      boolean mayRelease =
          chain.entry.role() == io.capsuledb.core.capsule.RosterEntry.Role.COMPACTOR;
      if (initial || mayRelease) {
        writers.add(chain.entry.writer());
        ends.put(chain.entry.writer(), chain.durable.sequence());
      }
    }
  }

  /** Whether nothing can be said of what is held before it ends. */
  boolean isInitial() {
    return initial;
  }

  /** Reads some records; returns whether that was all. */
  boolean step() {
    for (int i = 0; i < RECORDS_PER_STEP; i++) {
      while (!writers.isEmpty() && sequence >= ends.getOrDefault(writers.getLast(), 0L)) {
        writers.removeLast();
        sequence = 0;
      }
      if (writers.isEmpty()) {
        finish();
        return true;
      }
      sequence++;
      look(writers.getLast(), sequence);
    }
    return false;
  }

  private void look(long writer, long at) {
    byte @Nullable [] bytes;
    try {
      bytes = log.read(capsule.name, writer, at);
    } catch (IntegrityException damaged) {
      // For the scrub to find and to repair.
      return;
    }
    RecordType type = bytes == null ? null : RecordCodec.typeOf(bytes);
    if (bytes == null || type == null) {
      return;
    }
    if (type == RecordType.CHECKPOINT) {
      if (RecordCodec.decode(capsule.name, bytes)
              instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record)
          && CheckpointCodec.decode(record.payload())
              instanceof Decoded.Accepted<Checkpoint>(Checkpoint checkpoint)) {
        for (Checkpoint.Range range : checkpoint.released()) {
          released
              .computeIfAbsent(range.writer(), w -> new Ranges())
              .add(range.fromSequence(), range.toSequence());
        }
      }
    } else if (initial && RecordCodec.isStub(bytes)) {
      stubs.computeIfAbsent(writer, w -> new Ranges()).add(at, at);
    }
  }

  private void finish() {
    stubs.forEach(
        (writer, found) -> {
          HeldChain chain = capsule.chain(writer);
          while (chain != null && !found.isEmpty()) {
            long from = found.first();
            long to = found.firstRangeEnd();
            chain.unjustified.add(from, to);
            chain.beforeUnjustified = null;
            found.remove(from, to);
          }
        });
    released.forEach(
        (writer, ranges) -> {
          while (!ranges.isEmpty()) {
            long from = ranges.first();
            long to = ranges.firstRangeEnd();
            capsule.justify(writer, from, to);
            ranges.remove(from, to);
          }
        });
  }
}
