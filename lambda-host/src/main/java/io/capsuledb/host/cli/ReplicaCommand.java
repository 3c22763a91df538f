package io.capsuledb.host.cli;

import io.capsuledb.host.config.ReplicaProcessOptions;
import io.capsuledb.host.config.ReplicaSetting;
import io.capsuledb.host.config.ServeOptionsFile;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.node.ReplicaNode;
import io.capsuledb.host.terminal.Passphrase;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Runs a replica until it is told to stop. */
@Command(
    name = "replica",
    header = "Run a replica: a process that holds records it cannot read, until SIGTERM or SIGINT.",
    description = {
      "",
      "A replica verifies every record before it stores it, syncs it, and signs for what it holds;",
      "it serves any number of capsules. It repairs itself from the other replicas: what it",
      "missed, what its disk damaged, or all of it if the directory was lost. Give it a key file",
      "outside the directory to survive that. A key is made on the first start; it is protected by",
      "the passphrase from --passphrase-file or the environment variable CAPSULE_PASSPHRASE.",
      "",
      "While the disk is full or fails, records are refused and reads are answered; it goes on by",
      "itself when there is space again. /healthz says 503 and why meanwhile.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule replica --data /var/lib/capsule-replica --peers 127.0.0.1:7401,127.0.0.1:7402",
      "  capsule replica --listen 0.0.0.0:7400 --transport tls --tls-cert cert.pem \\",
      "    --tls-key key.pem --tls-ca ca.pem --owner 02ab… --peers b:7400=03cd…,c:7400=02ef…",
      "  capsule replica --config replica.toml",
      "",
      "In the file every option stands by its name, without dashes before it:",
      "  data = \"/var/lib/capsule-replica\"",
      "  peers = [\"b.example:7400=03cd…\", \"c.example:7400=02ef…\"]",
      "  min-free-mb = 1024",
      "Options on the command line come before those in the file. Paths in it are relative to it."
    })
final class ReplicaCommand implements Callable<Integer> {

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "TOML file with any of the other options.")
  private @Nullable Path config;

  @Option(
      names = ParentWatch.FLAG,
      hidden = true,
      description = "Stop when the standard input ends: used by 'capsule cluster'.")
  private boolean untilInputEnds;

  @Spec private CommandSpec spec = CommandSpec.create();

  private final CommandContext context;

  private ReplicaCommand(CommandContext context) {
    this.context = context;
  }

  /** The command, with an option for each setting there is. */
  static CommandLine commandLine(CommandContext context) {
    return SettingFlags.addTo(
        new CommandLine(new ReplicaCommand(context)), List.of(ReplicaSetting.values()));
  }

  @Override
  public Integer call() {
    ReplicaProcessOptions options = options();
    EventLog.install(context.streams().err(), options.logLevel());
    ServeCommand.harden();
    // Not in a try: it lives until the process ends, and the hook closes it.
    @SuppressWarnings("resource")
    ReplicaNode node =
        ReplicaNode.start(
            options, isProtected -> passphrase(options, isProtected), VersionCommand.version());
    Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(node), "capsule-stop"));
    announce(node);
    if (untilInputEnds) {
      ParentWatch.start(context.streams().in());
    }
    ServeCommand.awaitEnd();
    return ExitCodes.OK;
  }

  private ReplicaProcessOptions options() {
    ReplicaProcessOptions.Builder builder = ReplicaProcessOptions.builder();
    Path file = config;
    if (file != null) {
      ServeOptionsFile.apply(file, builder);
    }
    for (ReplicaSetting setting : ReplicaSetting.values()) {
      SettingFlags.apply(spec, setting, value -> builder.set(setting, value, Path.of("")));
    }
    return builder.build();
  }

  private char @Nullable [] passphrase(ReplicaProcessOptions options, boolean isProtected) {
    String file = options.passphraseFile().map(Path::toString).orElse(null);
    return isProtected
        ? Passphrase.givenOrAsked(
            file, context.streams().in(), context.environment(), options.key().toString())
        : Passphrase.given(file, context.streams().in(), context.environment());
  }

  private void announce(ReplicaNode node) {
    PrintStream out = context.streams().out();
    InetSocketAddress http = node.httpAddress();
    out.println(
        "replica is ready on "
            + node.address()
            + "="
            + node.key()
            + (http == null ? "" : ", metrics on http://" + ServeCommand.text(http) + "/metrics"));
    out.flush();
  }

  /** As for a server: to be told to stop is no failure. */
  private static void stop(ReplicaNode node) {
    EventLog.info("replica.stopping");
    node.close();
    EventLog.info("replica.stopped");
    Runtime.getRuntime().halt(ExitCodes.OK);
  }
}
