package io.capsuledb.engine;

import io.capsuledb.core.seal.ChainHead;
import java.util.concurrent.CompletionStage;

/** How an engine has answered the call for the end of an epoch: {@link CapsuleDb#beginCut}. */
public sealed interface CutResult {

  /**
   * The epoch has ended here: an EOE is on its way.
   *
   * @param eoe its place, when it is durable; fails if the engine stops first
   */
  record Cut(CompletionStage<ChainHead> eoe) implements CutResult {}

  /**
   * Nothing was written since the SYNC before, so there is nothing to end. What is written from now
   * on is later than the cut time all the same.
   *
   * @param head the newest record, which that SYNC has named
   */
  record Idle(ChainHead head) implements CutResult {}

  /**
   * The call came too late: operations later than the cut time may be in records already. Nothing
   * was cut.
   *
   * @param clock Lamport time here, at or after the cut time
   */
  record Late(long clock) implements CutResult {}
}
