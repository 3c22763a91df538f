package io.capsuledb.host.launch;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Octets;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;

/**
 * Reads what {@link WireWriter} wrote, or anything: every length is compared with what is there
 * before it is used. One thread.
 */
final class WireReader {

  private final byte[] bytes;
  private int position;

  WireReader(byte[] bytes) {
    this.bytes = bytes;
  }

  private int take(int count) {
    if (count < 0 || count > bytes.length - position) {
      throw Octets.malformed(
          Reason.TRUNCATED, count + " bytes at " + position + " of " + bytes.length);
    }
    int at = position;
    position += count;
    return at;
  }

  int octet() {
    int at = take(1);
    return bytes[at] & 0xFF;
  }

  boolean flag() {
    int value = octet();
    if (value > 1) {
      throw Octets.malformed(Reason.FIELD_OUT_OF_RANGE, "a flag of " + value);
    }
    return value == 1;
  }

  int number(int least, int most) {
    int value = LittleEndian.getInt(bytes, take(Integer.BYTES));
    if (value < least || value > most) {
      throw Octets.malformed(Reason.FIELD_OUT_OF_RANGE, value + " is not " + least + " to " + most);
    }
    return value;
  }

  long longNumber(long least, long most) {
    long value = LittleEndian.getLong(bytes, take(Long.BYTES));
    if (value < least || value > most) {
      throw Octets.malformed(Reason.FIELD_OUT_OF_RANGE, value + " is not " + least + " to " + most);
    }
    return value;
  }

  private byte[] raw(int least, int most) {
    int count = number(least, most);
    int at = take(count);
    return Arrays.copyOfRange(bytes, at, at + count);
  }

  Octets octets(int least, int most) {
    return Octets.own(raw(least, most));
  }

  SecretBytes secret(int length) {
    return SecretBytes.own(raw(length, length));
  }

  String text(int most) {
    byte[] utf8 = raw(0, most);
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
    } catch (CharacterCodingException e) {
      io.capsuledb.core.error.IntegrityException failure =
          Octets.malformed(Reason.FIELD_OUT_OF_RANGE, "text that is not UTF-8");
      failure.initCause(e);
      throw failure;
    }
  }

  <T> List<T> list(int most, Supplier<T> each) {
    int count = number(0, most);
    List<T> values = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      values.add(each.get());
    }
    return values;
  }

  void end() {
    if (position != bytes.length) {
      throw Octets.malformed(
          Reason.TRAILING_BYTES, (bytes.length - position) + " bytes after the message");
    }
  }
}
