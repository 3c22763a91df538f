package io.capsuledb.host.attest.pki;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Octets;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/** PEM blocks (RFC 7468): base64 between lines that say what it is. */
public final class Pem {

  private static final String BEGIN = "-----BEGIN ";
  private static final String END = "-----END ";
  private static final String DASHES = "-----";

  private static final int MAX_BLOCKS = 8;

  private Pem() {}

  /** Whether {@code file} begins as a PEM file does. */
  public static boolean looksLike(Octets file) {
    return file.startsWith(Octets.copyOf(BEGIN.getBytes(StandardCharsets.US_ASCII)));
  }

  /**
   * The contents of all blocks called {@code label}. Between the blocks only white space and
   * trailing zero bytes are allowed.
   *
   * @throws io.capsuledb.core.error.IntegrityException if it is not that
   */
  public static List<Octets> blocks(String label, Octets file) {
    String text = new String(file.toArray(), StandardCharsets.ISO_8859_1);
    String begin = BEGIN + label + DASHES;
    String end = END + label + DASHES;
    List<Octets> blocks = new ArrayList<>();
    int position = 0;
    while (true) {
      int start = text.indexOf(begin, position);
      requireBlank(text, position, start < 0 ? text.length() : start);
      if (start < 0) {
        return List.copyOf(blocks);
      }
      // The dashes that end the first line do not begin the last.
      int stop = text.indexOf(end, start + begin.length());
      if (stop < 0 || blocks.size() == MAX_BLOCKS) {
        throw malformed(
            stop < 0 ? Reason.TRUNCATED : Reason.TOO_LARGE,
            "PEM: " + (stop < 0 ? "a block without end" : "more than " + MAX_BLOCKS + " blocks"));
      }
      blocks.add(decode(text.substring(start + begin.length(), stop)));
      position = stop + end.length();
    }
  }

  private static void requireBlank(String text, int from, int to) {
    for (int i = from; i < to; i++) {
      if (" \t\r\n\0".indexOf(text.charAt(i)) < 0) {
        throw malformed(Reason.UNKNOWN_FORMAT, "PEM: text outside the blocks");
      }
    }
  }

  private static Octets decode(String base64) {
    StringBuilder digits = new StringBuilder(base64.length());
    for (int i = 0; i < base64.length(); i++) {
      char digit = base64.charAt(i);
      if (" \t\r\n".indexOf(digit) < 0) {
        digits.append(digit);
      }
    }
    try {
      return Octets.own(Base64.getDecoder().decode(digits.toString()));
    } catch (IllegalArgumentException e) {
      var failure = malformed(Reason.UNKNOWN_FORMAT, "PEM: not base64");
      failure.initCause(e);
      throw failure;
    }
  }

  /** A block of {@code contents}, with a line feed at its end. */
  public static String block(String label, Octets contents) {
    return BEGIN
        + label
        + DASHES
        + "\n"
        + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(contents.toArray())
        + "\n"
        + END
        + label
        + DASHES
        + "\n";
  }
}
