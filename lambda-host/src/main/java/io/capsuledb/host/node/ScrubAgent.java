package io.capsuledb.host.node;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.replication.replica.ReplicaLog;
import io.capsuledb.replication.replica.ReplicaServer;
import io.capsuledb.replication.store.RocksReplicaLog;
import io.capsuledb.replication.store.Scrubber;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * Reads everything a replica holds, slowly and for ever, so that damage is found while other
 * replicas can still repair it. The server opens its log again after a failure; then the scrubber
 * begins with the new one where it was in the old.
 */
final class ScrubAgent implements Scheduler.Agent {

  /** Time between two steps. */
  static final long STEP_MS = 100;

  private static final long STEPS_PER_SECOND = TimeUnit.SECONDS.toMillis(1) / STEP_MS;

  private final ReplicaServer server;
  private final long bytesPerStep;
  private final Clock clock;
  private final LongAdder findings = new LongAdder();
  private @Nullable ReplicaLog log;
  private @Nullable Scrubber scrubber;
  private long next;
  private volatile long passes;
  private final LongAdder records = new LongAdder();

  /**
   * A scrubber of a server's log.
   *
   * @param bytesPerSecond how much it reads
   */
  ScrubAgent(ReplicaServer server, long bytesPerSecond, Clock clock) {
    this.server = server;
    this.bytesPerStep = Math.max(1, bytesPerSecond / STEPS_PER_SECOND);
    this.clock = clock;
    this.next = clock.monotonicNanos();
  }

  @Override
  public boolean step() {
    long now = clock.monotonicNanos();
    if (now - next < 0) {
      return false;
    }
    next = now + TimeUnit.MILLISECONDS.toNanos(STEP_MS);
    Scrubber current = scrubber();
    if (current == null) {
      return false;
    }
    try {
      long before = current.records();
      List<Scrubber.Finding> found = current.step(bytesPerStep);
      records.add(current.records() - before);
      passes = current.passes();
      for (Scrubber.Finding finding : found) {
        findings.increment();
        EventLog.warn(
            "replica.damage_found",
            "capsule",
            finding.capsule(),
            "writer",
            Long.toHexString(finding.writer()),
            "sequence",
            finding.sequence(),
            "reason",
            finding.rejection().reason());
        server.damaged(finding.capsule(), finding.writer(), finding.sequence());
      }
    } catch (CapsuleException e) {
      EventLog.warn("replica.scrub_failed", "code", e.code(), "detail", e.toString());
      scrubber = null;
    } catch (IllegalStateException e) {
      // The server closed this log meanwhile: it opens another.
      scrubber = null;
      log = null;
    }
    return false;
  }

  private @Nullable Scrubber scrubber() {
    ReplicaLog open = server.log();
    if (open == null) {
      return null;
    }
    if (!open.equals(log) || scrubber == null) {
      log = open;
      scrubber = open instanceof RocksReplicaLog rocks ? new Scrubber(rocks) : null;
    }
    return scrubber;
  }

  /** Complete walks through everything. */
  long passes() {
    return passes;
  }

  /** Records looked at. */
  long records() {
    return records.sum();
  }

  /** Records found damaged. */
  long findings() {
    return findings.sum();
  }
}
