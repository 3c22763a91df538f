package io.capsuledb.core.crypto;

import fr.acinq.secp256k1.Secp256k1CFunctions;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;

/**
 * libsecp256k1, through the JNI functions of secp256k1-kmp.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>Nothing reaches a native function that it would refuse: lengths and ranges are checked here
 *       first, points are valid by construction of {@link PublicKey}. So the native side's own
 *       exceptions, whose classes are not even shipped, are never raised, and its error callbacks,
 *       which each call points at its own stack in the shared context, never run. That makes one
 *       context safe for all threads.
 *   <li>No instance exists unless the library produced a known signature and refused a wrong one.
 * </ul>
 */
final class NativeSecp256k1 implements Secp256k1 {

  /** What became of loading the library. */
  sealed interface Outcome permits Loaded, Failed {}

  record Loaded(NativeSecp256k1 library) implements Outcome {}

  record Failed(String reason) implements Outcome {}

  private final long context;
  private final String platform;

  private NativeSecp256k1(long context, String platform) {
    this.context = context;
    this.platform = platform;
  }

  /** Loads the library, once per process: a second call would load a second copy of it. */
  static Outcome load() {
    return switch (NativeLibrary.load()) {
      case NativeLibrary.Failed(String reason) -> new Failed(reason);
      case NativeLibrary.Loaded(String platform) -> {
        NativeSecp256k1 library =
            new NativeSecp256k1(
                Secp256k1CFunctions.secp256k1_context_create(
                    Secp256k1CFunctions.SECP256K1_CONTEXT_NONE),
                platform);
        yield library.answersCorrectly()
            ? new Loaded(library)
            : new Failed("the native libsecp256k1 for " + platform + " failed its self-test");
      }
    };
  }

  @Override
  public byte[] sign(Hash32 digest, SecretBytes privateKey) {
    byte[] key = CurveArguments.privateKey(privateKey);
    return Secp256k1CFunctions.secp256k1_ecdsa_sign(context, digest.shared(), key, null);
  }

  @Override
  public boolean verify(Hash32 digest, byte[] signature, int signatureOffset, PublicKey key) {
    if (!CurveArguments.isSignature(signature, signatureOffset)) {
      return false;
    }
    byte[] exact =
        signature.length == SIGNATURE_BYTES
            ? signature
            : Arrays.copyOfRange(signature, signatureOffset, signatureOffset + SIGNATURE_BYTES);
    return Secp256k1CFunctions.secp256k1_ecdsa_verify(
            context, exact, digest.shared(), key.uncompressed())
        == 1;
  }

  @Override
  public PublicKey publicKey(SecretBytes privateKey) {
    return PublicKey.ofUncompressed(multiplyBase(CurveArguments.privateKey(privateKey)));
  }

  @Override
  public Optional<PublicKey> tweakPublicKey(PublicKey key, SecretBytes tweak) {
    byte[] scalar = CurveArguments.tweak(tweak);
    if (!GroupOrder.isReduced(scalar)) {
      return Optional.empty();
    }
    if (GroupOrder.isZero(scalar)) {
      return Optional.of(key);
    }
    byte[] point = key.uncompressed();
    byte[] summand = multiplyBase(scalar);
    // Two different points with one x are each other's negative: their sum is infinity.
    if (Arrays.equals(point, 1, 33, summand, 1, 33) && !Arrays.equals(point, summand)) {
      return Optional.empty();
    }
    return Optional.of(
        PublicKey.ofUncompressed(
            Secp256k1CFunctions.secp256k1_ec_pubkey_combine(
                context, new byte[][] {point, summand})));
  }

  @Override
  public String description() {
    return "libsecp256k1 (native, " + platform + ")";
  }

  private byte[] multiplyBase(byte[] scalar) {
    return Secp256k1CFunctions.secp256k1_ec_pubkey_create(context, scalar);
  }

  /** A published RFC 6979 vector: SHA-256("Satoshi Nakamoto") signed with the private key 1. */
  private boolean answersCorrectly() {
    HexFormat hex = HexFormat.of();
    byte[] one = new byte[SCALAR_BYTES];
    one[SCALAR_BYTES - 1] = 1;
    byte[] expected =
        hex.parseHex(
            "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
                + "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5");
    try (SecretBytes key = SecretBytes.own(one)) {
      Hash32 digest =
          Hash32.parse("a0dc65ffca799873cbea0ac274015b9526505daaaed385155425f7337704883e");
      PublicKey publicKey = publicKey(key);
      return Arrays.equals(sign(digest, key), expected)
          && verify(digest, expected, 0, publicKey)
          && !verify(Hash32.ZERO, expected, 0, publicKey);
    }
  }
}
