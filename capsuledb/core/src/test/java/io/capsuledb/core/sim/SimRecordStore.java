package io.capsuledb.core.sim;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.sim.SimDisk.Position;
import io.capsuledb.core.sim.SimDisk.Slot;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A record store in memory, on a {@link SimDisk} that can be crashed, damaged, filled and held. It
 * keeps the whole contract of {@link RecordStore}; faults come only from its disk. Thread-safe; a
 * scan sees the records as they were when it began, and its visitor may call the store.
 */
public final class SimRecordStore implements RecordStore {

  private final SimDisk disk;
  private final long generation;
  private volatile boolean closed;
  private volatile Runnable meanwhile = () -> {};

  SimRecordStore(SimDisk disk, long generation) {
    this.disk = disk;
    this.generation = generation;
  }

  /** An empty store on a disk of its own. */
  public static SimRecordStore create() {
    return new SimDisk().open();
  }

  /** The disk below. */
  public SimDisk disk() {
    return disk;
  }

  /** Something that happens in the middle of every read of a record from now on. */
  public void meanwhile(Runnable action) {
    meanwhile = action;
  }

  void checkAlive(long diskGeneration) {
    if (closed) {
      throw new IllegalStateException("the record store is closed");
    }
    if (generation != diskGeneration) {
      throw new StorageException("the simulated disk lost power; open it again");
    }
  }

  @Override
  public byte @Nullable [] metadata() {
    return disk.metadata(this);
  }

  @Override
  public void initialize(byte[] metadata) {
    disk.initialize(this, metadata);
  }

  @Override
  public void append(List<StoredRecord> batch) {
    if (batch.size() > MAX_BATCH_RECORDS) {
      throw new InvalidRequestException(
          "a batch of " + batch.size() + " records; at most " + MAX_BATCH_RECORDS);
    }
    for (StoredRecord r : batch) {
      if (r.sequence() == 0) {
        throw new InvalidRequestException("sequence numbers start at 1: " + r);
      }
    }
    disk.append(this, List.copyOf(batch));
  }

  @Override
  public void truncate(long writer, long after) {
    disk.rollBack(writer, after + 1);
  }

  /** The simulated disk forgets a payload with its release. */
  @Override
  public void reclaim() {}

  @Override
  public void release(List<StoredRecord> stubs) {
    if (stubs.size() > MAX_BATCH_RECORDS) {
      throw new InvalidRequestException(
          "a batch of " + stubs.size() + " stubs; at most " + MAX_BATCH_RECORDS);
    }
    disk.release(this, List.copyOf(stubs));
  }

  @Override
  public byte @Nullable [] read(long writer, long sequence) {
    meanwhile.run();
    Position position = new Position(writer, sequence);
    Slot slot = disk.read(this, (records, index) -> records.get(position));
    return slot == null ? null : intact(position, slot).clone();
  }

  @Override
  public byte @Nullable [] read(Hash32 hash) {
    meanwhile.run();
    record Found(Position position, @Nullable Slot slot) {}
    Found found =
        disk.read(
            this,
            (records, index) -> {
              Position position = index.get(hash);
              return position == null ? null : new Found(position, records.get(position));
            });
    if (found == null) {
      return null;
    }
    Slot slot = found.slot();
    if (slot == null) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.MISSING_RECORD,
              "record " + hash + " is indexed but not stored: " + found.position().describe()));
    }
    return intact(found.position(), slot).clone();
  }

  @Override
  public long[] writers() {
    return disk.access(
        this,
        (records, index) -> {
          TreeSet<Long> writers = new TreeSet<>(Long::compareUnsigned);
          records.keySet().forEach(p -> writers.add(p.writer()));
          return writers.stream().mapToLong(Long::longValue).toArray();
        });
  }

  @Override
  public long newestSequence(long writer) {
    return disk.access(
        this,
        (records, index) -> {
          Position newest = records.floorKey(new Position(writer, -1L));
          return newest == null || newest.writer() != writer ? 0L : newest.sequence();
        });
  }

  @Override
  public void scan(long writer, long fromSequence, Visitor visitor) {
    List<Map.Entry<Position, Slot>> entries =
        disk.scan(
            this,
            (records, index) -> {
              List<Map.Entry<Position, Slot>> copy = new ArrayList<>();
              records
                  .subMap(new Position(writer, fromSequence), true, new Position(writer, -1L), true)
                  .forEach((position, slot) -> copy.add(Map.entry(position, slot)));
              return copy;
            });
    for (Map.Entry<Position, Slot> entry : entries) {
      Position position = entry.getKey();
      byte[] bytes = intact(position, entry.getValue()).clone();
      if (!visitor.visit(position.writer(), position.sequence(), bytes)) {
        return;
      }
    }
  }

  @Override
  public void audit(Consumer<String> findings) {
    List<String> found =
        disk.access(
            this,
            (records, index) -> {
              List<String> list = new ArrayList<>();
              records.forEach(
                  (position, slot) -> {
                    if (slot.damaged) {
                      list.add("storage checksum: record at " + position.describe());
                    }
                  });
              Set<Position> indexed = new HashSet<>(index.values());
              index.forEach(
                  (hash, position) -> {
                    if (!records.containsKey(position)) {
                      list.add("record " + hash + " is missing: " + position.describe());
                    }
                  });
              records
                  .keySet()
                  .forEach(
                      position -> {
                        if (!indexed.contains(position)) {
                          list.add("not in the hash index: record at " + position.describe());
                        }
                      });
              return list;
            });
    found.forEach(findings);
  }

  @Override
  public long sizeBytes() {
    return disk.access(this, (records, index) -> disk.occupied());
  }

  @Override
  public @Nullable CapsuleException unavailable() {
    return disk.unavailable();
  }

  @Override
  public boolean isReplicated() {
    return disk.replicated();
  }

  /** Closes the store; the disk can be opened again. Closing twice is allowed. */
  @Override
  public void close() {
    closed = true;
    disk.close(generation);
  }

  private static byte[] intact(Position position, Slot slot) {
    if (slot.damaged) {
      throw new IntegrityException(
          Rejection.of(Rejection.Reason.STORAGE_CHECKSUM, "the record at " + position.describe()));
    }
    return slot.bytes;
  }
}
