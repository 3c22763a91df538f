package io.capsuledb.engine.block;

import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import java.util.Arrays;

/**
 * One large value as the payload of a BLOCK record, kept apart so that compaction does not move it.
 */
public final class ValueBlock {

  private ValueBlock() {}

  /**
   * The payload that holds {@code value}, compressed if that makes it smaller.
   *
   * @throws IllegalArgumentException if the value is longer than 16 MiB
   */
  public static byte[] encode(byte[] value, Compression compression) {
    if (value.length > BlockLayout.MAX_VALUE_BYTES) {
      throw new IllegalArgumentException("a value of " + value.length + " bytes");
    }
    byte[] framed = BlockFrame.allocate(value.length);
    System.arraycopy(value, 0, framed, BlockLayout.BODY_OFFSET, value.length);
    return BlockFrame.encode(BlockKind.VALUE, framed, compression);
  }

  /** The value in a payload. Takes any bytes. */
  public static Decoded<byte[]> decode(byte[] payload) {
    return BlockFrame.decode(payload, BlockKind.VALUE)
        .then(
            frame -> {
              int length = frame.end() - frame.start();
              if (length > BlockLayout.MAX_VALUE_BYTES) {
                return Decoded.reject(Reason.TOO_LARGE, "a value of " + length + " bytes");
              }
              return Decoded.accept(
                  frame.start() == 0
                      ? frame.bytes()
                      : Arrays.copyOfRange(frame.bytes(), frame.start(), frame.end()));
            });
  }

  /** The value in a payload, if it is the one that {@code pointer} names. Takes any bytes. */
  public static Decoded<byte[]> decode(byte[] payload, ValuePointer pointer) {
    return decode(payload)
        .then(
            value ->
                value.length == pointer.length() && Hashes.sha256(value).equals(pointer.valueHash())
                    ? Decoded.accept(value)
                    : Decoded.reject(
                        Reason.PAYLOAD_HASH,
                        "the value is not the one of "
                            + pointer.length()
                            + " bytes and hash "
                            + pointer.valueHash()));
  }
}
