package io.capsuledb.scl.epoch;

import io.capsuledb.core.epoch.Rts;
import io.capsuledb.core.epoch.Sync;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.scl.frame.SclMessage;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A worker's side of epochs: which RTS it has cut at, what it says when the answer is no record,
 * and the newest SYNC that it has merged.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>the engine cuts at each RTS when it is merged, before anything that follows it: so nothing
 *       of a later epoch is merged before this worker's own clock is beyond the cut;
 *   <li>an answer that is no record is repeated until the epoch is over: a SYNC of it or a later
 *       RTS was merged;
 *   <li>the newest SYNC only becomes newer: epochs grow along the causal order of RTS and SYNC
 *       records, since a coordinator has merged what its predecessors left before its first.
 * </ul>
 *
 * <p>A plain object; one thread at a time.
 */
public final class EpochCore {

  /**
   * A SYNC that was merged.
   *
   * @param record the record
   * @param sync what it says
   */
  public record Merged(CapsuleRecord record, Sync sync) {}

  private final long own;
  private long maxEpoch;
  private long maxTerm;
  private long maxTermChain;
  private long maxCut;
  private long lastCutEpoch;
  private long cutCoordinator;
  private SclMessage.@Nullable End answer;
  private @Nullable Merged lastSync;
  private boolean gone;

  /** A worker that has merged neither RTS nor SYNC. */
  public EpochCore(long own) {
    this.own = own;
  }

  /** An RTS was merged; the engine cuts now. */
  public void merged(CapsuleRecord record, Rts rts) {
    maxEpoch = Math.max(maxEpoch, rts.epoch());
    reach(rts.term(), record);
    maxCut = Math.max(maxCut, rts.cutTime());
    if (rts.epoch() > lastCutEpoch) {
      lastCutEpoch = rts.epoch();
      cutCoordinator = record.header().writer();
      answer = null;
    }
  }

  /**
   * How the cut came out.
   *
   * @param noRecord whether the worker answers by a frame
   * @param late whether its clock was at or past the cut
   */
  public void cut(long epoch, boolean noRecord, boolean late, ChainHead head, long clock) {
    if (epoch == lastCutEpoch && noRecord && !isOver(epoch)) {
      answer = new SclMessage.End(epoch, cutCoordinator, late, head, clock);
    }
  }

  /** A SYNC was merged. */
  public void merged(CapsuleRecord record, Sync sync) {
    maxEpoch = Math.max(maxEpoch, sync.epoch());
    reach(sync.term(), record);
    maxCut = Math.max(maxCut, sync.cutTime());
    Merged last = lastSync;
    if (last == null || sync.epoch() > last.sync.epoch()) {
      lastSync = new Merged(record, sync);
    }
    if (isOver(lastCutEpoch)) {
      answer = null;
    }
    Sync.Position position = sync.of(own);
    gone |= position != null && position.state() != Sync.State.LIVE;
  }

  private boolean isOver(long epoch) {
    return lastSync != null && lastSync.sync.epoch() >= epoch;
  }

  /** What is to be said again and again, or null. */
  public SclMessage.@Nullable End answer() {
    return answer;
  }

  /** The newest SYNC, or null before the first. */
  public @Nullable Merged lastSync() {
    return lastSync;
  }

  /** Whether a SYNC says that this worker is no more. */
  public boolean isGone() {
    return gone;
  }

  /** The newest epoch this worker has cut. */
  public long lastCutEpoch() {
    return lastCutEpoch;
  }

  /** The largest epoch any merged record calls for or ends. */
  public long maxEpoch() {
    return maxEpoch;
  }

  private void reach(long term, CapsuleRecord record) {
    if (term > maxTerm) {
      maxTerm = term;
      maxTermChain = record.header().writer();
    }
  }

  /** The largest term in a merged record. */
  public long maxTerm() {
    return maxTerm;
  }

  /** The chain of the coordinator that wrote the first merged record of that term; 0 if none is. */
  public long maxTermChain() {
    return maxTermChain;
  }

  /** The largest cut time in a merged record. */
  public long maxCut() {
    return maxCut;
  }

  /** The workers that live by the newest SYNC, ascending. */
  public List<Long> living() {
    List<Long> living = new ArrayList<>();
    if (lastSync != null) {
      for (Sync.Position position : lastSync.sync.positions()) {
        if (position.state() == Sync.State.LIVE) {
          living.add(position.writer());
        }
      }
    }
    return living;
  }
}
