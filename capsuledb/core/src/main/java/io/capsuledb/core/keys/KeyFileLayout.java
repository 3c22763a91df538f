package io.capsuledb.core.keys;

import io.capsuledb.core.crypto.Aead;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import java.nio.charset.StandardCharsets;

/** Where everything is in a key file; docs/format/keyfile.md says what it means. */
final class KeyFileLayout {

  /** First bytes of every key file, and the domain tag of what is authenticated. */
  static final byte[] MAGIC = "CAPSKEYF".getBytes(StandardCharsets.US_ASCII);

  static final int FORMAT = 1;
  static final int KDF_ARGON2ID = 1;
  static final int CIPHER_AES_256_GCM = 1;

  static final int MAGIC_AT = 0;
  static final int FORMAT_AT = 8;
  static final int PROTECTION_AT = 9;
  static final int KDF_AT = 10;
  static final int CIPHER_AT = 11;
  static final int MEMORY_KIB_AT = 12;
  static final int PASSES_AT = 16;
  static final int LANES_AT = 17;
  static final int ENTROPY_BYTES_AT = 18;
  static final int RESERVED_AT = 19;
  static final int SALT_AT = 20;
  static final int SALT_BYTES = 16;
  static final int NONCE_AT = SALT_AT + SALT_BYTES;
  static final int OWNER_AT = NONCE_AT + Aead.NONCE_BYTES;
  static final int HEADER_BYTES = OWNER_AT + PublicKey.BYTES;
  static final int CIPHERTEXT_AT = HEADER_BYTES;
  static final int CHECKSUM_BYTES = Hash32.BYTES;

  /** The domain tag of the checksum. */
  static final byte[] CHECKSUM_TAG =
      "capsuledb/v1/key-file-checksum".getBytes(StandardCharsets.US_ASCII);

  private KeyFileLayout() {}

  /** Where the checksum of a file with so much entropy is. */
  static int checksumAt(int entropyBytes) {
    return CIPHERTEXT_AT + entropyBytes + Aead.TAG_BYTES;
  }

  /** Length of a file with so much entropy. */
  static int length(int entropyBytes) {
    return checksumAt(entropyBytes) + CHECKSUM_BYTES;
  }
}
