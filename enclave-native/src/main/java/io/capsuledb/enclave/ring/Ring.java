package io.capsuledb.enclave.ring;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.function.BooleanSupplier;

/**
 * One direction between two processes: a writer in one, a reader in the other. Either treats the
 * other as hostile: whatever lies in the shared memory, a side gets messages of a size that was
 * agreed on, or a typed failure, and never waits for ever.
 *
 * <p>Who makes the ring says how large it is; who opens it checks that once and keeps it. Neither
 * side ever reads back what it alone writes: positions and sizes are kept privately.
 */
public final class Ring implements AutoCloseable {

  private static final long MOST_BYTES = RingLayout.DATA_OFFSET + (1L << 30);

  private final SharedMemory shared;
  private final RingOptions options;

  private Ring(SharedMemory shared, RingOptions options) {
    this.shared = shared;
    this.options = options;
  }

  /**
   * Makes an empty ring in memory that is in no file system.
   *
   * @throws io.capsuledb.core.error.UnavailableException if there is no shared memory
   */
  public static Ring create(RingOptions options) {
    SharedMemory shared = SharedMemory.create(RingLayout.DATA_OFFSET + options.capacityBytes());
    writeHeader(shared.memory(), options);
    return new Ring(shared, options);
  }

  /**
   * Opens the ring that another process made.
   *
   * @param path what {@link #path} says there
   * @throws io.capsuledb.core.error.UnavailableException if it cannot be opened
   * @throws io.capsuledb.core.error.IntegrityException if it is no ring of this version
   */
  public static Ring open(Path path) {
    SharedMemory shared = SharedMemory.open(path, MOST_BYTES);
    boolean opened = false;
    try {
      Ring ring = new Ring(shared, readHeader(shared.memory()).orThrow());
      opened = true;
      return ring;
    } finally {
      if (!opened) {
        shared.close();
      }
    }
  }

  static void writeHeader(MemorySegment memory, RingOptions options) {
    memory.set(RingLayout.U32, RingLayout.VERSION_OFFSET, RingLayout.VERSION);
    memory.set(RingLayout.U32, RingLayout.MAX_MESSAGE_OFFSET, options.maxMessageBytes());
    memory.set(RingLayout.U64, RingLayout.CAPACITY_OFFSET, options.capacityBytes());
    RingLayout.LONG.setRelease(memory, RingLayout.MAGIC_OFFSET, RingLayout.MAGIC);
  }

  /** Reads every field once. */
  static Decoded<RingOptions> readHeader(MemorySegment memory) {
    if (memory.byteSize() < RingLayout.DATA_OFFSET) {
      return Decoded.reject(Rejection.Reason.TRUNCATED, "ring of " + memory.byteSize() + " bytes");
    }
    if ((long) RingLayout.LONG.getAcquire(memory, RingLayout.MAGIC_OFFSET) != RingLayout.MAGIC) {
      return Decoded.reject(Rejection.Reason.UNKNOWN_TYPE, "this memory is no ring");
    }
    int version = memory.get(RingLayout.U32, RingLayout.VERSION_OFFSET);
    if (version != RingLayout.VERSION) {
      return Decoded.reject(Rejection.Reason.UNKNOWN_FORMAT, "ring of version " + version);
    }
    if (memory.get(RingLayout.U64, RingLayout.RESERVED_OFFSET) != 0) {
      return Decoded.reject(Rejection.Reason.RESERVED_BITS, "ring header");
    }
    long capacity = memory.get(RingLayout.U64, RingLayout.CAPACITY_OFFSET);
    int maxMessage = memory.get(RingLayout.U32, RingLayout.MAX_MESSAGE_OFFSET);
    if (capacity != memory.byteSize() - RingLayout.DATA_OFFSET
        || capacity < 4 << 10
        || Long.bitCount(capacity) != 1
        || maxMessage < 1
        || maxMessage > capacity / 4) {
      return Decoded.reject(
          Rejection.Reason.FIELD_OUT_OF_RANGE,
          "ring of " + capacity + " bytes with messages of " + maxMessage);
    }
    return Decoded.accept(new RingOptions((int) capacity, maxMessage));
  }

  /** Where the other process opens it, while this one lives. */
  public Path path() {
    return shared.path();
  }

  public RingOptions options() {
    return options;
  }

  /**
   * The side that sends. One for each ring.
   *
   * @param readerLives whether the other process is still there: asked several times a second while
   *     waiting for it
   */
  public RingWriter writer(BooleanSupplier readerLives) {
    return new RingWriter(shared.memory(), options, readerLives);
  }

  /**
   * The side that receives. One for each ring.
   *
   * @param writerLives as for {@link #writer}
   */
  public RingReader reader(BooleanSupplier writerLives) {
    return new RingReader(shared.memory(), options, writerLives);
  }

  MemorySegment memory() {
    return shared.memory();
  }

  /** Unmaps the memory: writer and reader made from it must not be used any more. */
  @Override
  public void close() {
    shared.close();
  }
}
