package io.capsuledb.host.job;

import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.util.ArrayList;
import java.util.List;

/**
 * What RESET does to a JVM's heap: garbage is collected, and the free memory overwritten by zeros,
 * as far as a program can reach it. What lies outside the heap is cleared by whoever holds it.
 */
final class Wipe {

  private static final int PIECE_BYTES = 1 << 20;
  private static final int SMALL_BYTES = 4 << 10;
  private static final int ROUNDS = 3;

  /** What is left to others who allocate meanwhile. */
  private static final long SPARE_BYTES = 6L << 20;

  private Wipe() {}

  /** Overwrites the free heap; takes some tenths of a second. */
  static void heap() {
    for (int round = 0; round < ROUNDS; round++) {
      collect();
      fill();
    }
    collect();
  }

  @SuppressWarnings("PMD") // Collecting is the point.
  private static void collect() {
    System.gc();
  }

  private static long free() {
    Runtime runtime = Runtime.getRuntime();
    return runtime.totalMemory() - usedAfterAllocation(runtime);
  }

  private static long usedAfterAllocation(Runtime runtime) {
    return runtime.totalMemory() - runtime.freeMemory();
  }

  /** Arrays come zeroed: whoever takes all free memory has overwritten it. */
  private static void fill() {
    List<byte[]> taken = new ArrayList<>();
    while (free() > SPARE_BYTES + PIECE_BYTES) {
      taken.add(new byte[PIECE_BYTES]);
    }
    while (free() > SPARE_BYTES / 2) {
      taken.add(new byte[SMALL_BYTES]);
    }
    if (taken.stream().mapToLong(piece -> piece[0]).sum() != 0) {
      throw new IllegalStateException("an array that is not zero");
    }
  }

  /** What there is of pools, for logs. */
  static String pools() {
    StringBuilder text = new StringBuilder();
    for (MemoryPoolMXBean pool : ManagementFactory.getMemoryPoolMXBeans()) {
      if (pool.getType() == MemoryType.HEAP) {
        text.append(pool.getName().replace(' ', '_'))
            .append('=')
            .append(pool.getUsage().getUsed() >> 20)
            .append("MiB,");
      }
    }
    return text.toString();
  }
}
