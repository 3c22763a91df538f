package io.capsuledb.host.cli;

import io.capsuledb.host.config.RouterProcessOptions;
import io.capsuledb.host.config.RouterSetting;
import io.capsuledb.host.config.ServeOptionsFile;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.node.RouterNode;
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

/** Runs a router of the multicast tree until it is told to stop. */
@Command(
    name = "router",
    header = "Run a router: a process that passes workers' frames on, until SIGTERM or SIGINT.",
    description = {
      "",
      "Workers that share a capsule tell each other what they wrote through routers, which cannot",
      "read or alter it. Routers are a tree: each passes every frame on to all below it and to the",
      "one above. When a router is gone, those below it look for another one by themselves, and",
      "what got lost meanwhile is fetched from replicas. A router keeps nothing on disk.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule router --listen 127.0.0.1:7500",
      "  capsule router --listen 127.0.0.1:7501 --parent 127.0.0.1:7500 --http 127.0.0.1:0",
      "  capsule router --listen 0.0.0.0:7500 --transport tls --tls-cert cert.pem \\",
      "    --tls-key key.pem --tls-ca ca.pem --parent a.example:7500,b.example:7500",
      "  capsule router --config router.toml",
      "",
      "In the file every option stands by its name, without dashes before it:",
      "  listen = \"127.0.0.1:7501\"",
      "  parent = [\"127.0.0.1:7500\"]",
      "Options on the command line come before those in the file. Paths in it are relative to it."
    })
final class RouterCommand implements Callable<Integer> {

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "TOML file with any of the other options.")
  private @Nullable Path config;

  @Option(
      names = ParentWatch.FLAG,
      hidden = true,
      description = "Stop when the standard input ends: used where it is started by another one.")
  private boolean untilInputEnds;

  @Spec private CommandSpec spec = CommandSpec.create();

  private final CommandContext context;

  private RouterCommand(CommandContext context) {
    this.context = context;
  }

  /** The command, with an option for each setting there is. */
  static CommandLine commandLine(CommandContext context) {
    return SettingFlags.addTo(
        new CommandLine(new RouterCommand(context)), List.of(RouterSetting.values()));
  }

  @Override
  public Integer call() {
    RouterProcessOptions options = options();
    EventLog.install(context.streams().err(), options.logLevel());
    ServeCommand.harden();
    // Not in a try: it lives until the process ends, and the hook closes it.
    @SuppressWarnings("resource")
    RouterNode node =
        RouterNode.start(
            options, isProtected -> passphrase(options, isProtected), VersionCommand.version());
    Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(node), "capsule-stop"));
    announce(node);
    if (untilInputEnds) {
      ParentWatch.start(context.streams().in());
    }
    ServeCommand.awaitEnd();
    return ExitCodes.OK;
  }

  private RouterProcessOptions options() {
    RouterProcessOptions.Builder builder = RouterProcessOptions.builder();
    Path file = config;
    if (file != null) {
      ServeOptionsFile.apply(file, builder);
    }
    for (RouterSetting setting : RouterSetting.values()) {
      SettingFlags.apply(spec, setting, value -> builder.set(setting, value, Path.of("")));
    }
    return builder.build();
  }

  private char @Nullable [] passphrase(RouterProcessOptions options, boolean isProtected) {
    String file = options.passphraseFile().map(Path::toString).orElse(null);
    return isProtected
        ? Passphrase.givenOrAsked(
            file,
            context.streams().in(),
            context.environment(),
            options.key().map(Path::toString).orElse("the key"))
        : Passphrase.given(file, context.streams().in(), context.environment());
  }

  private void announce(RouterNode node) {
    PrintStream out = context.streams().out();
    InetSocketAddress http = node.httpAddress();
    out.println(
        "router is ready on "
            + node.address()
            + "="
            + node.key()
            + (http == null ? "" : ", metrics on http://" + ServeCommand.text(http) + "/metrics"));
    out.flush();
  }

  /** As for a server: to be told to stop is no failure. */
  private static void stop(RouterNode node) {
    EventLog.info("router.stopping");
    node.close();
    EventLog.info("router.stopped");
    Runtime.getRuntime().halt(ExitCodes.OK);
  }
}
