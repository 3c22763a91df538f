package io.capsuledb.jepsen.system;

import io.capsuledb.jepsen.nemesis.Fault;
import io.capsuledb.jepsen.resp.Endpoint;
import io.capsuledb.jepsen.resp.Reply;
import io.capsuledb.jepsen.resp.RespConnection;
import io.capsuledb.jepsen.resp.ServerFaultException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/**
 * Replicas and a server over them, or several workers and routers, each a process of {@code
 * capsule}, with a network between them that can be cut. Faults hit at most as many replicas as may
 * fail, but for those that say that they hit a majority.
 */
public final class CapsuleSystem implements SystemUnderTest {

  private static final String SERVE = "serve";
  private static final String CLIENTS = "clients";
  private static final String OWNER_KEY = "owner.key";
  private static final int SYNC_MS = 60_000;
  private static final long CONVERGE_SECONDS = 180;
  private static final int MIN_FREE_MB = 64;
  private static final int SCRUB_MB_PER_SECOND = 64;
  private static final int FLAP_MS = 300;

  /** Faults by name, with what they do. */
  private static final Map<String, String> FAULTS = new TreeMap<>();

  static {
    FAULTS.put("kill", "kill -9 of a minority of replicas, started again afterwards");
    FAULTS.put("restart", "orderly stop of a minority of replicas, started again afterwards");
    FAULTS.put("pause", "SIGSTOP of a minority of replicas");
    FAULTS.put("halves", "a minority of replicas cut off from the rest, together");
    FAULTS.put("isolate", "each replica of a minority cut off from everybody");
    FAULTS.put("one-way", "a minority that cannot be heard, or cannot hear");
    FAULTS.put("bridge", "two halves of replicas that only one replica connects");
    FAULTS.put("flap", "a minority cut off and connected again, several times a second");
    FAULTS.put("delay", "links of a minority take up to a second longer");
    FAULTS.put("slow", "links of a minority carry a few KiB a second");
    FAULTS.put("loss", "links of a minority lose packets");
    FAULTS.put("skew", "wall clocks of a minority jump");
    FAULTS.put("disk-full", "disks of a minority are full");
    FAULTS.put("bit-rot", "bits on the disks of a minority flip, while they are down");
    FAULTS.put("wipe", "a minority loses what it holds, and rebuilds it");
    FAULTS.put("kill-serve", "kill -9 of the server, started again afterwards");
    FAULTS.put("pause-serve", "SIGSTOP of the server");
    FAULTS.put("majority-kill", "kill -9 of a majority of replicas, started again afterwards");
    FAULTS.put("majority-pause", "SIGSTOP of a majority of replicas");
    FAULTS.put("majority-cut", "a majority of replicas cut off from the server");
    FAULTS.put("worker-kill", "kill -9 of workers, but not of all, started again afterwards");
    FAULTS.put("worker-restart", "orderly stop of workers, but not of all, started again");
    FAULTS.put("worker-pause", "SIGSTOP of workers, but not of all");
    FAULTS.put("worker-cut", "workers, but not all, cut off from replicas and routers");
    FAULTS.put("worker-deaf", "workers, but not all, cut off from routers only");
    FAULTS.put("worker-one-way", "workers, but not all, that are not heard, or do not hear");
    FAULTS.put("worker-loss", "links of workers lose packets");
    FAULTS.put("worker-delay", "links of workers take up to half a second longer");
    FAULTS.put("coordinator-kill", "kill -9 of the worker that coordinates, started again");
    FAULTS.put("coordinator-pause", "SIGSTOP of the worker that coordinates");
    FAULTS.put("coordinator-cut", "the worker that coordinates cut off from everybody");
    FAULTS.put("router-kill", "kill -9 of a router, started again afterwards");
    FAULTS.put("router-pause", "SIGSTOP of a router");
    FAULTS.put("router-cut", "a router cut off from workers and routers");
    FAULTS.put("mesh-loss", "every link loses packets, up to 30 %");
    FAULTS.put("mesh-delay", "every link takes up to a fifth of a second longer");
    FAULTS.put("all-kill", "kill -9 of everything, started again afterwards");
  }

  private final Options options;
  private final Consumer<String> report;
  private final List<String> replicas = new ArrayList<>();

  /** The server, or the workers. */
  private final List<String> servers = new ArrayList<>();

  private final List<String> routers = new ArrayList<>();
  private final Map<String, Child> children = new HashMap<>();
  private final Network network;
  private final Disks disks = new Disks();
  private final Clocks clocks;
  private final Map<String, Endpoint> listening = new TreeMap<>();
  private final List<Endpoint> endpoints = new ArrayList<>();
  private List<String> statusList = List.of();

