package io.capsuledb.scl.sim;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.epoch.Rts;
import io.capsuledb.core.epoch.RtsCodec;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.scl.epoch.ChainClaim;
import io.capsuledb.scl.epoch.WorkerOptions;
import io.capsuledb.scl.frame.SclMessage;
import io.capsuledb.scl.worker.WorkerCore;
import io.capsuledb.scl.worker.WorkerInput;
import io.capsuledb.scl.worker.WorkerOutput;
import io.capsuledb.scl.worker.WorkerStart;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** One worker's core, step by step: faults that the simulation found. */
class WorkerCoreTest {

  private static final long MS = SclSim.MS;
  private static final long OWN = 77;
  private static final long CHAIN = 500;
  private static final long BEFORE = 9;

  private final SimRecords records = new SimRecords();
  private final WorkerCore core =
      new WorkerCore(OWN, WorkerOptions.builder().build(), WorkerStart.EMPTY, records);
  private final List<WorkerOutput> said = new ArrayList<>();
  private long now = MS;

  private void step(WorkerInput input) {
    now += 10 * MS;
    said.clear();
    said.addAll(core.step(now, input));
  }

  private <T> T only(Class<T> kind) {
    List<T> found = said.stream().filter(kind::isInstance).map(kind::cast).toList();
    assertThat(found).as("%s in %s", kind, said).hasSize(1);
    return found.getFirst();
  }

  private static ChainHead at(CapsuleRecord record) {
    return new ChainHead(record.header().sequence(), record.hash());
  }

  /**
   * A coordinator's chain may be merged all at once: the RTS at its end counts before the term of
   * the next one is chosen.
   */
  @Test
  void aClaimantTakesATermAboveAllThatItHasMerged() {
    CapsuleRecord own = records.roster(OWN, Role.WORKER, 1);
    ChainClaim mine = new ChainClaim(OWN, at(own), 1, false, null);
    step(new WorkerInput.OwnDurable(List.of(own)));
    step(
        new WorkerInput.FrontierRead(
            only(WorkerOutput.ReadFrontier.class).ticket(), List.of(mine)));
    only(WorkerOutput.Ready.class);
    step(new WorkerInput.Tick(1, false));
    only(WorkerOutput.IntroduceCoordinator.class);
    step(new WorkerInput.CoordinatorIntroduced(CHAIN));
    CapsuleRecord introduction = records.roster(CHAIN, Role.COORDINATOR, 2);
    step(new WorkerInput.CoordinatorDurable(List.of(introduction)));

    CapsuleRecord first = records.roster(BEFORE, Role.COORDINATOR, 1);
    Rts rts = new Rts(5, 1, 4, 1_000, 100);
    CapsuleRecord last =
        records.make(RecordType.RTS, BEFORE, at(first), 5, 2, List.of(), RtsCodec.encode(rts));
    List<ChainClaim> claims =
        List.of(
            mine,
            new ChainClaim(CHAIN, at(introduction), 1, false, null),
            new ChainClaim(BEFORE, ChainHead.NONE, 2, true, at(last)));
    step(new WorkerInput.FrontierRead(only(WorkerOutput.ReadFrontier.class).ticket(), claims));
    step(new WorkerInput.Tick(2, false));
    step(new WorkerInput.Pulled(only(WorkerOutput.PullRange.class).ticket(), List.of(first)));
    now += 100 * MS;
    step(new WorkerInput.Tick(2, false));
    step(new WorkerInput.FrontierRead(only(WorkerOutput.ReadFrontier.class).ticket(), claims));
    step(new WorkerInput.Received(33, new SclMessage.Records(BEFORE, 1, 2, List.of(first, last))));
    Rts next = only(WorkerOutput.AppendRts.class).rts();
    assertThat(next.term()).isEqualTo(5);
    assertThat(next.epoch()).isEqualTo(6);
    assertThat(next.cutTime()).isGreaterThan(1_000);
  }
}
