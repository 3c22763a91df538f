package io.capsuledb.scl.resp;

/**
 * Offsets and bounds of a stored list or set, format 1; see docs/format/collections.md. After the
 * header comes each element: its length as a varint, then its bytes.
 */
final class CollectionLayout {

  static final int FORMAT = 1;

  /** One byte. */
  static final int FORMAT_OFFSET = 0;

  /** Number of elements, four bytes, little endian. */
  static final int COUNT_OFFSET = 1;

  static final int HEADER_BYTES = 5;

  /** Most elements of a collection; what bounds the length of a reply beyond its bytes. */
  static final int MAX_ELEMENTS = 1 << 20;

  private CollectionLayout() {}
}
