package io.capsuledb.scl.resp;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** Bytes of a format that must never change. */
final class Golden {

  private Golden() {}

  /** The bytes of a file under {@code golden/v1}: hexadecimal digits, white space between them. */
  static byte[] bytes(String name) {
    try (InputStream in = Golden.class.getResourceAsStream("/golden/v1/" + name)) {
      if (in == null) {
        throw new IllegalArgumentException("no golden bytes " + name);
      }
      String hex = new String(in.readAllBytes(), StandardCharsets.US_ASCII);
      return HexFormat.of().parseHex(hex.replaceAll("\\s", ""));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
