package io.capsuledb.core.proof;

import io.capsuledb.core.crypto.Hash32;

/**
 * Where the fields of a proof are: format 1, little endian, specified byte by byte in
 * docs/format/proof.md.
 *
 * <pre>
 *  0  magic (8)            8  format u8         9  has a separate value u8    10 reserved (2)
 * 12  key's length u32    16  metadata's u32   20  ROSTER's u32               24 CHECKPOINT's u32
 * 28  separate value's length u32
 * 32  covered time u64    40  clear's time u64 48  its writer u64             56 its index u32
 * 60  runs u32            64  tables u32
 * 68  key, metadata, ROSTER, CHECKPOINT, separate value, tree of tables
 *
 * tree   0 hash (32) | 1 left tree, right tree | 2 leaf
 * table  0 run u32   4 entries u64  12 root (32)  44 opened u8  45 lengths u32, u32  53 keys, blocks
 * block  0 entries u32              4 root (32)   36 opened u8  37 lengths u32, u32  45 keys, entries
 * entry  0 salt (16)  16 kind u8  17 type u8  18 time u64  26 writer u64  34 index u32
 *       38 expiry u64 46 key's length u32  50 value's length u32  54 key, value or its SHA-256
 * </pre>
 */
public final class KeyProofLayout {

  /** The format this code writes and reads. */
  public static final int FORMAT = 1;

  /** Longest proof, in bytes: what fits one reply of a server. */
  public static final int MAX_BYTES = 48 << 20;

  /** Longest key, in bytes. */
  static final int MAX_KEY_BYTES = 64 << 10;

  /** Longest value, in bytes. */
  static final int MAX_VALUE_BYTES = 16 << 20;

  /** Largest number of a value's type. */
  static final int MAX_TYPE = 15;

  static final int FORMAT_OFFSET = 8;
  static final int SEPARATE_OFFSET = 9;
  static final int RESERVED_OFFSET = 10;
  static final int KEY_LENGTH_OFFSET = 12;
  static final int METADATA_LENGTH_OFFSET = 16;
  static final int ROSTER_LENGTH_OFFSET = 20;
  static final int CHECKPOINT_LENGTH_OFFSET = 24;
  static final int VALUE_LENGTH_OFFSET = 28;
  static final int COVERED_OFFSET = 32;
  static final int CLEAR_TIME_OFFSET = 40;
  static final int CLEAR_WRITER_OFFSET = 48;
  static final int CLEAR_INDEX_OFFSET = 56;
  static final int RUNS_OFFSET = 60;
  static final int TABLES_OFFSET = 64;

  /** Where what has no fixed length begins. */
  static final int PARTS_OFFSET = 68;

  static final int NODE_HIDDEN = 0;
  static final int NODE_INNER = 1;
  static final int NODE_SHOWN = 2;

  static final int TABLE_RUN = 0;
  static final int TABLE_ENTRIES = 4;
  static final int TABLE_ROOT = 12;
  static final int TABLE_OPENED = TABLE_ROOT + Hash32.BYTES;
  static final int TABLE_FIRST_LENGTH = TABLE_OPENED + 1;
  static final int TABLE_LAST_LENGTH = TABLE_FIRST_LENGTH + Integer.BYTES;
  static final int TABLE_KEYS = TABLE_LAST_LENGTH + Integer.BYTES;

  static final int BLOCK_ENTRIES = 0;
  static final int BLOCK_ROOT = 4;
  static final int BLOCK_OPENED = BLOCK_ROOT + Hash32.BYTES;
  static final int BLOCK_FIRST_LENGTH = BLOCK_OPENED + 1;
  static final int BLOCK_LAST_LENGTH = BLOCK_FIRST_LENGTH + Integer.BYTES;
  static final int BLOCK_KEYS = BLOCK_LAST_LENGTH + Integer.BYTES;

  static final int ENTRY_SALT = 0;
  static final int ENTRY_KIND = 16;
  static final int ENTRY_TYPE = 17;
  static final int ENTRY_TIME = 18;
  static final int ENTRY_WRITER = 26;
  static final int ENTRY_INDEX = 34;
  static final int ENTRY_EXPIRY = 38;
  static final int ENTRY_KEY_LENGTH = 46;
  static final int ENTRY_VALUE_LENGTH = 50;
  static final int ENTRY_KEY = 54;

  private static final byte[] MAGIC = {'C', 'A', 'P', 'P', 'R', 'O', 'O', 'F'};

  private KeyProofLayout() {}

  /** The eight bytes a proof begins with: a copy. */
  static byte[] magic() {
    return MAGIC.clone();
  }
}
