package io.capsuledb.enclave.ring;

import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Locale;

/**
 * The system calls of shared memory, by the foreign function interface: memfd_create(2), mmap(2),
 * fcntl(2), futex(2). Linux only.
 *
 * <p>Memory that is made here is a memfd whose size is sealed: nobody who shares it can cut it off
 * and kill the other side by a bus error. It is opened by others through /proc.
 */
final class SharedMemory implements AutoCloseable {

  private static final int O_RDWR = 2;
  private static final int O_CLOEXEC = 0x80000;
  private static final int MFD_CLOEXEC = 1;
  private static final int MFD_ALLOW_SEALING = 2;
  private static final int F_ADD_SEALS = 1033;
  private static final int F_GET_SEALS = 1034;
  private static final int SEAL_NO_MORE = 1;
  private static final int SEAL_SHRINK = 2;
  private static final int SEAL_GROW = 4;
  private static final int PROT_READ_WRITE = 3;
  private static final int MAP_SHARED = 1;
  private static final int SEEK_END = 2;
  private static final int FUTEX_WAIT = 0;
  private static final int FUTEX_WAKE = 1;
  private static final long NS_PER_S = 1_000_000_000;

  private static final Linker LINKER = Linker.nativeLinker();

  private static final MethodHandle MEMFD_CREATE =
      function(
          "memfd_create",
          FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
  private static final MethodHandle OPEN =
      function(
          "open",
          FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT),
          Linker.Option.firstVariadicArg(2));
  private static final MethodHandle CLOSE =
      function("close", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
  private static final MethodHandle FTRUNCATE =
      function(
          "ftruncate",
          FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG));
  private static final MethodHandle LSEEK =
      function(
          "lseek",
          FunctionDescriptor.of(
              ValueLayout.JAVA_LONG,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_LONG,
              ValueLayout.JAVA_INT));
  private static final MethodHandle FCNTL =
      function(
          "fcntl",
          FunctionDescriptor.of(
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT),
          Linker.Option.firstVariadicArg(2));
  private static final MethodHandle MMAP =
      function(
          "mmap",
          FunctionDescriptor.of(
              ValueLayout.ADDRESS,
              ValueLayout.ADDRESS,
              ValueLayout.JAVA_LONG,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_LONG));
  private static final MethodHandle MUNMAP =
      function(
          "munmap",
          FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG));
  private static final MethodHandle FUTEX =
      function(
          "syscall",
          FunctionDescriptor.of(
              ValueLayout.JAVA_LONG,
              ValueLayout.JAVA_LONG,
              ValueLayout.ADDRESS,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT,
              ValueLayout.ADDRESS,
              ValueLayout.ADDRESS,
              ValueLayout.JAVA_INT),
          Linker.Option.firstVariadicArg(1));
  private static final long FUTEX_NUMBER = futexNumber();

  private final MemorySegment memory;
  private final int descriptor;
  private final Arena arena;

  private SharedMemory(MemorySegment memory, int descriptor, Arena arena) {
    this.memory = memory;
    this.descriptor = descriptor;
    this.arena = arena;
  }

  /** New memory of zeros, which other processes of this user open by {@link #path}. */
  static SharedMemory create(long bytes) {
    try (Arena names = Arena.ofConfined()) {
      int descriptor =
          (int)
              MEMFD_CREATE.invokeExact(
                  names.allocateFrom("capsule-ring"), MFD_CLOEXEC | MFD_ALLOW_SEALING);
      if (descriptor < 0) {
        throw new UnavailableException("memfd_create failed: there is no shared memory");
      }
      int sized = (int) FTRUNCATE.invokeExact(descriptor, bytes);
      int seals = SEAL_SHRINK | SEAL_GROW | SEAL_NO_MORE;
      int isSealed = (int) FCNTL.invokeExact(descriptor, F_ADD_SEALS, seals);
      if (sized != 0 || isSealed != 0) {
        close(descriptor);
        throw new UnavailableException("shared memory of " + bytes + " bytes cannot be made");
      }
      return map(descriptor, bytes);
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  /** Memory that another process made. Refuses what could be cut off while it is in use. */
  static SharedMemory open(Path path, long mostBytes) {
    try (Arena names = Arena.ofConfined()) {
      int descriptor =
          (int) OPEN.invokeExact(names.allocateFrom(path.toString()), O_RDWR | O_CLOEXEC);
      if (descriptor < 0) {
        throw new UnavailableException("the shared memory of the other process cannot be opened");
      }
      int seals = (int) FCNTL.invokeExact(descriptor, F_GET_SEALS, 0);
      long bytes = (long) LSEEK.invokeExact(descriptor, 0L, SEEK_END);
      if (seals < 0 || (seals & SEAL_SHRINK) == 0 || bytes <= 0 || bytes > mostBytes) {
        close(descriptor);
        throw new UnavailableException(
            "the shared memory is refused: its size is not sealed, or is " + bytes + " bytes");
      }
      return map(descriptor, bytes);
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  @SuppressWarnings("restricted") // The mapping is as long as we say, and unmapped by the arena.
  private static SharedMemory map(int descriptor, long bytes) throws Throwable {
    MemorySegment at =
        (MemorySegment)
            MMAP.invokeExact(
                MemorySegment.NULL, bytes, PROT_READ_WRITE, MAP_SHARED, descriptor, 0L);
    if (at.address() == -1) {
      close(descriptor);
      throw new UnavailableException("shared memory of " + bytes + " bytes cannot be mapped");
    }
    Arena arena = Arena.ofShared();
    return new SharedMemory(at.reinterpret(bytes, arena, SharedMemory::unmap), descriptor, arena);
  }

  private static void unmap(MemorySegment memory) {
    try {
      int failed = (int) MUNMAP.invokeExact(memory, memory.byteSize());
      if (failed != 0) {
        throw new StorageException("munmap failed");
      }
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  MemorySegment memory() {
    return memory;
  }

  /** Where a process of this user opens it, while this one lives. */
  Path path() {
    return Path.of("/proc", Long.toString(ProcessHandle.current().pid()), "fd", "" + descriptor);
  }

  /**
   * Sleeps while the word at {@code offset} is {@code expected}, until it is woken, but no longer
   * than {@code timeoutNs}.
   */
  static void sleep(MemorySegment memory, long offset, int expected, long timeoutNs) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment timeout = arena.allocate(16, 8);
      timeout.set(ValueLayout.JAVA_LONG, 0, timeoutNs / NS_PER_S);
      timeout.set(ValueLayout.JAVA_LONG, 8, timeoutNs % NS_PER_S);
      // Whatever ended it, the caller looks again.
      long ignored =
          (long)
              FUTEX.invokeExact(
                  FUTEX_NUMBER,
                  memory.asSlice(offset, Integer.BYTES),
                  FUTEX_WAIT,
                  expected,
                  timeout,
                  MemorySegment.NULL,
                  0);
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  /** Wakes who sleeps on the word at {@code offset}. */
  static void wake(MemorySegment memory, long offset) {
    try {
      long ignored =
          (long)
              FUTEX.invokeExact(
                  FUTEX_NUMBER,
                  memory.asSlice(offset, Integer.BYTES),
                  FUTEX_WAKE,
                  1,
                  MemorySegment.NULL,
                  MemorySegment.NULL,
                  0);
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  private static long futexNumber() {
    String architecture = System.getProperty("os.arch", "");
    return switch (architecture) {
      case "amd64", "x86_64" -> 202;
      case "aarch64", "arm64" -> 98;
      default -> throw new UnavailableException("there are no rings on " + architecture);
    };
  }

  private static void close(int descriptor) throws Throwable {
    int ignored = (int) CLOSE.invokeExact(descriptor);
  }

  /** A method handle may throw anything; errors stay errors. */
  private static RuntimeException failed(Throwable e) {
    switch (e) {
      case Error error -> throw error;
      case RuntimeException known -> throw known;
      default -> throw new AssertionError("a system call threw", e);
    }
  }

  @SuppressWarnings("restricted") // the jar's manifest enables native access
  private static MethodHandle function(
      String name, FunctionDescriptor descriptor, Linker.Option... options) {
    if (!System.getProperty("os.name", "").toLowerCase(Locale.ROOT).equals("linux")) {
      throw new UnavailableException("rings need Linux");
    }
    return LINKER.downcallHandle(
        LINKER
            .defaultLookup()
            .find(name)
            .orElseThrow(() -> new UnavailableException("no " + name + " in libc")),
        descriptor,
        options);
  }

  /** Unmaps it. Nobody may use the memory any more. */
  @Override
  public void close() {
    arena.close();
    try {
      close(descriptor);
    } catch (Throwable e) {
      throw failed(e);
    }
  }
}
