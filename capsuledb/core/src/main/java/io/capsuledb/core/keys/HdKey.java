package io.capsuledb.core.keys;

import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.Hmac;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
import org.bouncycastle.crypto.digests.RIPEMD160Digest;
import org.jspecify.annotations.Nullable;

/**
 * An extended key of a hierarchical deterministic wallet (BIP 32): a secp256k1 key and the chain
 * code that its children are derived with. Private (can sign and derive every child) or public (can
 * derive the public keys of children that are not hardened).
 *
 * <p>Invariants: a private key, if there is one, is valid and belongs to the public key; a key of
 * depth 0 has no parent fingerprint and child number 0.
 *
 * <p>Beware: a public extended key together with the private key of one of its not hardened
 * children gives its private key (BIP 32, security). Thread-safe; {@link #close} clears it.
 */
public final class HdKey implements AutoCloseable {

  /** Length in bytes of a serialized extended key. */
  public static final int SERIALIZED_BYTES = 78;

  /** Deepest key there is: the depth is serialized as one byte. */
  public static final int MAX_DEPTH = HdPath.MAX_STEPS;

  /** Fewest bytes a seed may have. */
  public static final int MIN_SEED_BYTES = 16;

  /** Most bytes a seed may have. */
  public static final int MAX_SEED_BYTES = 64;

  private static final int VERSION_PRIVATE = 0x0488_ADE4;
  private static final int VERSION_PUBLIC = 0x0488_B21E;

  private static final int VERSION_AT = 0;
  private static final int DEPTH_AT = 4;
  private static final int FINGERPRINT_AT = 5;
  private static final int CHILD_NUMBER_AT = 9;
  private static final int CHAIN_CODE_AT = 13;
  private static final int KEY_AT = 45;

  private static final int CHAIN_CODE_BYTES = 32;
  private static final int HALF_BYTES = 32;

  /** Characters of 78 bytes and a checksum in base 58, for any version number. */
  private static final int MAX_TEXT = 112;

  private static final byte[] MASTER_KEY = "Bitcoin seed".getBytes(StandardCharsets.US_ASCII);

  private final int depth;
  private final int parentFingerprint;
  private final int childNumber;
  private final SecretBytes chainCode;
  private final @Nullable SecretBytes privateKey;
  private final PublicKey publicKey;

  private HdKey(
      int depth,
      int parentFingerprint,
      int childNumber,
      SecretBytes chainCode,
      @Nullable SecretBytes privateKey,
      PublicKey publicKey) {
    this.depth = depth;
    this.parentFingerprint = parentFingerprint;
    this.childNumber = childNumber;
    this.chainCode = chainCode;
    this.privateKey = privateKey;
    this.publicKey = publicKey;
  }

  /**
   * The master key of a seed.
   *
   * @param seed 16 to 64 bytes; stays the caller's
   * @throws IllegalArgumentException if it has another length
   * @throws InvalidRequestException if the seed has no master key, which one in 2¹²⁷ has not
   */
  public static HdKey fromSeed(SecretBytes seed) {
    if (seed.length() < MIN_SEED_BYTES || seed.length() > MAX_SEED_BYTES) {
      throw new IllegalArgumentException("a seed has 16 to 64 bytes, not " + seed.length());
    }
    return master(Hmac.sha512(MASTER_KEY, seed.expose()))
        .orElseThrow(
            () -> new InvalidRequestException("this seed has no master key (BIP 32): use another"));
  }

  /**
   * Reads an extended key as it is usually written: {@code xprv...} or {@code xpub...}.
   *
   * @return the key, or why it is none: TOO_LARGE, FIELD_OUT_OF_RANGE, TRUNCATED, TRAILING_BYTES,
   *     CHECKSUM, UNKNOWN_FORMAT
   */
  public static Decoded<HdKey> parse(String text) {
    return Base58Check.decode(text, MAX_TEXT)
        .then(
            bytes -> {
              Decoded<HdKey> key = deserialize(bytes);
              Arrays.fill(bytes, (byte) 0);
              return key;
            });
  }

