package io.capsuledb.enclave;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A seccomp filter for all threads of this process, for good: the system calls that a running JVM
 * and the shared-memory ring need, and no others. What is not allowed fails with EPERM; nothing is
 * killed, so that Java code gets an exception where it tries.
 *
 * <p>Not allowed are therefore: opening files, sockets, programs, other processes' memory, tracing,
 * signals to others, io_uring, namespaces, loading of kernel code. What is open stays open:
 * standard output and error, the jars, the memory shared with the host.
 *
 * <p>The program is classic BPF over {@code struct seccomp_data}, see seccomp(2): the architecture
 * is checked first, since numbers differ.
 */
final class SystemCallFilter {

  private static final int SECCOMP_SET_MODE_FILTER = 1;
  private static final int SECCOMP_FILTER_FLAG_TSYNC = 1;

  // BPF instructions.
  private static final int LOAD_WORD = 0x20;
  private static final int JUMP_EQUAL = 0x15;
  private static final int JUMP_GREATER_OR_EQUAL = 0x35;
  private static final int JUMP_SET = 0x45;
  private static final int RETURN = 0x06;

  private static final int NUMBER_AT = 0;
  private static final int ARCHITECTURE_AT = 4;
  private static final int FIRST_ARGUMENT_AT = 16;

  private static final int ALLOW = 0x7fff0000;
  private static final int ERRNO = 0x00050000;
  private static final int EPERM = 1;
  private static final int ENOSYS = 38;

  private static final int CLONE_THREAD = 0x10000;
  private static final int PR_SET_NAME = 15;
  private static final int PR_SET_VMA = 0x53564d41;
  private static final int X32_BIT = 0x40000000;

  /** Numbers of one architecture. */
  private record Numbers(
      int audit, int seccomp, int cloneCall, int clone3Call, int prctl, List<Integer> allowed) {}

  private static final Numbers X86_64 =
      new Numbers(
          0xC000003E,
          317,
          56,
          435,
          157,
          List.of(
              0, // read
              1, // write
              3, // close
              5, // fstat
              7, // poll
              8, // lseek
              9, // mmap
              10, // mprotect
              11, // munmap
              12, // brk
              13, // rt_sigaction
              14, // rt_sigprocmask
              15, // rt_sigreturn
              17, // pread64
              19, // readv
              20, // writev
              24, // sched_yield
              25, // mremap
              27, // mincore
              28, // madvise
              35, // nanosleep
              39, // getpid
              60, // exit
              63, // uname
              72, // fcntl
              96, // gettimeofday
              98, // getrusage
              99, // sysinfo
              100, // times
              102, // getuid
              104, // getgid
              107, // geteuid
              108, // getegid
              110, // getppid
              131, // sigaltstack
              149, // mlock
              150, // munlock
              186, // gettid
              202, // futex
              204, // sched_getaffinity
              218, // set_tid_address
              219, // restart_syscall
              228, // clock_gettime
              229, // clock_getres
              230, // clock_nanosleep
              231, // exit_group
              234, // tgkill
              271, // ppoll
              273, // set_robust_list
              309, // getcpu
              318, // getrandom
              324, // membarrier
              325, // mlock2
              334 // rseq
              ));

  private static final Numbers AARCH64 =
      new Numbers(
          0xC00000B7,
          277,
          220,
          435,
          167,
          List.of(
              63, // read
              64, // write
              57, // close
              80, // fstat
              73, // ppoll
              62, // lseek
              222, // mmap
              226, // mprotect
              215, // munmap
              214, // brk
              134, // rt_sigaction
              135, // rt_sigprocmask
              139, // rt_sigreturn
              67, // pread64
              65, // readv
              66, // writev
              124, // sched_yield
              216, // mremap
              232, // mincore
              233, // madvise
              101, // nanosleep
              172, // getpid
              93, // exit
              160, // uname
              25, // fcntl
              169, // gettimeofday
              165, // getrusage
              179, // sysinfo
              153, // times
              174, // getuid
              176, // getgid
              175, // geteuid
              177, // getegid
              173, // getppid
              132, // sigaltstack
              228, // mlock
              229, // munlock
              178, // gettid
              98, // futex
              123, // sched_getaffinity
              96, // set_tid_address
              128, // restart_syscall
              113, // clock_gettime
              114, // clock_getres
              115, // clock_nanosleep
              94, // exit_group
              131, // tgkill
              99, // set_robust_list
              168, // getcpu
              278, // getrandom
              283, // membarrier
              284, // mlock2
              293 // rseq
              ));

