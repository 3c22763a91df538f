package io.capsuledb.scl.resp;

import java.net.InetSocketAddress;

/**
 * What one process tells another about clients' connections, where one has the sockets ({@link
 * ClientDoor}) and the other serves ({@link RespServer}): a port, in both directions.
 *
 * <p>Flow control: of each stream at most {@link #WINDOW_BYTES} are under way that the receiver did
 * not say it has {@linkplain #taken taken}; who gets more than twice as much closes the stream. So
 * nobody waits for a client, and neither process holds more than that for one.
 *
 * <p>Thread-safe. Nothing that is said here is trusted: a stream that is not known is ignored.
 */
public interface ClientStreams {

  /** Bytes of one stream that may be under way in one direction. */
  int WINDOW_BYTES = 128 << 10;

  /** Most bytes told at a time. */
  int MAX_CHUNK_BYTES = 32 << 10;

  /**
   * A client has connected. Only from who has the sockets.
   *
   * @param stream its number, never used again
   * @param remote the client's address, as far as the socket knows
   * @param local the address it came to
   */
  void opened(long stream, InetSocketAddress remote, InetSocketAddress local);

  /**
   * Bytes, in their order.
   *
   * @param bytes 1 to {@link #MAX_CHUNK_BYTES}; the receiver's from here on
   */
  void bytes(long stream, byte[] bytes);

  /** So many bytes more were taken of what came. */
  void taken(long stream, int bytes);

  /** The client sends no more, but may still listen. Only from who has the sockets. */
  void ended(long stream);

  /** The stream is over; what was told before is still passed on to a client. */
  void closed(long stream);
}
