package io.capsuledb.enclave.script;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every hostile script ends as it should, within its budget and {@value #SLACK_MS} ms of CPU time,
 * and the next caller in the same heap notices nothing. CPU time, because on a busy machine time
 * says nothing about the engine.
 */
final class HostileScriptTest {

  private static final int CPU_MS = 50;

  /** Where something else than time is to end a script, on a processor however slow. */
  private static final int AMPLE_CPU_MS = 5000;

  private static final int SLACK_MS = 20;
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private static ScriptEngine engine;

  @BeforeAll
  static void open() {
    assumeTrue(ScriptEngine.unavailable() == null, () -> ScriptEngine.unavailable());
    // One heap: who comes next gets the one that was just attacked.
    engine =
        ScriptEngine.open(new ScriptEngineOptions(1, 5000), new SystemClock(), new SystemEntropy());
  }

  private static ScriptLimits limits(int cpuMs) {
    return ScriptLimits.builder()
        .cpuMs(cpuMs)
        .wallMs(60_000)
        .valueBytes(2 << 20)
        .hostCalls(1000)
        .build();
  }

  static List<HostileScripts.Case> cases() {
    return HostileScripts.all();
  }

  private static HostileScripts.End endOf(ScriptOutcome outcome) {
    return switch (outcome) {
      case ScriptOutcome.Ok _ -> HostileScripts.End.OK;
      case ScriptOutcome.Threw _ -> HostileScripts.End.THREW;
      case ScriptOutcome.TimedOut _ -> HostileScripts.End.TIMED_OUT;
      case ScriptOutcome.OutOfMemory _ -> HostileScripts.End.OUT_OF_MEMORY;
      case ScriptOutcome.LimitExceeded _ -> HostileScripts.End.LIMIT;
      case ScriptOutcome.Cancelled _ -> throw new AssertionError("nobody cancelled");
      case ScriptOutcome.EngineFailed _ -> throw new AssertionError("the engine gave up");
    };
  }

  /**
   * The attack is what is evaluated; what comes after it in the same heap is a function of ours.
   */
  private static final String LIBRARY =
      """
      register_function('attack', function (source) { (0, eval)(source) });
      register_function('healthy', function () {
        var seen = [];
        for (var name in this) seen.push(name);
        for (var inherited in {}) seen.push(inherited);
        for (var index in []) seen.push(index);
        return [seen, typeof psl_return, typeof Array.prototype.push, /a(b)/.exec('xab')[1],
            JSON.stringify({a: [1, 'x', null]}), [3, 1, 2].sort().join(), 'é'.toUpperCase(),
            parseFloat('1.5'), new Uint8Array(3).length, text(bytes('ok')),
            Object.getOwnPropertyNames(this).sort().join()];
      });
      """;

  @ParameterizedTest
  @MethodSource("cases")
  void endsAsItShouldAndLeavesNothing(HostileScripts.Case hostile) {
    List<String> printed = new ArrayList<>();
    MemoryHost store = new MemoryHost(printed::add);
    int budgetMs = hostile.ends().contains(HostileScripts.End.TIMED_OUT) ? CPU_MS : AMPLE_CPU_MS;
    try (ScriptLibrary library =
        engine.load(new ScriptSource("attack.js", LIBRARY), limits(budgetMs)).orThrow()) {
      ScriptOutcome healthy =
          library.call("healthy", List.of(), new MemoryHost(_ -> {}), ScriptCall.PLAIN);
      assertThat(healthy).isInstanceOf(ScriptOutcome.Ok.class);
      for (int round = 0; round < 2; round++) {
        long before = THREADS.getCurrentThreadCpuTime();
        ScriptOutcome outcome =
            library.call(
                "attack", List.of(ScriptValue.of(hostile.source())), store, ScriptCall.PLAIN);
        long tookMs = (THREADS.getCurrentThreadCpuTime() - before) / 1_000_000;
        assertThat(endOf(outcome))
            .as(hostile.source() + " ended with: " + outcome.describe())
            .isIn(hostile.ends());
        assertThat(tookMs)
            .as("CPU time of " + hostile.source())
            .isLessThanOrEqualTo(budgetMs + SLACK_MS);
        assertThat(library.call("healthy", List.of(), new MemoryHost(_ -> {}), ScriptCall.PLAIN))
            .as("after " + hostile.source())
            .isEqualTo(healthy);
      }
    }
  }

  @Test
  void thereAreEnoughOfEveryFamily() {
    var families =
        HostileScripts.all().stream()
            .collect(Collectors.groupingBy(HostileScripts.Case::family, Collectors.counting()));
    assertThat(families)
        .hasSizeGreaterThanOrEqualTo(11)
        .allSatisfy((family, count) -> assertThat(count).as(family).isGreaterThanOrEqualTo(8));
    assertThat(HostileScripts.all()).hasSizeGreaterThanOrEqualTo(100);
  }
}
