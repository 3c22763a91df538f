package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;

/**
 * Where the fields of a signed membership are: format 1, little endian, specified byte by byte in
 * docs/format/replication.md.
 *
 * <pre>
 *  0  format u8        1  reserved (3)
 *  4  version u32
 *  8  capsule's name (32)
 * 40  SHA-256 of the membership before, signed (32)
 * 72  current: replicas u16, quorum u16
 * 76  outgoing: replicas u16, quorum u16
 * 80  public keys of the current replicas (33 each)
 *     public keys of the outgoing replicas (33 each)
 *     signature by the owner (64)
 * </pre>
 */
public final class MembershipLayout {

  /** The format this code writes and reads. */
  public static final int FORMAT = 1;

  /** Most bytes of a signed membership. */
  public static final int MAX_BYTES = bytes(2 * CapsuleMetadata.MAX_REPLICAS);

  static final int FORMAT_OFFSET = 0;
  static final int RESERVED_OFFSET = 1;
  static final int VERSION_OFFSET = 4;
  static final int CAPSULE_OFFSET = 8;
  static final int PREVIOUS_OFFSET = CAPSULE_OFFSET + Hash32.BYTES;
  static final int CURRENT_COUNT_OFFSET = PREVIOUS_OFFSET + Hash32.BYTES;
  static final int CURRENT_QUORUM_OFFSET = CURRENT_COUNT_OFFSET + 2;
  static final int OUTGOING_COUNT_OFFSET = CURRENT_QUORUM_OFFSET + 2;
  static final int OUTGOING_QUORUM_OFFSET = OUTGOING_COUNT_OFFSET + 2;
  static final int REPLICAS_OFFSET = OUTGOING_QUORUM_OFFSET + 2;

  static final int REPLICA_BYTES = PublicKey.BYTES;
  static final int SIGNATURE_BYTES = Secp256k1.SIGNATURE_BYTES;
  static final int MIN_BYTES = REPLICAS_OFFSET + REPLICA_BYTES + SIGNATURE_BYTES;

  private MembershipLayout() {}

  static int bytes(int replicas) {
    return REPLICAS_OFFSET + replicas * REPLICA_BYTES + SIGNATURE_BYTES;
  }
}
