package io.capsuledb.core.epoch;

/**
 * Where the fields of an RTS record's payload are: format 1, little endian, docs/format/epoch.md.
 *
 * <pre>
 *  0  format u8        1  reserved (3)    4  attempt u32
 *  8  epoch u64       16  term u64       24  cut time u64
 * 32  deadline in ms u32                 36  reserved (4)
 * </pre>
 */
final class RtsLayout {

  static final int FORMAT = 1;

  static final int FORMAT_OFFSET = 0;
  static final int RESERVED_OFFSET = 1;
  static final int ATTEMPT_OFFSET = 4;
  static final int EPOCH_OFFSET = 8;
  static final int TERM_OFFSET = 16;
  static final int CUT_OFFSET = 24;
  static final int DEADLINE_OFFSET = 32;
  static final int LAST_RESERVED_OFFSET = 36;
  static final int BYTES = 40;

  private RtsLayout() {}
}
