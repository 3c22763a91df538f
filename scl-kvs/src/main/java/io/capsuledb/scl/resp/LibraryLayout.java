package io.capsuledb.scl.resp;

/** Where things are in a stored library and in what FUNCTION DUMP gives; docs/format/library.md. */
final class LibraryLayout {

  static final int FORMAT = 1;

  /** The engine: Duktape. */
  static final int ENGINE_DUKTAPE = 1;

  static final int FORMAT_AT = 0;
  static final int ENGINE_AT = 1;
  static final int VERSION_AT = 2;
  static final int LOADED_AT_MS_AT = 10;
  static final int NAME_LENGTH_AT = 18;
  static final int USER_LENGTH_AT = 19;
  static final int CODE_LENGTH_AT = 20;
  static final int FIXED_BYTES = 24;

  static final int MAX_NAME_BYTES = 64;
  static final int MAX_USER_BYTES = 255;
  static final int MAX_CODE_BYTES = 1 << 20;

  /** Libraries in a capsule: all of them fit one record. */
  static final int MAX_LIBRARIES = 256;

  static final int MAX_TOTAL_BYTES = 8 << 20;

  static final int DUMP_VERSION = 0xcb01;
  static final int DUMP_LENGTH_BYTES = 4;
  static final int DUMP_VERSION_BYTES = 2;
  static final int DUMP_CHECKSUM_BYTES = 8;
  static final int DUMP_FOOTER_BYTES = DUMP_VERSION_BYTES + DUMP_CHECKSUM_BYTES;

  private LibraryLayout() {}
}
