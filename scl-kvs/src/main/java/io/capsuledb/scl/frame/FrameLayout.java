package io.capsuledb.scl.frame;

import io.capsuledb.core.crypto.Aead;

/**
 * Where the fields of a frame are: format 1, little endian, specified byte by byte in
 * docs/format/frame.md.
 *
 * <pre>
 *  0  format u8        1  reserved (3)    4  key generation u32
 *  8  capsule name's first bytes (8)
 * 16  sender's writer u64
 * 24  receiver's writer u64, 0: everybody
 * 32  counter u64
 * 40  body: kind u8 and the message, encrypted; then the 16-byte tag
 * </pre>
 *
 * <p>The first 40 bytes are what the AEAD authenticates beside the body.
 */
public final class FrameLayout {

  /** The format this code writes and reads. */
  public static final int FORMAT = 1;

  /** Most bytes of a frame. Records that do not fit are only named. */
  public static final int MAX_FRAME_BYTES = 1 << 20;

  /** Largest counter: a worker that gets there goes on as a new writer. */
  public static final long MAX_COUNTER = (1L << 32) - 1;

  /** Bytes before the body. */
  public static final int HEADER_BYTES = 40;

  /** Fewest bytes of a frame: one with a kind and nothing else. */
  public static final int MIN_FRAME_BYTES = HEADER_BYTES + 1 + Aead.TAG_BYTES;

  static final int FORMAT_OFFSET = 0;
  static final int RESERVED_OFFSET = 1;
  static final int GENERATION_OFFSET = 4;
  static final int CAPSULE_OFFSET = 8;
  static final int CAPSULE_BYTES = 8;
  static final int SENDER_OFFSET = 16;
  static final int RECEIVER_OFFSET = 24;
  static final int COUNTER_OFFSET = 32;

  /** Most bytes of records in a RECORDS message: what the rest of the frame leaves. */
  public static final int MAX_RECORDS_BYTES = MAX_FRAME_BYTES - (16 << 10);

  static final int KIND_RECORDS = 1;
  static final int KIND_BEAT = 2;
  static final int KIND_COORDINATOR_BEAT = 3;
  static final int KIND_JOIN = 4;
  static final int KIND_END = 5;
  static final int KIND_LOCK = 6;
  static final int KIND_GRANT = 7;
  static final int KIND_RECALL = 8;
  static final int KIND_RELEASE = 9;
  static final int KIND_CLAIM = 10;

  static final int FLAG_PENDING = 1;
  static final int FLAG_LEAVING = 2;

  private FrameLayout() {}
}
