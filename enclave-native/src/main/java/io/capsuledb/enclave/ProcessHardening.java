package io.capsuledb.enclave;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Makes it harder to take keys out of this process: it leaves no core dump, cannot be read or
 * traced by other processes of the same user, and nothing it starts gains privileges. On Linux, by
 * {@code prctl(2)} and {@code setrlimit(2)}; elsewhere nothing is done, and {@link #apply} says so.
 *
 * <p>This is defence in depth against the rest of the machine. It does not stop root, and it is not
 * what an enclave gives.
 */
public final class ProcessHardening {

  private static final int PR_SET_DUMPABLE = 4;
  private static final int PR_SET_NO_NEW_PRIVS = 38;
  private static final int RLIMIT_CORE = 4;

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
  private static String failed(Throwable e) {
    if (e instanceof VirtualMachineError fatal) {
      throw fatal;
    }
    return e.toString();
  }

  @SuppressWarnings("restricted") // the jar's manifest enables native access
  private static MethodHandle function(String name, FunctionDescriptor descriptor) {
    Linker linker = Linker.nativeLinker();
    SymbolLookup libc = linker.defaultLookup();
    MemorySegment address =
        libc.find(name)
            .orElseThrow(() -> new UnsupportedOperationException("no " + name + " in libc"));
    return linker.downcallHandle(address, descriptor);
  }
}