  /**
   * How it is to be.
   *
   * @param launcher the program capsule
   * @param directory where everything is
   * @param replicas how many, 1 to 7
   * @param faults kinds of faults that there will be: some need disks or clocks of their own
   * @param namespaces whether nodes live in network namespaces, instead of behind proxies
   * @param serving what serves clients
   */
  public record Options(
      Path launcher,
      Path directory,
      int replicas,
      Set<String> faults,
      boolean namespaces,
      Serving serving) {

    /** Copies, and checks the range. */
    public Options {
      faults = Set.copyOf(faults);
      if (replicas < 1 || replicas > 7) {
        throw new IllegalArgumentException("--replicas is " + replicas + ": allowed are 1 to 7");
      }
    }
  }

  /**
   * What serves clients.
   *
   * @param workers how many on one capsule, 0: one server that has it for itself
   * @param routers between them, 1 or more with workers
   * @param linearizable whether each command is a transaction among all workers
   */
  public record Serving(int workers, int routers, boolean linearizable) {

    /** One server. */
    public static final Serving ALONE = new Serving(0, 0, false);

    /** Checks the ranges. */
    public Serving {
      if (workers < 0 || workers > 16) {
        throw new IllegalArgumentException("--workers is " + workers + ": allowed are 0 to 16");
      }
      if (workers > 0 ? routers < 1 || routers > 8 : routers != 0) {
        throw new IllegalArgumentException(
            "--routers is " + routers + ": allowed are 1 to 8, with workers");
      }
    }
  }

  private CapsuleSystem(Options options, Consumer<String> report) throws IOException {
    this.options = options;
    this.report = report;
    for (int i = 1; i <= options.replicas; i++) {
      replicas.add("r" + i);
    }
    for (int i = 1; i <= options.serving.workers; i++) {
      servers.add("w" + i);
    }
    for (int i = 1; i <= options.serving.routers; i++) {
      routers.add("m" + i);
    }
    // Workers are apart from clients; a server alone is where clients are.
    String outside = servers.isEmpty() ? SERVE : CLIENTS;
    List<String> nodes = new ArrayList<>(List.of(outside));
    nodes.addAll(replicas);
    nodes.addAll(servers);
    nodes.addAll(routers);
    if (servers.isEmpty()) {
      servers.add(SERVE);
    }
    this.network =
        options.namespaces
            ? NamespaceNetwork.open(nodes, outside, options.directory.resolve("net"))
            : new ProxyNetwork(nodes);
    this.clocks = new Clocks(options.directory);
    for (String server : servers) {
      int port = ProxyNetwork.freePort();
      listening.put(server, new Endpoint(server, "127.0.0.1", port));
      Endpoint reached = Endpoint.parse(network.expose(server, port));
      endpoints.add(new Endpoint(server, reached.host(), reached.port()));
    }
  }

  private boolean hasWorkers() {
    return options.serving.workers > 0;
  }

  /** The kinds of faults there are, with what each does. */
  public static Map<String, String> kinds() {
    return Collections.unmodifiableMap(FAULTS);
  }

  /**
   * Starts one; when this returns, all of it is ready.
   *
   * @param report hears what happens
   * @throws IOException if it does not start
   */
  public static CapsuleSystem start(Options options, Consumer<String> report) throws IOException {
    CapsuleSystem system = new CapsuleSystem(options, report);
    boolean started = false;
    try {
      system.begin();
      started = true;
      return system;
    } finally {
      if (!started) {
        system.close();
      }
    }
  }

  private Path directory(String node) {
    return options.directory.resolve(node);
  }

  /** Where a replica's data are: in a directory of its disk, where that has one of its own. */
  private Path data(String node) {
    return directory(node).resolve("data");
  }

  private void begin() throws IOException {
    Map<String, String> keys = new HashMap<>();
    for (String replica : replicas) {
      if (options.faults.contains("disk-full")) {
        disks.mount(directory(replica));
      }
      Files.createDirectories(directory(replica));
      if (network.leavesLoopback()) {
        keys.put(replica, "=" + keyOf(replica));
      }
    }
    for (String replica : replicas) {
      children.put(replica, replica(replica, keys));
    }
    for (String replica : replicas) {
      child(replica).begin();
    }
    for (String replica : replicas) {
      child(replica).awaitReady();
    }
    List<String> list = new ArrayList<>();
    Map<String, String> known = new TreeMap<>();
    for (String replica : replicas) {
      String key = "=" + child(replica).field("key");
      list.add(network.listen(replica) + key);
      known.put(replica, key);
      report.accept(replica + " is ready on " + network.listen(replica));
    }
    statusList = list;
    for (String router : routers) {
      children.put(router, router(router));
      child(router).start();
      report.accept(router + " is ready on " + network.listen(router));
    }
    for (String server : servers) {
      children.put(server, server(server, known));
    }
    // The first one makes the key and founds the capsule.
    String first = servers.getFirst();
    child(first).start();
    report.accept(first + " is ready on " + listening.get(first));
    for (String server : servers.subList(1, servers.size())) {
      Files.createDirectories(directory(server));
      Files.copy(directory(first).resolve(OWNER_KEY), directory(server).resolve(OWNER_KEY));
      child(server).begin();
    }
    for (String server : servers.subList(1, servers.size())) {
      child(server).awaitReady();
      report.accept(server + " is ready on " + listening.get(server));
    }
  }

