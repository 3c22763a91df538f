package io.capsuledb.enclave.script;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Measures the engine inside this process: calls through the Java API, each with the reset that
 * isolates it, and what a heap costs. Single-threaded.
 */
public final class ScriptBenchmark {

  private static final int HEAPS = 64;
  private static final int BATCH = 256;
  private static final double NS_PER_S = 1e9;
  private static final double NS_PER_US = 1e3;

  private final ScriptEngine engine;
  private final Clock clock;
  private final long forNs;

  /**
   * Measures with an engine of its own.
   *
   * @param eachMs milliseconds that each figure is measured for, after as long to warm up: 10 to
   *     60,000
   * @throws io.capsuledb.core.error.UnavailableException if there is no engine
   */
  public ScriptBenchmark(Clock clock, Entropy entropy, long eachMs) {
    if (eachMs < 10 || eachMs > 60_000) {
      throw new InvalidRequestException("eachMs is " + eachMs + "; allowed is 10 to 60000");
    }
    this.engine = ScriptEngine.open(ScriptEngineOptions.defaults(), clock, entropy);
    this.clock = clock;
    this.forNs = eachMs * 1_000_000;
  }

  /**
   * What was measured.
   *
   * @param emptyCallsPerSecond a function that does nothing, with reset
   * @param getPutCallsPerSecond one get and one put of 100 bytes, with reset
   * @param jsonCallsPerSecond a small object in and out, with reset
   * @param resetMicros restoring a heap once more
   * @param creationMicros a new heap, ready for its first call
   * @param compileMicros compiling a small program into a new heap, beyond its creation
   * @param heapBytes of an idle heap, without its snapshot
   * @param heapWithSnapshotBytes with it
   */
  public record Report(
      double emptyCallsPerSecond,
      double getPutCallsPerSecond,
      double jsonCallsPerSecond,
      double resetMicros,
      double creationMicros,
      double compileMicros,
      long heapBytes,
      long heapWithSnapshotBytes) {}

  /** Measures everything, one after another. */
  public Report run() {
    String source =
        """
        register_function('empty', function () {});
        register_function('getPut', function (keys) { put(keys[1], get(keys[0])) });
        register_function('json', function (keys, args) {
          return {name: args[0].name, total: args[0].items.length, ok: true} });
        """;
    ScriptSource library = new ScriptSource("bench.js", source);
    HostFunctions host = new BenchHost("0123456789".repeat(10).getBytes(StandardCharsets.US_ASCII));
    List<ScriptValue> none = List.of();
    List<ScriptValue> two =
        List.of(ScriptValue.of(List.of(ScriptValue.of("from"), ScriptValue.of("to"))));
    List<ScriptValue> json =
        List.of(
            ScriptValue.of(List.of()),
            ScriptValue.of(
                List.of(
                    ScriptValue.of(
                        Map.of(
                            "name",
                            ScriptValue.of("order"),
                            "items",
                            ScriptValue.of(List.of(ScriptValue.of(1), ScriptValue.of(2))))))));
    try (ScriptLibrary functions = engine.load(library, ScriptLimits.defaults()).orThrow()) {
      double empty = perSecond(() -> calls(functions, "empty", none, host));
      double getPut = perSecond(() -> calls(functions, "getPut", two, host));
      double jsonCalls = perSecond(() -> calls(functions, "json", json, host));
      ScriptHeap heap = functions.heaps().take();
      double resets =
          perSecond(
              () -> {
                for (int i = 0; i < BATCH; i++) {
                  heap.reset();
                }
                return BATCH;
              });
      long base = heap.baseBytes();
      functions.heaps().giveBack(heap);
      double creations = perSecond(this::create);
      double compiled = perSecond(() -> compile("var x = 1; function f(a) { return a + x } f(2)"));
      double creationMicros = NS_PER_S / creations / NS_PER_US;
      return new Report(
          empty,
          getPut,
          jsonCalls,
          NS_PER_S / resets / NS_PER_US,
          creationMicros,
          Math.max(0, NS_PER_S / compiled / NS_PER_US - creationMicros),
          base,
          2 * base);
    }
  }

  private static long calls(
      ScriptLibrary functions, String name, List<ScriptValue> arguments, HostFunctions host) {
    for (int i = 0; i < BATCH; i++) {
      ScriptOutcome outcome = functions.call(name, arguments, host, ScriptCall.PLAIN);
      if (!(outcome instanceof ScriptOutcome.Ok)) {
        throw new IllegalStateException(name + " ended with: " + outcome.describe());
      }
    }
    return BATCH;
  }

  private long create() {
    return compile("");
  }

  private long compile(String source) {
    List<ScriptProgram> programs = new ArrayList<>();
    for (int i = 0; i < HEAPS; i++) {
      programs.add(
          engine.compile(new ScriptSource("new.js", source), ScriptLimits.defaults()).orThrow());
    }
    programs.forEach(ScriptProgram::close);
    return HEAPS;
  }

  private static void requireWork(long done) {
    if (done <= 0) {
      throw new IllegalStateException("a batch did nothing");
    }
  }

  /** How many a second, after as long to warm up. */
  private double perSecond(LongSupplier batch) {
    long until = clock.monotonicNanos() + forNs;
    while (clock.monotonicNanos() < until) {
      requireWork(batch.getAsLong());
    }
    long began = clock.monotonicNanos();
    long done = 0;
    long now;
    do {
      done += batch.getAsLong();
      now = clock.monotonicNanos();
    } while (now - began < forNs);
    return done * NS_PER_S / (now - began);
  }

  /** Answers every get alike and forgets every put. */
  private record BenchHost(ScriptValue.Bytes answer) implements HostFunctions {

    BenchHost(byte[] answer) {
      this(ScriptValue.own(answer));
    }

    @Override
    public byte[] get(byte[] key) {
      return answer.shared();
    }

    @Override
    public void put(byte[] key, byte[] value, long ttlMs) {}

    @Override
    public boolean del(byte[] key) {
      return false;
    }

    @Override
    public boolean exists(byte[] key) {
      return true;
    }

    @Override
    public List<Entry> scan(byte[] prefix, byte @Nullable [] after, int limit) {
      return List.of();
    }

    @Override
    public long incr(byte[] key, long by) {
      return by;
    }

    @Override
    public boolean cas(byte[] key, byte @Nullable [] expected, byte @Nullable [] replacement) {
      return true;
    }

    @Override
    public byte[] merge(byte[] key, String operator, byte[] operand) {
      return operand;
    }

    @Override
    public void lock(byte[] key) {}

    @Override
    public void begin() {}

    @Override
    public void commit() {}

    @Override
    public void rollback() {}

    @Override
    public void log(String line) {}
  }
}
