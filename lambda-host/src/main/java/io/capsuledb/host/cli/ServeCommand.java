package io.capsuledb.host.cli;

import io.capsuledb.enclave.ProcessHardening;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeOptionsFile;
import io.capsuledb.host.config.ServeSetting;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.node.LocalOutside;
import io.capsuledb.host.node.Node;
import io.capsuledb.host.process.EnclaveHost;
import io.capsuledb.host.process.LocalWorkers;
import io.capsuledb.host.terminal.Passphrase;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Runs a server until it is told to stop. */
@Command(
    name = "serve",
    header = "Run a server for Redis clients, until SIGTERM, SIGINT or the command SHUTDOWN.",
    description = {
      "",
      "Every write is encrypted, hash-linked, signed and on stable storage before it is answered.",
      "In a new directory an owner key is made. It is protected by the passphrase from",
      "--passphrase-file or the environment variable CAPSULE_PASSPHRASE; without one the server",
      "runs in development mode, with a key that anybody can read, and says so at each start.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule serve",
      "  capsule serve --data /var/lib/capsule --passphrase-file /etc/capsule/passphrase",
      "  capsule serve --listen 0.0.0.0:6380 --tls-cert cert.pem --tls-key key.pem --users users.toml",
      "  capsule serve --workers 4 --replicas @replicas.txt",
      "  capsule serve --config capsule.toml",
      "",
      "In the file every option stands by its name, without dashes before it:",
      "  data = \"/var/lib/capsule\"",
      "  cache-mb = 2048",
      "  history-minutes = 1440",
      "Options on the command line come before those in the file. Paths in it are relative to it.",
      "",
      "The environment variable CAPSULE_JAVA_OPTS adds flags for the JVM, such as -Xmx4g."
    })
