package io.capsuledb.core.record;

import io.capsuledb.core.crypto.Hash32;

/**
 * Where the fields of a CHECKPOINT's payload are: format 1, little endian, specified byte by byte
 * in docs/format/record.md.
 *
 * <pre>
 *  0  format u8        1  reserved (3)
 *  4  hash of the MANIFEST record (32)
 * 36  state root (32)
 * 68  covered Lamport time u64
 * 76  number of ranges u32
 * 80  ranges: writer u64, first sequence u64, last sequence u64
 * </pre>
 */
public final class CheckpointLayout {

  /** The format this code writes and reads. */
  public static final int FORMAT = 1;

  /** Most ranges in one checkpoint. */
  public static final int MAX_RANGES = 65_536;

  static final int FORMAT_OFFSET = 0;
  static final int RESERVED_OFFSET = 1;
  static final int MANIFEST_OFFSET = 4;
  static final int STATE_ROOT_OFFSET = MANIFEST_OFFSET + Hash32.BYTES;
  static final int COVERED_OFFSET = STATE_ROOT_OFFSET + Hash32.BYTES;
  static final int COUNT_OFFSET = COVERED_OFFSET + Long.BYTES;
  static final int RANGES_OFFSET = COUNT_OFFSET + Integer.BYTES;

  static final int WRITER_IN_RANGE = 0;
  static final int FROM_IN_RANGE = 8;
  static final int TO_IN_RANGE = 16;
  static final int RANGE_BYTES = 24;

  private CheckpointLayout() {}
}
