package io.capsuledb.engine.memtable;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.lang.ref.Cleaner;
import java.nio.ByteOrder;

/**
 * Memory off the Java heap that is only ever appended to, in chunks.
 *
 * <p>An address is a chunk's number and an offset in it; zero is no address. What was allocated
 * never moves and is never freed alone: {@link #reset} takes everything back at once and keeps the
 * chunks of the usual size for the next use. What does not fit a chunk gets one of its own.
 *
 * <p>One thread allocates and writes. Others read what an address they were given with {@link
 * #setRelease} and took with {@link #getAcquire} leads to. Who resets or closes makes sure that
 * nobody reads.
 */
final class EntryArena implements AutoCloseable {

  static final int CHUNK_BYTES = 1 << 20;

  /** What chunks are cut from. */
  private static final long EXTENT_BYTES = 4 * HugePages.PAGE_BYTES;

  private static final int OFFSET_BITS = 32;
  private static final long OFFSET_MASK = (1L << OFFSET_BITS) - 1;

  /** Address zero means "none", so the first chunk begins a little later. */
  private static final int FIRST_OFFSET = 8;

  private static final int ALIGNMENT = Long.BYTES;

  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.nativeOrder());
  private static final VarHandle LONGS = LONG.varHandle();

  private static final Cleaner ABANDONED = Cleaner.create();

  /**
   * What has to be given back, apart from who uses it: whoever drops an engine without closing it,
   * as a simulated loss of power does, must not keep its memory for ever.
   */
  private static final class Owned implements Runnable {
    final Arena chunks = Arena.ofShared();

    /** Of single oversized chunks, closed by {@link #reset}. */
    Arena oversized = Arena.ofShared();

    @Override
    public void run() {
      oversized.close();
      chunks.close();
    }
  }

  private final Owned owned = new Owned();
  private final Cleaner.Cleanable given = ABANDONED.register(this, owned);

  /** Chunks of the usual size that are not in use. */
  private MemorySegment[] spares = new MemorySegment[16];

  private int spareCount;

  private MemorySegment extent = MemorySegment.NULL;
  private long extentUsed = EXTENT_BYTES;

  private volatile MemorySegment[] chunks = new MemorySegment[16];
  private int chunkCount;

  /** Number of the chunk being filled. */
  private int current;

  private long position;
  private long chunkEnd;
  private long allocatedBytes;

  private boolean hasOversized;

  /** Whether the memory is still there, for tests. */
  MemorySegment.Scope scope() {
    return owned.chunks.scope();
  }

  /** Takes room for some bytes and returns its address. */
  long allocate(long bytes) {
    long size = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (position + size > chunkEnd) {
      if (size > CHUNK_BYTES - FIRST_OFFSET) {
        return allocateOversized(size);
      }
      addChunk(spareCount > 0 ? spares[--spareCount] : newChunk());
      position = FIRST_OFFSET;
      chunkEnd = CHUNK_BYTES;
      current = chunkCount - 1;
    }
    long address = (long) current << OFFSET_BITS | position;
    position += size;
    allocatedBytes += size;
    return address;
  }

  private MemorySegment newChunk() {
    if (extentUsed == EXTENT_BYTES) {
      extent = HugePages.allocate(EXTENT_BYTES, owned.chunks);
      extentUsed = 0;
    }
    MemorySegment chunk = extent.asSlice(extentUsed, CHUNK_BYTES);
    extentUsed += CHUNK_BYTES;
    return chunk;
  }

  /** The chunk that is being filled stays the one to go on with. */
  private long allocateOversized(long size) {
    addChunk(owned.oversized.allocate(size + FIRST_OFFSET, ALIGNMENT));
    hasOversized = true;
    allocatedBytes += size;
    return (long) (chunkCount - 1) << OFFSET_BITS | FIRST_OFFSET;
  }

  private void addChunk(MemorySegment chunk) {
    MemorySegment[] known = chunks;
    if (chunkCount == known.length) {
      known = java.util.Arrays.copyOf(known, 2 * chunkCount);
    }
    known[chunkCount++] = chunk;
    chunks = known;
  }

  /** Bytes taken since the last reset. */
  long allocatedBytes() {
    return allocatedBytes;
  }

  private MemorySegment chunk(long address) {
    return chunks[(int) (address >>> OFFSET_BITS)];
  }

  long getLong(long address, int offset) {
    return chunk(address).get(LONG, (address & OFFSET_MASK) + offset);
  }

  void putLong(long address, int offset, long value) {
    chunk(address).set(LONG, (address & OFFSET_MASK) + offset, value);
  }

  /** Reads a link: what it leads to was written before. */
  long getAcquire(long address, int offset) {
    return (long) LONGS.getAcquire(chunk(address), (address & OFFSET_MASK) + offset);
  }

  /** Writes a link: whoever reads it sees what was written before. */
  void setRelease(long address, int offset, long value) {
    LONGS.setRelease(chunk(address), (address & OFFSET_MASK) + offset, value);
  }

  void putBytes(long address, int offset, byte[] source) {
    MemorySegment.copy(
        source,
        0,
        chunk(address),
        ValueLayout.JAVA_BYTE,
        (address & OFFSET_MASK) + offset,
        source.length);
  }

  byte[] getBytes(long address, int offset, int length) {
    byte[] target = new byte[length];
    MemorySegment.copy(
        chunk(address), ValueLayout.JAVA_BYTE, (address & OFFSET_MASK) + offset, target, 0, length);
    return target;
  }

  /** Whether the bytes at an address are those of an array. */
  boolean equal(long address, int offset, byte[] bytes) {
    MemorySegment chunk = chunk(address);
    long at = (address & OFFSET_MASK) + offset;
    int i = 0;
    for (; i + Long.BYTES <= bytes.length; i += Long.BYTES) {
      if (chunk.get(ValueLayout.JAVA_LONG_UNALIGNED, at + i) != KeyHash.nativeLong(bytes, i)) {
        return false;
      }
    }
    for (; i < bytes.length; i++) {
      if (chunk.get(ValueLayout.JAVA_BYTE, at + i) != bytes[i]) {
        return false;
      }
    }
    return true;
  }

  /** Compares two ranges as unsigned bytes. */
  int compare(long a, int aOffset, int aLength, long b, int bOffset, int bLength) {
    long aStart = (a & OFFSET_MASK) + aOffset;
    long bStart = (b & OFFSET_MASK) + bOffset;
    MemorySegment aChunk = chunk(a);
    MemorySegment bChunk = chunk(b);
    long mismatch =
        MemorySegment.mismatch(aChunk, aStart, aStart + aLength, bChunk, bStart, bStart + bLength);
    if (mismatch < 0) {
      return 0;
    }
    if (mismatch >= aLength || mismatch >= bLength) {
      return Integer.compare(aLength, bLength);
    }
    return Integer.compare(
        aChunk.get(ValueLayout.JAVA_BYTE, aStart + mismatch) & 0xFF,
        bChunk.get(ValueLayout.JAVA_BYTE, bStart + mismatch) & 0xFF);
  }

  /** Compares a range with an array as unsigned bytes. */
  int compare(long a, int aOffset, int aLength, byte[] bytes) {
    MemorySegment chunk = chunk(a);
    long start = (a & OFFSET_MASK) + aOffset;
    int shared = Math.min(aLength, bytes.length);
    for (int i = 0; i < shared; i++) {
      int order =
          Integer.compare(chunk.get(ValueLayout.JAVA_BYTE, start + i) & 0xFF, bytes[i] & 0xFF);
      if (order != 0) {
        return order;
      }
    }
    return Integer.compare(aLength, bytes.length);
  }

  long getUnaligned(long address, int offset) {
    return chunk(address).get(ValueLayout.JAVA_LONG_UNALIGNED, (address & OFFSET_MASK) + offset);
  }

  byte getByte(long address, int offset) {
    return chunk(address).get(ValueLayout.JAVA_BYTE, (address & OFFSET_MASK) + offset);
  }

  /** Nothing of what was kept here stays in memory that others will be given. */
  private void clear() {
    for (int i = 0; i < chunkCount; i++) {
      chunks[i].fill((byte) 0);
    }
    for (int i = 0; i < spareCount; i++) {
      spares[i].fill((byte) 0);
    }
  }

  /** Takes everything back. Nobody may be reading. */
  void reset() {
    for (int i = 0; i < chunkCount; i++) {
      MemorySegment chunk = chunks[i];
      if (chunk.byteSize() == CHUNK_BYTES) {
        if (spareCount == spares.length) {
          spares = java.util.Arrays.copyOf(spares, 2 * spareCount);
        }
        spares[spareCount++] = chunk;
      } else {
        chunk.fill((byte) 0);
      }
    }
    chunks = new MemorySegment[16];
    chunkCount = 0;
    current = 0;
    position = 0;
    chunkEnd = 0;
    allocatedBytes = 0;
    if (hasOversized) {
      owned.oversized.close();
      owned.oversized = Arena.ofShared();
      hasOversized = false;
    }
  }

  @Override
  public void close() {
    if (scope().isAlive()) {
      clear();
    }
    given.clean();
  }
}
