package io.capsuledb.core.epoch;

import io.capsuledb.core.crypto.Hash32;

/**
 * Where the fields of a SYNC record's payload are: format 1, little endian, docs/format/epoch.md.
 *
 * <pre>
 *  0  format u8        1  reserved (3)    4  attempt u32
 *  8  epoch u64       16  term u64       24  cut time u64
 * 32  compactor's writer u64
 * 40  key generation u32                 44  number of positions u32
 * 48  hash of the SYNC record before (32)
 * 80  positions: writer u64, role u8, state u8, reserved (6), sequence u64, hash (32)
 * </pre>
 */
final class SyncLayout {

  static final int FORMAT = 1;

  static final int FORMAT_OFFSET = 0;
  static final int RESERVED_OFFSET = 1;
  static final int ATTEMPT_OFFSET = 4;
  static final int EPOCH_OFFSET = 8;
  static final int TERM_OFFSET = 16;
  static final int CUT_OFFSET = 24;
  static final int COMPACTOR_OFFSET = 32;
  static final int GENERATION_OFFSET = 40;
  static final int COUNT_OFFSET = 44;
  static final int PREVIOUS_OFFSET = 48;
  static final int POSITIONS_OFFSET = PREVIOUS_OFFSET + Hash32.BYTES;

  static final int WRITER_IN_POSITION = 0;
  static final int ROLE_IN_POSITION = 8;
  static final int STATE_IN_POSITION = 9;
  static final int RESERVED_IN_POSITION = 10;
  static final int SEQUENCE_IN_POSITION = 16;
  static final int HASH_IN_POSITION = 24;
  static final int POSITION_BYTES = HASH_IN_POSITION + Hash32.BYTES;

  private SyncLayout() {}
}
