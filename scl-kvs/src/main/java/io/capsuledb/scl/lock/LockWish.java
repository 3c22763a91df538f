package io.capsuledb.scl.lock;

/**
 * A lock that a transaction needs.
 *
 * @param lock the lock's number
 * @param mode how it needs it
 */
public record LockWish(long lock, LockMode mode) {}
