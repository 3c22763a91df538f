package io.capsuledb.host.node;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.replication.replica.ReplicaServer;
import io.capsuledb.replication.store.RocksReplicaLog;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;

/**
 * Gives back the room of released payloads in a replica's store when there is a good deal to gain:
 * doing so rewrites about what is kept.
 */
final class ReclaimAgent implements Scheduler.Agent {

  /** Time between two looks. */
  static final long LOOK_MS = 5_000;

  private static final long MIN_BYTES = 32L << 20;

  /** So large a part of the store has to be released. */
  private static final int PART = 4;

  private final ReplicaServer server;
  private final Clock clock;
  private long next;
  private final LongAdder reclaimed = new LongAdder();

  ReclaimAgent(ReplicaServer server, Clock clock) {
    this.server = server;
    this.clock = clock;
    this.next = clock.monotonicNanos();
  }

  @Override
  public boolean step() {
    long now = clock.monotonicNanos();
    if (now - next < 0 || !(server.log() instanceof RocksReplicaLog log)) {
      return false;
    }
    next = now + TimeUnit.MILLISECONDS.toNanos(LOOK_MS);
    long released = log.releasedBytes();
    if (released < MIN_BYTES || released < log.sizeBytes() / PART) {
      return false;
    }
    try {
      log.reclaim();
      reclaimed.add(released);
      EventLog.info("replica.reclaimed", "released_bytes", released);
    } catch (CapsuleException e) {
      // A full disk or a damaged table: who commits next meets it too, and the server sees to it.
      EventLog.warn("replica.reclaim_failed", "code", e.code(), "detail", e.toString());
    } catch (IllegalStateException e) {
      // The server closed this log meanwhile, and opens another.
      EventLog.warn("replica.reclaim_failed", "detail", e.toString());
    }
    return false;
  }

  /** Bytes of released payloads whose room was given back. */
  long reclaimedBytes() {
    return reclaimed.sum();
  }
}
