package io.capsuledb.enclave.ring;

import io.capsuledb.core.error.InvalidRequestException;

/**
 * The size of a ring.
 *
 * @param capacityBytes room for messages with 8 bytes before each: a power of two from 4 KiB to 1
 *     GiB
 * @param maxMessageBytes the longest message: 1 to a quarter of the capacity
 */
public record RingOptions(int capacityBytes, int maxMessageBytes) {

  private static final int LEAST_CAPACITY = 4 << 10;
  private static final int MOST_CAPACITY = 1 << 30;

  /**
   * Checks both.
   *
   * @throws InvalidRequestException that names the option, the value and what is allowed
   */
  public RingOptions {
    if (capacityBytes < LEAST_CAPACITY
        || capacityBytes > MOST_CAPACITY
        || Integer.bitCount(capacityBytes) != 1) {
      throw new InvalidRequestException(
          "capacityBytes is "
              + capacityBytes
              + "; allowed is a power of two from 4096 to 1073741824");
    }
    if (maxMessageBytes < 1 || maxMessageBytes > capacityBytes / 4) {
      throw new InvalidRequestException(
          "maxMessageBytes is "
              + maxMessageBytes
              + "; allowed is 1 to a quarter of the capacity, "
              + capacityBytes / 4);
    }
  }

  /** A mebibyte, messages up to 64 KiB. */
  public static RingOptions defaults() {
    return new RingOptions(1 << 20, 64 << 10);
  }
}
