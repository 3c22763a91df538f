package io.capsuledb.enclave.script;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What goes in, what comes out, what fails and how: the engine as its embedder sees it. */
final class ScriptEngineTest {

  private ScriptEngine engine;
  private final List<String> printed = new ArrayList<>();
  private final MemoryHost store = new MemoryHost(printed::add);

  @BeforeEach
  void open() {
    assumeTrue(ScriptEngine.unavailable() == null, () -> ScriptEngine.unavailable());
    engine =
        ScriptEngine.open(ScriptEngineOptions.defaults(), new SystemClock(), new SystemEntropy());
  }

  private static ScriptLimits limits() {
    // A busy machine may take long for little: only CPU time ends these.
    return ScriptLimits.builder().cpuMs(300).wallMs(120_000).build();
  }

  private ScriptOutcome run(String source, ScriptValue... arguments) {
    return run(source, store, ScriptCall.PLAIN, arguments);
  }

  private ScriptOutcome run(
      String source, HostFunctions host, ScriptCall call, ScriptValue... arguments) {
    return switch (engine.compile(new ScriptSource("test.js", source), limits())) {
      case Loaded.Failed<ScriptProgram>(ScriptOutcome outcome) -> outcome;
      case Loaded.Ready<ScriptProgram>(ScriptProgram program) -> {
        try (program) {
          yield program.run(List.of(arguments), host, call);
        }
      }
    };
  }

  private ScriptValue result(String source, ScriptValue... arguments) {
    ScriptOutcome outcome = run(source, arguments);
    assertThat(outcome).as(outcome.describe()).isInstanceOf(ScriptOutcome.Ok.class);
    return ((ScriptOutcome.Ok) outcome).value();
  }

  private ScriptError error(String source) {
    ScriptOutcome outcome = run(source);
    assertThat(outcome).as(outcome.describe()).isInstanceOf(ScriptOutcome.Threw.class);
    return ((ScriptOutcome.Threw) outcome).error();
  }

  private static ScriptValue text(String text) {
    return ScriptValue.of(text);
  }

  @Test
  void valuesOfEveryKindComeBackAsTheyWent() {
    ScriptValue everything =
        ScriptValue.of(
            List.of(
                ScriptValue.undefined(),
                ScriptValue.nothing(),
                ScriptValue.of(true),
                ScriptValue.of(false),
                ScriptValue.of(-0.5),
                ScriptValue.of(9007199254740991.0),
                text(""),
                text("grün 語 \ud83d\ude00 \u0000 end"),
                ScriptValue.of(new byte[] {0, -1, -128, 127}),
                ScriptValue.of(List.of()),
                ScriptValue.of(
                    Map.of("__proto__", text("own"), "", ScriptValue.of(List.of(text("x")))))));
    assertThat(result("psl_return(args[0])", everything)).isEqualTo(everything);
    assertThat(result("psl_return(args[0][7].indexOf('end'))", everything))
        .isEqualTo(ScriptValue.of(12));
    assertThat(result("psl_return(args[0][8] instanceof Uint8Array)", everything))
        .isEqualTo(ScriptValue.of(true));
  }

  @Test
  void resultsAreWhatJsonWouldMakeOfThem() {
    assertThat(result("psl_return({a: undefined, f: function () {}, d: new Date(0)})"))
        .isEqualTo(ScriptValue.of(Map.of("d", text("1970-01-01T00:00:00.000Z"))));
    assertThat(error("psl_return(function () {})").name()).isEqualTo("TypeError");
    assertThat(error("var o = {}; o.o = o; psl_return(o)").name()).isEqualTo("RangeError");
  }

  @Test
  void aHostThatGivesTextWhichIsNoUtf8IsHeard() {
    store.put(bytes("k"), new byte[] {(byte) 0x82, 'x'}, 0);
    assertThat(error("get('k', 'text')").message()).isEqualTo("text is not valid UTF-8");
    assertThat(result("psl_return(get('k'))"))
        .isEqualTo(ScriptValue.of(new byte[] {(byte) 0x82, 'x'}));
  }

