package io.capsuledb.scl.worker;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.seal.ChainHead;
import java.util.List;

/**
 * What an engine had replayed when it was opened, before its own writer's first record.
 *
 * @param chains the frontier it is at
 * @param epochRecords the newest SYNC among the records replayed, and every RTS of a later epoch,
 *     by epoch: whole records
 */
public record WorkerStart(List<Start> chains, List<CapsuleRecord> epochRecords) {

  /** An engine that has replayed nothing. */
  public static final WorkerStart EMPTY = new WorkerStart(List.of(), List.of());

  /**
   * One chain.
   *
   * @param entry its writer
   * @param head its newest replayed record
   * @param lamport time of that record's first operation
   */
  public record Start(RosterEntry entry, ChainHead head, long lamport) {}

  /** Copies the lists. */
  public WorkerStart {
    chains = List.copyOf(chains);
    epochRecords = List.copyOf(epochRecords);
  }
}
