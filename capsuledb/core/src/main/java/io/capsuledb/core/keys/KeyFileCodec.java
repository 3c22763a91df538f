package io.capsuledb.core.keys;

import io.capsuledb.core.crypto.Aead;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Reads and writes the bytes of a key file; see docs/format/keyfile.md. */
final class KeyFileCodec {

  /**
   * What the clear part of a key file says.
   *
   * @param protection what keeps it secret
   * @param cost of deriving its key
   * @param entropyBytes length of what it holds
   * @param owner the public key that the entropy leads to
   */
  record Header(Protection protection, Argon2Cost cost, int entropyBytes, PublicKey owner) {}

  private KeyFileCodec() {}

  /** A file with everything in place but the ciphertext and the checksum. */
  static byte[] encodeHeader(Header header, byte[] salt, byte[] nonce) {
    byte[] file = new byte[KeyFileLayout.length(header.entropyBytes())];
    ByteBuffer.wrap(file)
        .order(ByteOrder.LITTLE_ENDIAN)
        .put(KeyFileLayout.MAGIC_AT, KeyFileLayout.MAGIC)
        .put(KeyFileLayout.FORMAT_AT, (byte) KeyFileLayout.FORMAT)
        .put(KeyFileLayout.PROTECTION_AT, (byte) header.protection().code())
        .put(KeyFileLayout.KDF_AT, (byte) KeyFileLayout.KDF_ARGON2ID)
        .put(KeyFileLayout.CIPHER_AT, (byte) KeyFileLayout.CIPHER_AES_256_GCM)
        .putInt(KeyFileLayout.MEMORY_KIB_AT, header.cost().memoryKiB())
        .put(KeyFileLayout.PASSES_AT, (byte) header.cost().passes())
        .put(KeyFileLayout.LANES_AT, (byte) header.cost().lanes())
        .put(KeyFileLayout.ENTROPY_BYTES_AT, (byte) header.entropyBytes())
        .put(KeyFileLayout.SALT_AT, salt)
        .put(KeyFileLayout.NONCE_AT, nonce);
    header.owner().copyTo(file, KeyFileLayout.OWNER_AT);
    return file;
  }

  /** Writes the checksum of a file that is complete otherwise. */
  static void putChecksum(byte[] file) {
    int at = file.length - KeyFileLayout.CHECKSUM_BYTES;
    checksum(file).copyTo(file, at);
  }

  /** Checks everything that can be checked without the passphrase. */
  static Decoded<Header> decodeHeader(byte[] file) {
    int magicBytes = Math.min(file.length, KeyFileLayout.MAGIC.length);
    if (!Arrays.equals(file, 0, magicBytes, KeyFileLayout.MAGIC, 0, magicBytes)) {
      return Decoded.reject(Rejection.Reason.UNKNOWN_FORMAT, "this is not a key file");
    }
    int least = KeyFileLayout.length(Mnemonic.MIN_ENTROPY_BYTES);
    if (file.length < least) {
      return Decoded.reject(
          Rejection.Reason.TRUNCATED,
          "a key file has at least " + least + " bytes, not " + file.length);
    }
    int format = file[KeyFileLayout.FORMAT_AT] & 0xff;
    if (format != KeyFileLayout.FORMAT) {
      return Decoded.reject(Rejection.Reason.UNKNOWN_FORMAT, "key file format " + format);
    }
    int entropyBytes = file[KeyFileLayout.ENTROPY_BYTES_AT] & 0xff;
    if (!Mnemonic.isEntropyLength(entropyBytes)) {
      return Decoded.reject(
          Rejection.Reason.FIELD_OUT_OF_RANGE,
          "a key file holds 16, 20, 24, 28 or 32 bytes of entropy, not " + entropyBytes);
    }
    int length = KeyFileLayout.length(entropyBytes);
    if (file.length != length) {
      return Decoded.reject(
          file.length < length ? Rejection.Reason.TRUNCATED : Rejection.Reason.TRAILING_BYTES,
          "this key file should have " + length + " bytes, not " + file.length);
    }
    if (!Hash32.copyOf(file, KeyFileLayout.checksumAt(entropyBytes)).equals(checksum(file))) {
      return Decoded.reject(
          Rejection.Reason.STORAGE_CHECKSUM, "the key file is damaged: its checksum is wrong");
    }
    Protection protection = protection(file[KeyFileLayout.PROTECTION_AT] & 0xff);
    if (protection == null) {
      return unknown("protection", file[KeyFileLayout.PROTECTION_AT]);
    }
    if (file[KeyFileLayout.KDF_AT] != KeyFileLayout.KDF_ARGON2ID) {
      return unknown("key derivation", file[KeyFileLayout.KDF_AT]);
    }
    if (file[KeyFileLayout.CIPHER_AT] != KeyFileLayout.CIPHER_AES_256_GCM) {
      return unknown("cipher", file[KeyFileLayout.CIPHER_AT]);
    }
    if (file[KeyFileLayout.RESERVED_AT] != 0) {
      return Decoded.reject(
          Rejection.Reason.RESERVED_BITS, "byte " + KeyFileLayout.RESERVED_AT + " is not zero");
    }
    int memoryKiB =
        ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getInt(KeyFileLayout.MEMORY_KIB_AT);
    int passes = file[KeyFileLayout.PASSES_AT] & 0xff;
    int lanes = file[KeyFileLayout.LANES_AT] & 0xff;
    if (!Argon2Cost.isValid(memoryKiB, passes, lanes)) {
      return Decoded.reject(
          Rejection.Reason.FIELD_OUT_OF_RANGE,
          "an Argon2 cost beyond its bounds: "
              + Integer.toUnsignedString(memoryKiB)
              + " KiB, "
              + passes
              + " passes, "
              + lanes
              + " lanes");
    }
    Argon2Cost cost = new Argon2Cost(memoryKiB, passes, lanes);
    return PublicKey.decode(file, KeyFileLayout.OWNER_AT)
        .then(owner -> Decoded.accept(new Header(protection, cost, entropyBytes, owner)));
  }

  static byte[] salt(byte[] file) {
    return Arrays.copyOfRange(
        file, KeyFileLayout.SALT_AT, KeyFileLayout.SALT_AT + KeyFileLayout.SALT_BYTES);
  }

  static byte[] nonce(byte[] file) {
    return Arrays.copyOfRange(
        file, KeyFileLayout.NONCE_AT, KeyFileLayout.NONCE_AT + Aead.NONCE_BYTES);
  }

  private static Hash32 checksum(byte[] file) {
    return Hashes.tagged(
        KeyFileLayout.CHECKSUM_TAG,
        Arrays.copyOf(file, file.length - KeyFileLayout.CHECKSUM_BYTES));
  }

  private static @Nullable Protection protection(int code) {
    for (Protection protection : Protection.values()) {
      if (protection.code() == code) {
        return protection;
      }
    }
    return null;
  }

  private static Decoded<Header> unknown(String field, byte code) {
    return Decoded.reject(Rejection.Reason.UNKNOWN_TYPE, field + " " + (code & 0xff));
  }
}
