package io.capsuledb.enclave.script;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** No call sees anything of another, and none leaves memory behind. */
final class ScriptIsolationTest {

  /** A program run this often grows by less than {@link #GROWTH_BYTES}, or it leaks. */
  private static final int CALLS = 20_000;

  private static final int LONG_CALLS = 1_000_000;
  private static final long GROWTH_BYTES = 16L << 20;

  private static ScriptEngine engine;

  @BeforeAll
  static void open() {
    assumeTrue(ScriptEngine.unavailable() == null, () -> ScriptEngine.unavailable());
    engine =
        ScriptEngine.open(new ScriptEngineOptions(2, 5000), new SystemClock(), new SystemEntropy());
  }

  private static final String LIBRARY =
      """
      var counter = 0, cache = {}, pattern = /a/g, list = [1], date = new Date(0);
      var closure = (function () { var hidden = 0; return function () { return ++hidden } })();
      register_function('look', function (keys, args) {
        return [counter, Object.keys(cache), pattern.lastIndex, list, date.getTime(), closure(),
            typeof leaked, typeof Object.prototype.p, [].q, ''.r, Math.PI, JSON.x, typeof this.y,
            Object.isFrozen(list), typeof Array.prototype.push, String(RegExp.$1),
            get.x, console.secret, Object.getPrototypeOf(cache) === Object.prototype,
            (function () { try { null.x } catch (e) { return e.tainted } })(),
            new Uint8Array(64).every ? 'new' : Array.prototype.join.call(new Uint8Array(64)),
            Object.getOwnPropertyNames(this).length];
      });
      register_function('soil', function (keys, args) {
        counter++; cache.secret = args; pattern.test('aaa'); list.push(args); date.setTime(5);
        closure(); leaked = args; Object.prototype.p = args; Array.prototype.q = args;
        String.prototype.r = args; Math.PI = 3; JSON.x = args; this.y = args; Object.freeze(list);
        delete Array.prototype.push; get.x = args; console.secret = args;
        Object.setPrototypeOf(cache, null); Error.prototype.tainted = args;
        var b = new Uint8Array(65536); for (var i = 0; i < b.length; i++) b[i] = 115;
        try { transaction(function () { put('k', args); throw 1 }) } catch (e) {}
        if (args === 'spin') for (;;);
        if (args === 'fill') for (var a = [], n = 0, s = 'secret'; ; s += s) a[n++] = s;
        if (args === 'throw') throw new Error(args);
        return args;
      });
      """;

  @Test
  void whatACallDoesNoOtherCallFinds() {
    try (ScriptLibrary library =
        engine
            .load(
                new ScriptSource("soil.js", LIBRARY),
                ScriptLimits.builder().wallMs(120_000).cpuMs(30).build())
            .orThrow()) {
      MemoryHost store = new MemoryHost(_ -> {});
      ScriptOutcome clean = library.call("look", List.of(), store, ScriptCall.PLAIN);
      assertThat(clean).isInstanceOf(ScriptOutcome.Ok.class);
      for (int round = 0; round < 5; round++) {
        for (String how : List.of("return", "throw", "spin", "fill")) {
          ScriptOutcome soiled =
              library.call(
                  "soil",
                  List.of(ScriptValue.nothing(), ScriptValue.of(how)),
                  store,
                  ScriptCall.PLAIN);
          assertThat(soiled)
              .isInstanceOf(
                  switch (how) {
                    case "return" -> ScriptOutcome.Ok.class;
                    case "throw" -> ScriptOutcome.Threw.class;
                    case "spin" -> ScriptOutcome.TimedOut.class;
                    default -> ScriptOutcome.OutOfMemory.class;
                  });
          assertThat(library.call("look", List.of(), store, ScriptCall.PLAIN))
              .as("after " + how)
              .isEqualTo(clean);
        }
      }
    }
  }

  @Test
  void callsOfManyThreadsDoNotMix() throws InterruptedException {
    ScriptEngine wide =
        ScriptEngine.open(new ScriptEngineOptions(4, 5000), new SystemClock(), new SystemEntropy());
    String source =
        "var mine; register_function('f', function (k) { mine = k; put(k, k);"
            + " for (var i = 0; i < 200; i++) if (mine !== k) throw 1; return get(k, 'text') })";
    AtomicInteger good = new AtomicInteger();
    int threads = 8;
    int calls = 500;
    try (ScriptLibrary library =
        wide.load(new ScriptSource("mine.js", source), ScriptLimits.defaults()).orThrow()) {
      CountDownLatch done = new CountDownLatch(threads);
      List<Thread> running = new ArrayList<>();
      for (int t = 0; t < threads; t++) {
        String name = "thread-" + t;
        Runnable caller =
            () -> {
              MemoryHost store = new MemoryHost(_ -> {});
              for (int i = 0; i < calls; i++) {
                ScriptValue key = ScriptValue.of(name + i);
                if (library
                    .call("f", List.of(key), store, ScriptCall.PLAIN)
                    .equals(new ScriptOutcome.Ok(key))) {
                  good.incrementAndGet();
                }
              }
              done.countDown();
            };
        // A virtual thread is pinned in a call, and goes on afterwards as if nothing had been.
        running.add(
            t % 2 == 0 ? Thread.startVirtualThread(caller) : Thread.ofPlatform().start(caller));
      }
      done.await();
      for (Thread thread : running) {
        thread.join();
      }
    }
    assertThat(good).hasValue(threads * calls);
  }

