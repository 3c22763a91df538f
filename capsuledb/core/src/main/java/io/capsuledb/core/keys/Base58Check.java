package io.capsuledb.core.keys;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import java.util.Arrays;

/**
 * Base58 with a checksum, as extended keys are written (BIP 32, serialization format): the payload
 * and the first four bytes of its double SHA-256, as one number in base 58.
 */
final class Base58Check {

  private static final String ALPHABET =
      "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  private static final int CHECKSUM_BYTES = 4;

  private Base58Check() {}

  static String encode(byte[] payload) {
    byte[] number = Arrays.copyOf(payload, payload.length + CHECKSUM_BYTES);
    System.arraycopy(checksum(payload), 0, number, payload.length, CHECKSUM_BYTES);
    int zeros = 0;
    while (zeros < number.length && number[zeros] == 0) {
      zeros++;
    }
    // 1.366 digits a byte; filled from the end, least significant digit first.
    char[] digits = new char[zeros + (number.length - zeros) * 138 / 100 + 1];
    int at = digits.length;
    for (int first = zeros; first < number.length; ) {
      int remainder = 0;
      for (int i = first; i < number.length; i++) {
        int value = remainder << 8 | (number[i] & 0xff);
        number[i] = (byte) (value / 58);
        remainder = value % 58;
      }
      at--;
      digits[at] = ALPHABET.charAt(remainder);
      while (first < number.length && number[first] == 0) {
        first++;
      }
    }
    for (int i = 0; i < zeros; i++) {
      at--;
      digits[at] = ALPHABET.charAt(0);
    }
    String text = new String(digits, at, digits.length - at);
    Arrays.fill(digits, '\0');
    return text;
  }

  /**
   * Decodes a text of at most {@code maxLength} characters: the work grows with its square.
   *
   * @return the payload, or TOO_LARGE, FIELD_OUT_OF_RANGE, TRUNCATED or CHECKSUM
   */
  static Decoded<byte[]> decode(String text, int maxLength) {
    if (text.length() > maxLength) {
      return Decoded.reject(
          Rejection.Reason.TOO_LARGE, "at most " + maxLength + " characters, not " + text.length());
    }
    int zeros = 0;
    while (zeros < text.length() && text.charAt(zeros) == ALPHABET.charAt(0)) {
      zeros++;
    }
    byte[] number = new byte[text.length()];
    int first = number.length;
    for (int c = zeros; c < text.length(); c++) {
      int carry = ALPHABET.indexOf(text.charAt(c));
      if (carry < 0) {
        Arrays.fill(number, (byte) 0);
        return Decoded.reject(
            Rejection.Reason.FIELD_OUT_OF_RANGE, "character " + (c + 1) + " is not in base 58");
      }
      for (int i = number.length - 1; i >= first || carry != 0; i--) {
        int value = (number[i] & 0xff) * 58 + carry;
        number[i] = (byte) value;
        carry = value >>> 8;
        first = Math.min(first, i);
      }
    }
    byte[] bytes = Arrays.copyOfRange(number, first - zeros, number.length);
    Arrays.fill(number, (byte) 0);
    int payloadLength = bytes.length - CHECKSUM_BYTES;
    if (payloadLength < 0) {
      return Decoded.reject(Rejection.Reason.TRUNCATED, "too short for its checksum");
    }
    byte[] payload = Arrays.copyOf(bytes, payloadLength);
    boolean intact =
        Arrays.equals(bytes, payloadLength, bytes.length, checksum(payload), 0, CHECKSUM_BYTES);
    Arrays.fill(bytes, (byte) 0);
    if (!intact) {
      Arrays.fill(payload, (byte) 0);
      return Decoded.reject(Rejection.Reason.CHECKSUM, "the checksum does not match");
    }
    return Decoded.accept(payload);
  }

  private static byte[] checksum(byte[] payload) {
    Hash32 hash = Hashes.sha256(Hashes.sha256(payload).toBytes());
    return Arrays.copyOf(hash.toBytes(), CHECKSUM_BYTES);
  }
}