  private static final Map<String, Numbers> ARCHITECTURES =
      new TreeMap<>(Map.of("amd64", X86_64, "x86_64", X86_64, "aarch64", AARCH64));

  private SystemCallFilter() {}

  /** One instruction: code, jumps and constant, as in {@code struct sock_filter}. */
  private record Instruction(int code, int ifTrue, int ifFalse, int constant) {}

  /** Puts the filter in force; says why that failed, or null. */
  static @Nullable String apply() {
    String architecture = System.getProperty("os.arch", "");
    Numbers numbers = ARCHITECTURES.get(architecture);
    if (numbers == null) {
      return "the filter is not known for " + architecture;
    }
    try (Arena arena = Arena.ofConfined()) {
      List<Instruction> program = program(numbers);
      MemorySegment code = arena.allocate(8L * program.size(), 8);
      for (int i = 0; i < program.size(); i++) {
        Instruction one = program.get(i);
        code.set(ValueLayout.JAVA_SHORT, 8L * i, (short) one.code);
        code.set(ValueLayout.JAVA_BYTE, 8L * i + 2, (byte) one.ifTrue);
        code.set(ValueLayout.JAVA_BYTE, 8L * i + 3, (byte) one.ifFalse);
        code.set(ValueLayout.JAVA_INT, 8L * i + 4, one.constant);
      }
      MemorySegment described = arena.allocate(16, 8);
      described.set(ValueLayout.JAVA_SHORT, 0, (short) program.size());
      described.set(ValueLayout.ADDRESS, 8, code);
      MethodHandle syscall =
          ProcessHardening.function(
              "syscall",
              FunctionDescriptor.of(
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.ADDRESS),
              Linker.Option.firstVariadicArg(1));
      long result =
          (long)
              syscall.invokeExact(
                  (long) numbers.seccomp,
                  (long) SECCOMP_SET_MODE_FILTER,
                  (long) SECCOMP_FILTER_FLAG_TSYNC,
                  described);
      return result == 0 ? null : "seccomp answered " + result;
    } catch (Throwable e) {
      return ProcessHardening.failed(e);
    }
  }

  private static List<Instruction> program(Numbers numbers) {
    if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      throw new UnsupportedOperationException("the filter is known for little endian only");
    }
    List<Instruction> program = new ArrayList<>();
    program.add(load(ARCHITECTURE_AT));
    program.add(new Instruction(JUMP_EQUAL, 1, 0, numbers.audit));
    program.add(deny(EPERM));
    program.add(load(NUMBER_AT));
    // The x32 variants of x86-64 have numbers of their own.
    program.add(new Instruction(JUMP_GREATER_OR_EQUAL, 0, 1, X32_BIT));
    program.add(deny(EPERM));
    for (int number : numbers.allowed) {
      program.add(new Instruction(JUMP_EQUAL, 0, 1, number));
      program.add(allow());
    }
    // The C library falls back to clone, whose flags a filter can see.
    program.add(new Instruction(JUMP_EQUAL, 0, 1, numbers.clone3Call));
    program.add(deny(ENOSYS));
    // Threads, no processes.
    program.add(new Instruction(JUMP_EQUAL, 0, 4, numbers.cloneCall));
    program.add(load(FIRST_ARGUMENT_AT));
    program.add(new Instruction(JUMP_SET, 0, 1, CLONE_THREAD));
    program.add(allow());
    program.add(deny(EPERM));
    // Names of threads and of memory.
    program.add(new Instruction(JUMP_EQUAL, 0, 5, numbers.prctl));
    program.add(load(FIRST_ARGUMENT_AT));
    program.add(new Instruction(JUMP_EQUAL, 1, 0, PR_SET_NAME));
    program.add(new Instruction(JUMP_EQUAL, 0, 1, PR_SET_VMA));
    program.add(allow());
    program.add(deny(EPERM));
    program.add(deny(EPERM));
    return program;
  }

  private static Instruction load(int offset) {
    return new Instruction(LOAD_WORD, 0, 0, offset);
  }

  private static Instruction allow() {
    return new Instruction(RETURN, 0, 0, ALLOW);
  }

  private static Instruction deny(int error) {
    return new Instruction(RETURN, 0, 0, ERRNO | error);
  }
}
