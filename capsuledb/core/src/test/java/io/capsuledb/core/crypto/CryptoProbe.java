package io.capsuledb.core.crypto;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** Says, in a process of its own, which implementations it got and whether they work. */
final class CryptoProbe {

  static final SecretBytes ONE = SecretBytes.own(new byte[32]);

  static {
    ONE.expose()[31] = 1;
  }

  static final Hash32 SATOSHI =
      Hashes.sha256("Satoshi Nakamoto".getBytes(StandardCharsets.US_ASCII));

  private CryptoProbe() {}

  public static void main(String[] arguments) {
    Secp256k1 curve = Secp256k1.best();
    System.out.println(curve.description());
    System.out.println(HexFormat.of().formatHex(curve.sign(SATOSHI, ONE)));
    System.out.println(Aead.provider());
  }
}