  /**
   * Reads the 78 bytes of an extended key (BIP 32, serialization format).
   *
   * @param bytes stays the caller's, to be cleared if the key is private
   * @return the key, or why it is none: TRUNCATED, TRAILING_BYTES, UNKNOWN_FORMAT or
   *     FIELD_OUT_OF_RANGE
   */
  public static Decoded<HdKey> deserialize(byte[] bytes) {
    if (bytes.length != SERIALIZED_BYTES) {
      return Decoded.reject(
          bytes.length < SERIALIZED_BYTES
              ? Rejection.Reason.TRUNCATED
              : Rejection.Reason.TRAILING_BYTES,
          "an extended key has 78 bytes, not " + bytes.length);
    }
    ByteBuffer buffer = ByteBuffer.wrap(bytes);
    int version = buffer.getInt(VERSION_AT);
    if (version != VERSION_PRIVATE && version != VERSION_PUBLIC) {
      return Decoded.reject(
          Rejection.Reason.UNKNOWN_FORMAT, "extended key version " + Integer.toHexString(version));
    }
    int depth = bytes[DEPTH_AT] & 0xff;
    int parentFingerprint = buffer.getInt(FINGERPRINT_AT);
    int childNumber = buffer.getInt(CHILD_NUMBER_AT);
    if (depth == 0 && parentFingerprint != 0) {
      return outOfRange("a master key has no parent fingerprint");
    }
    if (depth == 0 && childNumber != 0) {
      return outOfRange("a master key has no child number");
    }
    if (version == VERSION_PUBLIC) {
      return PublicKey.decode(bytes, KEY_AT)
          .then(
              publicKey ->
                  Decoded.accept(
                      new HdKey(
                          depth,
                          parentFingerprint,
                          childNumber,
                          chainCode(bytes, CHAIN_CODE_AT),
                          null,
                          publicKey)));
    }
    if (bytes[KEY_AT] != 0) {
      return outOfRange("a private key is preceded by a zero byte");
    }
    SecretBytes privateKey =
        SecretBytes.own(Arrays.copyOfRange(bytes, KEY_AT + 1, SERIALIZED_BYTES));
    if (!Secp256k1.isPrivateKey(privateKey)) {
      privateKey.close();
      return outOfRange("the private key is zero, or not below the group's order");
    }
    return Decoded.accept(
        new HdKey(
            depth,
            parentFingerprint,
            childNumber,
            chainCode(bytes, CHAIN_CODE_AT),
            privateKey,
            Secp256k1.best().publicKey(privateKey)));
  }

  /**
   * The child with number {@code index}, with {@link HdPath#HARDENED} added for a hardened one.
   *
   * @throws InvalidRequestException if it is hardened and this key is public; if this key has the
   *     greatest depth; or if there is no such child, which happens once in 2¹²⁷: then BIP 32 says
   *     to take the next number
   */
  public HdKey child(int index) {
    if (depth == MAX_DEPTH) {
      throw new InvalidRequestException("a key of depth " + MAX_DEPTH + " has no children");
    }
    byte[] data = new byte[PublicKey.BYTES + Integer.BYTES];
    if (index < 0) {
      if (privateKey == null) {
        throw new InvalidRequestException("a public extended key has no hardened children");
      }
      System.arraycopy(privateKey.expose(), 0, data, 1, Secp256k1.SCALAR_BYTES);
    } else {
      publicKey.copyTo(data, 0);
    }
    ByteBuffer.wrap(data).putInt(PublicKey.BYTES, index);
    byte[] derived = Hmac.sha512(chainCode.expose(), data);
    Arrays.fill(data, (byte) 0);
    return child(index, derived)
        .orElseThrow(
            () ->
                new InvalidRequestException(
                    "the key has no child "
                        + Integer.toUnsignedString(index)
                        + " (BIP 32): use the next number"));
  }

  /**
   * The descendant at {@code path}, seen from this key.
   *
   * @throws InvalidRequestException as {@link #child} does
   */
  public HdKey derive(HdPath path) {
    HdKey key = copy();
    for (int i = 0; i < path.length(); i++) {
      try (HdKey parent = key) {
        key = parent.child(path.index(i));
      }
    }
    return key;
  }

  /** This key without its private half. */
  public HdKey toPublic() {
    return new HdKey(
        depth,
        parentFingerprint,
        childNumber,
        SecretBytes.copyOf(chainCode.expose()),
        null,
        publicKey);
  }

  /** Whether the private key is there. */
  public boolean isPrivate() {
    return privateKey != null;
  }

  /**
   * The private key, which is cleared when this key is closed.
   *
   * @throws IllegalStateException if this key is public
   */
  public SecretBytes privateKey() {
    if (privateKey == null) {
      throw new IllegalStateException("this extended key is public");
    }
    return privateKey;
  }

  public PublicKey publicKey() {
    return publicKey;
  }

  /** Steps from the master key: 0 to 255. */
  public int depth() {
    return depth;
  }

