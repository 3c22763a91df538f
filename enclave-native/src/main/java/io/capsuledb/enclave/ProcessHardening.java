package io.capsuledb.enclave;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Makes it harder to take keys out of this process: it leaves no core dump, cannot be read or
 * traced by other processes of the same user, and nothing it starts gains privileges; a process of
 * its own for keys also locks its memory and opens nothing more ({@link #seal}). On Linux, by
 * {@code prctl(2)}, {@code setrlimit(2)}, {@code madvise(2)}, {@code mlockall(2)} and {@code
 * seccomp(2)}; elsewhere nothing is done, and {@link #apply} says so.
 *
 * <p>This is defence in depth against the rest of the machine. It does not stop root, and it is not
 * what an enclave gives.
 */
public final class ProcessHardening {

  private static final int PR_SET_DUMPABLE = 4;
  private static final int PR_SET_NO_NEW_PRIVS = 38;
  private static final int RLIMIT_CORE = 4;
  private static final int RLIMIT_MEMLOCK = 8;
  private static final int CAP_IPC_LOCK = 14;
  private static final int MADV_DONTDUMP = 16;
  private static final int MCL_CURRENT = 1;
  private static final int MCL_FUTURE = 2;
  private static final int MCL_ONFAULT = 4;
  private static final Path MAPS = Path.of("/proc/self/maps");
  private static final Path STATUS = Path.of("/proc/self/status");

  /** {@code struct rlimit}: soft and hard limit. */
  private static final MemoryLayout RLIMIT = MemoryLayout.sequenceLayout(2, ValueLayout.JAVA_LONG);

  private ProcessHardening() {}

  /**
   * One measure.
   *
   * @param name what it is
   * @param failure why it could not be taken, or null if it was
   */
  public record Measure(String name, @Nullable String failure) {}

  /**
   * Takes every measure that the platform has, for good. Core dumps and tracing are the process's;
   * "no new privileges" holds for the calling thread and whatever it starts from then on, so this
   * is called first thing in main.
   */
  public static List<Measure> apply() {
    String os = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
    if (!os.contains("linux")) {
      return List.of(new Measure("all", "process hardening is known for Linux only, not " + os));
    }
    List<Measure> measures = new ArrayList<>();
    measures.add(new Measure("no-core-dump", forbidCoreDumps()));
    measures.add(new Measure("not-traceable", control(PR_SET_DUMPABLE, 0)));
    measures.add(new Measure("no-new-privileges", control(PR_SET_NO_NEW_PRIVS, 1)));
    return measures;
  }

  /**
   * Takes, besides those of {@link #apply}, the measures for a process that has opened all it will
   * ever need: its memory is not swapped out and in no dump, and it opens nothing more, neither
   * files nor sockets nor processes. For good, for all its threads.
   */
  public static List<Measure> seal() {
    String os = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
    if (!os.contains("linux")) {
      return List.of(new Measure("system-calls", "known for Linux only, not " + os));
    }
    List<Measure> measures = new ArrayList<>();
    measures.add(new Measure("memory-not-dumped", keepOutOfDumps()));
    measures.add(new Measure("memory-locked", lockMemory()));
    measures.add(new Measure("system-calls", SystemCallFilter.apply()));
    return measures;
  }

  /**
   * Keys move with the garbage collector, so it is all private memory that is there now. What is
   * mapped later is covered by there being no dumps at all.
   */
  private static @Nullable String keepOutOfDumps() {
    try {
      MethodHandle madvise =
          function(
              "madvise",
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_INT));
      int refused = 0;
      for (String line : Files.readAllLines(MAPS, StandardCharsets.ISO_8859_1)) {
        int space = line.indexOf(' ');
        String[] range = line.substring(0, space).split("-", 2);
        boolean isPrivate = line.charAt(space + 4) == 'p';
        boolean isKernels = line.endsWith("[vsyscall]") || line.contains("[v");
        if (isPrivate && !isKernels) {
          long from = Long.parseUnsignedLong(range[0], 16);
          long to = Long.parseUnsignedLong(range[1], 16);
          int result = (int) madvise.invokeExact(from, to - from, MADV_DONTDUMP);
          refused += result == 0 ? 0 : 1;
        }
      }
      return refused == 0 ? null : "madvise refused " + refused + " mappings";
    } catch (Throwable e) {
      return failed(e);
    }
  }

  private static @Nullable String lockMemory() {
    try {
      if (!mayLockAll()) {
        // A lock of a part would end in failing allocations later.
        return "the limit on locked memory (ulimit -l) is not unlimited";
      }
      MethodHandle mlockall =
          function("mlockall", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
      int result = (int) mlockall.invokeExact(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
      return result == 0 ? null : "mlockall answered " + result;
    } catch (Throwable e) {
      return failed(e);
    }
  }

  private static boolean mayLockAll() throws Throwable {
    for (String line : Files.readAllLines(STATUS, StandardCharsets.ISO_8859_1)) {
      if (line.startsWith("CapEff:")) {
        long capabilities = Long.parseUnsignedLong(line.substring("CapEff:".length()).strip(), 16);
        if ((capabilities & 1L << CAP_IPC_LOCK) != 0) {
          return true;
        }
      }
    }
    try (Arena arena = Arena.ofConfined()) {
      MethodHandle getrlimit =
          function(
              "getrlimit",
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.ADDRESS));
      MemorySegment limit = arena.allocate(RLIMIT);
      int result = (int) getrlimit.invokeExact(RLIMIT_MEMLOCK, limit);
      return result == 0 && limit.get(ValueLayout.JAVA_LONG, 0) == -1;
    }
  }

  private static @Nullable String control(int option, long value) {
    try {
      MethodHandle prctl =
          function(
              "prctl",
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG));
      int result = (int) prctl.invokeExact(option, value, 0L, 0L, 0L);
      return result == 0 ? null : "prctl " + option + " answered " + result;
    } catch (Throwable e) {
      return failed(e);
    }
  }

  private static @Nullable String forbidCoreDumps() {
    try (Arena arena = Arena.ofConfined()) {
      MethodHandle setrlimit =
          function(
              "setrlimit",
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.ADDRESS));
      MemorySegment none = arena.allocate(RLIMIT);
      int result = (int) setrlimit.invokeExact(RLIMIT_CORE, none);
      return result == 0 ? null : "setrlimit answered " + result;
    } catch (Throwable e) {
      return failed(e);
    }
  }

  /** A method handle may throw anything; what is fatal to the machine stays fatal. */
  static String failed(Throwable e) {
    if (e instanceof VirtualMachineError fatal) {
      throw fatal;
    }
    return e.toString();
  }

  @SuppressWarnings("restricted") // the jar's manifest enables native access
  static MethodHandle function(
      String name, FunctionDescriptor descriptor, Linker.Option... options) {
    Linker linker = Linker.nativeLinker();
    SymbolLookup libc = linker.defaultLookup();
    MemorySegment address =
        libc.find(name)
            .orElseThrow(() -> new UnsupportedOperationException("no " + name + " in libc"));
    return linker.downcallHandle(address, descriptor, options);
  }
}