  @Test
  void theStoreIsThere() {
    assertThat(
            result(
                """
                put('a', '1'); put('b', bytes('2')); put('ab', new Uint8Array([51]), {ttlMs: 5});
                var out = [];
                out.push(text(get('a')), get('a', 'text'), get('none'), exists('a'), exists('x'));
                out.push(del('b'), del('b'), incr('n'), incr('n', 41), get('n', 'text'));
                out.push(cas('c', null, 'new'), cas('c', null, 'x'), cas('c', 'new', null));
                out.push(text(merge('m', 'append', 'xy')), lock('a'));
                out.push(scan('a').map(function (e) { return text(e[0]) + text(e[1]) }).join());
                out.push(scan('a', 10, 'a').length);
                psl_return(out);
                """))
        .isEqualTo(
            ScriptValue.of(
                List.of(
                    text("1"),
                    text("1"),
                    ScriptValue.nothing(),
                    ScriptValue.of(true),
                    ScriptValue.of(false),
                    ScriptValue.of(true),
                    ScriptValue.of(false),
                    ScriptValue.of(1),
                    ScriptValue.of(42),
                    text("42"),
                    ScriptValue.of(true),
                    ScriptValue.of(false),
                    ScriptValue.of(true),
                    text("xy"),
                    ScriptValue.nothing(),
                    text("a1,ab3"),
                    ScriptValue.of(1))));
  }

  @Test
  void thePapersNamesWork() {
    assertThat(
            result(
                "psl_put('k', 7); cdb_put('l', 'm');"
                    + "psl_return(psl_get('k') + cdb_get('l') + psl_get('none'))"))
        .isEqualTo(text("7mnull"));
  }

  @Test
  void aTransactionCommitsOrLeavesNothing() {
    assertThat(
            result(
                """
                put('k', 'before');
                try { transaction(function () { put('k', 'lost'); throw new Error('no') }) }
                catch (e) { log(e.message) }
                var answer = transaction(function () { put('l', 'kept'); return 5 });
                psl_return([get('k', 'text'), get('l', 'text'), answer]);
                """))
        .isEqualTo(ScriptValue.of(List.of(text("before"), text("kept"), ScriptValue.of(5))));
    assertThat(printed).containsExactly("no");
    assertThat(error("transaction(function () { transaction(function () {}) })").message())
        .isEqualTo("a transaction is inside a transaction");
    // Stopped in the middle: no code of the script runs any more, and still it is undone.
    assertThat(run("transaction(function () { put('k', 'lost'); for (;;); })"))
        .isEqualTo(new ScriptOutcome.TimedOut(ScriptOutcome.Budget.CPU_TIME));
    assertThat(store.get(bytes("k"))).asString().isEqualTo("before");
  }

  @Test
  void printingIsALineEach() {
    result("print('a', 1, null); console.log('é\ud83d\ude00', [1, 2]); log(); print(Symbol('s'))");
    assertThat(printed).containsExactly("a 1 null", "é\ud83d\ude00 1,2", "", "Symbol()");
  }

  @Test
  void errorsSayWhereInTheUsersSource() {
    assertThat(error("var a;\nfunction f() {\n  a.b.c;\n}\nf()").toString())
        .isEqualTo("test.js:3: TypeError: invalid base value");
    assertThat(error("var a;\nfunction f() {\n  a.b.c;\n}\nf()").stack())
        .isEqualTo("at f (test.js:3)\nat global (test.js:5)");
    assertThat(error("var ok;\nvar = 1").line()).isEqualTo(2);
    assertThat(error("var ok;\nvar = 1").name()).isEqualTo("SyntaxError");
    assertThat(error("\n\nthrow new RangeError('mine')").toString())
        .isEqualTo("test.js:3: RangeError: mine");
    assertThat(error("throw 'just text'").toString()).isEqualTo("test.js: just text");
    assertThat(error("[1].map(function () {\n nothing })").line()).isEqualTo(2);
    assertThat(error("throw null").message()).isEqualTo("null");
  }

