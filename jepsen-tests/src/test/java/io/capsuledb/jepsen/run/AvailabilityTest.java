package io.capsuledb.jepsen.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.OpType;
import io.capsuledb.jepsen.history.Term;
import io.capsuledb.jepsen.nemesis.FaultWindow;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class AvailabilityTest {

  private static final long S = 1_000_000_000L;

  private final List<Op> ops = new ArrayList<>();

  private void write(double begin, double end, OpType type, String error) {
    ops.add(op(begin, OpType.INVOKE, null));
    ops.add(op(end, type, error));
  }

  private Op op(double seconds, OpType type, String error) {
    return new Op(
        ops.size(), (long) (seconds * S), 0, "n", type, "write", "x", Term.of(1), true, error);
  }

  private List<String> judge(FaultWindow... windows) {
    return Availability.judge(List.of(ops), List.of(windows), 60 * S, 10 * S).problems();
  }

  private static FaultWindow window(String name, long from, long to, boolean stops) {
    return new FaultWindow(name, name, from * S, to * S, stops);
  }

  private void writesFromTo(int from, int to) {
    for (int second = from; second < to; second++) {
      write(second, second + 0.1, OpType.OK, null);
    }
  }

  @Test
  void aGapWhileAMajorityLivesIsAViolation() {
    writesFromTo(0, 20);
    writesFromTo(40, 60);

    assertThat(judge(window("kill", 20, 40, false)))
        .singleElement()
        .asString()
        .contains("no write was acknowledged");
    assertThat(judge(window("majority-kill", 20, 39, true))).isEmpty();
  }

  @Test
  void serviceThatDoesNotComeBackByItselfIsAViolation() {
    writesFromTo(0, 20);
    writesFromTo(40, 60);

    assertThat(judge(window("majority-kill", 20, 25, true)))
        .singleElement()
        .asString()
        .contains("no write was acknowledged for 15");
  }

  @Test
  void serviceThatNeverComesBackIsAViolation() {
    writesFromTo(0, 20);

    assertThat(judge(window("majority-kill", 20, 25, true))).hasSize(1);
  }

  @Test
  void anOperationWithoutAnAnswerIsAViolationUnlessTheServerWasGone() {
    writesFromTo(0, 60);
    ops.clear();
    for (int second = 0; second < 60; second++) {
      write(
          second,
          second + 0.1,
          second == 30 ? OpType.INFO : OpType.OK,
          second == 30 ? "java.net.SocketTimeoutException: Read timed out" : null);
    }

    assertThat(judge()).singleElement().asString().contains("had no answer");
    assertThat(judge(window("pause-serve", 29, 31, true))).isEmpty();
    assertThat(judge(window("majority-cut", 29, 31, true))).hasSize(1);
  }

  @Test
  void theLongestGapOfEachPhaseIsTold() {
    writesFromTo(0, 20);
    writesFromTo(27, 40);
    writesFromTo(43, 60);

    assertThat(
            Availability.judge(
                    List.of(ops),
                    List.of(window("kill", 20, 25, false), window("pause", 40, 41, false)),
                    60 * S,
                    10 * S)
                .notes())
        .filteredOn(note -> note.startsWith("gap of "))
        .satisfiesExactly(
            first -> assertThat(first).contains("8000.0 ms from 19.1 s", "in kill of 20.0 s"),
            second -> assertThat(second).contains("4000.0 ms", "in pause of 40.0 s to 41.0 s"),
            third -> assertThat(third).contains("1000.0 ms", "without a fault"));
  }
}
