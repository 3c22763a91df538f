package io.capsuledb.engine.block;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.record.RecordLayout;

/**
 * Where the fields of BLOCK payloads are: format 1, little endian, specified byte by byte in
 * docs/format/block.md.
 *
 * <pre>
 * every block    0 format u8   1 kind u8   2 compression u8   3 reserved u8   4 body length u32
 *                8 body, compressed as byte 2 says
 * ENTRIES body   0 salt key (32)   32 base time u64   40 entries u32   44 writers u32
 *                48 writer indexes u64 each, then entries, then restart offsets u32 each
 * INDEX body     0 blocks u32   4 filter length u32   8 descriptors, then the filter
 * VALUE body     the value
 * </pre>
 */
final class BlockLayout {

  static final int FORMAT = 1;

  static final int FORMAT_OFFSET = 0;
  static final int KIND_OFFSET = 1;
  static final int COMPRESSION_OFFSET = 2;
  static final int RESERVED_OFFSET = 3;
  static final int BODY_LENGTH_OFFSET = 4;
  static final int BODY_OFFSET = 8;

  /** Most bytes of a body before compression: uncompressed, it still fits one record. */
  static final int MAX_BODY_BYTES = RecordLayout.MAX_PLAINTEXT_BYTES - BODY_OFFSET;

  static final int MAX_KEY_BYTES = 64 << 10;
  static final int MAX_VALUE_BYTES = 16 << 20;

  static final int SALT_KEY_OFFSET = 0;
  static final int BASE_TIME_OFFSET = 32;
  static final int ENTRY_COUNT_OFFSET = 40;
  static final int WRITER_COUNT_OFFSET = 44;
  static final int WRITERS_OFFSET = 48;

  /** Every so many entries one begins with its whole key. */
  static final int RESTART_INTERVAL = 16;

  /** Shared, suffix length, flags, time, writer, index: one byte each. */
  static final int MIN_ENTRY_BYTES = 6;

  static final int FLAG_KIND_MASK = 0x03;
  static final int FLAG_EXPIRING = 0x04;
  static final int FLAG_RESERVED = 0x08;
  static final int FLAG_TYPE_SHIFT = 4;

  static final int INDEX_COUNT_OFFSET = 0;
  static final int INDEX_FILTER_LENGTH_OFFSET = 4;
  static final int INDEX_DESCRIPTORS_OFFSET = 8;

  static final int DESCRIPTOR_RECORD = 0;
  static final int DESCRIPTOR_CONTENT_ROOT = DESCRIPTOR_RECORD + Hash32.BYTES;
  static final int DESCRIPTOR_MIN_TIME = DESCRIPTOR_CONTENT_ROOT + Hash32.BYTES;
  static final int DESCRIPTOR_MAX_TIME = DESCRIPTOR_MIN_TIME + Long.BYTES;
  static final int DESCRIPTOR_STORED_BYTES = DESCRIPTOR_MAX_TIME + Long.BYTES;
  static final int DESCRIPTOR_ENTRIES = DESCRIPTOR_STORED_BYTES + Integer.BYTES;
  static final int DESCRIPTOR_TOMBSTONES = DESCRIPTOR_ENTRIES + Integer.BYTES;
  static final int DESCRIPTOR_EXPIRING = DESCRIPTOR_TOMBSTONES + Integer.BYTES;
  static final int DESCRIPTOR_KEYS = DESCRIPTOR_EXPIRING + Integer.BYTES;

  /** With two empty keys. */
  static final int MIN_DESCRIPTOR_BYTES = DESCRIPTOR_KEYS + 2;

  static final int FILTER_SEED_OFFSET = 0;
  static final int FILTER_KEYS_OFFSET = 16;
  static final int FILTER_SEGMENTS_OFFSET = 20;
  static final int FILTER_SEGMENT_BITS_OFFSET = 24;
  static final int FILTER_ATTEMPT_OFFSET = 25;
  static final int FILTER_RESERVED_OFFSET = 26;
  static final int FILTER_FINGERPRINTS_OFFSET = 28;

  private BlockLayout() {}
}
