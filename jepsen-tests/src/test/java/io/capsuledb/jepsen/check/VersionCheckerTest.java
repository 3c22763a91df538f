package io.capsuledb.jepsen.check;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.OpCodec;
import io.capsuledb.jepsen.history.OpType;
import io.capsuledb.jepsen.history.Term;
import io.capsuledb.jepsen.history.Version;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class VersionCheckerTest {

  private final List<Op> history = new ArrayList<>();

  private void event(int process, OpType type, String function, long value, Version version) {
    Op op =
        new Op(
            history.size(),
            history.size(),
            process,
            "n1",
            type,
            function,
            "x",
            Term.of(value),
            true,
            null,
            version);
    history.add(op);
    assertThat(OpCodec.fromJson(OpCodec.toJson(op))).isEqualTo(op);
  }

  private void write(int process, long value, Version version) {
    event(process, OpType.INVOKE, "write", value, null);
    event(process, OpType.OK, "write", value, version);
  }

  private static Version at(long lamport, String writer) {
    return new Version(lamport, writer);
  }

  @Test
  void versionsThatGrowAreRight() {
    write(1, 1, at(5, "a"));
    write(2, 2, at(5, "b"));
    write(1, 3, at(6, "a"));
    event(3, OpType.INVOKE, "read", 0, null);
    event(3, OpType.OK, "read", 3, at(6, "a"));
    assertThat(VersionChecker.check(history, true).clean()).isTrue();
    assertThat(VersionChecker.check(history, true).figures()).containsEntry("versions", 4L);
  }

  @Test
  void whatIsWrittenLaterWithAnEarlierVersionIsFound() {
    write(1, 1, at(5, "b"));
    write(2, 2, at(5, "a"));
    assertThat(VersionChecker.check(history, true).properties()).containsExactly("version-order");
    // Nobody promises that to processes that know nothing of each other.
    assertThat(VersionChecker.check(history, false).clean()).isTrue();
  }

  @Test
  void aProcessThatGoesBackIsFound() {
    write(1, 1, at(5, "a"));
    write(1, 2, at(4, "a"));
    assertThat(VersionChecker.check(history, false).properties()).containsExactly("version-order");
  }

  @Test
  void twoAtOnceMayBeInAnyOrder() {
    event(1, OpType.INVOKE, "write", 1, null);
    event(2, OpType.INVOKE, "write", 2, null);
    event(1, OpType.OK, "write", 1, at(9, "a"));
    event(2, OpType.OK, "write", 2, at(8, "a"));
    assertThat(VersionChecker.check(history, true).clean()).isTrue();
  }

  @Test
  void twoValuesOfOneVersionAreFound() {
    write(1, 1, at(5, "a"));
    write(2, 2, at(5, "a"));
    assertThat(VersionChecker.check(history, true).properties()).containsExactly("version-unique");
  }

  @Test
  void writersAreComparedAsNumbersWithoutASign() {
    assertThat(at(1, "ffffffffffffffff")).isGreaterThan(at(1, "1"));
    assertThat(at(1, "10")).isGreaterThan(at(1, "f"));
    assertThat(at(2, "0")).isGreaterThan(at(1, "ffffffffffffffff"));
  }
}
