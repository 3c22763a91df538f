package io.capsuledb.enclave.script;

/**
 * Makes a run repeatable: its clock stands still, and its random numbers and bytes follow from the
 * seed. With the same arguments and the same answers of the host, everything it does is the same.
 *
 * @param nowMs what {@code now()} and {@code Date} say, in milliseconds since 1970
 * @param seed of {@code Math.random}, {@code random()} and {@code random(n)}
 */
public record ScriptReplay(long nowMs, long seed) {}