  /** A server over the replicas, or one of several workers. */
  private Child server(String server, Map<String, String> keys) throws IOException {
    List<String> seen = new ArrayList<>();
    for (String replica : replicas) {
      seen.add(network.address(server, replica) + keys.get(replica));
    }
    List<String> command = new ArrayList<>(network.launcher(server));
    command.addAll(
        List.of(
            options.launcher.toString(),
            hasWorkers() ? "worker" : "serve",
            "--data",
            directory(server).toString(),
            "--replicas",
            String.join(",", seen),
            "--listen",
            String.valueOf(listening.get(server)),
            "--http",
            "none"));
    if (hasWorkers()) {
      // Half of them join at the one router first, half at the other.
      List<String> join = new ArrayList<>();
      for (int i = 0; i < routers.size(); i++) {
        String router = routers.get((servers.indexOf(server) + i) % routers.size());
        join.add(network.address(server, router));
      }
      command.addAll(
          List.of(
              "--join",
              String.join(",", join),
              "--consistency",
              options.serving.linearizable ? "linearizable" : "sessions",
              "--memtable-mb",
              "16"));
    }
    if (network.leavesLoopback()) {
      command.addAll(
          List.of(
              "--replica-transport",
              "tls",
              "--replica-tls-cert",
              certificate().toString(),
              "--replica-tls-key",
              certificateKey().toString(),
              "--replica-tls-ca",
              certificate().toString()));
    }
    command.add("--until-input-ends");
    return child(server, command, hasWorkers() ? "512m" : "768m", "event=node.ready");
  }

  /** A router below those before it. */
  private Child router(String router) throws IOException {
    List<String> command = new ArrayList<>(network.launcher(router));
    command.addAll(
        List.of(
            options.launcher.toString(),
            "router",
            "--listen",
            network.listen(router),
            "--http",
            "none"));
    List<String> parents = new ArrayList<>();
    for (String parent : routers.subList(0, routers.indexOf(router))) {
      parents.add(network.address(router, parent));
    }
    if (!parents.isEmpty()) {
      command.addAll(List.of("--parent", String.join(",", parents)));
    }
    if (network.leavesLoopback()) {
      command.addAll(
          List.of(
              "--transport",
              "tls",
              "--tls-cert",
              certificate().toString(),
              "--tls-key",
              certificateKey().toString(),
              "--tls-ca",
              certificate().toString()));
    }
    command.add("--until-input-ends");
    return child(router, command, "256m", "event=router.ready");
  }

  private Path certificate() {
    return options.directory.resolve("net").resolve("replicas.crt");
  }

  private Path certificateKey() {
    return options.directory.resolve("net").resolve("replicas.key");
  }

  /** Lets a replica make its key, to learn the public half. */
  private String keyOf(String replica) throws IOException {
    List<String> command =
        List.of(
            options.launcher.toString(),
            "replica",
            "--data",
            options.directory.resolve(replica + "-first").toString(),
            "--key",
            options.directory.resolve(replica + ".key").toString(),
            "--listen",
            "127.0.0.1:" + ProxyNetwork.freePort(),
            "--http",
            "none",
            "--until-input-ends");
    Child first = child(replica, command, "256m", "event=replica.ready");
    first.start();
    String key = first.field("key");
    first.stop();
    return key;
  }

