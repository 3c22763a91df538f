package io.capsuledb.core.epoch;

import io.capsuledb.core.crypto.Hash32;

/**
 * Where the fields of an EOE record's payload are: format 1, little endian, docs/format/epoch.md.
 *
 * <pre>
 *  0  format u8        1  reserved (3)    4  attempt u32
 *  8  epoch u64       16  cut time u64
 * 24  hash of the RTS record (32)
 * </pre>
 */
final class EoeLayout {

  static final int FORMAT = 1;

  static final int FORMAT_OFFSET = 0;
  static final int RESERVED_OFFSET = 1;
  static final int ATTEMPT_OFFSET = 4;
  static final int EPOCH_OFFSET = 8;
  static final int CUT_OFFSET = 16;
  static final int RTS_OFFSET = 24;
  static final int BYTES = RTS_OFFSET + Hash32.BYTES;

  private EoeLayout() {}
}
