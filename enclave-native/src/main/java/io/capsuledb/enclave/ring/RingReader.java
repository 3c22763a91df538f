package io.capsuledb.enclave.ring;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.BooleanSupplier;

/**
 * Receives messages.
 *
 * <p>Invariants: {@code head} is ours and never read back; the writer's position and each length
 * are read once, checked, and used as read; a message is copied out before anybody looks at it, and
 * looked at only there. Not thread-safe.
 */
public final class RingReader implements AutoCloseable {

  /** What {@link #poll} and {@link #take} answer when there is no message. */
  public static final int NONE = -1;

  private final MemorySegment memory;
  private final int capacity;
  private final int maxMessage;
  private final RingWait waiting;
  private final BooleanSupplier somethingThere = this::somethingThere;
  private long head;
  private long tail;
  private boolean closed;

  RingReader(MemorySegment memory, RingOptions options, BooleanSupplier writerLives) {
    this.memory = memory;
    this.capacity = options.capacityBytes();
    this.maxMessage = options.maxMessageBytes();
    this.waiting = new RingWait(memory, RingLayout.READER_SLEEPS_OFFSET, writerLives);
  }

  /**
   * Takes the next message, if there is one.
   *
   * @param into at least as long as the ring's longest message
   * @return its length, or {@link #NONE}
   * @throws UnavailableException if the writer has closed and everything was taken
   * @throws IntegrityException if what is in the ring is impossible: it cannot be used any more
   */
  public int poll(byte[] into) {
    if (into.length < maxMessage) {
      throw new InvalidRequestException(
          "a buffer has " + into.length + " bytes; messages have up to " + maxMessage);
    }
    requireOpen();
    return somethingThere() ? next(into) : NONE;
  }

  /**
   * Takes the next message, waiting for it up to {@code timeoutMs}.
   *
   * @return its length, or {@link #NONE}
   * @throws UnavailableException as {@link #poll}, or if the writer's process is gone
   */
  public int take(byte[] into, long timeoutMs) {
    int length = poll(into);
    if (length != NONE) {
      return length;
    }
    return waiting.await(somethingThere, timeoutMs * 1_000_000) ? next(into) : NONE;
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("the ring's reader is closed");
    }
  }

  private boolean somethingThere() {
    if (head != tail) {
      return true;
    }
    refreshTail();
    if (head != tail) {
      return true;
    }
    if ((int) RingLayout.INT.getAcquire(memory, RingLayout.WRITER_CLOSED_OFFSET) != 0) {
      // It may have published something before it closed.
      refreshTail();
      if (head == tail) {
        throw new UnavailableException("the other end of the ring has closed");
      }
      return true;
    }
    return false;
  }

  private void refreshTail() {
    long said = (long) RingLayout.LONG.getAcquire(memory, RingLayout.TAIL_OFFSET);
    if (said < tail || said - head > capacity || said % RingLayout.ALIGNMENT != 0) {
      throw impossible("writer at " + said + ", reader at " + head);
    }
    tail = said;
  }

  private int next(byte[] into) {
    long from = at(head);
    // The length and the reserved bytes, in one read.
    long header = memory.get(RingLayout.U64, from);
    if (header == (RingLayout.WRAP & 0xffffffffL)) {
      head += capacity - (head & (capacity - 1));
      if (head >= tail) {
        throw impossible("nothing after the end");
      }
      from = at(head);
      header = memory.get(RingLayout.U64, from);
    }
    if (header < 0 || header > maxMessage) {
      throw impossible("message header " + Long.toHexString(header));
    }
    int length = (int) header;
    long slot = RingLayout.slotBytes(length);
    if (slot > tail - head || (head & (capacity - 1)) + slot > capacity) {
      throw impossible("message of " + length + " bytes at " + head + " of " + tail);
    }
    MemorySegment.copy(
        memory, ValueLayout.JAVA_BYTE, from + RingLayout.MESSAGE_HEADER, into, 0, length);
    head += slot;
    RingLayout.LONG.setRelease(memory, RingLayout.HEAD_OFFSET, head);
    RingWait.wake(memory, RingLayout.WRITER_SLEEPS_OFFSET);
    return length;
  }

  private IntegrityException impossible(String detail) {
    return new IntegrityException(
        Rejection.of(Rejection.Reason.FIELD_OUT_OF_RANGE, "ring: " + detail));
  }

  private long at(long position) {
    return RingLayout.DATA_OFFSET + (position & (capacity - 1));
  }

  long unwoken() {
    return waiting.unwoken();
  }

  /** Tells the writer that nothing is taken any more. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      RingLayout.INT.setRelease(memory, RingLayout.READER_CLOSED_OFFSET, 1);
      RingWait.wake(memory, RingLayout.WRITER_SLEEPS_OFFSET);
    }
  }
}
