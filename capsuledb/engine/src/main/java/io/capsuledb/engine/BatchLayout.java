package io.capsuledb.engine;

/**
 * Where things are in the payload of a DATA record: format 1, little endian, docs/format/record.md.
 *
 * <pre>
 * 0 format u8   1 reserved (3)   4 operation count u32   8 operations
 *
 * operation: kind u8 (low four bits) and value type (high four bits)
 *            PUT           key length varint, key, value length varint, value
 *            PUT_EXPIRING  expiry u64 (ms since 1970), then as PUT
 *            DELETE        key length varint, key
 *            CLEAR         nothing
 *            MERGE         as PUT, with an operator's number in place of the value type
 *            MERGE_EXPIRING as PUT_EXPIRING, likewise
 * </pre>
 *
 * <p>The i-th operation of a record, from 0, has Lamport time (time in the header + i).
 */
final class BatchLayout {

  static final int FORMAT = 1;
  static final int FORMAT_OFFSET = 0;
  static final int RESERVED_OFFSET = 1;
  static final int COUNT_OFFSET = 4;
  static final int OPERATIONS_OFFSET = 8;

  static final int PUT = 1;
  static final int DELETE = 2;
  static final int CLEAR = 3;
  static final int PUT_EXPIRING = 4;

  static final int MERGE = 5;
  static final int MERGE_EXPIRING = 6;

  static final int KIND_MASK = 0x0F;
  static final int TYPE_SHIFT = 4;

  private BatchLayout() {}
}