  private Child replica(String replica, Map<String, String> keys) throws IOException {
    List<String> command = new ArrayList<>(network.launcher(replica));
    command.addAll(
        List.of(
            options.launcher.toString(),
            "replica",
            "--data",
            data(replica).toString(),
            "--key",
            options.directory.resolve(replica + ".key").toString(),
            "--listen",
            network.listen(replica),
            "--http",
            "none",
            "--min-free-mb",
            Integer.toString(MIN_FREE_MB),
            "--scrub-mb-per-second",
            Integer.toString(SCRUB_MB_PER_SECOND)));
    List<String> peers = new ArrayList<>();
    for (String peer : replicas) {
      if (!peer.equals(replica)) {
        peers.add(network.address(replica, peer) + keys.getOrDefault(peer, ""));
      }
    }
    if (!peers.isEmpty()) {
      command.addAll(List.of("--peers", String.join(",", peers)));
    }
    if (network.leavesLoopback()) {
      command.addAll(
          List.of(
              "--any-owner",
              "--transport",
              "tls",
              "--tls-cert",
              certificate().toString(),
              "--tls-key",
              certificateKey().toString(),
              "--tls-ca",
              certificate().toString()));
    }
    command.add("--until-input-ends");
    return child(replica, command, "512m", "event=replica.ready");
  }

  private Child child(String node, List<String> command, String heap, String ready)
      throws IOException {
    Map<String, String> environment = new HashMap<>();
    environment.put("CAPSULE_NO_BUILD", "1");
    environment.put("CAPSULE_CHILD", "1");
    environment.put("CAPSULE_JAVA_OPTS", "-Xmx" + heap);
    if (options.faults.contains("skew") && replicas.contains(node)) {
      environment.putAll(clocks.environment(node));
    }
    return new Child(
        node, command, environment, options.directory.resolve("log").resolve(node + ".log"), ready);
  }

  private Child child(String node) {
    Child child = children.get(node);
    if (child == null) {
      throw new IllegalStateException("there is no process " + node);
    }
    return child;
  }

  @Override
  public String describe() {
    return options.replicas
        + " replicas of capsule and "
        + (hasWorkers()
            ? options.serving.workers
                + " workers over them, "
                + (options.serving.linearizable ? "linearizable, " : "")
                + options.serving.routers
                + " routers, "
            : "a server over them, ")
        + (options.namespaces ? "in network namespaces" : "behind proxies");
  }

  @Override
  public List<Endpoint> endpoints() {
    return List.copyOf(endpoints);
  }

  /**
   * Why a kind of fault cannot be had here, or nothing.
   *
   * @param replicas how many there are to be
   * @param namespaces whether nodes are to live in network namespaces
   * @param serving what serves clients
   * @throws IllegalArgumentException if there is no such kind
   */
  public static List<String> obstacles(
      String kind, int replicas, boolean namespaces, Serving serving) {
    if (!FAULTS.containsKey(kind)) {
      throw new IllegalArgumentException(
          "there is no fault '" + kind + "': allowed are " + String.join(", ", FAULTS.keySet()));
    }
    List<String> obstacles = new ArrayList<>();
    boolean needsMinority =
        !kind.contains("serve")
            && !kind.startsWith("majority")
            && !kind.equals("all-kill")
            && !ofWorkers(kind);
    if (ofWorkers(kind) && serving.workers < 2) {
      obstacles.add("there are not several workers: use --workers 2 or more");
    }
    if (kind.contains("serve") && serving.workers > 0) {
      obstacles.add("there is no server but workers: use worker-kill and the like");
    }
    if (needsMinority && replicas < 3) {
      obstacles.add("of " + replicas + " replicas none may fail: use --replicas 3 or more");
    }
    switch (kind) {
      case "skew" -> obstacles.addAll(Clocks.obstacles());
      case "disk-full" -> obstacles.addAll(Disks.obstacles());
      case "loss", "worker-loss", "mesh-loss" -> {
        if (!namespaces) {
          obstacles.add(ProxyNetwork.NO_LOSS);
        }
      }
      case "delay", "worker-delay", "mesh-delay" -> {
        if (namespaces && !NamespaceNetwork.hasNetem()) {
          obstacles.add("this kernel has no netem to delay packets: use --network proxy");
        }
      }
      default -> {}
    }
    if (namespaces) {
      obstacles.addAll(NamespaceNetwork.obstaclesAtAll());
    }
    return obstacles;
  }

  /** Whether a fault is of workers or routers. */
  public static boolean ofWorkers(String kind) {
    return kind.startsWith("worker")
        || kind.startsWith("coordinator")
        || kind.startsWith("router")
        || kind.startsWith("mesh");
  }

  private List<String> draw(int count, RandomGenerator random) {
    List<String> shuffled = new ArrayList<>(replicas);
    Collections.shuffle(shuffled, Random.from(random));
    return shuffled.subList(0, count);
  }

  private List<String> others(List<String> some) {
    List<String> others = new ArrayList<>(replicas);
    others.removeAll(some);
    return others;
  }

