package io.capsuledb.core.port;

/**
 * Moves frames over links. Nothing about it is trusted: frames may be lost, delayed, duplicated,
 * reordered, forged, and a link may be anybody's. What a transport promises is only this: a frame
 * arrives whole or not at all, no frame is longer than {@link #MAX_FRAME_BYTES}, and a peer that
 * does not take its frames costs no more memory than the transport's options say.
 *
 * <p>Thread-safe. {@link Events} are told on the transport's own thread, which must not be kept
 * waiting.
 */
public interface Transport extends AutoCloseable {

  /** Longest frame in bytes, either way: a message with one record of the largest size. */
  int MAX_FRAME_BYTES = 34 << 20;

  /** What happens on links. */
  interface Events {
    /** There is a link now: one that was asked for, or one that a peer made. */
    void opened(long link);

    /** A frame arrived; the array is the receiver's. */
    void received(long link, byte[] frame);

    /**
     * A link is gone; its number never comes back.
     *
     * @param reason for people
     */
    void closed(long link, String reason);
  }

  /**
   * Sends a frame if there is room for it in the link's queue.
   *
   * @param frame not to be modified from here on
   * @return false if there is no room, or no such link: the frame is dropped
   */
  boolean send(long link, byte[] frame);

  /** Ends a link, without a word to the peer beyond what the medium says itself. Idempotent. */
  void drop(long link);

  @Override
  void close();
}
