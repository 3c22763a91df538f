package io.capsuledb.core.record;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;

/**
 * Where the fields of an encoded record are: format 1, little endian, specified byte by byte in
 * docs/format/record.md.
 *
 * <pre>
 *  0  format u8        1  type u8         2  flags u16       4  key generation u32
 *  8  writer u64      16  sequence u64   24  epoch u64      32  Lamport time u64
 * 40  payload length u32                 44  parents u16    46  reserved u16
 * 48  hash of the writer's previous record (32)
 * 80  SHA-256 of the payload (32)
 * 112 parents (32 each)
 *     payload: ciphertext and 16-byte tag, or clear bytes
 *     signature (64)
 * </pre>
 *
 * <p>The first 48 bytes, the <i>identity</i>, are what the AEAD authenticates: they are known
 * before the payload is encrypted. The whole header is what the record hash covers.
 */
public final class RecordLayout {

  /** The format this code writes and reads. */
  public static final int FORMAT = 1;

  /** Most bytes of an encoded record. */
  public static final int MAX_RECORD_BYTES = 32 << 20;

  /** Most extra parents of one record. */
  public static final int MAX_PARENTS = 4096;

  /**
   * Largest Lamport time: far beyond what counting reaches, and far enough below overflow that a
   * hostile time cannot push a clock over the edge.
   */
  public static final long MAX_LAMPORT = 1L << 62;

  /** Length of the AEAD's tag at the end of an encrypted payload. */
  public static final int TAG_BYTES = 16;

  static final int FORMAT_OFFSET = 0;
  static final int TYPE_OFFSET = 1;
  static final int FLAGS_OFFSET = 2;
  static final int GENERATION_OFFSET = 4;
  static final int WRITER_OFFSET = 8;
  static final int SEQUENCE_OFFSET = 16;
  static final int EPOCH_OFFSET = 24;
  static final int LAMPORT_OFFSET = 32;
  static final int PAYLOAD_LENGTH_OFFSET = 40;
  static final int PARENT_COUNT_OFFSET = 44;
  static final int RESERVED_OFFSET = 46;
  static final int IDENTITY_BYTES = 48;
  static final int PREVIOUS_OFFSET = 48;
  static final int PAYLOAD_HASH_OFFSET = 80;
  static final int FIXED_HEADER_BYTES = 112;

  /** Payload is in clear. Set exactly for the types that say so. */
  static final int FLAG_CLEAR = 1;

  static final int SIGNATURE_BYTES = Secp256k1.SIGNATURE_BYTES;
  static final int MIN_RECORD_BYTES = FIXED_HEADER_BYTES + SIGNATURE_BYTES;

  /** Most bytes of a payload before encryption, whatever the number of parents. */
  public static final int MAX_PLAINTEXT_BYTES =
      MAX_RECORD_BYTES - headerBytes(MAX_PARENTS) - TAG_BYTES - SIGNATURE_BYTES;

  /** Most bytes of a header. */
  public static final int MAX_HEADER_BYTES = headerBytes(MAX_PARENTS);

  private RecordLayout() {}

  static int headerBytes(int parents) {
    return FIXED_HEADER_BYTES + parents * Hash32.BYTES;
  }
}
