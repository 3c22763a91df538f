package io.capsuledb.scl.worker;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.scl.epoch.ChainClaim;
import io.capsuledb.scl.frame.SclMessage;
import io.capsuledb.scl.lock.LockWish;
import io.capsuledb.scl.session.SessionToken;
import java.util.List;

/** What happens to a {@link WorkerCore}. Tickets are the caller's and never used twice. */
public sealed interface WorkerInput {

  /** A frame was opened. */
  record Received(long sender, SclMessage message) implements WorkerInput {}

  /**
   * Records of the worker's own chain are durable: each, in order, the first of all being its
   * ROSTER.
   */
  record OwnDurable(List<CapsuleRecord> records) implements WorkerInput {
    public OwnDurable {
      records = List.copyOf(records);
    }
  }

  /** The chain asked for by {@link WorkerOutput.IntroduceCoordinator} is made; not yet durable. */
  record CoordinatorIntroduced(long writer) implements WorkerInput {}

  /** Records of the coordinator's chain are durable: each, in order, its ROSTER first. */
  record CoordinatorDurable(List<CapsuleRecord> records) implements WorkerInput {
    public CoordinatorDurable {
      records = List.copyOf(records);
    }
  }

  /** The coordinator's chain takes nothing more: it was sealed, or its store failed. */
  record CoordinatorEnded(long writer) implements WorkerInput {}

  /**
   * What a pull gave.
   *
   * @param records of the chain asked for, consecutive from the first asked for on; none if nobody
   *     has them, or nobody answered in time
   */
  record Pulled(long ticket, List<CapsuleRecord> records) implements WorkerInput {
    public Pulled {
      records = List.copyOf(records);
    }
  }

  /** A quorum answered a frontier read, each after it was asked by {@code ticket}. */
  record FrontierRead(long ticket, List<ChainClaim> claims) implements WorkerInput {
    public FrontierRead {
      claims = List.copyOf(claims);
    }
  }

  /** A writer is sealed: a quorum has accepted this final head in one ballot. */
  record Sealed(long writer, ChainHead last) implements WorkerInput {}

  /** A seal met a higher ballot; it can end only in one above this term. */
  record SealOverruled(long writer, long term) implements WorkerInput {}

  /** How {@link WorkerOutput.BeginCut} came out. */
  record CutMade(long epoch, Cut cut, ChainHead head, long clock) implements WorkerInput {}

  /** How a cut came out. */
  enum Cut {
    /** EOE is the next record of the chain. */
    MADE,
    /** Nothing was written since the last SYNC: the clock was moved, the head stays, durable. */
    IDLE,
    /** The worker's clock was at or past the cut. */
    LATE
  }

  /**
   * A transaction wants locks: answered by Granted or Denied.
   *
   * @param wishes ascending by lock, unsigned, each lock once; {@link
   *     io.capsuledb.scl.lock.LockGrant#ALL} first, at least shared
   */
  record Acquire(long ticket, List<LockWish> wishes, long timeoutNanos) implements WorkerInput {
    public Acquire {
      wishes = List.copyOf(wishes);
    }
  }

  /**
   * A transaction that was granted its locks has ended, or one that was not gives up.
   *
   * @param lastSequence the newest record of the own chain it may have written; 0 if it wrote
   *     nothing
   */
  record Finish(long ticket, long lastSequence) implements WorkerInput {}

  /** A session waits until all of a token is merged: answered by Reached or Denied. */
  record WaitFor(long ticket, SessionToken token, long timeoutNanos) implements WorkerInput {}

  /** Somebody wants a SYNC with all that is committed now: answered by Synced or Denied. */
  record ForceSync(long ticket, long timeoutNanos) implements WorkerInput {}

  /** The worker is to end in good order: after its last record is durable. */
  record Leave() implements WorkerInput {}

  /** The engine has failed or its chain is sealed: the worker is over. */
  record EngineFailed(CapsuleException failure) implements WorkerInput {}

  /**
   * Time passes: at least every {@link io.capsuledb.scl.epoch.WorkerOptions#tickNanos}.
   *
   * @param clock the engine's Lamport time
   * @param pending whether the own chain has records that are not durable yet
   */
  record Tick(long clock, boolean pending) implements WorkerInput {}
}
