package io.capsuledb.host.attest.encoding;

import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;

/** Elements of DER (X.690), each as a whole. */
public final class DerWriter {

  private static final int UTC_TIME = 0x17;
  private static final int GENERALIZED_TIME = 0x18;

  private static final DateTimeFormatter UTC =
      DateTimeFormatter.ofPattern("yyMMddHHmmss'Z'").withZone(ZoneOffset.UTC);
  private static final DateTimeFormatter GENERALIZED =
      DateTimeFormatter.ofPattern("yyyyMMddHHmmss'Z'").withZone(ZoneOffset.UTC);

  /** From this instant on, X.509 wants GeneralizedTime (RFC 5280, 4.1.2.5). */
  private static final Instant END_OF_UTC_TIME = Instant.parse("2050-01-01T00:00:00Z");

  private DerWriter() {}

  /** An element of any tag around {@code contents}. */
  public static Octets element(int tag, Octets... contents) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    int length = 0;
    for (Octets part : contents) {
      length = Math.addExact(length, part.length());
    }
    out.write(tag);
    if (length < 0x80) {
      out.write(length);
    } else {
      int count = (31 - Integer.numberOfLeadingZeros(length)) / 8 + 1;
      out.write(0x80 | count);
      for (int i = count - 1; i >= 0; i--) {
        out.write(length >>> (8 * i));
      }
    }
    for (Octets part : contents) {
      out.writeBytes(part.toArray());
    }
    return Octets.own(out.toByteArray());
  }

  public static Octets sequence(Octets... contents) {
    return element(DerReader.SEQUENCE, contents);
  }

  /** An OBJECT IDENTIFIER from its dotted form. */
  public static Octets objectIdentifier(String dotted) {
    String[] parts = dotted.split("\\.", -1);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    base128(out, Long.parseLong(parts[0]) * 40 + Long.parseLong(parts[1]));
    for (int i = 2; i < parts.length; i++) {
      base128(out, Long.parseLong(parts[i]));
    }
    return element(DerReader.OBJECT_IDENTIFIER, Octets.own(out.toByteArray()));
  }

  private static void base128(ByteArrayOutputStream out, long value) {
    int groups = Math.max(1, (70 - Long.numberOfLeadingZeros(value)) / 7);
    for (int i = groups - 1; i >= 0; i--) {
      out.write((int) ((value >>> (7 * i)) & 0x7F) | (i > 0 ? 0x80 : 0));
    }
  }

  public static Octets integer(BigInteger value) {
    return element(DerReader.INTEGER, Octets.own(value.toByteArray()));
  }

  public static Octets integer(long value) {
    return integer(BigInteger.valueOf(value));
  }

  public static Octets enumerated(int value) {
    return element(DerReader.ENUMERATED, Octets.own(BigInteger.valueOf(value).toByteArray()));
  }

  public static Octets bool(boolean value) {
    return element(DerReader.BOOLEAN, Octets.own(new byte[] {(byte) (value ? 0xFF : 0)}));
  }

  public static Octets octetString(Octets contents) {
    return element(DerReader.OCTET_STRING, contents);
  }

  /** A BIT STRING whose last {@code unused} bits do not count. */
  public static Octets bitString(int unused, Octets contents) {
    return element(DerReader.BIT_STRING, Octets.own(new byte[] {(byte) unused}), contents);
  }

  public static Octets utf8(String text) {
    return element(DerReader.UTF8_STRING, Octets.own(text.getBytes(StandardCharsets.UTF_8)));
  }

  public static Octets ia5(String text) {
    return element(DerReader.IA5_STRING, Octets.own(text.getBytes(StandardCharsets.US_ASCII)));
  }

  /** A time in whole seconds, in the form that X.509 wants for it. */
  public static Octets time(Instant time) {
    boolean utc = time.isBefore(END_OF_UTC_TIME);
    return element(
        utc ? UTC_TIME : GENERALIZED_TIME,
        Octets.own((utc ? UTC : GENERALIZED).format(time).getBytes(StandardCharsets.US_ASCII)));
  }
}
