package io.capsuledb.enclave.ring;

import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Offsets in the memory of a ring, version 1; docs/format/ring.md has them with an example. Every
 * word that one side writes while the other reads it has 128 bytes for itself: two cache lines,
 * because processors fetch them in pairs.
 */
final class RingLayout {

  static final long MAGIC_OFFSET = 0;
  static final long VERSION_OFFSET = 8;
  static final long MAX_MESSAGE_OFFSET = 12;
  static final long CAPACITY_OFFSET = 16;
  static final long RESERVED_OFFSET = 24;

  /** Bytes ever published. Written by the writer only. */
  static final long TAIL_OFFSET = 128;

  /** Bytes ever taken. Written by the reader only. */
  static final long HEAD_OFFSET = 256;

  /** 1 while the reader sleeps on it. Cleared by the writer before it wakes the reader. */
  static final long READER_SLEEPS_OFFSET = 384;

  /** 1 while the writer sleeps on it. Cleared by the reader before it wakes the writer. */
  static final long WRITER_SLEEPS_OFFSET = 512;

  /** 1 from when the writer has closed. */
  static final long WRITER_CLOSED_OFFSET = 640;

  /** 1 from when the reader has closed. */
  static final long READER_CLOSED_OFFSET = 768;

  static final long DATA_OFFSET = 4096;

  /** "CAPRING" and a zero. */
  static final long MAGIC = 0x00474E4952504143L;

  static final int VERSION = 1;

  /** Before each message: its length and four reserved bytes. */
  static final int MESSAGE_HEADER = 8;

  /** What processors move between each other at once. */
  static final int LINE_BYTES = 64;

  /** Messages begin at multiples of this. */
  static final int ALIGNMENT = 8;

  /** The length that means: go on at the beginning. */
  static final int WRAP = -1;

  static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final VarHandle LONG = U64.varHandle();
  static final VarHandle INT = U32.varHandle();

  private RingLayout() {}

  /** Bytes of a message in the ring. */
  static long slotBytes(int length) {
    return (MESSAGE_HEADER + (long) length + ALIGNMENT - 1) & -ALIGNMENT;
  }
}
