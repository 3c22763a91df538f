package io.capsuledb.replication.sim;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.replication.replica.ReplicaLog;
import org.jspecify.annotations.Nullable;

/**
 * A replica's log in memory, on a {@link SimReplicaDisk} that can be crashed, damaged, filled,
 * rolled back and lost. It keeps the whole contract of {@link ReplicaLog}; faults come only from
 * its disk. Thread-safe.
 */
public final class SimReplicaLog implements ReplicaLog {

  private final SimReplicaDisk disk;
  private final long generation;
  private final Recovered recovered;

  SimReplicaLog(SimReplicaDisk disk, long generation, Recovered recovered) {
    this.disk = disk;
    this.generation = generation;
    this.recovered = recovered;
  }

  /** The disk below. */
  public SimReplicaDisk disk() {
    return disk;
  }

  @Override
  public Recovered recovered() {
    return recovered;
  }

  @Override
  public void commit(Batch batch) {
    disk.commit(generation, batch);
  }

  @Override
  public byte @Nullable [] read(CapsuleName capsule, long writer, long sequence) {
    return disk.read(generation, capsule, writer, sequence);
  }

  @Override
  public byte @Nullable [] read(CapsuleName capsule, Hash32 hash) {
    return disk.read(generation, capsule, hash);
  }

  @Override
  public long sizeBytes() {
    return disk.sizeBytes(generation);
  }

  /** Closes the log; the disk can be opened again. Closing twice is allowed. */
  @Override
  public void close() {
    disk.close(generation);
  }
}
