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

  @Override
  public String toString() {
    return name;
  }
}