  @Override
  public Fault fault(String kind, RandomGenerator random) {
    int most = (replicas.size() - 1) / 2;
    List<String> few = draw(most == 0 ? 0 : 1 + random.nextInt(most), random);
    List<String> many = draw(replicas.size() - most + random.nextInt(most + 1), random);
    return switch (kind) {
      case "kill" -> Faults.minor("kill -9 " + few, () -> kill(few), () -> startAll(few));
      case "restart" -> Faults.minor("stop " + few, () -> stop(few), () -> startAll(few));
      case "pause" -> Faults.minor("SIGSTOP " + few, () -> pause(few), () -> resume(few));
      case "halves" -> cut(few + " | " + others(few) + " and serve", few, false, false, random);
      case "isolate" -> cut(few + " apart", few, true, false, random);
      case "one-way" -> cut(few + " one way", few, false, true, random);
      case "bridge" -> bridge(few, random);
      case "flap" -> flap(few);
      case "delay" -> delay(few, 50 + random.nextInt(950));
      case "slow" -> slow(few, (4 + random.nextInt(60)) << 10);
      case "loss" -> loss(few, 5 + random.nextInt(40));
      case "skew" -> skew(few, random);
      case "disk-full" ->
          Faults.minor("fill the disks of " + few, () -> fill(few), () -> free(few));
      case "bit-rot" -> Faults.minor("rot of " + few, () -> rot(few, random), () -> mend(few));
      case "wipe" -> Faults.minor("empty " + few, () -> wipe(few), () -> recover(few));
      case "kill-serve" -> Faults.major("kill -9 serve", child(SERVE)::kill, child(SERVE)::start);
      case "pause-serve" ->
          Faults.major("SIGSTOP serve", child(SERVE)::pauseProcess, child(SERVE)::continueProcess);
      case "majority-kill" ->
          Faults.major("kill -9 " + many, () -> kill(many), () -> startAll(many));
      case "majority-pause" ->
          Faults.major("SIGSTOP " + many, () -> pause(many), () -> resume(many));
      case "majority-cut" ->
          Faults.major(
              "serve and " + others(many) + " | " + many,
              () -> cutOff(many, others(many)),
              network::heal);
      case "worker-kill" -> {
        List<String> some = some(servers, random);
        yield Faults.minor("kill -9 " + some, () -> kill(some), () -> startAll(some));
      }
      case "worker-restart" -> {
        List<String> some = some(servers, random);
        yield Faults.minor("stop " + some, () -> stop(some), () -> startAll(some));
      }
      case "worker-pause" -> {
        List<String> some = some(servers, random);
        yield Faults.minor("SIGSTOP " + some, () -> pause(some), () -> resume(some));
      }
      case "worker-cut" -> {
        List<String> some = some(servers, random);
        yield apart(some, all(replicas, routers), 2);
      }
      case "worker-deaf" -> {
        List<String> some = some(servers, random);
        yield apart(some, routers, 2);
      }
      case "worker-one-way" -> {
        List<String> some = some(servers, random);
        yield apart(some, all(replicas, routers), random.nextInt(2));
      }
      case "worker-loss" -> loss(some(servers, random), 5 + random.nextInt(40));
      case "worker-delay" -> delay(some(servers, random), 20 + random.nextInt(230));
      case "coordinator-kill" -> {
        List<String> one = coordinator(random);
        yield Faults.minor("kill -9 " + one, () -> kill(one), () -> startAll(one));
      }
      case "coordinator-pause" -> {
        List<String> one = coordinator(random);
        yield Faults.minor("SIGSTOP " + one, () -> pause(one), () -> resume(one));
      }
      case "coordinator-cut" -> apart(coordinator(random), all(replicas, routers), 2);
      case "router-kill" -> {
        List<String> one = List.of(routers.get(random.nextInt(routers.size())));
        yield Faults.minor("kill -9 " + one, () -> kill(one), () -> startAll(one));
      }
      case "router-pause" -> {
        List<String> one = List.of(routers.get(random.nextInt(routers.size())));
        yield Faults.minor("SIGSTOP " + one, () -> pause(one), () -> resume(one));
      }
      case "router-cut" -> {
        String one = routers.get(random.nextInt(routers.size()));
        List<String> rest = all(servers, routers);
        rest.remove(one);
        yield apart(List.of(one), rest, 2);
      }
      case "mesh-loss" -> loss(all(all(replicas, servers), routers), 1 + random.nextInt(30));
      case "mesh-delay" -> delay(all(all(replicas, servers), routers), 5 + random.nextInt(95));
      case "all-kill" -> Faults.major("kill -9 everything", this::killAll, this::startEverything);
      default -> throw new IllegalArgumentException("there is no fault '" + kind + "'");
    };
  }

