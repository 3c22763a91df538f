package io.capsuledb.scl.resp;

/** Offsets of a DUMP payload, version 1; see docs/format/dump.md. The value comes first. */
final class DumpLayout {

  /** Format of the footer; Redis' own numbers are small, so neither takes the other's payload. */
  static final int VERSION = 0xca01;

  /** Footer: type, then version, then checksum. */
  static final int TYPE_BYTES = 1;

  static final int VERSION_BYTES = 2;
  static final int CHECKSUM_BYTES = 8;

  static final int FOOTER_BYTES = TYPE_BYTES + VERSION_BYTES + CHECKSUM_BYTES;

  private DumpLayout() {}
}
