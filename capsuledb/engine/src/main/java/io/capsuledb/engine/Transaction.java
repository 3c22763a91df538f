package io.capsuledb.engine;

/**
 * One atomic group of reads and writes. Between {@link CapsuleDb#begin()} and {@link #close()} no
 * other transaction runs; reads see this transaction's own writes. Writes are staged and take
 * effect together in {@link #commit()}, as one record of the capsule; closing without a commit
 * drops them.
 *
 * <p>Belongs to the thread that began it. The object is reused after {@link #close()}: keep no
 * reference.
 */
@SuppressWarnings("DoNotCallSuggester")
public final class Transaction implements AutoCloseable {

  Transaction() {}

  /** Reads a key, own staged writes included. */
  public Lookup get(byte[] key) {
    throw new UnsupportedOperationException();
  }

  /**
   * Stages a write.
   *
   * @param key 0 to {@link CapsuleDb#MAX_KEY_BYTES} bytes; not to be modified afterwards
   * @param type what the value is
   * @param value 0 to {@link CapsuleDb#MAX_VALUE_BYTES} bytes; not to be modified afterwards
   * @param expiryAtMs wall-clock milliseconds at which the key ceases to exist; 0 means never
   * @throws io.capsuledb.core.error.InvalidRequestException if a bound is exceeded
   */
  public void put(byte[] key, ValueType type, byte[] value, long expiryAtMs) {
    throw new UnsupportedOperationException();
  }

  /** Stages the removal of a key; staging the removal of an absent key is allowed and recorded. */
  public void delete(byte[] key) {
    throw new UnsupportedOperationException();
  }

  /** Stages the removal of every key, those staged before included. */
  public void clear() {
    throw new UnsupportedOperationException();
  }

  /** The wall clock this transaction sees, in milliseconds; the same at each call. */
  public long nowMs() {
    throw new UnsupportedOperationException();
  }

  /**
   * Makes the staged writes visible and hands them to the write path.
   *
   * @return the fence: the Lamport time of the last operation, durable when {@link
   *     CapsuleDb#durableTime()} reaches it; 0 if nothing was staged
   * @throws io.capsuledb.core.error.UnavailableException if the memtable has no room; nothing was
   *     done
   * @throws io.capsuledb.core.error.StorageException if the engine has failed
   */
  public long commit() {
    throw new UnsupportedOperationException();
  }

  /** Ends the transaction; staged writes that were not committed are dropped. */
  @Override
  public void close() {
    throw new UnsupportedOperationException();
  }
}
