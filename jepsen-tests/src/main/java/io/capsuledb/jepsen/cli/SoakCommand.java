package io.capsuledb.jepsen.cli;

import io.capsuledb.jepsen.nemesis.Nemesis;
import io.capsuledb.jepsen.resp.RespConnection;
import io.capsuledb.jepsen.resp.ServerFaultException;
import io.capsuledb.jepsen.run.Flatness;
import io.capsuledb.jepsen.run.Run;
import io.capsuledb.jepsen.system.CapsuleSystem;
import io.capsuledb.jepsen.system.Usage;
import io.capsuledb.jepsen.workload.Workload;
import io.capsuledb.jepsen.workload.Workloads;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Load and faults for hours on one system, judged round by round. */
@Command(
    name = "soak",
    mixinStandardHelpOptions = true,
    header = "Load and faults for hours, checked all the time.",
    description = {
      "",
      "One system of replicas and a server runs all the time. In each round clients work under",
      "faults, everything is read, histories are judged and then forgotten, and the data are",
      "deleted; what each process then uses of memory, files, threads and disk is written down.",
      "At the end it is judged whether that has stayed flat: after the first third of the rounds",
      "it may not grow by more than a tenth of files and threads, a quarter of memory and disk.",
      ""
    },
    footer = {
      "",
      "Exit code 0: clean; 1: a violation, or something grows; 2: wrong command line; 3: it could",
      "not be done.",
      "",
      "  capsule soak --hours 8",
      "  capsule soak --hours 0.5 --round 60 --nemesis kill,pause,halves"
    })
final class SoakCommand implements Callable<Integer> {

  private static final double SECONDS_PER_HOUR = 3600;
  private static final int HISTORY_MINUTES = 1;

  @Option(
      names = "--hours",
      paramLabel = "N",
      required = true,
      description = "How long, as 8 or 0.5.")
  private double hours;

  @Option(
      names = "--round",
      paramLabel = "SECONDS",
      description = "How long a round is; 300 if not given.")
  private int roundSeconds = 300;

  @Option(names = "--replicas", paramLabel = "N", description = "3 to 7; 3 if not given.")
  private int replicas = 3;

  @Option(names = "--clients", paramLabel = "N", description = "How many; 20 if not given.")
  private int clients = 20;

  @Option(
      names = "--rate",
      paramLabel = "N",
      description = "Operations a second; 300 if not given, 0 for no limit.")
  private int rate = 300;

  @Option(
      names = "--workload",
      split = ",",
      paramLabel = "NAME",
      description = "What clients do; all but procedures if not given.")
  private List<String> workloads =
      Workloads.NAMES.stream().filter(name -> !name.equals(Workloads.PROCEDURES)).toList();

  @Option(
      names = "--nemesis",
      split = ",",
      paramLabel = "FAULT",
      description = "Which faults; those that take no rights if not given, none: none.")
  private List<String> faults =
      List.of(
          "kill",
          "restart",
          "pause",
          "halves",
          "isolate",
          "one-way",
          "flap",
          "delay",
          "slow",
          "kill-serve",
          "majority-cut");

  @Option(
      names = "--max-gap",
      paramLabel = "SECONDS",
      description = "Most without an acknowledged write while a majority lives; 30 if not given.")
  private int maxGapSeconds = 30;

  @Option(names = "--seed", paramLabel = "S", description = "Of operations and faults.")
  private long seed = System.nanoTime() & 0xffff_ffffL;

  @Option(names = "--out", paramLabel = "DIR", description = "soak-DATE-TIME if not given.")
  private @Nullable Path out;

  @Spec private CommandSpec spec = CommandSpec.create();

  SoakCommand() {}

  private void say(String line) {
    PrintWriter err = spec.commandLine().getErr();
    err.println(line);
    err.flush();
  }

