package io.capsuledb.replication.session;

import io.capsuledb.core.port.Transport;
import java.util.Map;

/**
 * A transport that makes its own links. A link is one connection: when the connection ends, so does
 * the link, and whoever wants another one asks for it. Thread-safe, but for one thing: {@link
 * #admit} called from inside {@link Events#received} counts for the very next frame of that link.
 *
 * <p>Every link that was opened is closed exactly once, also one that is dropped here. A link that
 * was asked for may be closed without ever having been opened.
 */
public interface Network extends Transport {

  /** Longest frame of a link that was not admitted yet: enough for a handshake. */
  int MAX_NEW_LINK_FRAME_BYTES = 1024;

  /**
   * Accepts links.
   *
   * @param address as the transport writes addresses; port 0 is any free one
   * @return the address with the port that was taken
   * @throws io.capsuledb.core.error.InvalidRequestException if it cannot be listened on
   */
  String listen(String address);

  /**
   * Asks for a link; opened or closed is told later.
   *
   * @return the number of the link
   * @throws io.capsuledb.core.error.InvalidRequestException if it is no address
   */
  long connect(String address);

  /**
   * The peer has proved who it is: from now on its frames may be as long as {@link
   * #MAX_FRAME_BYTES}. Before, a longer frame than {@link #MAX_NEW_LINK_FRAME_BYTES} closes the
   * link.
   */
  void admit(long link);

  /** What was counted, by stable names; for people. */
  Map<String, Long> counters();
}
