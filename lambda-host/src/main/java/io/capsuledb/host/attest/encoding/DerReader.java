package io.capsuledb.host.attest.encoding;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection.Reason;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;

/**
 * A cursor over DER (X.690): definite lengths of the shortest form, one-byte tags, minimal integers
 * and object identifiers. Anything else is an {@link IntegrityException}.
 *
 * <p>Never recurses: who reads decides how deep. Not thread-safe.
 */
public final class DerReader {

  /** Universal tags that attestation uses. */
  public static final int BOOLEAN = 0x01;

  public static final int INTEGER = 0x02;
  public static final int BIT_STRING = 0x03;
  public static final int OCTET_STRING = 0x04;
  public static final int OBJECT_IDENTIFIER = 0x06;
  public static final int ENUMERATED = 0x0A;
  public static final int UTF8_STRING = 0x0C;
  public static final int PRINTABLE_STRING = 0x13;
  public static final int IA5_STRING = 0x16;
  public static final int SEQUENCE = 0x30;
  public static final int SET = 0x31;

  private static final int MAX_OID_BYTES = 64;

  private final Octets bytes;
  private int position;

  public DerReader(Octets bytes) {
    this.bytes = bytes;
  }

  /** Whether everything was read. */
  public boolean atEnd() {
    return position == bytes.length();
  }

  /** The tag of the next element. */
  public int nextTag() {
    return bytes.unsignedByte(position);
  }

  /**
   * The contents of the next element.
   *
   * @throws IntegrityException if its tag is not {@code tag}
   */
  public Octets read(int tag) {
    int found = bytes.unsignedByte(position);
    if (found != tag) {
      throw malformed(Reason.UNKNOWN_TYPE, "DER tag " + found + " instead of " + tag);
    }
    return readAny();
  }

  /** The contents of the next element, whatever its tag. */
  public Octets readAny() {
    int tag = bytes.unsignedByte(position);
    if ((tag & 0x1F) == 0x1F) {
      throw malformed(Reason.UNKNOWN_TYPE, "DER tag of several bytes");
    }
    int first = bytes.unsignedByte(position + 1);
    int header = 2;
    long length = first;
    if (first >= 0x80) {
      int count = first & 0x7F;
      if (count == 0 || count > 3) {
        throw malformed(Reason.TOO_LARGE, "DER length of " + count + " bytes");
      }
      length = 0;
      for (int i = 0; i < count; i++) {
        length = length << 8 | bytes.unsignedByte(position + 2 + i);
      }
      if (length < 0x80 || length >>> (8 * (count - 1)) == 0) {
        throw malformed(Reason.FIELD_OUT_OF_RANGE, "DER length is not minimal");
      }
      header += count;
    }
    Octets contents = bytes.slice((long) position + header, length);
    position += header + (int) length;
    return contents;
  }

  /** A reader of the next element, which is a SEQUENCE. */
  public DerReader sequence() {
    return new DerReader(read(SEQUENCE));
  }

  /** The next element, an OBJECT IDENTIFIER, in dotted form. */
  public String objectIdentifier() {
    return dotted(read(OBJECT_IDENTIFIER));
  }

  /** The dotted form of the contents of an OBJECT IDENTIFIER. */
  public static String dotted(Octets contents) {
    if (contents.length() == 0 || contents.length() > MAX_OID_BYTES) {
      throw malformed(Reason.TOO_LARGE, "object identifier of " + contents.length() + " bytes");
    }
    StringBuilder text = new StringBuilder();
    long component = 0;
    boolean inside = false;
    for (int i = 0; i < contents.length(); i++) {
      int octet = contents.unsignedByte(i);
      if ((!inside && octet == 0x80) || component > Integer.MAX_VALUE >> 7) {
        throw malformed(Reason.FIELD_OUT_OF_RANGE, "component of an object identifier");
      }
      component = component << 7 | (octet & 0x7F);
      inside = octet >= 0x80;
      if (!inside) {
        if (text.isEmpty()) {
          long arc = Math.min(component / 40, 2);
          text.append(arc).append('.').append(component - 40 * arc);
        } else {
          text.append('.').append(component);
        }
        component = 0;
      }
    }
    if (inside) {
      throw malformed(Reason.TRUNCATED, "object identifier");
    }
    return text.toString();
  }

  /** The next element, an INTEGER that is not negative. */
  public BigInteger integer() {
    return unsigned(read(INTEGER));
  }

  private static BigInteger unsigned(Octets contents) {
    if (contents.length() == 0
        || contents.unsignedByte(0) >= 0x80
        || (contents.length() > 1
            && contents.unsignedByte(0) == 0
            && contents.unsignedByte(1) < 0x80)) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "DER integer is negative or not minimal");
    }
    return new BigInteger(contents.toArray());
  }

  /**
   * The next element, an INTEGER from 0 to {@code most}.
   *
   * @throws IntegrityException if it is outside
   */
  public int integer(int most) {
    return bounded(integer(), most);
  }

  /** The next element, an ENUMERATED from 0 to {@code most}. */
  public int enumerated(int most) {
    return bounded(unsigned(read(ENUMERATED)), most);
  }

  private static int bounded(BigInteger value, int most) {
    if (value.compareTo(BigInteger.valueOf(most)) > 0) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "DER integer above " + most);
    }
    return value.intValueExact();
  }

  /** The next element, a BOOLEAN. */
  public boolean bool() {
    Octets contents = read(BOOLEAN);
    int value = contents.length() == 1 ? contents.unsignedByte(0) : -1;
    if (value != 0 && value != 0xFF) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "DER boolean");
    }
    return value != 0;
  }

  /** The next element, an OCTET STRING. */
  public Octets octetString() {
    return read(OCTET_STRING);
  }

  /** The next element, text of one of the usual string types. */
  public String text() {
    int tag = nextTag();
    if (tag != UTF8_STRING && tag != PRINTABLE_STRING && tag != IA5_STRING) {
      throw malformed(Reason.UNKNOWN_TYPE, "DER tag " + tag + " is no text");
    }
    return new String(readAny().toArray(), StandardCharsets.UTF_8);
  }

  /**
   * Ends reading.
   *
   * @throws IntegrityException if something is left
   */
  public void end() {
    if (!atEnd()) {
      throw malformed(
          Reason.TRAILING_BYTES, bytes.length() - position + " bytes after a DER element");
    }
  }
}
