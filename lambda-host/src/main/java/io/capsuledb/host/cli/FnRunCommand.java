package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.enclave.script.Loaded;
import io.capsuledb.enclave.script.MemoryHost;
import io.capsuledb.enclave.script.ScriptCall;
import io.capsuledb.enclave.script.ScriptEngine;
import io.capsuledb.enclave.script.ScriptEngineOptions;
import io.capsuledb.enclave.script.ScriptLimits;
import io.capsuledb.enclave.script.ScriptOutcome;
import io.capsuledb.enclave.script.ScriptProgram;
import io.capsuledb.enclave.script.ScriptReplay;
import io.capsuledb.enclave.script.ScriptSource;
import io.capsuledb.enclave.script.ScriptValue;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Runs one program, as a procedure is run, with a store in memory. */
@Command(
    name = "run",
    header = "Run a JavaScript program and print what it prints.",
    description = {
      "",
      "The program runs as a procedure does: in a sandbox, with limits, and with get, put and the",
      "others, over an empty store in memory that is gone when it ends. print and console.log write",
      "lines to the standard output; what it throws and does not catch goes to the standard error,",
      "with the line of its source. Nothing else of the machine is there.",
      ""
    },
    footer = {
      "",
      "Exit code 0: it ended. 1: it threw, or is not JavaScript. 2: it went over a limit.",
      "",
      "Examples:",
      "  capsule fn run program.js",
      "  capsule fn run --timeout-ms 50 --heap-mb 8 program.js first second",
      "  capsule fn run --now-ms 0 --seed 1 program.js    # the same run each time"
    })
final class FnRunCommand implements Callable<Integer> {

  private static final int MEBI = 20;

  /**
   * What the engine's own limits need, which are by depth: the compiler's nesting, the executor of
   * regular expressions, functions called by built-in ones. Of a smaller stack they are cut short.
   */
  private static final long STACK_BYTES = 64L << MEBI;

  /** Exit codes of this command, beside those of all. */
  private static final int THREW = 1;

  private static final int OVER_LIMIT = 2;

  @Parameters(
      index = "0",
      paramLabel = "FILE",
      description = "JavaScript source, UTF-8; - for the standard input.")
  private String file = "";

  @Parameters(
      index = "1..*",
      paramLabel = "ARGUMENT",
      description = "What the program finds, as strings, in the array args.")
  private List<String> arguments = new ArrayList<>();

  @Option(
      names = "--timeout-ms",
      paramLabel = "N",
      description = "CPU time, 1 to 600,000; 10,000 if not given.")
  private long timeoutMs = 10_000;

  @Option(
      names = "--wall-ms",
      paramLabel = "N",
      description = "Time, 1 to 3,600,000; 120,000 if not given.")
  private long wallMs = 120_000;

  @Option(
      names = "--instructions",
      paramLabel = "N",
      description = "Bytecode instructions; not limited if not given.")
  private long instructions = Long.MAX_VALUE;

  @Option(
      names = "--heap-mb",
      paramLabel = "N",
      description = "Memory of the program, 1 to 1024; 64 if not given.")
  private int heapMb = 64;

  @Option(
      names = "--call-depth",
      paramLabel = "N",
      description = "Functions active at once, 10 to 10,000; 10,000 if not given.")
  private int callDepth = 10_000;

  @Option(
      names = "--host-calls",
      paramLabel = "N",
      description = "Calls of print, get and the like, 0 to 1,000,000,000; that many if not given.")
  private int hostCalls = 1_000_000_000;

  @Option(
      names = "--now-ms",
      paramLabel = "N",
      description = "Let the program's clock stand at this many milliseconds since 1970.")
  private @Nullable Long nowMs;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Let random numbers follow from this; the clock then stands at 0 or --now-ms.")
  private @Nullable Long seed;

  private final CommandContext context;

  FnRunCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() throws IOException {
    FutureTask<Integer> running = new FutureTask<>(this::run);
    Thread.ofPlatform().name("fn-run").stackSize(STACK_BYTES).start(running);
    try {
      return running.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof IOException failed) {
        throw failed;
      }
      if (e.getCause() instanceof RuntimeException failed) {
        throw failed;
      }
      throw new IllegalStateException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted while the program ran", e);
    }
  }

  private int run() throws IOException {
    if (heapMb < 1 || heapMb > ScriptLimits.MAX_HEAP_BYTES >> MEBI) {
      throw new InvalidRequestException("--heap-mb is " + heapMb + "; allowed is 1 to 1024");
    }
    ScriptLimits limits =
        ScriptLimits.builder()
            .cpuMs(timeoutMs)
            .wallMs(wallMs)
            .instructions(instructions)
            .heapBytes(heapMb << MEBI)
            .callDepth(callDepth)
            .hostCalls(hostCalls)
            .build();
    ScriptSource source = read();
    ScriptEngine engine =
        ScriptEngine.open(
            new ScriptEngineOptions(1, Math.min(timeoutMs, 60_000)),
            new SystemClock(),
            new SystemEntropy());
    ScriptOutcome outcome =
        switch (engine.compile(source, limits)) {
          case Loaded.Failed<ScriptProgram>(ScriptOutcome failed) -> failed;
          case Loaded.Ready<ScriptProgram>(ScriptProgram program) -> {
            try (program) {
              yield program.run(
                  arguments.stream().map(ScriptValue::of).toList(),
                  new MemoryHost(line -> context.streams().out().println(line)),
                  scriptCall());
            }
          }
        };
    context.streams().out().flush();
    return report(outcome);
  }

  private ScriptSource read() throws IOException {
    if (file.equals("-")) {
      return new ScriptSource(
          "standard-input",
          new String(context.streams().in().readAllBytes(), StandardCharsets.UTF_8));
    }
    Path path = Path.of(file);
    try {
      return new ScriptSource(
          String.valueOf(path.getFileName()),
          new String(Files.readAllBytes(path), StandardCharsets.UTF_8));
    } catch (NoSuchFileException e) {
      throw new InvalidRequestException("there is no file " + file, e);
    }
  }

  private ScriptCall scriptCall() {
    Long now = nowMs;
    Long from = seed;
    return now == null && from == null
        ? ScriptCall.PLAIN
        : ScriptCall.PLAIN.withReplay(
            new ScriptReplay(now == null ? 0 : now, from == null ? 0 : from));
  }

  private int report(ScriptOutcome outcome) {
    return switch (outcome) {
      case ScriptOutcome.Ok _ -> ExitCodes.OK;
      case ScriptOutcome.Threw threw -> {
        context.streams().err().println(threw.error());
        if (!threw.error().stack().isEmpty()) {
          context.streams().err().println(threw.error().stack().indent(4).stripTrailing());
        }
        yield THREW;
      }
      default -> {
        context.streams().err().println(file + ": " + outcome.describe());
        yield OVER_LIMIT;
      }
    };
  }
}
