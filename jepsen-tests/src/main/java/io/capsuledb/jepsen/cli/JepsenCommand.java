package io.capsuledb.jepsen.cli;

import io.capsuledb.jepsen.check.Finding;
import io.capsuledb.jepsen.check.Verdict;
import io.capsuledb.jepsen.history.HistoryRecorder;
import io.capsuledb.jepsen.history.OpType;
import io.capsuledb.jepsen.nemesis.Nemesis;
import io.capsuledb.jepsen.report.HtmlReport;
import io.capsuledb.jepsen.resp.Endpoint;
import io.capsuledb.jepsen.resp.RespConnection;
import io.capsuledb.jepsen.resp.ServerFaultException;
import io.capsuledb.jepsen.run.Run;
import io.capsuledb.jepsen.system.CapsuleSystem;
import io.capsuledb.jepsen.system.ExistingServers;
import io.capsuledb.jepsen.system.RedisPair;
import io.capsuledb.jepsen.system.SystemUnderTest;
import io.capsuledb.jepsen.workload.Workload;
import io.capsuledb.jepsen.workload.Workloads;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Runs load and faults and judges what clients saw. */
@Command(
    name = "jepsen",
    mixinStandardHelpOptions = true,
    header = "Test consistency under faults, with real processes.",
    description = {
      "",
      "Starts replicas and a server over them, lets clients work, does harm meanwhile, heals, reads",
      "everything, and judges: histories of what clients saw by checkers that know nothing of the",
      "product; whether service went on while a majority lived; whether replicas hold the same in the",
      "end and 'capsule verify' finds them well. Histories (JSON lines and Jepsen EDN), what processes",
      "printed and an HTML report go to the directory of --out.",
      "",
      "With --target servers that run already are tested, capsule or any that speaks the Redis",
      "protocol, without faults; with --system redis a redis-server and a replica that takes over.",
      ""
    },
    footer = {
      "",
      "Exit code 0: clean; 1: a violation; 2: wrong command line; 3: it could not be done.",
      "",
      "Examples:",
      "  capsule jepsen --workload register,list-append --nemesis kill,pause,halves --time 120",
      "  capsule jepsen --workload all --nemesis all --replicas 5 --time 600 --skip-impossible",
      "  capsule jepsen --workers 4 --workload all --nemesis all --network netns \\",
      "    --skip-impossible --time 300",
      "  capsule jepsen --workload set --target localhost:6379 --time 30",
      "  capsule jepsen --system redis --workload set,register --nemesis failover --time 30",
      "  capsule jepsen check --workload list-append out/list-append.jsonl"
    })
final class JepsenCommand implements Callable<Integer> {

  static final int CLEAN = 0;
  static final int VIOLATION = 1;
  static final int USAGE = 2;
  static final int IMPOSSIBLE = 3;

  private static final String ALL = "all";
  private static final int MAX_SECONDS = 7 * 24 * 3600;
  private static final int MAX_CLIENTS = 10_000;

  @Option(
      names = "--workload",
      split = ",",
      paramLabel = "W",
      description =
          "What clients do: register, cas-register, list-append, rw-register, set, counter, bank,"
              + " lock, session, procedures, or all. Several at once share the clients; register if not given.")
  private List<String> workloads = List.of("register");

  @Option(
      names = "--nemesis",
      split = ",",
      paramLabel = "N",
      description =
          "Faults to draw from, one at a time; all: those that leave service on; none if not given."
              + " --list-faults tells them.")
  private List<String> faults = List.of();

  @Option(
      names = "--time",
      paramLabel = "SECONDS",
      description = "How long there is load; 60 if not given.")
  private int seconds = 60;

  @Option(
      names = {"--replicas", "--nodes"},
      paramLabel = "N",
      description = "How many replicas, 1 to 7; 3 if not given.")
  private int replicas = 3;

  @Option(
      names = "--workers",
      paramLabel = "N",
      description =
          "Several workers on one capsule instead of one server, 2 to 16, and clients at all of"
              + " them; 0 if not given.")
  private int workers;

