package io.capsuledb.jepsen.report;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.jepsen.history.Completed;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.OpType;
import io.capsuledb.jepsen.history.Term;
import io.capsuledb.jepsen.nemesis.FaultWindow;
import java.util.List;
import org.junit.jupiter.api.Test;

final class TimelineTest {

  private static Completed ended(long second, OpType type) {
    Op invoke = new Op(0, 0, 0, "n", OpType.INVOKE, "read", "x", Term.nil(), true, null);
    Op end = new Op(1, second * 1_000_000_000, 0, "n", type, "read", "x", Term.nil(), true, null);
    return new Completed(invoke, end);
  }

  @Test
  void eachPieceShowsHowOperationsEndedAndEachFaultIsInTheRowOfItsKind() {
    Timeline timeline = new Timeline(10);
    timeline.workload(
        "bank",
        List.of(
            ended(1, OpType.OK),
            ended(2, OpType.OK),
            ended(2, OpType.FAIL),
            ended(3, OpType.INFO),
            ended(99, OpType.OK)));
    timeline.faults(
        List.of(
            new FaultWindow("kill", "kill -9 <r1>", 4_000_000_000L, 6_000_000_000L, false),
            new FaultWindow("all-kill", "everything", 7_000_000_000L, 99_000_000_000L, true)));
    String svg = timeline.svg();
    assertThat(svg)
        .contains("#8fce9f\"><title>1 s bank: 1 ok, 0 not")
        .contains("#f0d264\"><title>2 s bank: 1 ok, 1 not")
        .contains("#d9646e\"><title>3 s bank: 0 ok, 1 not")
        .contains("4 s kill: kill -9 &lt;r1&gt;", ">all-kill</text>", ">10 s</text>")
        .doesNotContain("99 s");
  }
}
