package io.capsuledb.host.launch;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.host.attest.encoding.Octets;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/** Fields of a message, one after the other, little endian. One thread. */
final class WireWriter {

  private static final int FIRST_BYTES = 256;

  private byte[] bytes = new byte[FIRST_BYTES];
  private int length;

  private int grow(int more) {
    int at = length;
    if (length + more > bytes.length) {
      byte[] larger = Arrays.copyOf(bytes, Math.max(length + more, 2 * bytes.length));
      // There may be keys in it.
      Arrays.fill(bytes, (byte) 0);
      bytes = larger;
    }
    length += more;
    return at;
  }

  void octet(int value) {
    int at = grow(1);
    bytes[at] = (byte) value;
  }

  void flag(boolean value) {
    octet(value ? 1 : 0);
  }

  void number(int value) {
    int at = grow(Integer.BYTES);
    LittleEndian.putInt(bytes, at, value);
  }

  void longNumber(long value) {
    int at = grow(Long.BYTES);
    LittleEndian.putLong(bytes, at, value);
  }

  private void raw(byte[] value) {
    number(value.length);
    int at = grow(value.length);
    System.arraycopy(value, 0, bytes, at, value.length);
  }

  void octets(Octets value) {
    raw(value.toArray());
  }

  void secret(SecretBytes value) {
    raw(value.expose());
  }

  void text(String value) {
    raw(value.getBytes(StandardCharsets.UTF_8));
  }

  <T> void list(List<T> values, Consumer<T> each) {
    number(values.size());
    values.forEach(each);
  }

  /** What was written; the working copy is cleared. */
  byte[] finish() {
    byte[] result = Arrays.copyOf(bytes, length);
    Arrays.fill(bytes, (byte) 0);
    return result;
  }
}