  @Option(
      names = "--routers",
      paramLabel = "N",
      description =
          "Routers between the workers, 1 to 8, or 0: replicas relay what workers say; 2 if not"
              + " given.")
  private int routers = 2;

  @Option(
      names = "--consistency",
      paramLabel = "sessions|linearizable",
      description =
          "Of workers; linearizable if not given. With sessions the workloads that need no more are"
              + " list-append, rw-register, bank, lock and session.")
  private String consistency = "linearizable";

  @Option(
      names = "--clients",
      paramLabel = "N",
      description = "How many clients at once; 50 if not given.")
  private int clients = 50;

  @Option(
      names = "--rate",
      paramLabel = "N",
      description = "Operations a second of all clients; 500 if not given, 0 for no limit.")
  private int rate = 500;

  @Option(
      names = "--seed",
      paramLabel = "S",
      description = "Of operations and faults; drawn and printed if not given.")
  private @Nullable Long seed;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "Where everything goes; jepsen-DATE-TIME if not given.")
  private @Nullable Path out;

  @Option(
      names = "--target",
      split = ",",
      paramLabel = "HOST:PORT",
      description = "Test these servers instead, which run already.")
  private List<String> targets = List.of();

  @Option(
      names = "--system",
      paramLabel = "capsule|redis",
      description = "What to start; capsule if not given.")
  private String systemName = "capsule";

  @Option(
      names = "--network",
      paramLabel = "proxy|netns",
      description =
          "What is between the processes: proxies on loopback, or network namespaces (root, ip and"
              + " nft needed); proxy if not given.")
  private String networkName = "proxy";

  @Option(
      names = "--timeout",
      paramLabel = "SECONDS",
      description = "How long a client waits for a reply; 20 if not given.")
  private int timeoutSeconds = 20;

  @Option(
      names = "--max-gap",
      paramLabel = "SECONDS",
      description =
          "Most without an acknowledged write while a majority lives; 15 if not given, 0: not"
              + " judged.")
  private int maxGapSeconds = 15;

  @Option(
      names = "--skip-impossible",
      description = "Leave out faults that cannot be had here, and print why, instead of failing.")
  private boolean skipImpossible;

  @Option(names = "--list-faults", description = "List the faults and end.")
  private boolean listFaults;

  @Option(
      names = "--keep-data",
      description = "Keep the stores after a clean run, too; they are kept after any other.")
  private boolean keepData;

  @Spec private CommandSpec spec = CommandSpec.create();

  JepsenCommand() {}

  private PrintWriter err() {
    return spec.commandLine().getErr();
  }

  private PrintWriter stdout() {
    return spec.commandLine().getOut();
  }

  private void say(String line) {
    err().println(line);
    err().flush();
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    if (listFaults) {
      CapsuleSystem.kinds().forEach((name, what) -> stdout().printf("%-16s %s%n", name, what));
      RedisPair.kinds().forEach((name, what) -> stdout().printf("%-16s %s%n", name, what));
      stdout().flush();
      return CLEAN;
    }
    within("--time", seconds, 1, MAX_SECONDS);
    within("--clients", clients, 1, MAX_CLIENTS);
    within("--rate", rate, 0, Integer.MAX_VALUE);
    within("--timeout", timeoutSeconds, 1, MAX_SECONDS);
    List<String> names = workloads.contains(ALL) ? Workloads.NAMES : workloads;
    Set<String> kinds = kinds();
    if (kinds.isEmpty() && !faults.isEmpty()) {
      say("nothing of what was asked for can be had here: the run is skipped");
      return CLEAN;
    }
    long drawn = seed != null ? seed : System.nanoTime() & 0xffff_ffffL;
    Path directory = out != null ? out : Path.of("jepsen-" + stamp());
    Files.createDirectories(directory);
    say("seed " + drawn + "; everything goes to " + directory);
    boolean clean = run(names, kinds, drawn, directory);
    if (clean && !keepData) {
      deleteStores(directory.resolve("nodes"));
    }
    return clean ? CLEAN : VIOLATION;
  }

  private boolean run(List<String> names, Set<String> kinds, long drawn, Path directory)
      throws IOException, InterruptedException {
    try (SystemUnderTest system = system(directory.resolve("nodes"), kinds)) {
      say(system.describe());
      // Namespaces and mounts would outlive a run that is interrupted.
      Runtime.getRuntime().addShutdownHook(new Thread(() -> close(system), "jepsen-stop"));
      // Servers that run already may hold the keys of another run.
      String prefix =
          targets.isEmpty() ? "" : "j" + Long.toString(System.currentTimeMillis(), 36) + "-";
      List<Workload> load = new ArrayList<>();
      for (String name : names) {
        Workload workload = Workloads.of(name, prefix);
        // Servers without procedures are tested with everything else, if everything was asked for.
        if (!name.equals(Workloads.PROCEDURES)
            || !workloads.contains(ALL)
            || hasProcedures(system, workload)) {
          load.add(workload);
        }
      }
      Run.Result result =
          Run.run(
              new Run.Options(
                  List.copyOf(kinds),
                  seconds,
                  clients,
                  rate,
                  timeoutSeconds * 1000,
                  maxGapSeconds,
                  drawn,
                  Nemesis.Rhythm.DEFAULT,
                  directory),
              load,
              system,
              this::say);
      Path html = directory.resolve("report.html");
      HtmlReport.write(html, system.describe() + ", seed " + drawn, result);
      tell(result, html);
      return result.clean();
    }
  }

  private boolean hasProcedures(SystemUnderTest system, Workload workload) throws IOException {
    try (RespConnection connection =
        RespConnection.open(system.endpoints().getFirst(), timeoutSeconds * 1000)) {
      workload.prepare(connection);
      return true;
    } catch (ServerFaultException refused) {
      say("skipped: workload " + workload.name() + ": " + refused.getMessage());
      return false;
    }
  }

  private void close(SystemUnderTest system) {
    try {
      system.close();
    } catch (IOException e) {
      say("not everything could be put away: " + e.getMessage());
    }
  }

  private static void within(String option, int value, int least, int most) {
    if (value < least || value > most) {
      throw new IllegalArgumentException(
          option + " is " + value + ": allowed are " + least + " to " + most);
    }
  }

  private static String stamp() {
    return LocalDateTime.now(java.time.ZoneId.systemDefault())
        .format(DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss", Locale.ROOT));
  }

  private boolean namespaces() {
    return switch (networkName) {
      case "proxy" -> false;
      case "netns" -> true;
      default ->
          throw new IllegalArgumentException(
              "--network is '" + networkName + "': allowed are proxy and netns");
    };
  }

  private CapsuleSystem.Serving serving() {
    boolean linearizable =
        switch (consistency) {
          case "linearizable" -> true;
          case "sessions" -> false;
          default ->
              throw new IllegalArgumentException(
                  "--consistency is '" + consistency + "': allowed are sessions and linearizable");
        };
    return workers == 0
        ? CapsuleSystem.Serving.ALONE
        : new CapsuleSystem.Serving(workers, routers, linearizable);
  }

  /** The faults that there will be. */
  private Set<String> kinds() throws IOException {
    Set<String> kinds = new LinkedHashSet<>();
    for (String fault : faults) {
      if (!fault.equals(ALL)) {
        kinds.add(fault);
      } else if (systemName.equals("redis")) {
        kinds.addAll(RedisPair.kinds().keySet());
      } else {
        CapsuleSystem.kinds().keySet().stream()
            .filter(kind -> workers > 0 || !CapsuleSystem.ofWorkers(kind))
            .filter(kind -> !kind.contains("serve") && !kind.startsWith("majority"))
            .filter(kind -> !kind.equals("all-kill"))
            .forEach(kinds::add);
      }
    }
    boolean namespaces = namespaces();
    Map<String, List<String>> impossible = new TreeMap<>();
    for (String kind : kinds) {
      List<String> obstacles =
          !targets.isEmpty()
              ? List.of(ExistingServers.OBSTACLE)
              : systemName.equals("redis")
                  ? RedisPair.obstacles(kind)
                  : CapsuleSystem.obstacles(kind, replicas, namespaces, serving());
      if (!obstacles.isEmpty()) {
        impossible.put(kind, obstacles);
      }
    }
    for (Map.Entry<String, List<String>> entry : impossible.entrySet()) {
      String why = entry.getKey() + ": " + String.join("; ", entry.getValue());
      if (!skipImpossible) {
        throw new IOException("cannot do " + why + " (--skip-impossible leaves it out)");
      }
      say("skipped: " + why);
      kinds.remove(entry.getKey());
    }
    return kinds;
  }

  private SystemUnderTest system(Path directory, Set<String> kinds) throws IOException {
    if (!targets.isEmpty()) {
      return new ExistingServers(targets.stream().map(Endpoint::parse).toList());
    }
    return switch (systemName) {
      case "redis" -> RedisPair.start(directory, this::say);
      case "capsule" ->
          CapsuleSystem.start(
              new CapsuleSystem.Options(
                  launcher(), directory, replicas, kinds, namespaces(), serving(), -1),
              this::say);
      default ->
          throw new IllegalArgumentException(
              "--system is '" + systemName + "': allowed are capsule and redis");
    };
  }

  static Path launcher() {
    String launcher = System.getProperty("capsule.launcher");
    if (launcher == null) {
      throw new IllegalArgumentException(
          "where the program capsule is, is not known: start this with bin/capsule jepsen, or set"
              + " -Dcapsule.launcher=PATH");
    }
    return Path.of(launcher);
  }

  private void deleteStores(Path nodes) throws IOException {
    if (!Files.exists(nodes)) {
      return;
    }
    try (var files = Files.walk(nodes)) {
      for (Path file : files.sorted(java.util.Comparator.reverseOrder()).toList()) {
        if (!file.startsWith(nodes.resolve("log")) && !file.equals(nodes)) {
          Files.delete(file);
        }
      }
    }
  }

  private void tell(Run.Result result, Path html) {
    PrintWriter line = stdout();
    line.printf(
        Locale.ROOT,
        "%d operations in %.0f s: %d ok, %d failed, %d unknown; %d faults%n",
        result.count(OpType.INVOKE),
        result.loadNs() / 1e9,
        result.count(OpType.OK),
        result.count(OpType.FAIL),
        result.count(OpType.INFO),
        result.windows().size());
    Map<String, Long> byKind = new TreeMap<>();
    result.windows().forEach(window -> byKind.merge(window.name(), 1L, Long::sum));
    if (!byKind.isEmpty()) {
      line.println("faults: " + byKind);
    }
    result.notes().forEach(line::println);
    result.verdicts().forEach((name, verdict) -> tell(name, verdict));
    result.problems().forEach(problem -> line.println("VIOLATION " + problem));
    line.println("report: " + html);
    line.println(result.clean() ? "clean" : "NOT CLEAN");
    line.flush();
  }

  private void tell(String name, Verdict verdict) {
    PrintWriter line = stdout();
    line.println(
        name
            + ": "
            + (verdict.clean()
                ? "valid"
                : verdict.violations()
                    + " violations, "
                    + verdict.undecided().size()
                    + " undecided")
            + " "
            + new TreeMap<>(verdict.figures()));
    for (Finding finding : verdict.findings()) {
      line.println("VIOLATION " + name + " " + finding.property() + ": " + finding.detail());
    }
    verdict.undecided().forEach(what -> line.println("UNDECIDED " + name + " " + what));
  }

  @Command(
      name = "check",
      mixinStandardHelpOptions = true,
      header = "Judge a history that was written earlier, a file of JSON lines.",
      footer = {"", "Exit code 0: clean; 1: a violation, or undecided."})
  int check(
      @Option(names = "--workload", required = true, description = "Which workload's it is.")
          String workload,
      @Parameters(paramLabel = "FILE", description = "The history.") Path file) {
    Verdict verdict = Run.judge(Workloads.of(workload, ""), HistoryRecorder.read(file));
    tell(workload, verdict);
    stdout().flush();
    return verdict.clean() ? CLEAN : VIOLATION;
  }
}