  /** One of them or more, but not all if there are two. */
  private static List<String> some(List<String> nodes, RandomGenerator random) {
    List<String> shuffled = new ArrayList<>(nodes);
    Collections.shuffle(shuffled, Random.from(random));
    return List.copyOf(
        shuffled.subList(0, 1 + (nodes.size() > 2 ? random.nextInt(nodes.size() - 1) : 0)));
  }

  private static List<String> all(List<String> some, List<String> others) {
    List<String> all = new ArrayList<>(some);
    all.addAll(others);
    return all;
  }

  /** The worker that says that it coordinates; any if none does. */
  private List<String> coordinator(RandomGenerator random) {
    String any = servers.get(random.nextInt(servers.size()));
    for (Endpoint endpoint : endpoints) {
      try (RespConnection connection = RespConnection.open(endpoint, 2_000)) {
        String info = connection.call("INFO", "workers").text();
        if (info != null && info.contains("coordinator:yes")) {
          return List.of(endpoint.name());
        }
      } catch (IOException | ServerFaultException e) {
        report.accept(endpoint.name() + " does not say whether it coordinates");
      }
    }
    return List.of(any);
  }

  /**
   * Cuts some off from others.
   *
   * @param direction 0: they are not heard, 1: they do not hear, 2: both
   */
  private Fault apart(List<String> some, List<String> others, int direction) {
    return Faults.minor(
        "cut "
            + some
            + " | "
            + others
            + (direction == 0
                ? ": they are not heard"
                : direction == 1 ? ": they do not hear" : ""),
        () -> {
          for (String one : some) {
            for (String other : others) {
              if (direction != 1) {
                network.cut(one, other);
              }
              if (direction != 0) {
                network.cut(other, one);
              }
            }
          }
        },
        network::heal);
  }

  private void kill(List<String> nodes) throws IOException {
    for (String node : nodes) {
      child(node).kill();
    }
  }

  private void stop(List<String> nodes) throws IOException {
    for (String node : nodes) {
      if (!child(node).stop()) {
        throw new IOException(node + " did not stop when asked to");
      }
    }
  }

  private void startAll(List<String> nodes) throws IOException {
    for (String node : nodes) {
      child(node).begin();
    }
    for (String node : nodes) {
      child(node).awaitReady();
    }
  }

  private void killAll() throws IOException {
    kill(servers);
    kill(routers);
    kill(replicas);
  }

  private void startEverything() throws IOException {
    startAll(replicas);
    startAll(routers);
    startAll(servers);
  }

  private void pause(List<String> nodes) throws IOException {
    for (String node : nodes) {
      child(node).pauseProcess();
    }
  }

  private void resume(List<String> nodes) throws IOException {
    for (String node : nodes) {
      child(node).continueProcess();
    }
  }

  private Fault cut(
      String what, List<String> few, boolean apart, boolean oneWay, RandomGenerator random) {
    boolean deaf = random.nextBoolean();
    List<String> rest = new ArrayList<>(others(few));
    rest.addAll(servers);
    return Faults.minor(
        "cut " + what + (oneWay ? deaf ? ": they do not hear" : ": they are not heard" : ""),
        () -> {
          for (String one : few) {
            for (String other : rest) {
              if (!oneWay || deaf) {
                network.cut(other, one);
              }
              if (!oneWay || !deaf) {
                network.cut(one, other);
              }
            }
            if (apart) {
              for (String other : few) {
                if (!other.equals(one)) {
                  network.cut(one, other);
                }
              }
            }
          }
        },
        network::heal);
  }

  /** Cuts some off from the server and from others. */
  private void cutOff(List<String> some, List<String> others) throws IOException {
    List<String> rest = new ArrayList<>(others);
    rest.addAll(servers);
    for (String one : some) {
      for (String other : rest) {
        network.cut(one, other);
        network.cut(other, one);
      }
    }
  }

  /** The few see the server and one replica only; the others see all but the few. */
  private Fault bridge(List<String> few, RandomGenerator random) {
    List<String> others = new ArrayList<>(others(few));
    String between = others.remove(random.nextInt(others.size()));
    return Faults.minor(
        "cut " + few + " | " + others + " and serve, with " + between + " between",
        () -> cutOff(few, others),
        network::heal);
  }

  private Fault flap(List<String> few) {
    List<String> others = others(few);
    return new FlappingFault(
        "flapping links of " + few, FLAP_MS, () -> cutOff(few, others), network::heal);
  }

  /** Something that is done to what one node sends to another. */
  private interface Harm {

    void doTo(String from, String to) throws IOException;
  }

