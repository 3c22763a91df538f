package io.capsuledb.core.rotation;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.keys.DataRoot;
import io.capsuledb.core.keys.GenerationCertificate;

/**
 * Where the fields of the payload of a ROTATE record are: format 1, little endian, specified in
 * docs/format/rotate.md.
 */
final class RotationLayout {

  static final int FORMAT = 1;

  static final int FORMAT_OFFSET = 0;
  static final int RESERVED_OFFSET = 1;
  static final int GENERATION_OFFSET = 4;
  static final int COUNT_OFFSET = 8;
  static final int CERTIFICATE_OFFSET = 12;
  static final int WRAPPED_OFFSET = CERTIFICATE_OFFSET + GenerationCertificate.BYTES;
  static final int ENDS_OFFSET = WRAPPED_OFFSET + DataRoot.WRAPPED_BYTES;

  static final int WRITER_IN_END = 0;
  static final int SEQUENCE_IN_END = 8;
  static final int HASH_IN_END = 16;
  static final int END_BYTES = HASH_IN_END + Hash32.BYTES;

  static final int MIN_BYTES = ENDS_OFFSET + Secp256k1.SIGNATURE_BYTES;

  private RotationLayout() {}

  static int bytes(int ends) {
    return MIN_BYTES + ends * END_BYTES;
  }
}
