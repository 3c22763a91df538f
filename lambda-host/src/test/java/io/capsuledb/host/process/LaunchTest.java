package io.capsuledb.host.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.attest.simulated.CodeMeasurement;
import io.capsuledb.host.attest.simulated.OwnCode;
import io.capsuledb.host.cli.CapsuleCli;
import io.capsuledb.host.terminal.Streams;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Programs on a whole cluster: twelve processes, four of them workers. */
@Tag("long")
@Timeout(900)
class LaunchTest {

  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(120);
  private static final Path EXAMPLES = Path.of("..", "docs", "examples");

  @TempDir static Path directory;
  private static LocalCluster cluster;
  private static final List<String> SAID = new ArrayList<>();

  @BeforeAll
  static void startAll() {
    cluster =
        LocalCluster.start(
            new LocalCluster.Options(directory.resolve("c"), 3, 0, null, 4), SAID::add);
  }

  @AfterAll
  static void stopAll() {
    cluster.close();
  }

  private record Run(int exitCode, List<String> lines, String err) {}

  private static Run capsule(String... arguments) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int code =
        CapsuleCli.run(
            arguments,
            new Streams(
                new ByteArrayInputStream(new byte[0]),
                new PrintStream(out, false, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                false),
            Map.of());
    return new Run(
        code,
        out.toString(StandardCharsets.UTF_8).lines().toList(),
        err.toString(StandardCharsets.UTF_8));
  }

  private static Run launch(Path program, String... arguments) {
    List<String> all =
        new ArrayList<>(
            List.of(
                "app",
                "launch",
                "--cluster",
                directory.resolve("c").toString(),
                "--program",
                program.toString(),
                "--workers",
                "4",
                "--timeout-s",
                "300",
                "--args"));
    all.addAll(List.of(arguments));
    return capsule(all.toArray(String[]::new));
  }

  private static String random() {
    byte[] bytes = new byte[12];
    new SystemEntropy().fill(bytes);
    return HexFormat.of().formatHex(bytes);
  }

  private static void await(String what, BooleanSupplier condition) {
    long end = System.nanoTime() + PATIENCE_NANOS;
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as(what).isLessThan(end);
      try {
        TimeUnit.MILLISECONDS.sleep(50);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
    }
  }

