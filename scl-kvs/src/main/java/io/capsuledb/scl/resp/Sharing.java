package io.capsuledb.scl.resp;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.scl.lock.LockWish;
import io.capsuledb.scl.session.SessionToken;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The other workers on the same capsule, as a server sees them. Thread-safe; nothing here blocks.
 */
public interface Sharing {

  /** Hears the answer to one question, once, on any thread. */
  @FunctionalInterface
  interface Heard<T> {
    /**
     * The answer.
     *
     * @param answer null if it failed
     * @param failure null if it did not
     */
    void heard(@Nullable T answer, @Nullable CapsuleException failure);
  }

  /**
   * Locks that a transaction has.
   *
   * @param ticket for {@link #finish}
   */
  record Held(long ticket) {}

  /**
   * A consistent cut.
   *
   * @param epoch that it ended
   * @param cutTime Lamport time: everything at or before it is in the cut
   * @param record hash of the SYNC record
   * @param token a session that has seen it
   */
  record CutPoint(long epoch, long cutTime, Hash32 record, SessionToken token) {}

  /** Whether each command is a transaction. */
  boolean linearizable();

  /** The lock of a key. */
  long lockOf(byte[] key);

  /**
   * Gets locks, and waits until everything written under them before is merged here.
   *
   * @param wishes ascending by lock, unsigned, each once
   */
  void acquire(List<LockWish> wishes, Heard<Held> told);

  /**
   * Ends a transaction that has its locks.
   *
   * @param wrote whether it committed anything
   */
  void finish(long ticket, boolean wrote);

  /** Until when, by the clock's monotonic time, reads under locks are valid. */
  long leaseEndNanos();

  /** What a session of this worker may have seen or written so far. */
  SessionToken token();

  /** The text of a token. */
  String encode(SessionToken token);

  /** The token of a text. */
  Decoded<SessionToken> decode(String text);

  /** Waits until all of a token is merged here. */
  void waitFor(SessionToken token, long timeoutMs, Heard<Boolean> told);

  /** Has the epoch end, and waits until its SYNC is durable and merged. */
  void sync(long timeoutMs, Heard<CutPoint> told);

  /** The newest cut that is merged here; null if there is none. */
  @Nullable CutPoint newestCut();

  /** What people may want to know: epoch, term, coordinator and so on. */
  Map<String, String> info();
}
