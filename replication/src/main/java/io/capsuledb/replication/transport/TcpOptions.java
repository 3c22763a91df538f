package io.capsuledb.replication.transport;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.port.Transport;

/**
 * Bounds of a {@link TcpTransport}. Immutable.
 *
 * @param maxLinks most connections that peers made, at once
 * @param linkQueueBytes most bytes of frames that wait for one link, beside what the kernel takes
 * @param handshakeMs a connection that is being made, or a peer that connected until its first
 *     frame, has so long
 */
public record TcpOptions(int maxLinks, int linkQueueBytes, int handshakeMs) {

  /** 1024 links, 64 MiB of queue each, five seconds. */
  public static final TcpOptions DEFAULT = new TcpOptions(1024, 64 << 20, 5_000);

  /** Checks the ranges. */
  public TcpOptions {
    check("maxLinks", maxLinks, 1, 65_536);
    check("linkQueueBytes", linkQueueBytes, Transport.MAX_FRAME_BYTES, 1 << 30);
    check("handshakeMs", handshakeMs, 10, 600_000);
  }

  private static void check(String option, int value, int least, int most) {
    if (value < least || value > most) {
      throw new InvalidRequestException(
          option + " is " + value + "; allowed is " + least + " to " + most);
    }
  }
}
