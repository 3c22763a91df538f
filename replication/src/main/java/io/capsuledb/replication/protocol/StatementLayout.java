package io.capsuledb.replication.protocol;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;

/**
 * Where the fields of an encoded statement are: format 1, little endian, specified byte by byte in
 * docs/format/replication.md.
 *
 * <pre>
 *   0  format u8        1  kind u8         2  reserved u16
 *   4  capsule's name (32)
 *  36  replica's public key (33)          69  reserved (3)
 *  72  membership version u32             76  number of entries u32
 *  80  incarnation u64                    88  number u64
 *  96  nonce (32)
 * 128  entries (160 each)
 *      signature (64)
 *
 * entry:
 *   0  writer u64
 *   8  head: sequence u64, hash (32)
 *  48  promised: term u64, sealer u64
 *  64  head when promised: sequence u64, hash (32)
 * 104  accepted: term u64, sealer u64
 * 120  accepted final head: sequence u64, hash (32)
 * </pre>
 */
public final class StatementLayout {

  /** The format this code writes and reads. */
  public static final int FORMAT = 1;

  /** Most bytes of an encoded statement. */
  public static final int MAX_BYTES = bytes(Statement.MAX_ENTRIES);

  static final int FORMAT_OFFSET = 0;
  static final int KIND_OFFSET = 1;
  static final int RESERVED_OFFSET = 2;
  static final int CAPSULE_OFFSET = 4;
  static final int REPLICA_OFFSET = CAPSULE_OFFSET + Hash32.BYTES;
  static final int PADDING_OFFSET = REPLICA_OFFSET + PublicKey.BYTES;
  static final int MEMBERSHIP_OFFSET = 72;
  static final int COUNT_OFFSET = 76;
  static final int INCARNATION_OFFSET = 80;
  static final int NUMBER_OFFSET = 88;
  static final int NONCE_OFFSET = 96;
  static final int ENTRIES_OFFSET = NONCE_OFFSET + Hash32.BYTES;

  static final int WRITER_IN_ENTRY = 0;
  static final int HEAD_IN_ENTRY = 8;
  static final int PROMISED_IN_ENTRY = 48;
  static final int SEAL_HEAD_IN_ENTRY = 64;
  static final int ACCEPTED_IN_ENTRY = 104;
  static final int LAST_IN_ENTRY = 120;
  static final int ENTRY_BYTES = 160;

  static final int SIGNATURE_BYTES = Secp256k1.SIGNATURE_BYTES;
  static final int MIN_BYTES = ENTRIES_OFFSET + SIGNATURE_BYTES;

  private StatementLayout() {}

  static int bytes(int entries) {
    return ENTRIES_OFFSET + entries * ENTRY_BYTES + SIGNATURE_BYTES;
  }
}
