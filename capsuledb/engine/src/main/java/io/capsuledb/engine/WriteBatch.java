package io.capsuledb.engine;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.engine.merge.MergeOperator;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * Writes that take effect together, collected without a lock: see {@link CapsuleDb#write}. Of two
 * operations on one key the later one counts. One thread at a time.
 */
public final class WriteBatch {

  private final List<Consumer<Transaction>> operations = new ArrayList<>();

  /** An empty batch. */
  public WriteBatch() {}

  /**
   * Merges an operand into a key: see {@link Transaction#merge}.
   *
   * @param key not to be modified afterwards
   * @param operand not to be modified afterwards
   */
  public WriteBatch merge(byte[] key, MergeOperator operator, byte[] operand) {
    operations.add(txn -> txn.merge(key, operator, operand));
    return this;
  }

  /**
   * Sets a key.
   *
   * @param key at most {@link CapsuleDb#MAX_KEY_BYTES}; not to be modified until it was written
   * @param value at most {@link CapsuleDb#MAX_VALUE_BYTES}; likewise
   */
  public WriteBatch put(byte[] key, byte[] value) {
    return put(key, value, 0);
  }

  /**
   * Sets a key that ceases to exist some time.
   *
   * @param expiryAtMs wall-clock milliseconds since 1970; 0 means never
   */
  public WriteBatch put(byte[] key, byte[] value, long expiryAtMs) {
    operations.add(txn -> txn.put(key, ValueType.STRING, value, expiryAtMs));
    return this;
  }

  /** Deletes a key. */
  public WriteBatch delete(byte[] key) {
    operations.add(txn -> txn.delete(key));
    return this;
  }

  /** How many operations there are. */
  public int size() {
    return operations.size();
  }

  void stage(Transaction txn) {
    if (operations.isEmpty()) {
      throw new InvalidRequestException("a batch without operations");
    }
    operations.forEach(operation -> operation.accept(txn));
  }
}