  /** Fails as it is told. */
  private record FailingHost(RuntimeException failure) {
    HostFunctions host() {
      return new HostFunctions() {
        @Override
        public byte[] get(byte[] key) {
          throw failure;
        }

        @Override
        public void put(byte[] key, byte[] value, long ttlMs) {
          throw new StackOverflowError("as from Java code");
        }

        @Override
        public boolean del(byte[] key) {
          return false;
        }

        @Override
        public boolean exists(byte[] key) {
          return false;
        }

        @Override
        public List<Entry> scan(byte[] prefix, byte[] after, int limit) {
          return List.of();
        }

        @Override
        public long incr(byte[] key, long by) {
          return 0;
        }

        @Override
        public boolean cas(byte[] key, byte[] expected, byte[] replacement) {
          return false;
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
      };
    }
  }

  @Test
  void aHostsFailureIsAnErrorInTheScriptAndItsCauseOutside() {
    Map<RuntimeException, String> expected =
        Map.of(
            new DeniedException("not for you"), "DENIED: not for you",
            new StorageException("/var/lib/secret is full"), "STORAGE: the store failed",
            new IllegalStateException("at 0x7fff"), "INTERNAL: the host function failed");
    expected.forEach(
        (failure, seen) -> {
          HostFunctions host = new FailingHost(failure).host();
          assertThat(
                  run(
                      "try { get('k') } catch (e) { psl_return(e.code + ': ' + e.message) }",
                      host,
                      ScriptCall.PLAIN))
              .isEqualTo(new ScriptOutcome.Ok(text(seen)));
          ScriptError error =
              ((ScriptOutcome.Threw) run("\nget('k')", host, ScriptCall.PLAIN)).error();
          assertThat(error.cause()).isSameAs(failure);
          assertThat(error.line()).isEqualTo(2);
          // What the script makes of it is its own, not the host's.
          assertThat(
                  ((ScriptOutcome.Threw)
                          run(
                              "try { get('k') } catch (e) { throw new Error(e.message) }",
                              host,
                              ScriptCall.PLAIN))
                      .error()
                      .cause())
              .isNull();
        });
  }

  @Test
  void aJavaErrorEndsTheCallAndTheHeapLives() {
    HostFunctions host = new FailingHost(new IllegalStateException()).host();
    try (ScriptProgram program =
        engine
            .compile(
                new ScriptSource("e.js", "try { put('a', 'b') } finally { for (;;); }"), limits())
            .orThrow()) {
      for (int i = 0; i < 3; i++) {
        assertThatThrownBy(() -> program.run(List.of(), host, ScriptCall.PLAIN))
            .isInstanceOf(StackOverflowError.class)
            .hasMessage("as from Java code");
      }
    }
  }

  @Test
  void argumentsOfHostFunctionsAreChecked() {
    for (String wrong :
        List.of(
            "get()",
            "get(1)",
            "get({})",
            "get('k', 'binary')",
            "put('k')",
            "put('k', 5)",
            "put('k', 'v', {ttlMs: 0})",
            "put('k', 'v', {px: 1})",
            "scan('k', 0)",
            "scan('k', 1e9)",
            "scan('k', 1.5)",
            "incr('k', NaN)",
            "incr('k', '1')",
            "cas('k')",
            "merge('k', 1, 'x')",
            "merge('k', 'nothing', 'x')",
            "random(-1)",
            "random(1e6)")) {
      assertThat(error(wrong).message()).as(wrong).isNotEmpty();
      assertThat(result("try { " + wrong + " } catch (e) { psl_return(e.code) }"))
          .as(wrong)
          .isEqualTo(text("INVALID"));
    }
  }

