package io.capsuledb.engine.lsm;

/**
 * The payload of a MANIFEST record: formats 1 and 2, little endian, docs/format/manifest.md.
 *
 * <pre>
 *  0 format u8   1 reserved (7)
 *  8 covered time u64   16 floor time u64   24 previous manifest (32)
 * 56 chains u32   60 clears u32   64 moments u32   68 runs u32
 * 72 chains: writer u64, sequence u64, hash (32), Lamport time u64, flags u8
 *    clears: time u64, writer u64, index u32
 *    moments: Lamport time u64, wall clock u64
 *    runs: level u8, tables u32, tables
 *    in format 2: leftovers u32, leftovers: writer u64, first sequence u64, last sequence u64
 *
 * table: index (32), root (32), writer u64, first sequence u64, records u32, entries u64,
 *        tombstones u64, expiring u64, least time u64, greatest time u64, bytes u64,
 *        separate bytes u64, first key length u32, first key, last key length u32, last key
 * </pre>
 */
final class ManifestLayout {

  /** Without leftovers. */
  static final int FORMAT = 1;

  /** With leftovers. */
  static final int FORMAT_WITH_LEFTOVERS = 2;

  static final int FORMAT_OFFSET = 0;
  static final int RESERVED_OFFSET = 1;
  static final int COVERED_OFFSET = 8;
  static final int FLOOR_OFFSET = 16;
  static final int PREVIOUS_OFFSET = 24;
  static final int CHAINS_OFFSET = 56;
  static final int CLEARS_OFFSET = 60;
  static final int MOMENTS_OFFSET = 64;
  static final int RUNS_OFFSET = 68;
  static final int HEADER_BYTES = 72;

  static final int CHAIN_BYTES = 57;
  static final int CLEAR_BYTES = 20;
  static final int MOMENT_BYTES = 16;
  static final int RUN_BYTES = 5;
  static final int LEFTOVER_BYTES = 24;

  /** A table without its keys. */
  static final int TABLE_BYTES = 32 + 32 + 8 + 8 + 4 + 7 * 8 + 4 + 4;

  static final int CHAIN_JOINED = 1;
  static final int CHAIN_OF_TREE = 2;
  static final int CHAIN_FLAGS = CHAIN_JOINED | CHAIN_OF_TREE;

  private ManifestLayout() {}
}