  /** The child number, with {@link HdPath#HARDENED} added if it is hardened. */
  public int childNumber() {
    return childNumber;
  }

  /** The parent's {@link #fingerprint}, or 0 for a master key. */
  public int parentFingerprint() {
    return parentFingerprint;
  }

  /** The first four bytes, big endian, of RIPEMD-160(SHA-256(public key)). */
  public int fingerprint() {
    byte[] hash = Hashes.sha256(publicKey.bytes()).toBytes();
    RIPEMD160Digest digest = new RIPEMD160Digest();
    digest.update(hash, 0, hash.length);
    byte[] identifier = new byte[digest.getDigestSize()];
    digest.doFinal(identifier, 0);
    return ByteBuffer.wrap(identifier).getInt();
  }

  /** The 78 bytes of this key; {@link #deserialize} reads them. */
  public SecretBytes serialize() {
    byte[] bytes = new byte[SERIALIZED_BYTES];
    ByteBuffer.wrap(bytes)
        .putInt(privateKey == null ? VERSION_PUBLIC : VERSION_PRIVATE)
        .put((byte) depth)
        .putInt(parentFingerprint)
        .putInt(childNumber)
        .put(chainCode.expose());
    if (privateKey == null) {
      publicKey.copyTo(bytes, KEY_AT);
    } else {
      System.arraycopy(privateKey.expose(), 0, bytes, KEY_AT + 1, Secp256k1.SCALAR_BYTES);
    }
    return SecretBytes.own(bytes);
  }

  /**
   * This key as it is usually written; {@link #parse} reads it. The text of a private key is a
   * secret that cannot be cleared: for showing to its owner, not for sending or keeping.
   */
  public String revealBase58() {
    try (SecretBytes serialized = serialize()) {
      return Base58Check.encode(serialized.expose());
    }
  }

  /** Clears the private key and the chain code. Idempotent. */
  @Override
  public void close() {
    chainCode.close();
    if (privateKey != null) {
      privateKey.close();
    }
  }

  @Override
  public String toString() {
    return "HdKey[depth "
        + depth
        + (privateKey == null ? ", public " : ", private key of ")
        + publicKey
        + "]";
  }

  /** The master key from the HMAC of the seed, which is cleared; empty if there is none. */
  static Optional<HdKey> master(byte[] hmac) {
    SecretBytes privateKey = SecretBytes.own(Arrays.copyOf(hmac, HALF_BYTES));
    SecretBytes chainCode = chainCode(hmac, HALF_BYTES);
    Arrays.fill(hmac, (byte) 0);
    if (!Secp256k1.isPrivateKey(privateKey)) {
      privateKey.close();
      chainCode.close();
      return Optional.empty();
    }
    return Optional.of(
        new HdKey(0, 0, 0, chainCode, privateKey, Secp256k1.best().publicKey(privateKey)));
  }

  /** The child from the HMAC of its number, which is cleared; empty if there is none. */
  Optional<HdKey> child(int index, byte[] hmac) {
    SecretBytes childChainCode = chainCode(hmac, HALF_BYTES);
    Optional<HdKey> child;
    try (SecretBytes tweak = SecretBytes.own(Arrays.copyOf(hmac, HALF_BYTES))) {
      Arrays.fill(hmac, (byte) 0);
      Secp256k1 curve = Secp256k1.best();
      if (privateKey == null) {
        child =
            curve
                .tweakPublicKey(publicKey, tweak)
                .map(key -> new HdKey(depth + 1, fingerprint(), index, childChainCode, null, key));
      } else {
        child =
            curve
                .tweakPrivateKey(privateKey, tweak)
                .map(
                    key ->
                        new HdKey(
                            depth + 1,
                            fingerprint(),
                            index,
                            childChainCode,
                            key,
                            curve.publicKey(key)));
      }
    }
    if (child.isEmpty()) {
      childChainCode.close();
    }
    return child;
  }

  private HdKey copy() {
    return new HdKey(
        depth,
        parentFingerprint,
        childNumber,
        SecretBytes.copyOf(chainCode.expose()),
        privateKey == null ? null : SecretBytes.copyOf(privateKey.expose()),
        publicKey);
  }

  private static SecretBytes chainCode(byte[] source, int offset) {
    return SecretBytes.own(Arrays.copyOfRange(source, offset, offset + CHAIN_CODE_BYTES));
  }

  private static Decoded<HdKey> outOfRange(String detail) {
    return Decoded.reject(Rejection.Reason.FIELD_OUT_OF_RANGE, detail);
  }
}
