package io.capsuledb.scl.worker;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.epoch.Rts;
import io.capsuledb.core.epoch.Sync;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.scl.frame.SclMessage;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link WorkerCore} wants done. To be done in order and before the next input: what the
 * core takes for merged was handed to the engine.
 */
public sealed interface WorkerOutput {

  /**
   * Send a frame, once; it may get lost.
   *
   * @param receiver the worker; 0: everybody
   */
  record Send(long receiver, SclMessage message) implements WorkerOutput {}

  /** Merge these records, which are verified and durable, in this order, into the engine. */
  record Merge(List<CapsuleRecord> records) implements WorkerOutput {
    public Merge {
      records = List.copyOf(records);
    }
  }

  /**
   * Merge this RTS and cut at it, as one act; say how by {@link WorkerInput.CutMade}.
   *
   * @param idleIsEnough always true: a worker that wrote nothing since the last SYNC writes no EOE
   */
  record BeginCut(CapsuleRecord record, Rts rts, boolean idleIsEnough) implements WorkerOutput {}

  /** This SYNC and all of its cut are merged: what is at or before its cut time never changes. */
  record Stable(CapsuleRecord record, Sync sync) implements WorkerOutput {}

  /** The worker may write: whatever is cut without it is merged. */
  record Ready() implements WorkerOutput {}

  /** Introduce a new writer of the role COORDINATOR; forget the chain of an older one. */
  record IntroduceCoordinator() implements WorkerOutput {}

  /** Append an RTS to the coordinator's chain; header epoch as in the payload. */
  record AppendRts(long coordinator, Rts rts, List<Hash32> parents) implements WorkerOutput {
    public AppendRts {
      parents = List.copyOf(parents);
    }
  }

  /** Append a SYNC to the coordinator's chain; header epoch as in the payload. */
  record AppendSync(long coordinator, Sync sync, List<Hash32> parents) implements WorkerOutput {
    public AppendSync {
      parents = List.copyOf(parents);
    }
  }

  /**
   * Seal a writer by PREPARE and FINAL in the coordinator's chain, in the ballot of this term and
   * that chain's writer; tried until it ends or is overruled.
   */
  record SealWriter(long coordinator, long writer, long term) implements WorkerOutput {}

  /** The coordinator's chain is not used any more: nothing is tried for it any longer. */
  record EndCoordinator(long coordinator) implements WorkerOutput {}

  /** Fetch records of a chain from replicas. */
  record PullRange(long ticket, long writer, long from, long to) implements WorkerOutput {}

  /** Fetch a record from replicas. */
  record PullHash(long ticket, Hash32 hash) implements WorkerOutput {}

  /** What came for a ticket was wrong. */
  record Blame(long ticket, Rejection rejection) implements WorkerOutput {}

  /** Ask a quorum of replicas what they hold, anew. */
  record ReadFrontier(long ticket) implements WorkerOutput {}

  /** A transaction has its locks, and everything written under them before is merged. */
  record Granted(long ticket) implements WorkerOutput {}

  /** A token's positions are all merged. */
  record Reached(long ticket) implements WorkerOutput {}

  /** A SYNC that was forced is durable and merged. */
  record Synced(long ticket, CapsuleRecord record, Sync sync) implements WorkerOutput {}

  /** What was asked for by a ticket was not done, and has no effect. */
  record Denied(long ticket, CapsuleException reason) implements WorkerOutput {}

  /**
   * Reads under locks are valid if they end before this time of the clock that {@code now} is of. A
   * read-only transaction compares after its last read.
   */
  record Lease(long untilNanos) implements WorkerOutput {}

  /** This node's tree is the one that counts from now on, or is not any more. */
  record Compactor(boolean appointed, List<Long> sealedCompactors) implements WorkerOutput {
    public Compactor {
      sealedCompactors = List.copyOf(sealedCompactors);
    }
  }

  /**
   * The worker is over; its process may open the capsule again as a new writer.
   *
   * @param failure null if it left in good order
   */
  record Stopped(@Nullable CapsuleException failure) implements WorkerOutput {}
}
