package io.capsuledb.enclave;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What runs in this process: program, memory, threads. It can be replaced by a new one of the same
 * program, by {@code execve(2)}: the kernel takes back every page of the old one and hands out none
 * that it has not cleared, whatever was in it, be it heap, stacks, registers or compiled code. The
 * process keeps its number, its standard streams and what {@link ProcessHardening} forbade for
 * good; everything else that was open is closed.
 */
public final class ProcessImage {

  private static final Path ARGUMENTS = Path.of("/proc/self/cmdline");
  private static final String PROGRAM = "/proc/self/exe";
  private static final int FIRST_OWN_FILE = 3;
  private static final int CLOSE_RANGE_CLOEXEC = 4;
  private static final int SIG_SETMASK = 2;
  private static final int SIGNAL_SET_BYTES = 128;

  private ProcessImage() {}

  /**
   * Begins the program anew, with the arguments it was started with. Shutdown hooks do not run, and
   * nothing is flushed: who calls this has done that.
   *
   * @param environment added to that of this process
   * @return why it could not be done; if it could, this does not return
   */
  public static String replace(Map<String, String> environment) {
    String os = System.getProperty("os.name", "");
    if (!os.toLowerCase(Locale.ROOT).contains("linux")) {
      return "replacing a process is known for Linux only, not " + os;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment arguments = array(arena, arguments());
      closeFilesOnExec();
      unblockSignals(arena);
      addToEnvironment(arena, environment);
      MethodHandle execv =
          ProcessHardening.function(
              "execv",
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS));
      int result = (int) execv.invokeExact(arena.allocateFrom(PROGRAM), arguments);
      return "execv answered " + result;
    } catch (Throwable e) {
      return ProcessHardening.failed(e);
    }
  }

  /** In the C library's environment, which the new program inherits as it is. */
  private static void addToEnvironment(Arena arena, Map<String, String> environment)
      throws Throwable {
    MethodHandle setenv =
        ProcessHardening.function(
            "setenv",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.ADDRESS,
                ValueLayout.JAVA_INT));
    for (Map.Entry<String, String> variable : environment.entrySet()) {
      int result =
          (int)
              setenv.invokeExact(
                  arena.allocateFrom(variable.getKey()),
                  arena.allocateFrom(variable.getValue()),
                  1);
      if (result != 0) {
        throw new IOException("setenv answered " + result);
      }
    }
  }

  private static List<String> arguments() throws IOException {
    // One byte a character, so that arguments in whatever encoding come back as they were.
    String all = new String(Files.readAllBytes(ARGUMENTS), StandardCharsets.ISO_8859_1);
    List<String> arguments = new ArrayList<>(List.of(all.split("\0", -1)));
    // Each ends with a zero byte.
    arguments.removeLast();
    return arguments;
  }

  /** An array of pointers to texts, with a null pointer at its end. */
  private static MemorySegment array(Arena arena, List<String> texts) {
    MemorySegment array = arena.allocate(ValueLayout.ADDRESS, texts.size() + 1L);
    for (int i = 0; i < texts.size(); i++) {
      array.setAtIndex(
          ValueLayout.ADDRESS, i, arena.allocateFrom(texts.get(i), StandardCharsets.ISO_8859_1));
    }
    array.setAtIndex(ValueLayout.ADDRESS, texts.size(), MemorySegment.NULL);
    return array;
  }

  /** The JVM leaves its sockets open across execve. */
  private static void closeFilesOnExec() throws Throwable {
    MethodHandle closeRange =
        ProcessHardening.function(
            "close_range",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT));
    int result = (int) closeRange.invokeExact(FIRST_OWN_FILE, -1, CLOSE_RANGE_CLOEXEC);
    if (result != 0) {
      throw new IOException("close_range answered " + result);
    }
  }

  /** A new program inherits what the calling thread blocks, and threads of a JVM block some. */
  private static void unblockSignals(Arena arena) throws Throwable {
    MethodHandle mask =
        ProcessHardening.function(
            "pthread_sigmask",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.ADDRESS));
    MemorySegment none = arena.allocate(SIGNAL_SET_BYTES);
    int result = (int) mask.invokeExact(SIG_SETMASK, none, MemorySegment.NULL);
    if (result != 0) {
      throw new IOException("pthread_sigmask answered " + result);
    }
  }
}
