package io.capsuledb.engine;

import io.capsuledb.core.error.CapsuleException;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/** The engine's facade (signatures first; behaviour follows). */
@SuppressWarnings("DoNotCallSuggester")
public final class CapsuleDb implements AutoCloseable {

  /** Longest key, in bytes. */
  public static final int MAX_KEY_BYTES = 64 << 10;

  /** Longest value, in bytes. */
  public static final int MAX_VALUE_BYTES = 16 << 20;

  CapsuleDb() {}

  /** Reads a key. Thread-safe, takes no lock, sees every committed transaction whole. */
  public Lookup get(byte[] key) {
    throw new UnsupportedOperationException();
  }

  /** Begins a transaction, after the one that is running has ended. */
  public Transaction begin() {
    throw new UnsupportedOperationException();
  }

  /** Receives keys in a scan. */
  @FunctionalInterface
  public interface KeyVisitor {
    /** Takes one live key and its type. */
    void key(byte[] key, ValueType type);
  }

  /**
   * One step of an iteration over all keys. A key that exists from the first step to the last is
   * visited at least once; a key may be visited twice; steps keep no state here.
   *
   * @param cursor 0 to begin, else what the last step returned
   * @param count about how many keys to visit, at least 1
   * @return the next cursor, or 0 at the end
   */
  public long scan(long cursor, int count, KeyVisitor visitor) {
    throw new UnsupportedOperationException();
  }

  /** A key picked at random among the live ones, or null if there is none. */
  public byte @Nullable [] randomKey() {
    throw new UnsupportedOperationException();
  }

  /** How many keys there are; keys that expired but were not yet collected count. */
  public long size() {
    throw new UnsupportedOperationException();
  }

  /** How many keys have an expiry. */
  public long expiringKeys() {
    throw new UnsupportedOperationException();
  }

  /** The Lamport time of the newest committed operation: the fence of "everything so far". */
  public long committedTime() {
    throw new UnsupportedOperationException();
  }

  /** Every operation at or before this Lamport time is durable. Grows; a volatile read. */
  public long durableTime() {
    throw new UnsupportedOperationException();
  }

  /** Why the engine stopped, or null while it runs. */
  public @Nullable CapsuleException failure() {
    throw new UnsupportedOperationException();
  }

  /**
   * Registers a callback that runs, on an engine thread, after {@link #durableTime()} grew or
   * {@link #failure()} appeared. It must return at once and not throw.
   */
  public void onDurable(Runnable listener) {
    throw new UnsupportedOperationException();
  }

  /** Completes when {@code fence} is durable; fails with the engine. */
  public CompletionStage<Void> whenDurable(long fence) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void close() {
    throw new UnsupportedOperationException();
  }
}