  private static String log(String name) {
    try {
      return Files.readString(directory.resolve("c").resolve("log").resolve(name + ".log"));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** Numbers by their path in a JSON text. */
  private static Map<String, Double> numbers(String json) throws IOException {
    Map<String, Double> found = new LinkedHashMap<>();
    try (JsonParser parser = new JsonFactory().createParser(json)) {
      while (parser.nextToken() != null) {
        if (parser.currentToken() == JsonToken.VALUE_NUMBER_INT
            || parser.currentToken() == JsonToken.VALUE_NUMBER_FLOAT) {
          found.put(parser.getParsingContext().pathAsPointer().toString(), parser.getDoubleValue());
        }
      }
    }
    return found;
  }

  // ------------------------------------------------------------------ the examples

  @Test
  void wordCount() throws IOException {
    Run run =
        launch(
            EXAMPLES.resolve("word-count.js"),
            random(),
            "The cat and the dog and the bird: the End, and the end.");
    assertThat(run.exitCode()).as(run.err()).isZero();
    assertThat(run.err()).contains("insecure-simulated");
    String totals =
        run.lines().stream().filter(line -> line.contains("totals")).findFirst().orElseThrow();
    Map<String, Double> found = numbers(totals);
    found.remove("/share");
    found.remove("/through");
    assertThat(found)
        .containsOnly(
            Map.entry("/totals/the", 5.0),
            Map.entry("/totals/cat", 1.0),
            Map.entry("/totals/and", 3.0),
            Map.entry("/totals/dog", 1.0),
            Map.entry("/totals/bird", 1.0),
            Map.entry("/totals/end", 2.0));
  }

  @Test
  void motionPlanningKeepsTheShortestWay() throws IOException {
    String name = random();
    Run run = launch(EXAMPLES.resolve("motion-planning.js"), name, "600");
    assertThat(run.exitCode()).as(run.err()).isZero();
    double best = Double.POSITIVE_INFINITY;
    for (String line : run.lines()) {
      Map<String, Double> share = numbers(line);
      best = Math.min(best, share.getOrDefault("/own", Double.POSITIVE_INFINITY));
    }
    // What the workers share, as the next program finds it.
    Path ask = directory.resolve("ask.js");
    Files.writeString(
        ask, "psl_return(Number(get('motion:' + args[0] + ':solution_path', 'text')));");
    Run asked = launch(ask, name);
    assertThat(asked.exitCode()).as(asked.err()).isZero();
    assertThat(asked.lines()).hasSize(4).containsOnly(asked.lines().getFirst());
    assertThat(Double.parseDouble(asked.lines().getFirst())).isEqualTo(best);
  }

  private static void assertSoldOut(Run run) throws IOException {
    assertThat(run.exitCode()).as(run.err()).isZero();
    double[] sold = new double[10];
    for (String line : run.lines()) {
      Map<String, Double> share = numbers(line);
      for (int item = 0; item < sold.length; item++) {
        sold[item] += share.get("/sold/" + item);
      }
    }
    assertThat(sold).containsOnly(1000.0);
  }

  @Test
  void theShopNeverOversellsThoughAWorkerDies() throws Exception {
    assertSoldOut(launch(EXAMPLES.resolve("shop.js"), random()));
    long before = count(log("leader"), "event=leader.share ");
    CompletableFuture<Run> second = new CompletableFuture<>();
    String name = random();
    Thread.ofPlatform().start(() -> second.complete(launch(EXAMPLES.resolve("shop.js"), name)));
    await("all shares run", () -> count(log("leader"), "event=leader.share ") >= before + 4);
    long victim = cluster.workerPids().getLast();
    ProcessHandle.of(victim).orElseThrow().destroyForcibly();
    Run run = second.get(300, TimeUnit.SECONDS);
    cluster.addWorker();
    assertSoldOut(run);
    assertThat(run.err()).contains("the worker was lost, attempt 1");
    assertThat(log("leader")).contains("event=leader.worker_lost");
  }

  private static long count(String text, String part) {
    return text.lines().filter(line -> line.contains(part)).count();
  }

  @Test
  void errorsOfAProgramComeBackSealedAndSaidByTheClient() throws IOException {
    Path program = directory.resolve("wrong.js");
    Files.writeString(
        program, "if (share === 1) {\n  throw new Error('no ' + share);\n}\npsl_return(share);");
    Run run = launch(program, "x");
    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.lines()).contains("0", "2", "3").anyMatch(line -> line.contains("no 1"));
    assertThat(run.err()).doesNotContain("no 1");
  }

  // ------------------------------------------------------------------ who gets nothing

  @Test
  void aClientWithoutTheKeyGetsNothing() throws IOException {
    Path program = directory.resolve("one.js");
    Files.writeString(program, "psl_return('for the owner');");
    Run run = launch(program, "x");
    assertThat(run.exitCode()).as(run.err()).isZero();
    Path mine = directory.resolve("c").resolve("app").resolve("jobs");
    Path stranger = directory.resolve("stranger");
    Files.createDirectories(stranger.resolve("jobs"));
    String job;
    try (var files = Files.list(mine)) {
      Path file = files.findFirst().orElseThrow();
      job = String.valueOf(file.getFileName()).replace(".job", "");
      Files.copy(file, stranger.resolve("jobs").resolve(file.getFileName()));
    }
    assertThat(
            capsule("keys", "new", stranger.resolve("owner.key").toString(), "--development")
                .exitCode())
        .isZero();
    for (String command : List.of("status", "result", "logs", "stop")) {
      Run denied =
          capsule(
              "app",
              command,
              "--cluster",
              directory.resolve("c").toString(),
              "--data",
              stranger.toString(),
              job);
      assertThat(denied.exitCode()).as(command + denied.err()).isEqualTo(5);
      assertThat(denied.lines()).isEmpty();
    }
  }

  private static String wanted(String name) {
    return String.valueOf(LaunchFile.read(directory.resolve("c")).get(name));
  }

  /** How to start one more worker of the cluster. */
  private static List<String> worker(String scheduler, String scratch) {
    List<String> command = new ArrayList<>(SelfCommand.prefix("lambda-worker"));
    command.addAll(
        List.of(
            "lambda-worker",
            "--scheduler",
            scheduler,
            "--leader",
            wanted("leader"),
            "--machine",
            wanted("collateral"),
            "--policy",
            wanted("policy"),
            "--scratch",
            directory.resolve(scratch).toString()));
    return command;
  }

  @Test
  void aSchedulerThatSwapsReplaysOrDropsProgramsMakesNoWrongResult() throws Exception {
    Path program = directory.resolve("once.js");
    Files.writeString(
        program, "psl_return(args[0] + share + ':' + incr('once:' + args[0] + ':' + share));");
    File log = directory.resolve("misled.log").toFile();
    try (HostileScheduler scheduler = new HostileScheduler()) {
      Process process =
          new ProcessBuilder(worker(scheduler.address(), "misled"))
              .redirectErrorStream(true)
              .redirectOutput(log)
              .start();
      try {
        for (int job = 0; job < 2; job++) {
          String name = random();
          Run run =
              app(
                  "launch",
                  "--scheduler",
                  scheduler.address(),
                  "--program",
                  program.toString(),
                  "--workers",
                  "2",
                  "--timeout-s",
                  "300",
                  "--args",
                  name);
          assertThat(run.exitCode()).as(run.err()).isZero();
          // Each share ran once, and is what the client sent.
          assertThat(run.lines()).containsExactly("\"" + name + "0:1\"", "\"" + name + "1:1\"");
        }
        assertThat(scheduler.lies()).isGreaterThan(6);
        assertThat(log("leader")).contains("event=leader.program_swapped");
      } finally {
        process.destroyForcibly();
      }
    }
  }

  @Test
  void aTamperedWorkerIsRefusedAndNamed() throws IOException {
    Path classes = directory.resolve("tampered");
    Files.createDirectories(classes.resolve("evil"));
    Files.write(classes.resolve("evil/Backdoor.class"), new byte[] {1});
    List<Path> code = new ArrayList<>(OwnCode.classPath());
    code.addFirst(classes);
    String measurement = CodeMeasurement.of(code).hex();
    List<String> command = worker(wanted("scheduler"), "tampered-scratch");
    int path = command.indexOf("-cp") + 1;
    command.set(path, classes + File.pathSeparator + command.get(path));
    File log = directory.resolve("tampered.log").toFile();
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log).start();
    try {
      await(
          "the tampered worker is registered",
          () -> {
            try {
              return Files.readString(log.toPath()).contains("event=lambda.registered");
            } catch (IOException e) {
              throw new java.io.UncheckedIOException(e);
            }
          });
      Path program = directory.resolve("more.js");
      Files.writeString(
          program,
          "for (var end = Date.now() + 3000; Date.now() < end;) { get('x'); } psl_return(share);");
      // More shares than there are good workers: only those run any.
      Run run =
          capsule(
              "app",
              "launch",
              "--cluster",
              directory.resolve("c").toString(),
              "--program",
              program.toString(),
              "--workers",
              "8",
              "--timeout-s",
              "300");
      assertThat(run.exitCode()).as(run.err()).isZero();
      assertThat(run.lines()).containsExactly("0", "1", "2", "3", "4", "5", "6", "7");
      await("the leader names it", () -> log("leader").contains(measurement));
      // And the client, who would wonder why there are so few.
      assertThat(run.err().lines())
          .anyMatch(line -> line.contains("refused: evidence") && line.contains(measurement));
      assertThat(log("leader").lines().filter(line -> line.contains(measurement)))
          .allMatch(line -> line.contains("refused"));
    } finally {
      process.destroyForcibly();
    }
  }

