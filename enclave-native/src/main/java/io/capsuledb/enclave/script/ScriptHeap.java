package io.capsuledb.enclave.script;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * One native heap with a library or program in it.
 *
 * <p>Invariants: one thread at a time uses it, and none after {@link #close}; only {@link #cancel}
 * may come from another, while a call holds it. No exception crosses a native frame: what a host
 * function throws is kept here and thrown when the native code has returned.
 */
final class ScriptHeap implements AutoCloseable {

  /** Compile to run as a whole. */
  static final int PROGRAM = 0;

  /** Run once, to register functions. */
  static final int LIBRARY = 1;

  /** The function number of a whole program. */
  static final int WHOLE_PROGRAM = -1;

  // As in script_heap.h.
  private static final int OK = 0;
  private static final int THREW = 1;
  private static final int CPU_TIME = 2;
  private static final int WALL_TIME = 3;
  private static final int INSTRUCTIONS = 4;
  private static final int OUT_OF_MEMORY = 5;
  private static final int CANCELLED = 6;
  private static final int HOST_CALLS = 7;
  private static final int RESULT_BYTES = 8;
  private static final int HOST_ARGUMENT_BYTES = 9;
  private static final int STACK = 10;
  private static final int BUSY = 11;
  private static final int ENGINE_FAILED = 12;
  private static final int HOST_ABORTED = 13;

  private static final int OUTCOME_BITS = 8;
  private static final long OUTCOME_MASK = (1 << OUTCOME_BITS) - 1;

  private static final int HOST_FAILED_ANSWER = -1;
  private static final int HOST_ABORTED_ANSWER = -2;

  private static final int STAT_INSTRUCTIONS = 0;
  private static final int STAT_PEAK_BYTES = 1;
  private static final int STAT_BASE_BYTES = 2;
  private static final int STAT_HOST_CALLS = 3;
  private static final int STAT_RESULT_BYTES = 4;

  private static final long NS_PER_MS = 1_000_000;

  /** Failures of host functions that one call can tell the causes of. */
  private static final int MAX_FAILURES = 64;

  /** Seeds are made many at once. */
  private static final int SEED_BYTES = 4096;

  private static final int SEED_KEY_BYTES = 16;

  private final long heap;
  private final MemorySegment exchange;
  private final String fileName;
  private final Entropy entropy;
  private final Clock clock;
  private final ByteBuffer seeds = ByteBuffer.allocate(SEED_BYTES).position(SEED_BYTES);
  private @Nullable Cipher seedStream;

  private @Nullable HostDispatch dispatch;
  private int answerBytes;
  private final List<Throwable> failures = new ArrayList<>();
  private @Nullable Throwable abort;
  private boolean closed;

  /**
   * Sets up an engine.
   *
   * @throws UnavailableException if there is no memory for it
   */
  @SuppressWarnings(
      "restricted") // The native side owns this memory, for as long as the heap lives.
  ScriptHeap(int heapBytes, int exchangeBytes, String fileName, Clock clock, Entropy entropy) {
    long created = NativeScript.create(heapBytes, exchangeBytes);
    if (created <= 0) {
      throw new UnavailableException(
          created == -STACK
              ? "the calling thread has too little stack for a script"
              : "there is no memory for another script heap");
    }
    this.heap = created;
    this.exchange = MemorySegment.ofAddress(NativeScript.exchange(heap)).reinterpret(exchangeBytes);
    this.fileName = fileName;
    this.clock = clock;
    this.entropy = entropy;
  }

  /**
   * Compiles, and runs a library to collect what it registers: a result is an array of the
   * registrations and the bytecode, which only heaps of this process may be given.
   */
  ScriptOutcome load(int mode, ScriptValue source, ScriptLimits limits, ScriptReplay replay) {
    requireOpen();
    new ValueWriter(exchange, exchange.byteSize()).array(2).value(source).text(fileName);
    int outcome =
        NativeScript.load(
            heap,
            mode,
            this,
            limits.cpuMs() * NS_PER_MS,
            limits.wallMs() * NS_PER_MS,
            limits.instructions(),
            limits.heapBytes(),
            limits.resultBytes(),
            0,
            limits.callDepth(),
            true,
            (double) replay.nowMs(),
            replay.firstSeed(),
            replay.secondSeed());
    return outcome(outcome, NativeScript.stat(heap, STAT_RESULT_BYTES));
  }

  /**
   * Runs the program or a function.
   *
   * @param function its number, in the order of registrations, or {@link #WHOLE_PROGRAM}
   * @throws Error what a host function threw
   */
  ScriptOutcome call(
      int function,
      CallArguments arguments,
      ScriptLimits limits,
      HostFunctions host,
      ScriptCall call) {
    requireOpen();
    ValueWriter writer = new ValueWriter(exchange, limits.argumentBytes());
    try {
      arguments.write(writer);
    } catch (InvalidRequestException _) {
      return new ScriptOutcome.LimitExceeded(ScriptOutcome.Limit.ARGUMENT_BYTES);
    }
    ScriptReplay replay = call.replay();
    HostDispatch hostDispatch = new HostDispatch(host, call.readOnly(), random(replay));
    dispatch = hostDispatch;
    answerBytes = limits.valueBytes();
    failures.clear();
    abort = null;
    ScriptCancellation cancellation = call.cancellation();
    if (cancellation != null && !cancellation.begin(this)) {
      return new ScriptOutcome.Cancelled();
    }
    try {
      long ended =
          NativeScript.call(
              heap,
              function,
              writer.length(),
              this,
              limits.cpuMs() * NS_PER_MS,
              limits.wallMs() * NS_PER_MS,
              limits.instructions(),
              limits.heapBytes(),
              limits.resultBytes(),
              limits.hostCalls(),
              limits.callDepth(),
              replay != null,
              (double) (replay != null ? replay.nowMs() : clock.wallMs()),
              replay != null ? replay.firstSeed() : nextSeed(),
              replay != null ? replay.secondSeed() : nextSeed());
      return outcome((int) (ended & OUTCOME_MASK), ended >>> OUTCOME_BITS);
    } finally {
      dispatch = null;
      if (cancellation != null) {
        cancellation.end(this);
      }
      hostDispatch.end();
    }
  }

  /** Called by the native library, for a script that asks its host; never throws. */
  @SuppressWarnings("UnusedMethod")
  private int hostCall(int operation, int length) {
    try {
      HostDispatch to = dispatch;
      if (to == null) {
        return fail("UNAVAILABLE", "there is no store here", null);
      }
      return to.call(operation, exchange, length, answerBytes);
    } catch (CapsuleException e) {
      return fail(e.code(), messageFor(e), e);
    } catch (RuntimeException e) {
      return fail("INTERNAL", "the host function failed", e);
    } catch (Throwable e) {
      abort = e;
      return HOST_ABORTED_ANSWER;
    }
  }

  /** What of a failure is meant for the script, and not for those who run the host. */
  private static String messageFor(CapsuleException e) {
    return switch (e) {
      case InvalidRequestException _, UnavailableException _, DeniedException _ ->
          String.valueOf(e.getMessage());
      case OutcomeUnknownException _ -> "it is not known whether this was done";
      case IntegrityException _ -> "stored data failed its verification";
      case StorageException _ -> "the store failed";
    };
  }

  private int fail(String code, String message, @Nullable Throwable cause) {
    int number = -1;
    if (cause != null && failures.size() < MAX_FAILURES) {
      number = failures.size();
      failures.add(cause);
    }
    new ValueWriter(exchange, exchange.byteSize()).array(3).text(code).text(message).number(number);
    return HOST_FAILED_ANSWER;
  }

  private ScriptOutcome outcome(int outcome, long bytes) {
    return switch (outcome) {
      case OK -> new ScriptOutcome.Ok(new ValueReader(exchange, bytes).value());
      case THREW -> new ScriptOutcome.Threw(thrown(bytes));
      case CPU_TIME -> new ScriptOutcome.TimedOut(ScriptOutcome.Budget.CPU_TIME);
      case WALL_TIME -> new ScriptOutcome.TimedOut(ScriptOutcome.Budget.WALL_TIME);
      case INSTRUCTIONS -> new ScriptOutcome.TimedOut(ScriptOutcome.Budget.INSTRUCTIONS);
      case OUT_OF_MEMORY -> new ScriptOutcome.OutOfMemory();
      case CANCELLED -> new ScriptOutcome.Cancelled();
      case HOST_CALLS -> new ScriptOutcome.LimitExceeded(ScriptOutcome.Limit.HOST_CALLS);
      case RESULT_BYTES -> new ScriptOutcome.LimitExceeded(ScriptOutcome.Limit.RESULT_BYTES);
      case HOST_ARGUMENT_BYTES ->
          new ScriptOutcome.LimitExceeded(ScriptOutcome.Limit.HOST_ARGUMENT_BYTES);
      case STACK -> new ScriptOutcome.LimitExceeded(ScriptOutcome.Limit.STACK);
      case ENGINE_FAILED -> new ScriptOutcome.EngineFailed();
      case HOST_ABORTED -> throw aborted();
      case BUSY -> throw new IllegalStateException("a script heap was used twice at once");
      default -> throw new IllegalStateException("script outcome " + outcome);
    };
  }

  private Error aborted() {
    Throwable cause = abort;
    abort = null;
    return cause instanceof Error error
        ? error
        : new AssertionError("a host function ended the call", cause);
  }

  /** Name, message, file, line, stack, number of the failure. Empty if the script hides them. */
  private ScriptError thrown(long bytes) {
    if (bytes == 0) {
      return ScriptError.of("", "something that cannot be shown", fileName, "", null);
    }
    ScriptValue.Items parts = (ScriptValue.Items) new ValueReader(exchange, bytes).value();
    Throwable cause = null;
    if (parts.values().get(5) instanceof ScriptValue.Num(double number)
        && number >= 0
        && number < failures.size()) {
      cause = failures.get((int) number);
    }
    return ScriptError.of(text(parts, 0), text(parts, 1), fileName, text(parts, 4), cause);
  }

  private static String text(ScriptValue.Items parts, int index) {
    return parts.values().get(index) instanceof ScriptValue.Text(String text) ? text : "";
  }

  private HostDispatch.RandomBytes random(@Nullable ScriptReplay replay) {
    if (replay == null) {
      return entropy::fill;
    }
    SplittableRandom repeatable = new SplittableRandom(replay.seed());
    return repeatable::nextBytes;
  }

  /**
   * The next of a stream of AES with a key of this heap's own: asking the operating system's
   * generator for each call costs more than a short script.
   */
  private long nextSeed() {
    if (seeds.remaining() < Long.BYTES) {
      byte[] next = seeds.array();
      Arrays.fill(next, (byte) 0);
      try {
        Cipher stream = seedStream;
        if (stream == null) {
          byte[] key = new byte[SEED_KEY_BYTES];
          entropy.fill(key);
          stream = Cipher.getInstance("AES/CTR/NoPadding");
          stream.init(
              Cipher.ENCRYPT_MODE,
              new SecretKeySpec(key, "AES"),
              new IvParameterSpec(new byte[SEED_KEY_BYTES]));
          Arrays.fill(key, (byte) 0);
          seedStream = stream;
        }
        stream.update(next, 0, SEED_BYTES, next, 0);
      } catch (GeneralSecurityException e) {
        throw new IllegalStateException("every JDK has AES", e);
      }
      seeds.clear();
    }
    return seeds.getLong();
  }

  /** Bytecode instructions of the last run. */
  long instructions() {
    return NativeScript.stat(heap, STAT_INSTRUCTIONS);
  }

  /** Most memory that the last run had, in bytes. */
  long peakBytes() {
    return NativeScript.stat(heap, STAT_PEAK_BYTES);
  }

  /** Memory that engine and library take when nothing runs; there is a second copy of it. */
  long baseBytes() {
    return NativeScript.stat(heap, STAT_BASE_BYTES);
  }

  /** Calls of host functions in the last run. */
  long hostCalls() {
    return NativeScript.stat(heap, STAT_HOST_CALLS);
  }

  /** Restores the heap once more: to measure what every run ends with. */
  void reset() {
    requireOpen();
    NativeScript.reset(heap);
  }

  void cancel() {
    NativeScript.cancel(heap);
  }

  void clearCancel() {
    NativeScript.clearCancel(heap);
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("the script heap is closed");
    }
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      Arrays.fill(seeds.array(), (byte) 0);
      NativeScript.destroy(heap);
    }
  }
}