final class ServeCommand implements Callable<Integer> {

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "TOML file with any of the other options.")
  private @Nullable Path config;

  @Option(
      names = "--workers",
      paramLabel = "N",
      description =
          "Several servers on the same data, 2 to 64, each a 'capsule worker' of its own, with a"
              + " router between them; needs replicas. They listen at the ports from listen on.")
  private int workers = 1;

  @Option(
      names = ParentWatch.FLAG,
      hidden = true,
      description = "Stop when the standard input ends: used by 'capsule cluster'.")
  private boolean untilInputEnds;

  @Option(
      names = EnclaveHost.RINGS_FLAG,
      hidden = true,
      description = "Be the trusted process of a pair: used by 'capsule serve --enclave process'.")
  private @Nullable String rings;

  @Spec private CommandSpec spec = CommandSpec.create();

  private final CommandContext context;

  private ServeCommand(CommandContext context) {
    this.context = context;
  }

  /** The command, with an option for each setting there is. */
  static CommandLine commandLine(CommandContext context) {
    return SettingFlags.addTo(
        new CommandLine(new ServeCommand(context)), List.of(ServeSetting.values()));
  }

  /** Keys are about to be in this process's memory: keep the rest of the machine out of it. */
  static Map<String, String> harden() {
    return report(ProcessHardening.apply());
  }

  static Map<String, String> report(List<ProcessHardening.Measure> measures) {
    Map<String, String> report = new LinkedHashMap<>();
    for (ProcessHardening.Measure measure : measures) {
      String failure = measure.failure();
      if (failure != null) {
        EventLog.warn("process.not_hardened", "measure", measure.name(), "reason", failure);
      }
      report.put(
          "enclave_" + measure.name().replace('-', '_'),
          failure == null ? "on" : "off: " + failure);
    }
    return report;
  }

  @Override
  public Integer call() {
    ServeOptions options = options();
    EventLog.install(context.streams().err(), options.logLevel());
    String pair = rings;
    if (pair != null) {
      ProcessPair.trusted(
          options, pair, context.streams().in(), isProtected -> passphrase(options, isProtected));
      awaitEnd();
      return ExitCodes.OK;
    }
    if (workers != 1) {
      return serveByWorkers(options);
    }
    if (options.enclave()) {
      return ProcessPair.host(options, originalArguments(spec), this::announce, this::watchParent);
    }
    LocalOutside outside = new LocalOutside(options);
    outside.hardened(harden());
    // Not in a try: it lives until the process ends, and the hook closes it.
    @SuppressWarnings("resource")
    Node node =
        Node.start(
            options,
            outside,
            outside,
            isProtected -> passphrase(options, isProtected),
            VersionCommand.version(),
            () -> System.exit(ExitCodes.OK));
    Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(node), "capsule-stop"));
    announce(node.address(), node.httpAddress());
    watchParent();
    awaitEnd();
    return ExitCodes.OK;
  }

  private void watchParent() {
    if (untilInputEnds) {
      ParentWatch.start(context.streams().in());
    }
  }

  /** What the user typed, for the other process of a pair to be given the same. */
  static List<String> originalArguments(CommandSpec spec) {
    return spec.root().commandLine().getParseResult().originalArgs().stream()
        .filter(word -> !word.equals(ParentWatch.FLAG))
        .toList();
  }

  /** Looks after workers, which are processes of their own. */
  private Integer serveByWorkers(ServeOptions options) {
    LocalWorkers.Options local =
        new LocalWorkers.Options(
            options.data(),
            workers,
            options.listen(),
            options.http().orElse(null),
            options.join(),
            workerArguments());
    // Not in a try: it lives until the process ends, and the hook closes it.
    @SuppressWarnings("resource")
    LocalWorkers running =
        LocalWorkers.start(local, line -> EventLog.info("workers", "report", line));
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  EventLog.info("node.stopping");
                  running.close();
                  EventLog.info("node.stopped");
                  Runtime.getRuntime().halt(ExitCodes.OK);
                },
                "capsule-stop"));
    PrintStream out = context.streams().out();
    out.println(
        "capsule is ready for Redis clients on "
            + String.join(", ", running.addresses().stream().map(Object::toString).toList()));
    out.flush();
    EventLog.info("node.ready", "listen", running.addresses().getFirst(), "workers", workers);
    watchParent();
    running.awaitEnd();
    return ExitCodes.FAILED;
  }

  /** What was given to this command and is for each worker. */
  private List<String> workerArguments() {
    List<String> arguments = new ArrayList<>();
    Path file = config;
    if (file != null) {
      arguments.addAll(List.of("--config", file.toString()));
    }
    for (ServeSetting setting : ServeSetting.values()) {
      switch (setting) {
        case DATA, LISTEN, HTTP, JOIN, ROUTER -> {}
        default ->
            SettingFlags.apply(
                spec, setting, value -> arguments.addAll(List.of("--" + setting.key(), value)));
      }
    }
    return arguments;
  }

  private ServeOptions options() {
    ServeOptions.Builder builder = ServeOptions.builder().shared(workers != 1);
    Path file = config;
    if (file != null) {
      ServeOptionsFile.apply(file, builder);
    }
    for (ServeSetting setting : ServeSetting.values()) {
      SettingFlags.apply(spec, setting, value -> builder.set(setting, value, Path.of("")));
    }
    return builder.build();
  }

  private char @Nullable [] passphrase(ServeOptions options, boolean isProtected) {
    String file = options.passphraseFile().map(Path::toString).orElse(null);
    return isProtected
        ? Passphrase.givenOrAsked(
            file, context.streams().in(), context.environment(), options.data() + "/owner.key")
        : Passphrase.given(file, context.streams().in(), context.environment());
  }

  private void announce(InetSocketAddress address, @Nullable InetSocketAddress http) {
    PrintStream out = context.streams().out();
    out.println(
        "capsule is ready for Redis clients on "
            + text(address)
            + (http == null ? "" : ", metrics on http://" + text(http) + "/metrics"));
    out.flush();
  }

  static String text(InetSocketAddress address) {
    String host = address.getAddress().getHostAddress();
    return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + address.getPort();
  }

  /**
   * Stops in order, then ends the process with 0: to be told to stop is no failure, though the JVM
   * would report the signal as one.
   */
  static void stop(Node node) {
    EventLog.info("node.stopping");
    node.close();
    EventLog.info("node.stopped");
    Runtime.getRuntime().halt(ExitCodes.OK);
  }

  static void awaitEnd() {
    try {
      new CountDownLatch(1).await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