  // ------------------------------------------------------------------ keys, and a lost leader

  private static Run app(String command, String... more) {
    List<String> all =
        new ArrayList<>(List.of("app", command, "--cluster", directory.resolve("c").toString()));
    all.addAll(List.of(more));
    return capsule(all.toArray(String[]::new));
  }

  @Test
  void keysAreRotatedUnderAProgramAndALostLeaderIsReplacedFromTheOwnersWords() throws Exception {
    Path program = directory.resolve("steps.js");
    Files.writeString(
        program,
        """
        var n = 0;
        print('goes');
        for (var end = Date.now() + 6000; Date.now() < end;) {
          transaction(function () { put('steps:' + args[0] + ':' + share, String(n + 1)); });
          n++;
        }
        psl_return(n);
        """);
    String name = random();
    long rotations = count(log("leader"), "event=leader.rotated");
    long shares = count(log("leader"), "event=leader.share ");
    CompletableFuture<Run> running = new CompletableFuture<>();
    Thread.ofPlatform().start(() -> running.complete(launch(program, name)));
    await("all shares run", () -> count(log("leader"), "event=leader.share ") >= shares + 4);
    Run rotated = app("rotate");
    assertThat(rotated.exitCode()).as(rotated.err()).isZero();
    assertThat(rotated.lines().getFirst()).contains("key generation ");
    Run run = running.get(300, TimeUnit.SECONDS);
    assertThat(run.exitCode()).as(run.err()).isZero();
    assertThat(count(log("leader"), "event=leader.rotated")).isEqualTo(rotations + 1);
    // Nothing that a program was told is done is missing under the new keys.
    Path ask = directory.resolve("ask-steps.js");
    Files.writeString(ask, "psl_return(Number(get('steps:' + args[0] + ':' + share, 'text')));");
    Run asked = launch(ask, name);
    assertThat(asked.lines()).as(asked.err()).isEqualTo(run.lines());
    // The leader is lost with all it holds. The new one finds the generation in the capsule.
    ProcessHandle leader = ProcessHandle.of(cluster.pid("leader")).orElseThrow();
    leader.destroyForcibly();
    await("the leader is dead", () -> !leader.isAlive());
    cluster.restart("leader");
    Run after = launch(ask, name);
    assertThat(after.lines()).as(after.err()).isEqualTo(run.lines());
    assertThat(log("leader")).contains("event=leader.application");
  }

