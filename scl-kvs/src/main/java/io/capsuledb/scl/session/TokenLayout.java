package io.capsuledb.scl.session;

/**
 * Where the fields of a token's bytes are, before they are printed: docs/format/frame.md.
 *
 * <pre>
 * 0  format u8
 * 1  capsule name's first bytes (8)
 * 9  number of positions varint
 *    positions: writer less the writer before varint, sequence varint
 *    check: first bytes of SHA-256(tag ‖ all bytes before) (4)
 * </pre>
 */
final class TokenLayout {

  static final int FORMAT = 1;

  static final int FORMAT_OFFSET = 0;
  static final int CAPSULE_OFFSET = 1;
  static final int CAPSULE_BYTES = 8;
  static final int COUNT_OFFSET = CAPSULE_OFFSET + CAPSULE_BYTES;
  static final int CHECK_BYTES = 4;

  private TokenLayout() {}
}