  private void tell(String line) {
    PrintWriter stdout = spec.commandLine().getOut();
    stdout.println(line);
    stdout.flush();
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    if (!(hours > 0) || roundSeconds < 10 || replicas < 3 || clients < 1 || rate < 0) {
      throw new IllegalArgumentException(
          "allowed are --hours more than 0, --round 10 or more, --replicas 3 to 7, --clients 1 or"
              + " more, --rate 0 or more");
    }
    Set<String> kinds = new LinkedHashSet<>(faults);
    kinds.remove("none");
    for (String kind : kinds) {
      List<String> obstacles =
          CapsuleSystem.obstacles(kind, replicas, false, CapsuleSystem.Serving.ALONE);
      if (!obstacles.isEmpty()) {
        throw new IOException("cannot do " + kind + ": " + String.join("; ", obstacles));
      }
    }
    Path directory =
        out != null
            ? out
            : Path.of(
                "soak-"
                    + LocalDateTime.now(ZoneId.systemDefault())
                        .format(DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss", Locale.ROOT)));
    Files.createDirectories(directory);
    say("seed " + seed + "; everything goes to " + directory);
    return soak(directory, kinds);
  }

  private int soak(Path directory, Set<String> kinds) throws IOException, InterruptedException {
    Flatness flatness = new Flatness();
    boolean clean = true;
    try (CapsuleSystem system =
        CapsuleSystem.start(
            new CapsuleSystem.Options(
                JepsenCommand.launcher(),
                directory.resolve("nodes"),
                replicas,
                kinds,
                false,
                CapsuleSystem.Serving.ALONE,
                HISTORY_MINUTES),
            this::say)) {
      Runtime.getRuntime().addShutdownHook(new Thread(() -> close(system), "soak-stop"));
      long untilNs = System.nanoTime() + (long) (hours * SECONDS_PER_HOUR * 1e9);
      Path log = directory.resolve("usage.csv");
      Files.writeString(log, "round,process,resident_bytes,files,threads,disk_bytes\n");
      int round = 0;
      while (clean && (round == 0 || System.nanoTime() < untilNs)) {
        round++;
        clean = round(system, kinds, directory, round);
        List<Usage> usage = system.usage();
        flatness.add(usage);
        StringBuilder lines = new StringBuilder();
        for (Usage one : usage) {
          lines.append(
              String.format(
                  Locale.ROOT,
                  "%d,%s,%d,%d,%d,%d%n",
                  round,
                  one.name(),
                  one.residentBytes(),
                  one.openFiles(),
                  one.threads(),
                  one.diskBytes()));
        }
        Files.writeString(
            log, lines, StandardCharsets.US_ASCII, java.nio.file.StandardOpenOption.APPEND);
        tell("round " + round + ": " + Flatness.line(usage));
      }
      for (String problem : system.afterwards()) {
        tell("VIOLATION " + problem);
        clean = false;
      }
    }
    for (String problem : flatness.problems()) {
      tell("VIOLATION " + problem);
      clean = false;
    }
    tell(flatness.verdict());
    tell(clean ? "clean" : "NOT CLEAN");
    return clean ? JepsenCommand.CLEAN : JepsenCommand.VIOLATION;
  }

  private void close(CapsuleSystem system) {
    try {
      system.close();
    } catch (IOException e) {
      say("not everything could be put away: " + e.getMessage());
    }
  }

  private boolean round(CapsuleSystem system, Set<String> kinds, Path directory, int round)
      throws IOException, InterruptedException {
    Path files = Files.createDirectories(directory.resolve("round-" + round));
    List<Workload> load =
        workloads.stream().map(name -> Workloads.of(name, "s" + round + "-")).toList();
    long begin = System.nanoTime();
    Run.Result result =
        Run.round(
            new Run.Options(
                List.copyOf(kinds),
                roundSeconds,
                clients,
                rate,
                (int) TimeUnit.SECONDS.toMillis(maxGapSeconds),
                maxGapSeconds,
                seed + round,
                Nemesis.Rhythm.DEFAULT,
                files),
            load,
            system,
            this::say);
    result.problems().forEach(problem -> tell("VIOLATION " + problem));
    result
        .verdicts()
        .forEach(
            (name, verdict) ->
                verdict
                    .findings()
                    .forEach(
                        finding ->
                            tell(
                                "VIOLATION "
                                    + name
                                    + " "
                                    + finding.property()
                                    + ": "
                                    + finding.detail())));
    if (!result.clean()) {
      tell("round " + round + " is not clean; its histories are in " + files);
      return false;
    }
    long operations = result.histories().values().stream().mapToLong(List::size).sum() / 2;
    say(
        String.format(
            Locale.ROOT,
            "round %d: %d operations and %d faults in %.0f s, clean",
            round,
            operations,
            result.windows().size(),
            (System.nanoTime() - begin) * 1e-9));
    try (RespConnection connection =
        RespConnection.open(
            system.endpoints().getFirst(), (int) TimeUnit.SECONDS.toMillis(maxGapSeconds))) {
      connection.call("FLUSHALL").check();
    } catch (ServerFaultException e) {
      throw new IOException("the round's data cannot be deleted: " + e.getMessage(), e);
    }
    // A clean history is of no more use.
    for (Path file : filesIn(files)) {
      Files.delete(file);
    }
    Files.delete(files);
    return true;
  }

  private static List<Path> filesIn(Path directory) throws IOException {
    try (var all = Files.list(directory)) {
      return new ArrayList<>(all.toList());
    }
  }
}
