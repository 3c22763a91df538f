package io.capsuledb.core.seal;

/**
 * Orders the attempts to seal one writer.
 *
 * @param term the sealer's term; 0 only in {@link #NONE}
 * @param sealer the sealer's writer index, which breaks ties; 0 only in {@link #NONE}
 */
public record Ballot(long term, long sealer) implements Comparable<Ballot> {

  /** Before every ballot. */
  public static final Ballot NONE = new Ballot(0, 0);

  /** Checks the ranges. */
  public Ballot {
    if (term < 0 || sealer < 0 || (term == 0) != (sealer == 0)) {
      throw new IllegalArgumentException("ballot of term " + term + " and sealer " + sealer);
    }
  }

  @Override
  public int compareTo(Ballot other) {
    int byTerm = Long.compare(term, other.term);
    return byTerm != 0 ? byTerm : Long.compare(sealer, other.sealer);
  }
}