  @Test
  void readOnlyCallsCannotWrite() {
    for (String write :
        List.of(
            "put('k', 'v')",
            "del('k')",
            "incr('k')",
            "cas('k', null, 'v')",
            "merge('k','append','v')")) {
      ScriptOutcome outcome = run(write, store, ScriptCall.PLAIN.asReadOnly());
      assertThat(outcome.describe()).contains("no-writes");
    }
    assertThat(store.exists(bytes("k"))).isFalse();
    assertThat(run("get('k')", store, ScriptCall.PLAIN.asReadOnly()))
        .isInstanceOf(ScriptOutcome.Ok.class);
  }

  @Test
  void aReplayRepeatsTimeAndChance() {
    String source =
        "var t = Date.now(); while (now() < t + 3 && t !== 1234567890123); var r = [];"
            + "for (var i = 0; i < 5; i++) r.push(Math.random(), random());"
            + "psl_return([t, now(), new Date().getTime(), r, random(16)])";
    ScriptCall replay = ScriptCall.PLAIN.withReplay(new ScriptReplay(1234567890123L, 42));
    ScriptOutcome first = run(source, store, replay);
    assertThat(run(source, store, replay)).isEqualTo(first);
    assertThat(
            run(source, store, ScriptCall.PLAIN.withReplay(new ScriptReplay(1234567890123L, 43))))
        .isNotEqualTo(first);
    assertThat(run(source)).isNotEqualTo(run(source));
    ScriptValue.Items values = (ScriptValue.Items) ((ScriptOutcome.Ok) first).value();
    assertThat(values.values().subList(0, 3)).containsOnly(ScriptValue.of(1234567890123.0));
  }

  @Test
  void aLibraryRegistersFunctions() {
    String source =
        """
        var loadedOnce = Math.random(), calls = 0;
        register_function('echo', function (keys, args) { return [keys, args, ++calls] });
        register_function('reader', function (k) { put(k, 'v') }, {flags: ['no-writes'],
            timeoutMs: 7, heapBytes: 1048576, description: 'reads'});
        register_function('drawn', function () { return loadedOnce });
        register_function('late', function () { register_function('x', function () {}) });
        """;
    try (ScriptLibrary library =
        engine.load(new ScriptSource("lib.js", source), limits()).orThrow()) {
      assertThat(library.functions())
          .containsExactly(
              new ScriptFunction("echo", false, 0, 0, ""),
              new ScriptFunction("reader", true, 7, 1048576, "reads"),
              new ScriptFunction("drawn", false, 0, 0, ""),
              new ScriptFunction("late", false, 0, 0, ""));
      List<ScriptValue> arguments =
          List.of(ScriptValue.of(List.of(text("k"))), ScriptValue.of(List.of(text("a"))));
      ScriptOutcome expected =
          new ScriptOutcome.Ok(
              ScriptValue.of(List.of(arguments.get(0), arguments.get(1), ScriptValue.of(1))));
      assertThat(library.call("echo", arguments, store, ScriptCall.PLAIN)).isEqualTo(expected);
      assertThat(library.call("echo", arguments, store, ScriptCall.PLAIN)).isEqualTo(expected);
      assertThat(library.call("reader", List.of(text("k")), store, ScriptCall.PLAIN).describe())
          .contains("no-writes");
      assertThat(library.call("late", List.of(), store, ScriptCall.PLAIN).describe())
          .isEqualTo(
              "lib.js:6: Error: register_function can be called only while the library is loaded");
      assertThatThrownBy(() -> library.call("none", List.of(), store, ScriptCall.PLAIN))
          .isInstanceOf(InvalidRequestException.class);
      // Every heap was loaded alike, whichever a call gets.
      ScriptOutcome drawn = library.call("drawn", List.of(), store, ScriptCall.PLAIN);
      ScriptHeap held = library.heaps().take();
      assertThat(library.call("drawn", List.of(), store, ScriptCall.PLAIN)).isEqualTo(drawn);
      library.heaps().giveBack(held);
    }
  }

