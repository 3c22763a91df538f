package io.capsuledb.host.bench;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;

/**
 * What the clients of one measurement do: one command over and over, on random keys of one length,
 * with a value of one length.
 *
 * @param operation what is asked
 * @param pipeline commands a client sends before it waits for their replies
 * @param valueBytes length of each value
 * @param keys how many different keys there are
 */
record Workload(Operation operation, int pipeline, int valueBytes, int keys) {

  /** What is asked. */
  enum Operation {
    SET,
    GET
  }

  private static final String KEY_PREFIX = "bench:";
  private static final int KEY_DIGITS = 10;
  private static final int KEY_BYTES = KEY_PREFIX.length() + KEY_DIGITS;

  /**
   * The commands of one client, ready to send, with the key's digits to be filled in. All clients
   * of a run share nothing, so each has its own.
   */
  static final class Batch {
    private final ByteBuffer bytes;
    private final int stride;
    private final int digitsAt;

    private Batch(ByteBuffer bytes, int stride, int digitsAt) {
      this.bytes = bytes;
      this.stride = stride;
      this.digitsAt = digitsAt;
    }

    /** Makes the next {@code count} commands, on random keys, and leaves them to be written. */
    ByteBuffer next(int count, int keys, SplittableRandom random) {
      for (int i = 0; i < count; i++) {
        key(i, random.nextInt(keys));
      }
      return bytes.clear().limit(count * stride);
    }

    /** Makes the next {@code count} commands, on successive keys. */
    ByteBuffer next(int count, int firstKey) {
      for (int i = 0; i < count; i++) {
        key(i, firstKey + i);
      }
      return bytes.clear().limit(count * stride);
    }

    private void key(int index, int key) {
      int at = index * stride + digitsAt + KEY_DIGITS;
      int rest = key;
      for (int digit = 0; digit < KEY_DIGITS; digit++) {
        bytes.put(--at, (byte) ('0' + rest % 10));
        rest /= 10;
      }
    }
  }

  /** Makes a client's commands; values are random letters, other ones in each command. */
  Batch batch(SplittableRandom random) {
    String name = operation.name();
    StringBuilder head = new StringBuilder();
    head.append(operation == Operation.SET ? "*3\r\n$3\r\n" : "*2\r\n$3\r\n").append(name);
    head.append("\r\n$").append(KEY_BYTES).append("\r\n").append(KEY_PREFIX);
    int digitsAt = head.length();
    String tail = operation == Operation.SET ? "\r\n$" + valueBytes + "\r\n" : "\r\n";
    byte[] headBytes = head.toString().getBytes(StandardCharsets.US_ASCII);
    byte[] tailBytes = tail.getBytes(StandardCharsets.US_ASCII);
    int stride =
        headBytes.length
            + KEY_DIGITS
            + tailBytes.length
            + (operation == Operation.SET ? valueBytes + 2 : 0);
    ByteBuffer bytes = ByteBuffer.allocateDirect(stride * pipeline);
    for (int i = 0; i < pipeline; i++) {
      bytes.put(headBytes).position(bytes.position() + KEY_DIGITS).put(tailBytes);
      if (operation == Operation.SET) {
        for (int j = 0; j < valueBytes; j++) {
          bytes.put((byte) ('a' + random.nextInt(26)));
        }
        bytes.put((byte) '\r').put((byte) '\n');
      }
    }
    return new Batch(bytes, stride, digitsAt);
  }
}