  private void links(List<String> few, Harm harm) throws IOException {
    List<String> all = new ArrayList<>(replicas);
    all.addAll(servers);
    all.addAll(routers);
    for (String one : few) {
      for (String other : all) {
        // Each pair once, though both are hit.
        boolean done = few.contains(other) && other.compareTo(one) < 0;
        if (!other.equals(one) && !done) {
          harm.doTo(one, other);
          harm.doTo(other, one);
        }
      }
    }
  }

  private Fault delay(List<String> few, int ms) {
    return Faults.minor(
        "delay links of " + few + " by " + ms + " to " + 2 * ms + " ms",
        () -> links(few, (from, to) -> network.delay(from, to, ms, ms)),
        network::heal);
  }

  private Fault slow(List<String> few, int bytesPerSecond) {
    return Faults.minor(
        "limit links of " + few + " to " + (bytesPerSecond >> 10) + " KiB/s",
        () -> links(few, (from, to) -> network.limit(from, to, bytesPerSecond)),
        network::heal);
  }

  private Fault loss(List<String> few, int percent) {
    return Faults.minor(
        "lose " + percent + " % on links of " + few,
        () -> links(few, (from, to) -> network.lose(from, to, percent)),
        network::heal);
  }

  private Fault skew(List<String> few, RandomGenerator random) {
    int seconds = random.nextInt(7200) - 3600;
    String rate = random.nextBoolean() ? "" : random.nextBoolean() ? " x1.5" : " x0.5";
    String time = String.format(Locale.ROOT, "%+d%s", seconds, rate);
    return Faults.minor(
        "clocks of " + few + ": " + time,
        () -> {
          for (String node : few) {
            clocks.set(node, time);
          }
        },
        () -> {
          for (String node : few) {
            clocks.set(node, "+0");
          }
        });
  }

  private void fill(List<String> few) throws IOException {
    for (String node : few) {
      disks.fill(directory(node));
    }
  }

  private void free(List<String> few) throws IOException {
    for (String node : few) {
      disks.free(directory(node));
      if (!child(node).isAlive()) {
        throw new IOException(node + " did not survive a full disk: " + child(node).lastWords());
      }
    }
    awaitWell(few);
  }

  private void rot(List<String> few, RandomGenerator random) throws IOException {
    // An orderly stop writes what is in memory to tables, so that there are some.
    stop(few);
    for (String node : few) {
      report.accept(node + ": " + Disks.flip(data(node), random));
    }
  }

  /** Starts what was damaged; one that refuses to start is emptied, as its operator would. */
  private void mend(List<String> few) throws IOException {
    for (String node : few) {
      try {
        child(node).start();
      } catch (IOException refused) {
        report.accept(node + " does not start on damaged files and is emptied");
        if (child(node).isAlive()) {
          child(node).kill();
        }
        Disks.empty(data(node));
        child(node).start();
      }
    }
    awaitWell(few);
  }

  private void wipe(List<String> few) throws IOException {
    kill(few);
    for (String node : few) {
      Disks.empty(data(node));
    }
  }

  private void recover(List<String> few) throws IOException {
    startAll(few);
    awaitWell(few);
  }

