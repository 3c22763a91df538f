package io.capsuledb.replication.transport;

import io.capsuledb.core.error.InvalidRequestException;

/**
 * Bounds of a {@link ZmqTransport}. Immutable.
 *
 * @param maxLinks most connections that peers made, at once
 * @param linkQueueBytes most bytes of frames that wait for one link; more are refused, and so is
 *     any frame longer than this. Beyond it at most 64 pieces of 256 KiB are inside JeroMQ
 * @param linkQueueFrames most frames that wait for one link
 * @param handshakeMs a peer that connected has so long until its first frame
 */
public record ZmqOptions(int maxLinks, int linkQueueBytes, int linkQueueFrames, int handshakeMs) {

  /** 1024 links, 64 MiB and 8192 frames of queue each, five seconds. */
  public static final ZmqOptions DEFAULT = new ZmqOptions(1024, 64 << 20, 8192, 5_000);

  /** Checks the ranges. */
  public ZmqOptions {
    check("maxLinks", maxLinks, 1, 65_536);
    check("linkQueueBytes", linkQueueBytes, 1 << 20, 1 << 30);
    check("linkQueueFrames", linkQueueFrames, 1, 1 << 20);
    check("handshakeMs", handshakeMs, 10, 600_000);
  }

  private static void check(String option, int value, int least, int most) {
    if (value < least || value > most) {
      throw new InvalidRequestException(
          option + " is " + value + "; allowed is " + least + " to " + most);
    }
  }
}
