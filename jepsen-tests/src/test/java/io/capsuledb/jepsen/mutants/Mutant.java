package io.capsuledb.jepsen.mutants;

/**
 * A seeded bug, and who has to find it.
 *
 * @param name short, as one would call it in a post-mortem
 * @param what is wrong with the code
 * @param mutation the change
 * @param property finds it
 * @param seeds within so many seeds, from 0 on
 */
record Mutant(String name, String what, Mutation mutation, Property property, int seeds) {

  /** The code as it is. */
  private static final MutantLoader SANE = new MutantLoader(null);

  /**
   * Looks for the bug.
   *
   * @throws PatchPointGoneException if the code that the mutation changes is not there
   * @throws AssertionError if what finds the bug finds it where it is not
   */
  Property.Outcome run() {
    MutantLoader loader = new MutantLoader(mutation);
    loader.check();
    Property.Outcome outcome = property.run(loader, 0, seeds);
    if (outcome.isCaught()) {
      Property.Outcome control = property.run(SANE, outcome.seeds() - 1, 1);
      if (control.isCaught()) {
        throw new AssertionError(
            property.name() + " fails with seed " + (outcome.seeds() - 1) + " also without " + name,
            control.failure());
      }
    }
    return outcome;
  }

  @Override
  public String toString() {
    return name;
  }
}
