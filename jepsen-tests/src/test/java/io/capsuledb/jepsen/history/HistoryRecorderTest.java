package io.capsuledb.jepsen.history;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class HistoryRecorderTest {

  @TempDir private Path directory;

  private final AtomicLong clock = new AtomicLong();

  private HistoryRecorder open() {
    return HistoryRecorder.open(directory, "h", () -> clock.addAndGet(1000));
  }

  @Test
  void anInvokeIsInTheFilesBeforeTheRequestCanLeave() throws IOException {
    try (HistoryRecorder recorder = open()) {
      recorder.invoke(3, "n1", "write", "x", Term.of(7));

      assertThat(Files.readString(directory.resolve("h.jsonl")))
          .isEqualTo(
              "{\"index\":0,\"time\":1000,\"process\":3,\"node\":\"n1\",\"type\":\"invoke\","
                  + "\"f\":\"write\",\"key\":\"x\",\"value\":7}\n");
      assertThat(Files.readString(directory.resolve("h.edn")))
          .isEqualTo(
              "{:index 0 :time 1000 :process 3 :type :invoke :f :write :value [\"x\" 7] :node"
                  + " \"n1\"}\n");
    }
  }

  @Test
  void aProcessWithAnUnknownEndNeverActsAgain() {
    try (HistoryRecorder recorder = open()) {
      Op op = recorder.invoke(1, "n1", "read", "x", Term.nil());
      assertThatIllegalStateException()
          .isThrownBy(() -> recorder.invoke(1, "n1", "read", "x", Term.nil()));
      recorder.complete(op, OpType.INFO, Term.nil(), true, "time-out");

      assertThatIllegalStateException()
          .isThrownBy(() -> recorder.invoke(1, "n1", "read", "x", Term.nil()));
      assertThatIllegalStateException()
          .isThrownBy(() -> recorder.complete(op, OpType.OK, Term.nil(), true, null));
    }
  }

  @Test
  void timesNeverGoBackThoughTheClockDoes() {
    try (HistoryRecorder recorder =
        HistoryRecorder.open(directory, "h", () -> 10 - clock.incrementAndGet())) {
      Op op = recorder.invoke(1, "n1", "read", "x", Term.nil());
      Op end = recorder.complete(op, OpType.OK, Term.of(1), true, null);

      assertThat(end.timeNs()).isGreaterThanOrEqualTo(op.timeNs());
    }
  }

  @Test
  void whatWasWrittenIsReadBack() {
    List<Op> written;
    try (HistoryRecorder recorder = open()) {
      Op cas = recorder.invoke(1, "n1", "cas", "x", Term.of(Term.of(1), Term.of(2)));
      recorder.complete(cas, OpType.OK, cas.value(), false, null);
      Op read = recorder.invoke(2, "n1", "read", "x", Term.nil());
      recorder.complete(read, OpType.INFO, Term.nil(), true, "no \"reply\"\nin time");
      Op list = recorder.invoke(1, "n1", "read", "l", Term.nil());
      recorder.complete(list, OpType.OK, Term.of(Term.of(), Term.of(Term.of(-3))), true, null);
      written = recorder.events();
    }

    assertThat(HistoryRecorder.read(directory.resolve("h.jsonl"))).isEqualTo(written);
  }

  @Test
  void aConditionThatDidNotHoldIsAFailureInEdn() {
    Op op =
        new Op(1, 5, 0, "n1", OpType.OK, "cas", "x", Term.of(Term.of(1), Term.of(2)), false, null);

    assertThat(OpCodec.toEdn(op))
        .isEqualTo(
            "{:index 1 :time 5 :process 0 :type :fail :f :cas :value [\"x\" [1 2]] :node \"n1\"}");
  }

  @Test
  void transactionsAreWrittenAsElleReadsThem() {
    Term steps =
        Term.of(
            Term.of(new Term.Word("append"), new Term.Text("k"), Term.of(1)),
            Term.of(new Term.Word("r"), new Term.Text("k"), Term.nil()));
    Op op = new Op(0, 12345, 0, "n1", OpType.INVOKE, "txn", null, steps, true, null);

    assertThat(OpCodec.toEdn(op))
        .isEqualTo(
            "{:index 0 :time 12345 :process 0 :type :invoke :f :txn :value [[:append \"k\" 1] [:r"
                + " \"k\" nil]] :node \"n1\"}");
  }

  @Test
  void rubbishIsRefusedWithAReason() {
    for (String line :
        List.of(
            "",
            "x",
            "[]",
            "{}",
            "{\"type\":\"ok\"}",
            "{\"what\":1}",
            "{\"value\":" + "[".repeat(50))) {
      assertThatIllegalArgumentException()
          .as(line)
          .isThrownBy(() -> OpCodec.fromJson(line))
          .withMessageStartingWith("no event");
    }
  }
}
