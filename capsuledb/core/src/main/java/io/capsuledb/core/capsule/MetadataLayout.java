package io.capsuledb.core.capsule;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import java.nio.charset.StandardCharsets;

/**
 * Where the fields of the capsule metadata are: format 1, little endian, specified in
 * docs/format/metadata.md.
 */
final class MetadataLayout {

  static final byte[] MAGIC = "CAPSMETA".getBytes(StandardCharsets.US_ASCII);
  static final int FORMAT = 1;

  static final int MAGIC_OFFSET = 0;
  static final int FORMAT_OFFSET = 8;
  static final int DIRECTORY_MODE_OFFSET = 10;
  static final int RESERVED_OFFSET = 11;
  static final int OWNER_KEY_OFFSET = 12;
  static final int APPLICATION_KEY_OFFSET = OWNER_KEY_OFFSET + PublicKey.BYTES;
  static final int SALT_OFFSET = APPLICATION_KEY_OFFSET + PublicKey.BYTES;
  static final int PATH_LENGTH_OFFSET = SALT_OFFSET + Hash32.BYTES;
  static final int REPLICA_COUNT_OFFSET = PATH_LENGTH_OFFSET + 2;
  static final int QUORUM_OFFSET = REPLICA_COUNT_OFFSET + 2;
  static final int PATH_OFFSET = QUORUM_OFFSET + 2;

  static final int PATH_COMPONENT_BYTES = 4;
  static final int REPLICA_BYTES = PublicKey.BYTES;
  static final int SIGNATURE_BYTES = Secp256k1.SIGNATURE_BYTES;

  static final int MIN_BYTES = PATH_OFFSET + SIGNATURE_BYTES;

  private MetadataLayout() {}

  static int bytes(int pathLength, int replicas) {
    return PATH_OFFSET
        + pathLength * PATH_COMPONENT_BYTES
        + replicas * REPLICA_BYTES
        + SIGNATURE_BYTES;
  }
}
