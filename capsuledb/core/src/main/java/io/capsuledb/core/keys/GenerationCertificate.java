package io.capsuledb.core.keys;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.Function;

/**
 * The owner's word that a public key is that of one key generation of an application. Whoever has a
 * capsule's metadata, and so the owner's key and the path, can check it without any other record:
 * that is what makes a chain of a later generation introduce itself. docs/format/rotate.md.
 *
 * <p>Deterministic: an owner has one certificate for a generation. Immutable.
 */
public final class GenerationCertificate {

  /** Length of an encoded certificate: key and signature. */
  public static final int BYTES = PublicKey.BYTES + Secp256k1.SIGNATURE_BYTES;

  private static final byte[] TAG = "capsuledb/v1/generation".getBytes(StandardCharsets.US_ASCII);

  private final PublicKey key;
  private final byte[] signature;

  private GenerationCertificate(PublicKey key, byte[] signature) {
    this.key = key;
    this.signature = signature;
  }

  /**
   * Makes the certificate of a key.
   *
   * @param path of the application key, its last component the generation
   * @param ownerSigner signs a digest with the owner's key, 64 bytes
   */
  static GenerationCertificate sign(
      HdPath path, PublicKey key, Function<Hash32, byte[]> ownerSigner) {
    return new GenerationCertificate(key, ownerSigner.apply(digest(path, key)).clone());
  }

  /** Reads a certificate; whether the owner signed it is for {@link #isBy}. Takes any bytes. */
  public static Decoded<GenerationCertificate> decode(byte[] bytes, int offset) {
    if (offset < 0 || bytes.length - offset < BYTES) {
      return Decoded.reject(Reason.TRUNCATED, "a generation's certificate has " + BYTES + " bytes");
    }
    return PublicKey.decode(bytes, offset)
        .then(
            key ->
                Decoded.accept(
                    new GenerationCertificate(
                        key, Arrays.copyOfRange(bytes, offset + PublicKey.BYTES, offset + BYTES))));
  }

  /** The application's public key in this generation. */
  public PublicKey key() {
    return key;
  }

  /** Writes the {@link #BYTES} of this certificate. */
  public void copyTo(byte[] target, int offset) {
    key.copyTo(target, offset);
    System.arraycopy(signature, 0, target, offset + PublicKey.BYTES, signature.length);
  }

  /** Whether {@code owner} signed it for the application key at {@code path}. */
  public boolean isBy(PublicKey owner, HdPath path, Secp256k1 curve) {
    return curve.verify(digest(path, key), signature, 0, owner);
  }

  private static Hash32 digest(HdPath path, PublicKey key) {
    ByteBuffer components =
        ByteBuffer.allocate(Integer.BYTES * (1 + path.length())).order(ByteOrder.LITTLE_ENDIAN);
    components.putInt(path.length());
    for (int i = 0; i < path.length(); i++) {
      components.putInt(path.index(i));
    }
    return Hashes.tagged(TAG, components.array(), key.bytes());
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof GenerationCertificate that
        && key.equals(that.key)
        && Arrays.equals(signature, that.signature);
  }

  @Override
  public int hashCode() {
    return key.hashCode();
  }

  @Override
  public String toString() {
    return "GenerationCertificate[" + key + "]";
  }
}
