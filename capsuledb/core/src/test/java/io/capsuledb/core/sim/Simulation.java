package io.capsuledb.core.sim;

import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A simulation of real protocol cores that a seed determines wholly: what goes wrong and how often
 * (the knobs), everything that is drawn, and so the trace.
 */
public interface Simulation {

  /**
   * What a run came to that broke no property.
   *
   * @param trace a hash over all that happened: two runs of one seed have the same
   * @param reached how often each fault, state, message and check of a property occurred
   */
  record Outcome(long trace, SortedMap<String, Long> reached) {
    /** Copies. */
    public Outcome {
      reached = java.util.Collections.unmodifiableSortedMap(new TreeMap<>(reached));
    }
  }

  /** What a seed draws: knobs by name, with their values. */
  SortedMap<String, String> draw(long seed);

  /**
   * Runs a seed.
   *
   * @param given knobs that are set instead of drawn
   * @throws AssertionError if a property is broken, a {@link Violation} where it has a name
   */
  Outcome run(long seed, Map<String, String> given);

  /** All that a run could count in {@link Outcome#reached}, as far as it is known beforehand. */
  Set<String> reachable();
}
