package io.capsuledb.replication.transport;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.port.Transport;
import io.capsuledb.replication.session.Network;
import java.nio.channels.SelectableChannel;
import java.util.ArrayDeque;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import zmq.Msg;
import zmq.SocketBase;

/**
 * One connection: the frames that wait to leave, and the frame that is being put together.
 *
 * <p>On the wire a JeroMQ message is one piece of a frame: a byte {@link #WHOLE} and the frame; or
 * a byte {@link #PART}, the frame's length, the piece's offset in it, and the piece. So no message
 * is longer than {@link #MAX_MESSAGE_BYTES}, whatever a frame may have, and what a peer can make
 * JeroMQ allocate before anybody looked at a byte is bounded by that.
 *
 * <p>Invariant: {@code waitingBytes} is the sum of the lengths in {@code waiting}. The queue is
 * guarded by itself; the rest belongs to the transport's thread.
 */
final class ZmqLink {

  static final int PIECE_BYTES = 256 << 10;
  static final byte WHOLE = 0;
  static final byte PART = 1;
  static final int LENGTH_AT = 1;
  static final int OFFSET_AT = 5;
  static final int PART_HEADER_BYTES = 9;
  static final int MAX_MESSAGE_BYTES = PART_HEADER_BYTES + PIECE_BYTES;

  private static final long FIRST_GREETING_NANOS = 150_000_000;

  /** What became of a message that arrived. */
  enum Arrival {
    COMPLETE,
    PARTIAL,
    MALFORMED
  }

  final long id;

  /** How the ROUTER knows the peer; null for a link of our own making. */
  final byte @Nullable [] route;

  /** The DEALER; null for a link that a peer made. */
  @Nullable SocketBase dealer;

  @Nullable SelectableChannel channel;
  long deadline;
  @Nullable String endpoint;
  int attempt;
  long greetingDeadline;

  /** How long a connection may take until the peer's greeting; doubles with each attempt. */
  long greetingNanos = FIRST_GREETING_NANOS;

  boolean opened;
  volatile boolean gone;
  volatile boolean admitted;

  private final ArrayDeque<byte[]> waiting = new ArrayDeque<>();
  private long waitingBytes;
  private boolean scheduled;

  private int sentOfFirst;
  private @Nullable Msg built;
  private byte @Nullable [] assembling;
  private int assembled;
  private int frameLength;

  ZmqLink(long id, byte @Nullable [] route) {
    this.id = id;
    this.route = route;
  }

  /** Adds a frame; false if there is no room. */
  boolean offer(byte[] frame, ZmqOptions options) {
    synchronized (waiting) {
      if (gone
          || waiting.size() >= options.linkQueueFrames()
          || waitingBytes + frame.length > options.linkQueueBytes()) {
        return false;
      }
      waiting.add(frame);
      waitingBytes += frame.length;
      return true;
    }
  }

  /** Whether the transport's thread has to be told that there is something to send. */
  boolean schedule() {
    synchronized (waiting) {
      boolean first = !scheduled && !waiting.isEmpty();
      scheduled |= first;
      return first;
    }
  }

  /** True if nothing waits; the next frame then schedules the link again. */
  boolean idle() {
    synchronized (waiting) {
      if (waiting.isEmpty()) {
        scheduled = false;
      }
      return !scheduled;
    }
  }

  /** The next message to send, which stays first until {@link #sent}; null if there is none. */
  @Nullable Msg next() {
    if (built == null) {
      built = build();
    }
    return built;
  }

  private @Nullable Msg build() {
    byte[] frame;
    synchronized (waiting) {
      frame = waiting.peek();
    }
    if (frame == null) {
      return null;
    }
    if (frame.length <= PIECE_BYTES) {
      byte[] message = new byte[1 + frame.length];
      message[0] = WHOLE;
      System.arraycopy(frame, 0, message, 1, frame.length);
      return new Msg(message);
    }
    int length = Math.min(PIECE_BYTES, frame.length - sentOfFirst);
    byte[] message = new byte[PART_HEADER_BYTES + length];
    message[0] = PART;
    LittleEndian.putInt(message, LENGTH_AT, frame.length);
    LittleEndian.putInt(message, OFFSET_AT, sentOfFirst);
    System.arraycopy(frame, sentOfFirst, message, PART_HEADER_BYTES, length);
    return new Msg(message);
  }

  /** The message of {@link #next} is JeroMQ's now. */
  void sent() {
    built = null;
    synchronized (waiting) {
      byte[] frame = waiting.peek();
      if (frame == null) {
        return;
      }
      sentOfFirst += Math.min(PIECE_BYTES, frame.length - sentOfFirst);
      if (sentOfFirst == frame.length) {
        waiting.remove();
        waitingBytes -= frame.length;
        sentOfFirst = 0;
      }
    }
  }

  /** Gives up what waits and refuses more. */
  void abandon() {
    synchronized (waiting) {
      gone = true;
      waiting.clear();
      waitingBytes = 0;
    }
    built = null;
    assembling = null;
  }

  /** Takes a message; a complete frame is then in {@link #frame}. */
  Arrival take(byte[] message) {
    if (message.length == 0 || message.length > MAX_MESSAGE_BYTES) {
      return Arrival.MALFORMED;
    }
    int most = admitted ? Transport.MAX_FRAME_BYTES : Network.MAX_NEW_LINK_FRAME_BYTES;
    return switch (message[0]) {
      case WHOLE -> {
        boolean fits =
            assembling == null
                && message.length > 1
                && message.length - 1 <= Math.min(most, PIECE_BYTES);
        if (!fits) {
          yield Arrival.MALFORMED;
        }
        assembling = Arrays.copyOfRange(message, 1, message.length);
        yield Arrival.COMPLETE;
      }
      case PART -> takePart(message, most);
      default -> Arrival.MALFORMED;
    };
  }

  private Arrival takePart(byte[] message, int most) {
    if (message.length <= PART_HEADER_BYTES) {
      return Arrival.MALFORMED;
    }
    int length = LittleEndian.getInt(message, LENGTH_AT);
    int offset = LittleEndian.getInt(message, OFFSET_AT);
    int piece = message.length - PART_HEADER_BYTES;
    if (assembling == null) {
      if (offset != 0 || length <= PIECE_BYTES || length > most) {
        return Arrival.MALFORMED;
      }
      frameLength = length;
      assembled = 0;
      // Grows with what really arrives: a length alone costs nothing.
      assembling = new byte[PIECE_BYTES];
    }
    if (length != frameLength
        || offset != assembled
        || piece != Math.min(PIECE_BYTES, frameLength - assembled)) {
      return Arrival.MALFORMED;
    }
    if (assembled + piece > assembling.length) {
      assembling =
          Arrays.copyOf(
              assembling, (int) Math.min(frameLength, Math.max(2L * assembling.length, 1)));
    }
    System.arraycopy(message, PART_HEADER_BYTES, assembling, assembled, piece);
    assembled += piece;
    return assembled == frameLength ? Arrival.COMPLETE : Arrival.PARTIAL;
  }

  /** The frame that {@link #take} completed; to be taken once. */
  byte[] frame() {
    byte[] frame = assembling;
    if (frame == null) {
      throw new IllegalStateException("no frame is complete");
    }
    assembling = null;
    return frame;
  }
}
