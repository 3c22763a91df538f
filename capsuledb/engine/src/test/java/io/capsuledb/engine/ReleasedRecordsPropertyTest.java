package io.capsuledb.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.BitSet;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class ReleasedRecordsPropertyTest {

  private static final int WRITERS = 3;
  private static final int SEQUENCES = 60;

  private static void fill(ReleasedRecords set, BitSet[] model, Random random, int ranges) {
    for (int i = 0; i < ranges; i++) {
      int writer = random.nextInt(WRITERS);
      int from = 1 + random.nextInt(SEQUENCES);
      int to = Math.min(SEQUENCES, from + random.nextInt(8));
      assertThat(set.add(writer, from, to)).isTrue();
      model[writer].set(from, to + 1);
    }
  }

  private static BitSet[] model() {
    BitSet[] model = new BitSet[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
      model[i] = new BitSet();
    }
    return model;
  }

  @Property(tries = 500)
  void differencesAreThoseOfSets(
      @ForAll long seed,
      @ForAll @IntRange(max = 20) int ours,
      @ForAll @IntRange(max = 20) int theirs) {
    Random random = new Random(seed);
    ReleasedRecords one = new ReleasedRecords();
    ReleasedRecords other = new ReleasedRecords();
    BitSet[] expected = model();
    BitSet[] removed = model();
    fill(one, expected, random, ours);
    fill(other, removed, random, theirs);
    BitSet[] found = model();
    one.without(
        other,
        (writer, from, to) -> {
          assertThat(from).isLessThanOrEqualTo(to);
          BitSet chain = found[(int) writer];
          assertThat(chain.length()).isLessThanOrEqualTo((int) from);
          chain.set((int) from, (int) to + 1);
        });
    for (int writer = 0; writer < WRITERS; writer++) {
      expected[writer].andNot(removed[writer]);
      assertThat(found[writer]).isEqualTo(expected[writer]);
    }
  }

  @Test
  void theLargestPositionsDoNotWrap() {
    ReleasedRecords one = new ReleasedRecords();
    ReleasedRecords other = new ReleasedRecords();
    assertThat(one.add(1, 1, Long.MAX_VALUE)).isTrue();
    assertThat(one.add(1, Long.MAX_VALUE, Long.MAX_VALUE)).isTrue();
    assertThat(one.add(1, 1, 1)).isTrue();
    assertThat(other.add(1, 2, Long.MAX_VALUE - 1)).isTrue();
    StringBuilder found = new StringBuilder();
    one.without(other, (w, from, to) -> found.append(from).append('-').append(to).append(' '));
    assertThat(found).hasToString("1-1 " + Long.MAX_VALUE + "-" + Long.MAX_VALUE + " ");
  }

  @Test
  void thereIsABoundAndItIsSaid() {
    ReleasedRecords set = new ReleasedRecords();
    for (long i = 0; i < ReleasedRecords.MAX_RANGES; i++) {
      assertThat(set.add(1, 1 + 2 * i, 1 + 2 * i)).isTrue();
    }
    assertThat(set.add(2, 1, 1)).isFalse();
    assertThat(set.add(1, 2, 2)).isTrue();
    assertThat(set.add(2, 1, 1)).isTrue();
  }
}
