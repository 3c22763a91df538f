package io.capsuledb.host.pair;

/** Where things are in a frame between the two processes of a node; docs/format/pair.md. */
final class PairLayout {

  static final int KIND_AT = 0;
  static final int FLAGS_AT = 1;
  static final int RESERVED_AT = 2;
  static final int NUMBER_AT = 8;
  static final int HEADER_BYTES = 16;

  /** The message goes on in the next frame. */
  static final int FLAG_MORE = 1;

  /** Longest message, its frames put together: a store's largest batch and a little. */
  static final int MAX_MESSAGE_BYTES = 72 << 20;

  static final int RING_BYTES = 4 << 20;
  static final int MAX_FRAME_BYTES = 256 << 10;

  private PairLayout() {}
}
