package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.process.LocalCluster;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs replicas and a server on this machine until it is told to stop. */
@Command(
    name = "cluster",
    header = "Run replicas and a server over them on this machine, until SIGTERM or SIGINT.",
    description = {
      "",
      "Each is a process of its own, and all end with this one. What each prints is in DIR/log. A",
      "process that ends is reported and not started again: kill one to see that nothing is lost.",
      "All on one machine protects against the loss of a process or a directory, not of the machine:",
      "for that, run 'capsule replica' on several.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule cluster",
      "  capsule cluster --replicas 5 --data /srv/capsule --passphrase-file passphrase",
      "  capsule cluster --no-serve --port 7500",
      "  capsule cluster --enclaves 4"
    })
final class ClusterCommand implements Callable<Integer> {

  @Option(
      names = "--replicas",
      paramLabel = "N",
      description =
          "How many, 1 to 7; as many as DIR has if not given, or 3. Fixed for a DIR, but for"
              + " 'capsule replicas add'.")
  private int replicas;

  @Option(
      names = "--data",
      paramLabel = "DIR",
      description = "Directory of everything; capsule-cluster if not given.")
  private Path data = Path.of("capsule-cluster");

  @Option(
      names = "--port",
      paramLabel = "PORT",
      description =
          "Loopback port of the first replica, the others follow; 7400 if not given, 0 for any free"
              + " ones.")
  private int port = 7400;

  @Option(names = "--no-serve", description = "Start the replicas only.")
  private boolean noServe;

  @Option(
      names = "--enclaves",
      paramLabel = "N",
      description =
          "Workers for 'capsule app launch' in place of a server: N insecure-simulated enclaves, 1 to"
              + " 64, with leader, scheduler, coordinator, router and the simulated machine.")
  private int enclaves;

  @Option(
      names = "--listen",
      paramLabel = "HOST:PORT",
      description = "Address for Redis clients; as for 'capsule serve'.")
  private @Nullable String listen;

  @Option(
      names = "--http",
      paramLabel = "HOST:PORT|none",
      description = "Address of the server's metrics; as for 'capsule serve'.")
  private @Nullable String http;

  @Option(
      names = "--quorum",
      paramLabel = "N",
      description = "As for 'capsule serve', in a new DIR; a majority if not given.")
  private @Nullable String quorum;

  @Option(
      names = "--passphrase-file",
      paramLabel = "FILE",
      description = "File whose first line protects the owner's key; as for 'capsule serve'.")
  private @Nullable Path passphraseFile;

  @Option(
      names = "--serve-config",
      paramLabel = "FILE",
      description = "TOML file with more options of 'capsule serve'.")
  private @Nullable Path serveConfig;

  private final AtomicBoolean stopping = new AtomicBoolean();
  private final CommandContext context;

  ClusterCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    if (noServe && serveConfig != null) {
      throw new InvalidRequestException("--serve-config is given and --no-serve, too");
    }
    LocalCluster.Options options =
        new LocalCluster.Options(
            data, replicas, port, noServe || enclaves > 0 ? null : serveArguments(), enclaves);
    // Not in a try: it lives until the process ends, and the hook closes it.
    @SuppressWarnings("resource")
    LocalCluster cluster = LocalCluster.start(options, this::say);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(cluster), "capsule-stop"));
    announce(cluster);
    cluster.awaitEnd();
    if (stopping.get()) {
      // The hook is at work, and ends the process.
      ServeCommand.awaitEnd();
    }
    say("no process is left");
    return ExitCodes.FAILED;
  }

  private List<String> serveArguments() {
    List<String> arguments = new ArrayList<>();
    add(arguments, "--config", serveConfig);
    add(arguments, "--listen", listen);
    add(arguments, "--http", http);
    add(arguments, "--quorum", quorum);
    add(arguments, "--passphrase-file", passphraseFile);
    return arguments;
  }

  private static void add(List<String> arguments, String flag, @Nullable Object value) {
    if (value != null) {
      arguments.add(flag);
      arguments.add(value.toString());
    }
  }

  private void say(String text) {
    context.streams().err().println("cluster: " + text);
  }

  private void announce(LocalCluster cluster) {
    PrintStream out = context.streams().out();
    HostPort address = cluster.listen();
    if (address != null) {
      out.println("capsule is ready for Redis clients on " + address);
      out.println("  redis-cli -h " + address.host() + " -p " + address.port());
    }
    out.println("  capsule replicas status @" + data.resolve("replicas.txt"));
    if (enclaves > 0) {
      out.println("  capsule app launch --cluster " + data + " --program FILE.js --workers 4");
      out.println("The enclaves are insecure-simulated.");
    }
    out.println("Ctrl-C stops everything.");
    out.flush();
  }

  private void stop(LocalCluster cluster) {
    stopping.set(true);
    say("stopping");
    cluster.close();
    say("stopped");
    Runtime.getRuntime().halt(ExitCodes.OK);
  }
}
