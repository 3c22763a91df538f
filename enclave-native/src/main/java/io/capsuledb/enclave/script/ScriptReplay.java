package io.capsuledb.enclave.script;

/**
 * Makes a run repeatable: its clock stands still, and its random numbers and bytes follow from the
 * seed. With the same arguments and the same answers of the host, everything it does is the same.
 *
 * @param nowMs what {@code now()} and {@code Date} say, in milliseconds since 1970
 * @param seed of {@code Math.random}, {@code random()} and {@code random(n)}
 */
public record ScriptReplay(long nowMs, long seed) {

  /** SplitMix64's increment: seeds that differ by one draw numbers that have nothing in common. */
  private static final long GOLDEN = 0x9e3779b97f4a7c15L;

  long firstSeed() {
    return mix(seed + GOLDEN);
  }

  long secondSeed() {
    return mix(firstSeed() + GOLDEN);
  }

  /** Spreads every bit over all (Steele, Lea, Flood: Fast splittable pseudorandom numbers). */
  private static long mix(long value) {
    long z = (value ^ (value >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }
}