  @Test
  void manyCallsLeaveNoMemoryBehind() throws IOException {
    callOften(CALLS);
  }

  @Test
  @Tag("long")
  void aMillionCallsLeaveNoMemoryBehind() throws IOException {
    callOften(LONG_CALLS);
  }

  @Test
  void manyKillsByTheWatchdogHurtNobody() {
    killOften(200);
  }

  @Test
  @Tag("long")
  void tenThousandKillsByTheWatchdogHurtNobody() {
    killOften(10_000);
  }

  /**
   * Stops loops that reach no hook of the engine, at a point of its own each time, while another
   * thread makes the JVM stop all threads for its garbage.
   */
  private void killOften(int kills) {
    String source =
        """
        var digits = '7'.repeat(400000), sharp = '\u00df'.repeat(200000), big = [];
        for (var i = 0; i < 3000; i++) big.push({i: i, s: 's' + i});
        var loops = [
          function () { for (;;) Number(digits) },
          function () { for (;;) sharp.toUpperCase() },
          function () { for (;;) JSON.parse(JSON.stringify(big)) },
          function () { for (;;) big.slice().sort(function (a, b) { return b.i - a.i }) },
          function () { for (;;) sharp.split('').join('x') },
          function () { for (;;) { var o = {}; o.o = o; o.p = [o, o] } },
          function () { for (;;) digits.replace(/7/g, '') },
          function () { for (;;) eval('var f = function (a) { return [a, {b: a}] }; f(1)') },
          function () { for (;;) { try { null.x } catch (e) { String(e.stack) } } },
          function () { for (;;) get('k') }];
        register_function('spin', function (n) { loops[n % loops.length]() });
        register_function('fine', function (n) { return big.length + n });
        """;
    ScriptLimits limits =
        ScriptLimits.builder()
            .wallMs(120_000)
            .cpuMs(1)
            .heapBytes(32 << 20)
            .hostCalls(1_000_000_000)
            .build();
    ScriptLimits calm = ScriptLimits.builder().wallMs(120_000).cpuMs(1000).build();
    AtomicInteger rounds = new AtomicInteger();
    try (ScriptLibrary library =
            engine.load(new ScriptSource("kill.js", source), limits).orThrow();
        ScriptProgram other =
            engine
                .compile(new ScriptSource("other.js", "psl_return(args[0] + 1)"), calm)
                .orThrow()) {
      MemoryHost store = new MemoryHost(_ -> {});
      Thread.ofPlatform()
          .start(
              () -> {
                while (rounds.get() < kills) {
                  System.gc();
                  LockSupport.parkNanos(1_000_000);
                }
              });
      for (int i = 0; i < kills; i++) {
        ScriptOutcome killed =
            library.call("spin", List.of(ScriptValue.of(i)), store, ScriptCall.PLAIN);
        assertThat(killed)
            .as("spin " + i)
            .isIn(
                new ScriptOutcome.TimedOut(ScriptOutcome.Budget.CPU_TIME),
                new ScriptOutcome.OutOfMemory());
        rounds.incrementAndGet();
        assertThat(other.run(List.of(ScriptValue.of(i)), store, ScriptCall.PLAIN))
            .isEqualTo(new ScriptOutcome.Ok(ScriptValue.of(i + 1)));
      }
    } finally {
      rounds.set(kills);
    }
  }

  /** Good calls, calls that throw, are stopped or run out of memory, and new heaps. */
  private void callOften(int calls) throws IOException {
    String source =
        "register_function('f', function (n) {"
            + " var o = []; for (var i = 0; i < 20; i++) o.push({i: i, s: 'x' + n});"
            + " o.self = o; put('k' + n % 10, 'v' + n); get('k' + n % 10);"
            + " if (n % 1000 === 1) throw new Error('x');"
            + " if (n % 10000 === 2) for (;;);"
            + " if (n % 10000 === 3) for (var s = 'x'; ; s += s);"
            + " return n })";
    ScriptLimits limits = ScriptLimits.builder().wallMs(120_000).cpuMs(5).build();
    MemoryHost store = new MemoryHost(_ -> {});
    long warm = 0;
    int ok = 0;
    for (int round = 0; round < 20; round++) {
      try (ScriptLibrary library =
          engine.load(new ScriptSource("often.js", source), limits).orThrow()) {
        for (int i = 0; i < calls / 20; i++) {
          if (library.call("f", List.of(ScriptValue.of(i)), store, ScriptCall.PLAIN)
              instanceof ScriptOutcome.Ok) {
            ok++;
          }
        }
      }
      if (round == 4) {
        System.gc();
        warm = residentBytes();
      }
    }
    System.gc();
    assertThat(ok).isBetween(calls / 2, calls - calls / 1000);
    assertThat(residentBytes() - warm).isLessThan(GROWTH_BYTES);
  }

  private static long residentBytes() throws IOException {
    String pages = Files.readString(Path.of("/proc/self/statm")).split(" ", -1)[1];
    return Long.parseLong(pages) * 4096;
  }
}