  @Test
  void anotherOwnersApplicationOnTheSameLeaderSeesNothingOfThisOne() throws IOException {
    Path program = directory.resolve("mine.js");
    Files.writeString(
        program,
        """
        var before = get('whose', 'text');
        put('whose', args[0]);
        psl_return(before === null || before === undefined ? 'nothing' : before);
        """);
    String name = random();
    Run mine = launch(program, name);
    assertThat(mine.exitCode()).as(mine.err()).isZero();
    Path other = directory.resolve("other-" + name);
    for (String expected : List.of("\"nothing\"", "\"theirs\"")) {
      Run theirs =
          app(
              "launch",
              "--data",
              other.toString(),
              "--program",
              program.toString(),
              "--args",
              "theirs");
      assertThat(theirs.exitCode()).as(theirs.err()).isZero();
      assertThat(theirs.lines()).containsExactly(expected);
    }
    Run reset = app("reset", "--data", other.toString());
    assertThat(reset.exitCode()).as(reset.err()).isZero();
    // The leader has forgotten theirs, and nothing of mine.
    Run again = launch(program, name);
    assertThat(again.lines()).contains("\"" + name + "\"");
  }

  // ------------------------------------------------------------------ RESET

  /** Where in the memory of a process {@code needle} is: mappings, with how often. */
  private static List<String> scan(long pid, String needle) throws IOException {
    byte[] wanted = needle.getBytes(StandardCharsets.US_ASCII);
    List<String> found = new ArrayList<>();
    try (RandomAccessFile memory = new RandomAccessFile("/proc/" + pid + "/mem", "r")) {
      for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/maps"))) {
        String[] fields = line.split(" ", 3);
        if (!fields[1].startsWith("rw") || line.contains("[v")) {
          continue;
        }
        String[] ends = fields[0].split("-", 2);
        long from = Long.parseUnsignedLong(ends[0], 16);
        long to = Long.parseUnsignedLong(ends[1], 16);
        byte[] piece = new byte[4 << 20];
        int hits = 0;
        StringBuilder around = new StringBuilder();
        for (long at = from; at < to; at += piece.length - wanted.length) {
          int length = (int) Math.min(piece.length, to - at);
          try {
            memory.seek(at);
            memory.readFully(piece, 0, length);
          } catch (IOException _) {
            // Mapped, and not there.
            continue;
          }
          hits += occurrences(piece, length, wanted, around);
        }
        if (hits > 0) {
          found.add(hits + " in " + line + around);
        }
      }
    }
    return found;
  }

  private static int occurrences(byte[] bytes, int length, byte[] wanted, StringBuilder around) {
    int hits = 0;
    for (int i = 0; i + wanted.length <= length; i++) {
      int j = 0;
      while (j < wanted.length && bytes[i + j] == wanted[j]) {
        j++;
      }
      if (j == wanted.length) {
        hits++;
        if (hits <= 3) {
          int from = Math.max(0, i - 40);
          around
              .append("; ")
              .append(
                  new String(
                          bytes, from, Math.min(length, i + 64) - from, StandardCharsets.US_ASCII)
                      .replaceAll("[^ -~]", "."));
        }
      }
    }
    return hits;
  }

  @Test
  void afterAResetNothingOfAShareIsLeftInTheWorkersMemory() throws Exception {
    assumeThat(Files.isReadable(Path.of("/proc/" + cluster.workerPids().getFirst() + "/mem")))
        .isTrue();
    String secret = random();
    Path program = directory.resolve("plant.js");
    Files.writeString(
        program,
        """
        // planted-in-the-program
        put('planted:' + args[0] + ':' + share, 'value-' + args[0]);
        transaction(function () { put('tx:' + args[0], get('tx:' + args[0]) || args[0]); });
        print('planted');
        for (var end = Date.now() + 15000; Date.now() < end;) { get('planted:' + args[0] + ':0'); }
        psl_return({ secret: args[0] });
        """
            .replace("planted-in-the-program", "program-" + secret));
    CompletableFuture<Run> running = new CompletableFuture<>();
    long resets = resets();
    Thread.ofPlatform().start(() -> running.complete(launch(program, secret)));
    List<Long> workers = living();
    // What is looked for can be found while it is there.
    boolean[] seen = {false};
    await(
        "the secret is in a worker's memory",
        () -> {
          for (long pid : workers) {
            try {
              seen[0] |= !scan(pid, secret).isEmpty();
            } catch (IOException e) {
              throw new java.io.UncheckedIOException(e);
            }
          }
          return seen[0] || running.isDone();
        });
    Run run = running.get(300, TimeUnit.SECONDS);
    assertThat(run.exitCode()).as(run.err()).isZero();
    assertThat(seen[0]).as("seen while it was there").isTrue();
    await("all have reset themselves", () -> resets() >= resets + 4);
    for (long pid : workers) {
      assertThat(scan(pid, secret)).as("worker " + pid).isEmpty();
    }
  }

  /** Files that a JVM, or the kernel for it, leaves when it fails: by their usual names. */
  private static List<Path> dumps(long pid) throws IOException {
    List<Path> found = new ArrayList<>();
    for (Path folder : List.of(Path.of("").toAbsolutePath(), Path.of("/tmp"), directory)) {
      try (var files = Files.list(folder)) {
        files
            .filter(
                file -> {
                  String name = String.valueOf(file.getFileName());
                  return (name.startsWith("core") || name.startsWith("hs_err"))
                      && (name.equals("core") || name.contains(String.valueOf(pid)));
                })
            .forEach(found::add);
      }
    }
    return found;
  }

  @Test
  void aWorkerThatIsMadeToDumpItsMemoryDoesNot() throws Exception {
    String secret = random();
    Path program = directory.resolve("dumped.js");
    Files.writeString(
        program,
        """
        put('dump:' + args[0], args[0]);
        for (var end = Date.now() + 4000; Date.now() < end;) { get('dump:' + args[0]); }
        psl_return(share);
        """);
    long shares = count(log("leader"), "event=leader.share ");
    CompletableFuture<Run> running = new CompletableFuture<>();
    Thread.ofPlatform().start(() -> running.complete(launch(program, secret)));
    await("all shares run", () -> count(log("leader"), "event=leader.share ") >= shares + 4);
    long victim = living().getFirst();
    assertThat(Files.readString(Path.of("/proc/" + victim + "/limits")))
        .containsPattern("Max core file size\\s+0\\s+0");
    // As a fault in the JVM would: it writes a report with pieces of memory, and asks for a dump.
    assertThat(new ProcessBuilder("kill", "-SEGV", Long.toString(victim)).start().waitFor())
        .isZero();
    await("it is dead", () -> !ProcessHandle.of(victim).map(ProcessHandle::isAlive).orElse(false));
    cluster.addWorker();
    Run run = running.get(300, TimeUnit.SECONDS);
    assertThat(run.exitCode()).as(run.err()).isZero();
    assertThat(dumps(victim)).isEmpty();
  }

  private static List<Long> living() {
    return cluster.workerPids().stream()
        .filter(pid -> ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false))
        .toList();
  }

  private static long resets() {
    long resets = 0;
    for (int i = 1; i <= cluster.workerPids().size(); i++) {
      resets += count(log("worker-" + i), "event=lambda.reset ");
    }
    return resets;
  }
}
