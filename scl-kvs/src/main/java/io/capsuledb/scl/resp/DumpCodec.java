package io.capsuledb.scl.resp;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.ValueType;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/**
 * What DUMP gives and RESTORE takes: a value, its type, a version and a checksum. The checksum
 * finds damage, not forgery: whoever may RESTORE may also SET. See docs/format/dump.md.
 */
final class DumpCodec {

  private static final byte[] DOMAIN = "capsuledb/dump/1\0".getBytes(StandardCharsets.US_ASCII);

  private DumpCodec() {}

  /** A value with its type. */
  static final class Dumped {
    private final ValueType type;
    private final byte[] value;

    Dumped(ValueType type, byte[] value) {
      this.type = type;
      this.value = value;
    }

    ValueType type() {
      return type;
    }

    byte[] value() {
      return value;
    }
  }

  static byte[] encode(ValueType type, byte[] buffer, int offset, int length) {
    byte[] payload = new byte[length + DumpLayout.FOOTER_BYTES];
    System.arraycopy(buffer, offset, payload, 0, length);
    int at = length;
    payload[at++] = (byte) type.number();
    LittleEndian.putShort(payload, at, DumpLayout.VERSION);
    at += DumpLayout.VERSION_BYTES;
    System.arraycopy(checksum(payload, at), 0, payload, at, DumpLayout.CHECKSUM_BYTES);
    return payload;
  }

  /**
   * Decodes any bytes. The value of a collection is checked as well.
   *
   * <p>Rejections for STORAGE_CHECKSUM, UNKNOWN_FORMAT and TRUNCATED mean that these bytes did not
   * come from DUMP as they are; any other, that what DUMP wrote makes no sense.
   */
  static Decoded<Dumped> decode(byte[] payload) {
    if (payload.length < DumpLayout.FOOTER_BYTES) {
      return Decoded.reject(Reason.TRUNCATED, "DUMP payload of " + payload.length + " bytes");
    }
    int summed = payload.length - DumpLayout.CHECKSUM_BYTES;
    int version = LittleEndian.getUnsignedShort(payload, summed - DumpLayout.VERSION_BYTES);
    if (version != DumpLayout.VERSION) {
      return Decoded.reject(Reason.UNKNOWN_FORMAT, "DUMP payload version " + version);
    }
    if (!Arrays.equals(
        checksum(payload, summed), 0, DumpLayout.CHECKSUM_BYTES, payload, summed, payload.length)) {
      return Decoded.reject(Reason.STORAGE_CHECKSUM, "DUMP payload checksum");
    }
    int length = payload.length - DumpLayout.FOOTER_BYTES;
    if (length > CapsuleDb.MAX_VALUE_BYTES) {
      return Decoded.reject(Reason.TOO_LARGE, "DUMP payload of a value of " + length + " bytes");
    }
    int number = payload[length];
    for (ValueType type : ValueType.values()) {
      if (type.number() == number) {
        if (type != ValueType.STRING
            && CollectionCodec.decode(type, payload, 0, length)
                instanceof Decoded.Rejected<?>(Rejection rejection)) {
          return Decoded.reject(Reason.PAYLOAD, rejection.toString());
        }
        return Decoded.accept(new Dumped(type, Arrays.copyOf(payload, length)));
      }
    }
    return Decoded.reject(Reason.UNKNOWN_TYPE, "DUMP payload of type " + number);
  }

  private static byte[] checksum(byte[] payload, int length) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(DOMAIN);
      digest.update(payload, 0, length);
      return digest.digest();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
