package io.capsuledb.core.seal;

import io.capsuledb.core.crypto.Hash32;

/**
 * Where the fields of a SEAL record's payload are: format 1, little endian, specified byte by byte
 * in docs/format/record.md.
 *
 * <pre>
 *  0  format u8        1  kind u8         2  reserved (6)
 *  8  writer u64
 * 16  term u64
 * 24  final head: sequence u64, hash (32)
 * </pre>
 */
final class SealOrderLayout {

  static final int FORMAT = 1;

  static final int FORMAT_OFFSET = 0;
  static final int KIND_OFFSET = 1;
  static final int RESERVED_OFFSET = 2;
  static final int WRITER_OFFSET = 8;
  static final int TERM_OFFSET = 16;
  static final int LAST_OFFSET = 24;
  static final int BYTES = LAST_OFFSET + Long.BYTES + Hash32.BYTES;

  private SealOrderLayout() {}
}
