package io.capsuledb.jepsen.nemesis;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

final class NemesisTest {

  private static final Nemesis.Rhythm FAST = new Nemesis.Rhythm(1, 3, 3, 1, 2);

  private final List<String> done = new ArrayList<>();

  private final class Recorded implements Fault {

    private final String kind;

    private Recorded(String kind) {
      this.kind = kind;
    }

    @Override
    public String describe() {
      return kind;
    }

    @Override
    public boolean stopsService() {
      return false;
    }

    @Override
    public void begin() throws IOException {
      done.add("begin " + kind);
      if (kind.equals("impossible")) {
        throw new IOException("not on this machine");
      }
    }

    @Override
    public void end() {
      done.add("end " + kind);
    }
  }

  private Nemesis nemesis(String... kinds) {
    return new Nemesis(
        List.of(kinds), Recorded::new, new SplittableRandom(1), System::nanoTime, _ -> {});
  }

  @Test
  void everyKindComesOnceBeforeAnyComesAgainAndEachIsPutRight() throws InterruptedException {
    Nemesis nemesis = nemesis("a", "b", "c");
    nemesis.run(System.nanoTime() + 200_000_000L, FAST);

    assertThat(done).hasSizeGreaterThanOrEqualTo(6);
    assertThat(nemesis.failure()).isNull();
    for (int i = 0; i < done.size(); i += 2) {
      assertThat(done.get(i + 1)).isEqualTo("end " + done.get(i).substring("begin ".length()));
    }
    for (int i = 0; i + 6 <= done.size(); i += 6) {
      assertThat(List.of(done.get(i), done.get(i + 2), done.get(i + 4)))
          .containsExactlyInAnyOrder("begin a", "begin b", "begin c");
    }
    assertThat(nemesis.windows())
        .hasSize(done.size() / 2)
        .allSatisfy(window -> assertThat(window.endNs()).isGreaterThan(window.beginNs()));
  }

  @Test
  void aFaultThatCannotBeMadeEndsTheRunWithItsReason() throws InterruptedException {
    Nemesis nemesis = nemesis("impossible");
    nemesis.run(System.nanoTime() + 60_000_000_000L, FAST);

    assertThat(nemesis.failure()).isEqualTo("impossible cannot be done: not on this machine");
    assertThat(done).containsExactly("begin impossible", "end impossible");
  }
}
