package io.capsuledb.engine.memtable;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Zeroed memory in pages of 2 MiB where the system has them (Linux, transparent huge pages not
 * {@code never}), else in its usual ones. A look-up in a large memtable follows three or four
 * addresses that are far from each other: with pages of 4 KiB each costs a walk through the page
 * tables, which misses the CPU's caches, too.
 */
@SuppressWarnings("restricted") // three system calls whose shapes are written here
final class HugePages {

  /** What memory is aligned to, and made in multiples of. */
  static final long PAGE_BYTES = 2 << 20;

  private static final int PROT_READ_WRITE = 3;
  private static final int MAP_PRIVATE_ANONYMOUS = 0x22;
  private static final int MADV_HUGEPAGE = 14;

  private static final AddressLayout POINTER = ValueLayout.ADDRESS;

  private static final @Nullable Calls CALLS = calls();

  /** mmap(2), madvise(2), munmap(2). */
  private record Calls(MethodHandle map, MethodHandle advise, MethodHandle unmap) {}

  private HugePages() {}

  private static @Nullable Calls calls() {
    if (!System.getProperty("os.name", "").toLowerCase(Locale.ROOT).startsWith("linux")) {
      return null;
    }
    Linker linker = Linker.nativeLinker();
    SymbolLookup system = linker.defaultLookup();
    return new Calls(
        linker.downcallHandle(
            system.findOrThrow("mmap"),
            FunctionDescriptor.of(
                POINTER,
                POINTER,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG)),
        linker.downcallHandle(
            system.findOrThrow("madvise"),
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT, POINTER, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT)),
        linker.downcallHandle(
            system.findOrThrow("munmap"),
            FunctionDescriptor.of(ValueLayout.JAVA_INT, POINTER, ValueLayout.JAVA_LONG)));
  }

  /**
   * Takes memory that lives as long as an arena.
   *
   * @param bytes a multiple of {@link #PAGE_BYTES}
   * @throws OutOfMemoryError if there is none
   */
  static MemorySegment allocate(long bytes, Arena arena) {
    Calls calls = CALLS;
    if (calls == null) {
      return arena.allocate(bytes, Long.BYTES);
    }
    // A page more than is asked for, so that what is asked for can be aligned.
    long mapped = bytes + PAGE_BYTES;
    MemorySegment start = map(calls, mapped);
    long skipped = Math.floorMod(-start.address(), PAGE_BYTES);
    MemorySegment memory =
        start
            .reinterpret(mapped, arena, whole -> unmap(calls, whole.address(), mapped))
            .asSlice(skipped, bytes);
    // Advice: where it is not taken, the pages are small.
    int _ = advise(calls, memory);
    return memory;
  }

  private static MemorySegment map(Calls calls, long bytes) {
    MemorySegment start;
    try {
      start =
          (MemorySegment)
              calls.map.invokeExact(
                  MemorySegment.NULL, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
    } catch (Throwable e) {
      throw failed(e);
    }
    if (start.address() == -1) {
      throw new OutOfMemoryError("no " + bytes + " bytes for a memtable");
    }
    return start;
  }

  private static int advise(Calls calls, MemorySegment memory) {
    try {
      return (int) calls.advise.invokeExact(memory, memory.byteSize(), MADV_HUGEPAGE);
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  private static void unmap(Calls calls, long address, long bytes) {
    int result;
    try {
      result = (int) calls.unmap.invokeExact(MemorySegment.ofAddress(address), bytes);
    } catch (Throwable e) {
      throw failed(e);
    }
    if (result != 0) {
      throw new IllegalStateException("munmap failed");
    }
  }

  /** A downcall of these functions throws nothing itself. */
  private static IllegalStateException failed(Throwable e) {
    if (e instanceof Error error) {
      throw error;
    }
    return new IllegalStateException("a call of the system failed", e);
  }
}
