package io.capsuledb.host.process;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.attest.simulated.CodeMeasurement;
import io.capsuledb.host.attest.simulated.OwnCode;
import io.capsuledb.host.attest.simulated.SimulatedMachine;
import io.capsuledb.host.terminal.PrivateFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * The processes of a cluster that run launched programs, all insecure-simulated: a router, the
 * assertion-generating enclave, scheduler, leader, coordinator and workers. One thread.
 */
final class EnclaveProcesses {

  static final int MAX_WORKERS = 64;

  private static final long START_SECONDS = 180;
  private static final String LOOPBACK = "127.0.0.1:";
  private static final int PORTS_ABOVE_REPLICAS = 50;

  /** Starts a child process. */
  @FunctionalInterface
  interface Starter {
    ChildProcess start(String name, List<String> arguments, String readyEvent);
  }

  private final Path directory;
  private final int port;
  private final Starter starter;
  private final Consumer<String> report;
  private final List<ChildProcess> workers = new ArrayList<>();
  private final List<ChildProcess> others = new ArrayList<>();
  private final List<String> common = new ArrayList<>();
  private final Map<String, Command> commands = new LinkedHashMap<>();
  private final Map<String, String> addresses = new LinkedHashMap<>();

  private record Command(List<String> arguments, String readyEvent) {}

  EnclaveProcesses(Path directory, int port, Starter starter, Consumer<String> report) {
    this.directory = directory;
    this.port = port;
    this.starter = starter;
    this.report = report;
  }

  void start(int count, Path replicas) {
    Path machine = directory.resolve("machine");
    ChildProcess age = other("age", List.of("age", "--machine", machine.toString()), "age.ready");
    ChildProcess router =
        other("router", List.of("router", "--listen", listen(0), "--http", "none"), "router.ready");
    ChildProcess scheduler =
        other("scheduler", List.of("scheduler", "--listen", listen(2)), "scheduler.ready");
    age.awaitReady(START_SECONDS);
    Path policy = directory.resolve("policy.toml");
    PrivateFile.write(
        policy,
        ("# Whoever runs the code that this cluster was started from, on its simulated machine.\n"
                + "mrenclave = [\""
                + CodeMeasurement.of(OwnCode.classPath())
                + "\"]\ninsecure-simulated-root = \""
                + machine.toAbsolutePath().resolve(SimulatedMachine.ROOT)
                + "\"\n")
            .getBytes(StandardCharsets.UTF_8),
        true);
    String join = address(router, "router.ready");
    String schedulerAddress = address(scheduler, "scheduler.ready");
    List<String> enclave = List.of("--machine", machine.toString(), "--policy", policy.toString());
    List<String> leading = new ArrayList<>(List.of("leader", "--listen", listen(1)));
    leading.addAll(enclave);
    ChildProcess leader = other("leader", leading, "leader.ready");
    String leaderAddress = address(leader, "leader.ready");
    common.addAll(List.of("--scheduler", schedulerAddress, "--leader", leaderAddress));
    common.addAll(enclave);
    List<ChildProcess> awaited = new ArrayList<>();
    for (int i = 0; i <= count; i++) {
      awaited.add(member(i == 0));
    }
    awaited.forEach(
        one -> {
          one.awaitReady(START_SECONDS);
          report.accept(one.name() + " is ready (pid " + one.pid() + "), insecure-simulated");
        });
    Map<String, String> launch = new LinkedHashMap<>();
    launch.put("leader", leaderAddress);
    launch.put("scheduler", schedulerAddress);
    launch.put("replicas", "@" + replicas.toAbsolutePath());
    launch.put("join", join);
    launch.put("policy", policy.toAbsolutePath().toString());
    launch.put("collateral", machine.toAbsolutePath().toString());
    launch.put("data", directory.resolve("app").toAbsolutePath().toString());
    LaunchFile.write(directory, launch);
  }

  private ChildProcess member(boolean coordinator) {
    String name = coordinator ? "coordinator" : "worker-" + (workers.size() + 1);
    List<String> arguments = new ArrayList<>();
    arguments.add(coordinator ? "coordinator" : "lambda-worker");
    arguments.addAll(List.of("--scratch", directory.resolve("scratch").resolve(name).toString()));
    arguments.addAll(common);
    ChildProcess started =
        starter.start(name, arguments, coordinator ? "coordinator.ready" : "lambda.idle");
    (coordinator ? others : workers).add(started);
    return started;
  }

  /** Starts one more worker; when this returns, it is idle. */
  void addWorker() {
    member(false).awaitReady(START_SECONDS);
  }

  private String listen(int number) {
    return LOOPBACK + (port == 0 ? 0 : port + PORTS_ABOVE_REPLICAS + number);
  }

  private ChildProcess other(String name, List<String> arguments, String readyEvent) {
    ChildProcess started = starter.start(name, arguments, readyEvent);
    others.add(started);
    commands.put(name, new Command(arguments, readyEvent));
    return started;
  }

  /** The newest process of a name. */
  ChildProcess named(String name) {
    return all().stream()
        .filter(one -> one.name().equals(name))
        .findFirst()
        .orElseThrow(() -> new InvalidRequestException("there is no process " + name));
  }

  /** Starts one again, where it was before. */
  void restart(String name) {
    Command command = commands.get(name);
    if (command == null) {
      throw new InvalidRequestException("there is no process " + name);
    }
    List<String> arguments = new ArrayList<>(command.arguments());
    int listen = arguments.indexOf("--listen");
    String address = addresses.get(name);
    if (listen >= 0 && address != null) {
      arguments.set(listen + 1, address);
    }
    other(name, arguments, command.readyEvent()).awaitReady(START_SECONDS);
  }

  private String address(ChildProcess child, String event) {
    String line = child.awaitReady(START_SECONDS);
    String address = LocalCluster.field(child, line, "listen");
    addresses.put(child.name(), address);
    report.accept(
        child.name() + " is ready on " + address + " (pid " + child.pid() + ", " + event + ")");
    return address;
  }

  List<ChildProcess> workers() {
    return List.copyOf(workers);
  }

  /** All, in the order in which they are to be stopped. */
  List<ChildProcess> all() {
    List<ChildProcess> all = new ArrayList<>(workers);
    all.addAll(others.reversed());
    return all;
  }
}
