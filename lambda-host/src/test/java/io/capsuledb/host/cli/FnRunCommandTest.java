package io.capsuledb.host.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.capsuledb.enclave.script.ScriptEngine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code fn run}: what is printed, what is said of errors, and the exit codes that tell them apart.
 */
final class FnRunCommandTest {

  @TempDir private Path directory;

  @BeforeEach
  void engineIsThere() {
    assumeTrue(ScriptEngine.unavailable() == null, () -> ScriptEngine.unavailable());
  }

  private String file(String source) throws IOException {
    return Files.writeString(directory.resolve("program.js"), source).toString();
  }

  @Test
  void printsWhatTheProgramPrints() throws IOException {
    CliRun run =
        CliRun.of(
            "fn",
            "run",
            file("print('a', 1); console.log(args.join()); put('k', 'v'); print(get('k', 'text'))"),
            "x",
            "é");
    assertThat(run.exitCode()).as(run.toString()).isZero();
    assertThat(run.out()).isEqualTo("a 1\nx,é\nv\n");
    assertThat(run.err()).isEmpty();
  }

  @Test
  void whatIsThrownIsSaidWithItsLineAndEndsWithOne() throws IOException {
    CliRun run = CliRun.of("fn", "run", file("print('before');\nfunction f() {\n  null.x }\nf()"));
    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.out()).isEqualTo("before\n");
    assertThat(run.err())
        .isEqualTo(
            """
            program.js:3: TypeError: invalid base value
                at f (program.js:3)
                at global (program.js:4)
            """);
    CliRun syntax = CliRun.of("fn", "run", file("\n\nvar = 1"));
    assertThat(syntax.exitCode()).isEqualTo(1);
    assertThat(syntax.err()).startsWith("program.js:3: SyntaxError: ");
  }

  /** As deep as the engine itself goes, whatever stack the JVM gives its threads. */
  @Test
  void depthIsLimitedByTheEngineAndNotByTheStack() throws IOException {
    CliRun run =
        CliRun.of(
            "fn",
            "run",
            file(
                """
                function rep(s, n) { return new Array(n + 1).join(s) }
                function down(n) { return n ? 1 + down(n - 1) : 0 }
                function native(n) { return n ? String({toString: function () {
                  return native(n - 1) }}) : 'z' }
                print(eval(rep('(', 2400) + 1 + rep(')', 2400)));
                print(down(9900));
                print(/^(?:.|\\n)*$/.test(rep('x', 4900)));
                print(new RegExp(rep('(?:', 9000) + 'x' + rep(')', 9000)).test('x'));
                print(native(450));
                try { down(20000) } catch (e) { print(e.name) }
                """));
    assertThat(run.exitCode()).as(run.toString()).isZero();
    assertThat(run.out()).isEqualTo("1\n9900\ntrue\ntrue\nz\nRangeError\n");
  }

  @Test
  void aLimitEndsWithTwo() throws IOException {
    CliRun time = CliRun.of("fn", "run", "--timeout-ms", "50", file("for (;;);"));
    assertThat(time.exitCode()).isEqualTo(2);
    assertThat(time.err()).contains("timed out");
    CliRun steps = CliRun.of("fn", "run", "--instructions", "1000", file("for (;;);"));
    assertThat(steps.exitCode()).isEqualTo(2);
    CliRun memory = CliRun.of("fn", "run", "--heap-mb", "1", file("var s = 'x'; for (;;) s += s"));
    assertThat(memory.exitCode()).isEqualTo(2);
    assertThat(memory.err()).contains("out of memory");
    CliRun calls = CliRun.of("fn", "run", "--host-calls", "3", file("for (;;) print('x')"));
    assertThat(calls.exitCode()).isEqualTo(2);
    assertThat(calls.out()).isEqualTo("x\nx\nx\n");
  }

  @Test
  void aSeedRepeatsTheRun() throws IOException {
    String program = file("print(Math.random(), now(), new Date().getTime())");
    CliRun first = CliRun.of("fn", "run", "--seed", "7", program);
    assertThat(CliRun.of("fn", "run", "--seed", "7", program).out()).isEqualTo(first.out());
    assertThat(CliRun.of("fn", "run", "--seed", "8", program).out()).isNotEqualTo(first.out());
  }

  @Test
  void theStandardInputIsAProgramToo() {
    CliRun run = CliRun.withInput("print('from there')", "fn", "run", "-");
    assertThat(run.out()).isEqualTo("from there\n");
  }

  @Test
  void whatIsWrongOnTheCommandLineIsSaid() {
    CliRun run = CliRun.of("fn", "run", directory.resolve("none.js").toString());
    assertThat(run.exitCode()).isEqualTo(2);
    assertThat(run.err()).contains("there is no file");
    assertThat(CliRun.of("fn").exitCode()).isEqualTo(2);
    assertThat(CliRun.of("fn", "run", "--heap-mb", "0", "x.js").err()).contains("1 to 1024");
    assertThat(CliRun.of("bench", "procedures", "--each-ms", "1").err()).contains("40 to 60000");
  }

  /** Tiny: figures that cannot be measured any more should be noticed. */
  @Test
  void theBenchmarkStillRuns() {
    CliRun run = CliRun.of("bench", "procedures", "--each-ms", "40", "--no-servers", "--json");
    assertThat(run.exitCode()).as(run.toString()).isZero();
    assertThat(run.out()).contains("getPutCallsPerSecond").contains("unix-socket");
  }
}
