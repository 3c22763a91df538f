package io.capsuledb.replication.replica;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class CommitPaceTest {

  private static final long MS = TimeUnit.MILLISECONDS.toNanos(1);

  /** Whatever the disk does, and whenever there is something to commit. */
  @Property(tries = 500)
  void slowCommitsTakeASmallShareOfALinksThread(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    CommitPace pace = new CommitPace();
    long start = random.nextLong();
    long now = start;
    long slowHere = 0;
    long longest = 0;
    int often = 1 + random.nextInt(20);
    for (int i = 0; i < 2_000; i++) {
      now += random.nextLong(random.nextInt(10) == 0 ? 500 * MS : 2 * MS);
      boolean slow = random.nextInt(often) == 0;
      long took =
          slow ? 3 * MS + random.nextLong(1_500 * MS) : random.nextLong(CommitPace.QUICK_NANOS);
      boolean here = pace.isQuick(now);
      now += took;
      pace.committed(now, took);
      if (here && slow) {
        slowHere += took;
        longest = Math.max(longest, took);
      }
      // One commit more: the newest, whose pause is not over.
      assertThat(slowHere).isLessThanOrEqualTo((now - start) / CommitPace.SHARE + longest);
    }
  }

  @Test
  void aQuickDiskNeverPauses() {
    CommitPace pace = new CommitPace();
    // Beyond the end of the clock, too.
    long now = Long.MAX_VALUE - 50 * MS;
    for (int i = 0; i < 100; i++) {
      assertThat(pace.isQuick(now)).isTrue();
      pace.committed(now, CommitPace.QUICK_NANOS);
      now += MS;
    }
  }

  @Test
  void oneQuickCommitEndsNoPauseAndTimeDoes() {
    CommitPace pace = new CommitPace();
    pace.committed(0, 100 * MS);
    pace.committed(MS, MS);
    assertThat(pace.isQuick(CommitPace.SHARE * 100 * MS - 1)).isFalse();
    // A shorter one later does not shorten it.
    pace.committed(2 * MS, 3 * MS);
    assertThat(pace.isQuick(CommitPace.SHARE * 100 * MS - 1)).isFalse();
    assertThat(pace.isQuick(CommitPace.SHARE * 100 * MS)).isTrue();
  }

  @Test
  void aDiskThatStoodStillIsTriedAgain() {
    CommitPace pace = new CommitPace();
    pace.committed(0, TimeUnit.HOURS.toNanos(1));
    assertThat(pace.isQuick(CommitPace.MAX_PAUSE_NANOS - 1)).isFalse();
    assertThat(pace.isQuick(CommitPace.MAX_PAUSE_NANOS)).isTrue();
  }
}
