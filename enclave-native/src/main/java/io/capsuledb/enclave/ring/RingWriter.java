package io.capsuledb.enclave.ring;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.BooleanSupplier;

/**
 * Sends messages.
 *
 * <p>Invariants: {@code tail} is ours and never read back; the reader's position is read once for
 * each look and believed only if it lies between what it was and our own; nothing is written where
 * a message may be that the reader, by that position, has not taken. Not thread-safe.
 */
public final class RingWriter implements AutoCloseable {

  private final MemorySegment memory;
  private final int capacity;
  private final int maxMessage;
  private final RingWait waiting;
  private long tail;
  private long head;
  private boolean closed;

  RingWriter(MemorySegment memory, RingOptions options, BooleanSupplier readerLives) {
    this.memory = memory;
    this.capacity = options.capacityBytes();
    this.maxMessage = options.maxMessageBytes();
    this.waiting = new RingWait(memory, RingLayout.WRITER_SLEEPS_OFFSET, readerLives);
  }

  /**
   * Sends a message if there is room for it; says whether there was.
   *
   * @throws InvalidRequestException if it is longer than the ring allows
   * @throws UnavailableException if the reader has closed
   * @throws IntegrityException if the reader's position is impossible
   */
  public boolean offer(byte[] message, int offset, int length) {
    check(length);
    long slot = RingLayout.slotBytes(length);
    long toEnd = capacity - (tail & (capacity - 1));
    // A message lies in one piece: where it does not fit before the end it goes to the beginning.
    long needed = slot <= toEnd ? slot : toEnd + slot;
    if (room() < needed) {
      refreshHead();
      if (room() < needed) {
        return false;
      }
    }
    if (slot > toEnd) {
      memory.set(RingLayout.U64, at(tail), RingLayout.WRAP & 0xffffffffL);
      tail += toEnd;
    }
    long to = at(tail);
    memory.set(RingLayout.U64, to, length);
    MemorySegment.copy(
        message, offset, memory, ValueLayout.JAVA_BYTE, to + RingLayout.MESSAGE_HEADER, length);
    tail += slot;
    RingLayout.LONG.setRelease(memory, RingLayout.TAIL_OFFSET, tail);
    RingWait.wake(memory, RingLayout.READER_SLEEPS_OFFSET);
    touchNext();
    return true;
  }

  /**
   * Writes where the next message will begin, if that is known to be free: the reader had those
   * lines of memory when they were last used, and getting them from there takes as long as anything
   * else in a send. Now nobody waits for it.
   */
  private void touchNext() {
    long to = at(tail);
    if (room() > 2 * RingLayout.LINE_BYTES
        && to + 2 * RingLayout.LINE_BYTES <= RingLayout.DATA_OFFSET + capacity) {
      memory.set(RingLayout.U64, to, 0);
      memory.set(RingLayout.U64, to + RingLayout.LINE_BYTES, 0);
    }
  }

  /**
   * Sends a message, waiting for room up to {@code timeoutMs}; says whether it was sent.
   *
   * @throws UnavailableException if the reader has closed or its process is gone
   */
  public boolean send(byte[] message, long timeoutMs) {
    if (offer(message, 0, message.length)) {
      return true;
    }
    long slot = RingLayout.slotBytes(message.length);
    long toEnd = capacity - (tail & (capacity - 1));
    long needed = slot <= toEnd ? slot : toEnd + slot;
    return waiting.await(
            () -> {
              refreshHead();
              return room() >= needed;
            },
            timeoutMs * 1_000_000)
        && offer(message, 0, message.length);
  }

  private void check(int length) {
    if (closed) {
      throw new IllegalStateException("the ring's writer is closed");
    }
    if (length < 0 || length > maxMessage) {
      throw new InvalidRequestException(
          "a message has " + length + " bytes; allowed is up to " + maxMessage);
    }
  }

  private long room() {
    return capacity - (tail - head);
  }

  private void refreshHead() {
    if ((int) RingLayout.INT.getAcquire(memory, RingLayout.READER_CLOSED_OFFSET) != 0) {
      throw new UnavailableException("the other end of the ring has closed");
    }
    long said = (long) RingLayout.LONG.getAcquire(memory, RingLayout.HEAD_OFFSET);
    if (said < head || said > tail || said % RingLayout.ALIGNMENT != 0) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.FIELD_OUT_OF_RANGE,
              "ring reader at " + said + ", between " + head + " and " + tail));
    }
    head = said;
  }

  private long at(long position) {
    return RingLayout.DATA_OFFSET + (position & (capacity - 1));
  }

  long unwoken() {
    return waiting.unwoken();
  }

  /** Tells the reader that nothing comes any more; what was sent can still be taken. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      RingLayout.INT.setRelease(memory, RingLayout.WRITER_CLOSED_OFFSET, 1);
      RingWait.wake(memory, RingLayout.READER_SLEEPS_OFFSET);
    }
  }
}