  @Test
  void aLibraryThatIsWrongIsRefusedWithTheReason() {
    Map<String, String> wrong =
        Map.of(
            "register_function('a b', function () {})", "letters, digits",
            "var x = 1", "registers no function",
            "register_function('f', function () {}, {timeoutMs: 1e9})", "timeoutMs is 1.0E9",
            "register_function('f', function () {}, {flag: 1})", "option flag",
            "register_function('f', function () {}, {flags: ['x']})", "'no-writes'",
            "register_function('f', 5)", "not a function",
            "register_function('f', function(){}); register_function('f', function(){})", "two",
            "put('a', 'b')", "lib.js:1: Error: a library cannot use the store",
            "\nvar = 5", "lib.js:2: SyntaxError",
            "for (;;);", "timed out");
    wrong.forEach(
        (source, reason) ->
            assertThatThrownBy(
                    () -> engine.load(new ScriptSource("lib.js", source), limits()).orThrow())
                .as(source)
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining(reason));
  }

  @Test
  void anotherThreadStopsACall() throws InterruptedException {
    try (ScriptProgram program =
        engine
            .compile(
                new ScriptSource("c.js", "print('running'); for (;;);"),
                ScriptLimits.builder().cpuMs(60_000).wallMs(60_000).build())
            .orThrow()) {
      for (int i = 0; i < 20; i++) {
        ScriptCancellation cancellation = new ScriptCancellation();
        CountDownLatch running = new CountDownLatch(1);
        AtomicReference<ScriptOutcome> outcome = new AtomicReference<>();
        Thread thread =
            Thread.ofPlatform()
                .start(
                    () ->
                        outcome.set(
                            program.run(
                                List.of(),
                                new MemoryHost(line -> running.countDown()),
                                ScriptCall.PLAIN.withCancellation(cancellation))));
        running.await();
        cancellation.cancel();
        thread.join();
        assertThat(outcome.get()).isEqualTo(new ScriptOutcome.Cancelled());
        assertThat(program.run(List.of(), store, ScriptCall.PLAIN.withCancellation(cancellation)))
            .isEqualTo(new ScriptOutcome.Cancelled());
      }
    }
  }

  @Test
  void callsBeyondTheHeapsWaitAndThenFail() {
    ScriptEngine one =
        ScriptEngine.open(new ScriptEngineOptions(1, 500), new SystemClock(), new SystemEntropy());
    try (ScriptProgram program =
        one.compile(
                new ScriptSource("p.js", "psl_return(1)"),
                ScriptLimits.builder().wallMs(20).build())
            .orThrow()) {
      ScriptHeap held = program.heaps().take();
      assertThatThrownBy(() -> program.run(List.of(), store, ScriptCall.PLAIN))
          .isInstanceOf(UnavailableException.class);
      program.heaps().giveBack(held);
      assertThat(program.run(List.of(), store, ScriptCall.PLAIN))
          .isEqualTo(new ScriptOutcome.Ok(ScriptValue.of(1)));
    }
  }

  @Test
  void argumentsThatAreTooLargeNeverReachTheScript() {
    assertThat(run("psl_return(1)", ScriptValue.of(new byte[2 << 20])))
        .isEqualTo(new ScriptOutcome.LimitExceeded(ScriptOutcome.Limit.ARGUMENT_BYTES));
  }

  @Test
  void aHostFunctionMayRunAnotherScript() {
    MemoryHost outer =
        new MemoryHost(line -> assertThat(result("psl_return('inner')")).isEqualTo(text("inner")));
    assertThat(run("print('x'); psl_return('outer')", outer, ScriptCall.PLAIN))
        .isEqualTo(new ScriptOutcome.Ok(text("outer")));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
