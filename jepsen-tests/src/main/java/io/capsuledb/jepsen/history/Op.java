package io.capsuledb.jepsen.history;

import org.jspecify.annotations.Nullable;

/**
 * One event of a history: an operation begins or ends.
 *
 * @param index its place in the history, from 0
 * @param timeNs when, in nanoseconds since the run began, by one monotonic clock
 * @param process who asked: one logical client, which has one operation under way at most
 * @param node whom it asked
 * @param type what is said of the operation
 * @param function which operation, such as {@code read}
 * @param key on what; null for a transaction, whose parts name theirs
 * @param value what is written or was read
 * @param applied false: a conditional operation that was answered and changed nothing
 * @param error why it failed, or why nobody knows
 * @param version of what was written or read, where the server tells
 */
public record Op(
    long index,
    long timeNs,
    int process,
    String node,
    OpType type,
    String function,
    @Nullable String key,
    Term value,
    boolean applied,
    @Nullable String error,
    @Nullable Version version) {

  /** One whose version nobody knows. */
  public Op(
      long index,
      long timeNs,
      int process,
      String node,
      OpType type,
      String function,
      @Nullable String key,
      Term value,
      boolean applied,
      @Nullable String error) {
    this(index, timeNs, process, node, type, function, key, value, applied, error, null);
  }

  /** The same with a version. */
  public Op withVersion(Version known) {
    return new Op(index, timeNs, process, node, type, function, key, value, applied, error, known);
  }
}