  /** Waits until replicas hold again what the others do: until then they count as failed. */
  private void awaitWell(List<String> few) throws IOException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(CONVERGE_SECONDS);
    Commands.Outcome outcome = status(false);
    while (outcome.exitCode() != 0) {
      if (System.nanoTime() > deadline) {
        throw new IOException(
            few + " did not recover within " + CONVERGE_SECONDS + " s: " + outcome.output());
      }
      outcome = status(false);
    }
  }

  private Commands.Outcome status(boolean json) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                options.launcher.toString(),
                "replicas",
                "status",
                String.join(",", statusList),
                "--settle",
                "5"));
    if (network.leavesLoopback()) {
      command.addAll(
          List.of(
              "--transport",
              "tls",
              "--tls-cert",
              certificate().toString(),
              "--tls-key",
              certificateKey().toString(),
              "--tls-ca",
              certificate().toString()));
    }
    if (json) {
      command.add("--json");
    }
    return Commands.outcome(command, Map.of("CAPSULE_NO_BUILD", "1"));
  }

  @Override
  public List<String> afterwards() throws IOException {
    List<String> problems = new ArrayList<>();
    network.heal();
    List<String> all = new ArrayList<>(replicas);
    all.addAll(servers);
    all.addAll(routers);
    for (String node : all) {
      if (!child(node).isAlive()) {
        problems.add(node + " died: " + child(node).lastWords());
      }
    }
    if (!problems.isEmpty()) {
      return problems;
    }
    converge(problems);
    if (hasWorkers()) {
      agree(problems);
    }
    for (String server : servers) {
      if (!child(server).stop()) {
        problems.add(server + " did not stop when asked to");
      }
    }
    for (String router : routers) {
      if (!child(router).stop()) {
        problems.add(router + " did not stop when asked to");
      }
    }
    if (problems.isEmpty()) {
      converge(problems);
    }
    for (String replica : replicas) {
      if (!child(replica).stop()) {
        problems.add(replica + " did not stop when asked to");
      }
    }
    for (String replica : replicas) {
      Commands.Outcome outcome =
          Commands.outcome(
              List.of(
                  options.launcher.toString(),
                  "verify",
                  data(replica).toString(),
                  "--key",
                  directory(servers.getFirst()).resolve(OWNER_KEY).toString()),
              Map.of("CAPSULE_NO_BUILD", "1"));
      report.accept("verify " + replica + ": " + lastLine(outcome.output()));
      if (outcome.exitCode() != 0) {
        problems.add(
            "verify "
                + replica
                + " ended with "
                + outcome.exitCode()
                + ": "
                + outcome.output().strip());
      }
    }
    return problems;
  }

  /** Has every worker see what all of them have seen. */
  @Override
  public void settle() throws IOException {
    if (!hasWorkers()) {
      return;
    }
    for (Endpoint endpoint : endpoints) {
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(CONVERGE_SECONDS);
      while (true) {
        try (RespConnection connection = RespConnection.open(endpoint, 2 * SYNC_MS)) {
          Reply reply = connection.call("CAPSULE.SYNC", Integer.toString(SYNC_MS));
          if (!(reply instanceof Reply.Fault)) {
            break;
          }
          if (System.nanoTime() > deadline) {
            throw new IOException(endpoint.name() + " has no SYNC: " + reply);
          }
        } catch (IOException e) {
          if (System.nanoTime() > deadline) {
            throw e;
          }
        }
        Child.pause();
      }
    }
  }

  /** Whether all workers have the same: each key, with its value. */
  private void agree(List<String> problems) throws IOException {
    settle();
    Map<String, String> first = null;
    for (Endpoint endpoint : endpoints) {
      Map<String, String> all;
      try (RespConnection connection = RespConnection.open(endpoint, 2 * SYNC_MS)) {
        all = everything(connection);
      } catch (ServerFaultException e) {
        problems.add(endpoint.name() + " cannot be read: " + e.getMessage());
        continue;
      }
      if (first == null) {
        first = all;
        report.accept(endpoint.name() + " has " + all.size() + " keys");
      } else if (!first.equals(all)) {
        Set<Map.Entry<String, String>> apart = new HashSet<>(first.entrySet());
        Set<Map.Entry<String, String>> both = new HashSet<>(all.entrySet());
        both.retainAll(apart);
        apart.addAll(all.entrySet());
        apart.removeAll(both);
        problems.add(
            "workers disagree: "
                + endpoints.getFirst().name()
                + " and "
                + endpoint.name()
                + " differ in "
                + apart.stream().limit(10).toList());
      }
    }
    report.accept(endpoints.size() + " workers were compared");
  }

  private static Map<String, String> everything(RespConnection connection)
      throws IOException, ServerFaultException {
    Map<String, String> all = new TreeMap<>();
    List<Reply> keys = connection.call("KEYS", "*").array();
    for (Reply one : keys == null ? List.<Reply>of() : keys) {
      String key = String.valueOf(one.text());
      String type = String.valueOf(connection.call("TYPE", key).text());
      Reply value =
          switch (type) {
            case "list" -> connection.call("LRANGE", key, "0", "-1");
            case "set" -> connection.call("SMEMBERS", key);
            default -> connection.call("GET", key);
          };
      value.check();
      all.put(key, value.toString());
    }
    return all;
  }

  private static String lastLine(String text) {
    return text.strip().lines().reduce("", (_, line) -> line);
  }

  private void converge(List<String> problems) throws IOException {
    long begin = System.nanoTime();
    long deadline = begin + TimeUnit.SECONDS.toNanos(CONVERGE_SECONDS);
    while (true) {
      Commands.Outcome outcome = status(true);
      if (outcome.exitCode() == 0
          && outcome.output().contains("\"equal\":true")
          && !outcome.output().contains("\"equal\":false")) {
        report.accept(
            "replicas hold the same after "
                + TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin)
                + " ms");
        return;
      }
      if (System.nanoTime() > deadline) {
        problems.add(
            "replicas did not converge within "
                + CONVERGE_SECONDS
                + " s: "
                + status(false).output().strip());
        return;
      }
    }
  }

  @Override
  public void close() throws IOException {
    for (Child child : children.values()) {
      if (child.isAlive()) {
        child.kill();
      }
    }
    network.close();
    disks.close();
  }
}
