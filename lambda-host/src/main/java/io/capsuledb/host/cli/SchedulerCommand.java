package io.capsuledb.host.cli;

import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.launch.SchedulerServer;
import io.capsuledb.host.log.EventLog;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs a scheduler until it is told to stop. */
@Command(
    name = "scheduler",
    header =
        "Run a scheduler: it offers encrypted programs to idle workers, until SIGTERM or SIGINT.",
    description = {
      "",
      "Nobody trusts it: it sees ciphertext, sizes, and who works when. It keeps nothing on disk.",
      "See docs/launch.md.",
      ""
    },
    footer = {"", "Example:", "  capsule scheduler --listen 127.0.0.1:7601"})
final class SchedulerCommand implements Callable<Integer> {

  @Option(
      names = "--listen",
      paramLabel = "HOST:PORT",
      description = "Address for workers and clients; 127.0.0.1:7601 if not given.")
  private String listen = "127.0.0.1:7601";

  @Option(
      names = ParentWatch.FLAG,
      hidden = true,
      description = "Stop when the standard input ends: used where it is started by another one.")
  private boolean untilInputEnds;

  private final CommandContext context;

  SchedulerCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    EventLog.install(context.streams().err(), EventLog.Detail.INFO);
    ServeCommand.harden();
    HostPort address = HostPort.parse(listen);
    // Not in a try: it lives until the process ends, and the hook closes it.
    @SuppressWarnings("resource")
    SchedulerServer server =
        SchedulerServer.start(address.resolve(), new SystemClock(), new SystemEntropy());
    Runtime.getRuntime().addShutdownHook(new Thread(server::close, "capsule-stop"));
    HostPort listening = new HostPort(address.host(), server.port());
    EventLog.info("scheduler.ready", "listen", listening, "pid", ProcessHandle.current().pid());
    context.streams().out().println("scheduler is ready on " + listening);
    context.streams().out().flush();
    if (untilInputEnds) {
      ParentWatch.start(context.streams().in());
    }
    ServeCommand.awaitEnd();
    return ExitCodes.OK;
  }
}
