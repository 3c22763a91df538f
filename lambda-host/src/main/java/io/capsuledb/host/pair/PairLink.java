package io.capsuledb.host.pair;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.enclave.ring.Ring;
import io.capsuledb.enclave.ring.RingReader;
import io.capsuledb.enclave.ring.RingWriter;
import java.io.ByteArrayOutputStream;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Messages between the two processes of a node, over two rings. A message is one frame or several
 * that follow each other.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>messages leave in the order they were given; the frames of one are not torn apart;
 *   <li>the thread that receives never waits for room to send: so the two processes cannot wait for
 *       each other in a circle. Others wait while more than {@link #MAX_QUEUED_BYTES} are to be
 *       sent;
 *   <li>what was received was copied out of the ring before it is looked at, its length checked;
 *   <li>whatever is wrong ends the link, once, with one reason.
 * </ul>
 *
 * <p>Thread-safe.
 */
final class PairLink implements AutoCloseable {

  /** Hears messages, on the link's own thread, which must not be kept waiting. */
  interface Receiver {
    /** A message came; the array is the receiver's. */
    void received(PairKind kind, long number, byte[] body);

    /** The link is over; nothing more comes. */
    void lost(CapsuleException why);
  }

  /** Beyond so much that waits to be sent, senders wait. */
  private static final int MAX_QUEUED_BYTES = 16 << 20;

  /** Beyond so much that could not wait, the other side is not taking anything, on purpose. */
  private static final int MAX_POSTED_BYTES = 96 << 20;

  /** How long it takes a waiting thread to see that all is over. */
  private static final long LOOK_MS = 500;

  private final String name;
  private final Ring in;
  private final Ring out;
  private final RingReader reader;
  private final RingWriter writer;
  private final int maxFrame;
  private final AtomicBoolean over = new AtomicBoolean();
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition toSend = lock.newCondition();
  private final Condition room = lock.newCondition();

  // Under the lock. While the queue is not empty, the writer is the sending thread's.
  private final ArrayDeque<byte[]> queue = new ArrayDeque<>();
  private long queuedBytes;

  private volatile @Nullable Receiver receiver;
  private volatile @Nullable Thread receiving;
  private volatile @Nullable Thread sending;

  /**
   * A link that does not receive yet.
   *
   * @param in the ring to read; closed with this
   * @param out the ring to write; closed with this
   * @param peerLives whether the other process is there
   */
  PairLink(String name, Ring in, Ring out, BooleanSupplier peerLives) {
    this.name = name;
    this.in = in;
    this.out = out;
    this.reader = in.reader(peerLives);
    this.writer = out.writer(peerLives);
    this.maxFrame = out.options().maxMessageBytes();
  }

  /** Begins to receive. */
  void start(Receiver to) {
    receiver = to;
    sending = Thread.ofPlatform().daemon().name(name + "-send").start(this::sendQueued);
    receiving = Thread.ofPlatform().daemon().name(name + "-receive").start(this::receive);
  }

  /** Whether it has ended. */
  boolean isOver() {
    return over.get();
  }

  // ------------------------------------------------------------------ sending

  /**
   * Sends a message; waits while much else is to be sent.
   *
   * @throws UnavailableException if the link is over
   */
  void send(PairKind kind, long number, byte[] body) {
    enqueue(frames(kind, number, body), !Thread.currentThread().equals(receiving));
  }

  private List<byte[]> frames(PairKind kind, long number, byte[] body) {
    if (body.length > PairLayout.MAX_MESSAGE_BYTES) {
      throw new IllegalArgumentException("a message of " + body.length + " bytes");
    }
    List<byte[]> frames = new ArrayList<>(1);
    int most = maxFrame - PairLayout.HEADER_BYTES;
    int at = 0;
    do {
      int length = Math.min(most, body.length - at);
      byte[] frame = new byte[PairLayout.HEADER_BYTES + length];
      frame[PairLayout.KIND_AT] = (byte) kind.number();
      frame[PairLayout.FLAGS_AT] = (byte) (at + length < body.length ? PairLayout.FLAG_MORE : 0);
      LittleEndian.putLong(frame, PairLayout.NUMBER_AT, number);
      System.arraycopy(body, at, frame, PairLayout.HEADER_BYTES, length);
      frames.add(frame);
      at += length;
    } while (at < body.length);
    return frames;
  }

  private void enqueue(List<byte[]> frames, boolean mayWait) {
    CapsuleException failed = null;
    lock.lock();
    try {
      while (mayWait && queuedBytes > MAX_QUEUED_BYTES && !over.get()) {
        room.awaitUninterruptibly();
      }
      if (over.get()) {
        throw new UnavailableException("the other process of this node is gone");
      }
      for (byte[] frame : frames) {
        if (!queue.isEmpty() || !writer.offer(frame, 0, frame.length)) {
          queue.add(frame);
          queuedBytes += frame.length;
        }
      }
      if (!queue.isEmpty()) {
        toSend.signal();
      }
      if (queuedBytes > MAX_POSTED_BYTES + MAX_QUEUED_BYTES) {
        failed = new UnavailableException("the other process takes nothing");
      }
    } catch (UnavailableException | io.capsuledb.core.error.IntegrityException e) {
      failed = e;
    } finally {
      lock.unlock();
    }
    if (failed != null) {
      fail(failed);
      throw new UnavailableException("the other process of this node is gone", failed);
    }
  }

  private void sendQueued() {
    try {
      while (!over.get()) {
        byte[] next;
        lock.lock();
        try {
          while (queue.isEmpty() && !over.get()) {
            toSend.awaitUninterruptibly();
          }
          next = queue.peek();
        } finally {
          lock.unlock();
        }
        if (next != null && writer.send(next, LOOK_MS)) {
          lock.lock();
          try {
            queue.remove();
            queuedBytes -= next.length;
            room.signalAll();
          } finally {
            lock.unlock();
          }
        }
      }
    } catch (CapsuleException e) {
      fail(e);
    } finally {
      // The other side is to know at once. Nobody else writes any more: all look first.
      lock.lock();
      try {
        writer.close();
      } finally {
        lock.unlock();
      }
    }
  }

  // ------------------------------------------------------------------ receiving

  private void receive() {
    byte[] frame = new byte[in.options().maxMessageBytes()];
    PairKind kind = null;
    long number = 0;
    ByteArrayOutputStream parts = new ByteArrayOutputStream();
    try {
      while (!over.get()) {
        int length = reader.take(frame, LOOK_MS);
        if (length == RingReader.NONE) {
          continue;
        }
        if (length < PairLayout.HEADER_BYTES) {
          throw PairReader.rejected(Rejection.Reason.TRUNCATED, "frame of " + length + " bytes");
        }
        PairKind said = PairKind.of(frame[PairLayout.KIND_AT]);
        int flags = frame[PairLayout.FLAGS_AT];
        long about = LittleEndian.getLong(frame, PairLayout.NUMBER_AT);
        if (said == null
            || (flags & ~PairLayout.FLAG_MORE) != 0
            || LittleEndian.getInt(frame, PairLayout.RESERVED_AT) != 0
            || LittleEndian.getUnsignedShort(frame, PairLayout.RESERVED_AT + Integer.BYTES) != 0) {
          throw PairReader.rejected(Rejection.Reason.UNKNOWN_TYPE, "frame header");
        }
        if (kind != null && (kind != said || number != about)) {
          throw PairReader.rejected(Rejection.Reason.MISPLACED, "a message is torn apart");
        }
        int body = length - PairLayout.HEADER_BYTES;
        if (parts.size() + (long) body > PairLayout.MAX_MESSAGE_BYTES) {
          throw PairReader.rejected(Rejection.Reason.TOO_LARGE, "message");
        }
        parts.write(frame, PairLayout.HEADER_BYTES, body);
        boolean more = (flags & PairLayout.FLAG_MORE) != 0;
        kind = more ? said : null;
        number = about;
        if (!more) {
          byte[] whole = parts.toByteArray();
          if (whole.length > 2 * frame.length) {
            parts = new ByteArrayOutputStream();
          }
          parts.reset();
          java.util.Objects.requireNonNull(receiver).received(said, about, whole);
        }
      }
    } catch (CapsuleException e) {
      fail(e);
    } catch (RuntimeException | Error e) {
      // A defect of ours: this side cannot go on either.
      System.getLogger(PairLink.class.getName())
          .log(System.Logger.Level.ERROR, "event=pair.defect", e);
      fail(new UnavailableException("the link between the processes failed", e));
    } finally {
      reader.close();
    }
  }

  private void fail(CapsuleException why) {
    if (over.compareAndSet(false, true)) {
      wakeAll();
      Receiver told = receiver;
      if (told != null) {
        told.lost(why);
      }
    }
  }

  private void wakeAll() {
    lock.lock();
    try {
      toSend.signalAll();
      room.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Ends the link; the other side notices. Not on the link's own threads. */
  @Override
  public void close() {
    over.set(true);
    wakeAll();
    join(receiving);
    join(sending);
    if (receiving == null) {
      reader.close();
      writer.close();
    }
    in.close();
    out.close();
  }

  private static void join(@Nullable Thread thread) {
    if (thread != null && !thread.equals(Thread.currentThread())) {
      try {
        thread.join(TimeUnit.SECONDS.toMillis(5));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
