package io.capsuledb.host.job;

import com.sun.management.HotSpotDiagnosticMXBean;
import io.capsuledb.host.log.EventLog;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Clears the free heap of a JVM with the serial collector, for a coordinator that goes on with
 * other capsules: what is free afterwards is given back to the system, which clears it, or is
 * overwritten with zeros. Not all copies are reached: RESET of a worker begins a new program
 * instead.
 *
 * <p>A full collection moves what lives to the beginning of the old generation. Arrays of zeros
 * that live through one collection lie right behind it, so that what was there is overwritten when
 * they are gone; what lies beyond is given back, because the heap is told to keep nothing that it
 * does not use. The young generation is then filled once over by new arrays, which come zeroed, its
 * survivor spaces by arrays that are copied into them.
 *
 * <p>What lies outside the heap is cleared by whoever holds it. With another collector, or a heap
 * that may not shrink, less is reached; bin/capsule says what a coordinator is started with.
 */
final class Wipe {

  private static final int PIECE_BYTES = 64 << 10;
  private static final long BEHIND_BYTES = 8L << 20;
  private static final int COLLECTIONS = 4;
  private static final long MOST_YOUNG_BYTES = 1L << 30;

  private Wipe() {}

  /** Clears the free heap. */
  static void heap() {
    HotSpotDiagnosticMXBean jvm =
        ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
    String least = jvm.getVMOption("MinHeapFreeRatio").getValue();
    String most = jvm.getVMOption("MaxHeapFreeRatio").getValue();
    // Only one of several collections moves everything, unless the JVM was told otherwise.
    for (int i = 0; i < COLLECTIONS; i++) {
      collect();
    }
    jvm.setVMOption("MinHeapFreeRatio", "0");
    jvm.setVMOption("MaxHeapFreeRatio", "1");
    try {
      List<byte[]> behind = zeros(BEHIND_BYTES);
      collect();
      check(behind);
      behind.clear();
      collect();
      young();
      collect();
      young();
    } finally {
      jvm.setVMOption("MaxHeapFreeRatio", most);
      jvm.setVMOption("MinHeapFreeRatio", least);
    }
  }

  private static void collect() {
    System.gc();
  }

  private static List<byte[]> zeros(long bytes) {
    List<byte[]> taken = new ArrayList<>();
    for (long at = 0; at < bytes; at += PIECE_BYTES) {
      taken.add(new byte[PIECE_BYTES]);
    }
    return taken;
  }

  /** Keeps the arrays from being optimised away. */
  private static void check(List<byte[]> zeros) {
    if (zeros.stream().anyMatch(piece -> piece[piece.length / 2] != 0)) {
      throw new IllegalStateException("an array that is not zero");
    }
  }

  /** Goes once over the young generation, with as much kept alive as a survivor space takes. */
  private static void young() {
    long eden = 0;
    long survivor = 0;
    for (MemoryPoolMXBean pool : ManagementFactory.getMemoryPoolMXBeans()) {
      String name = pool.getName().toLowerCase(Locale.ROOT);
      if (pool.getType() == MemoryType.HEAP && name.contains("eden")) {
        eden = pool.getUsage().getCommitted();
      } else if (pool.getType() == MemoryType.HEAP && name.contains("survivor")) {
        survivor = pool.getUsage().getCommitted();
      }
    }
    if (eden > MOST_YOUNG_BYTES) {
      EventLog.warn("wipe.heap_too_large", "eden_mib", eden >> 20);
      return;
    }
    for (int space = 0; space < 2; space++) {
      List<byte[]> kept = zeros(survivor - survivor / 8);
      for (long at = 0; at < eden + PIECE_BYTES; at += PIECE_BYTES) {
        check(zeros(PIECE_BYTES));
      }
      check(kept);
    }
  }
}
