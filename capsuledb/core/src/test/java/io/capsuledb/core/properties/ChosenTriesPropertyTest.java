package io.capsuledb.core.properties;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.lifecycle.AfterContainer;

/**
 * Properties get the tries and the seed that {@code bin/properties} was asked for, and their own
 * where it was asked for none. Whichever way this is run, it checks that way: {@code bin/properties
 * --tries 23 --seed 5 --module capsuledb/core --only 'ChosenTries*'}.
 */
class ChosenTriesPropertyTest {

  private static final int USUAL = 7;
  private static final List<Long> ONE = new CopyOnWriteArrayList<>();
  private static final List<Long> OTHER = new CopyOnWriteArrayList<>();

  @Property(tries = USUAL)
  void one(@ForAll long sample) {
    ONE.add(sample);
  }

  @Property(tries = USUAL)
  void other(@ForAll long sample) {
    OTHER.add(sample);
  }

  @AfterContainer
  static void eachWasTriedAsOftenAsAskedFromTheSeedThatWasAsked() {
    int expected =
        Integer.getInteger("properties.tries", USUAL * Integer.getInteger("properties.times", 1));
    assertThat(ONE).hasSize(expected);
    assertThat(OTHER).hasSize(expected);
    boolean sameSeed = Objects.nonNull(System.getProperty("properties.seed"));
    assertThat(ONE.equals(OTHER)).as("samples are the same").isEqualTo(sameSeed);
  }
}
