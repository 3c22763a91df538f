package io.capsuledb.host.cli;

import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.attest.simulated.AgeServer;
import io.capsuledb.host.attest.simulated.SimulatedMachine;
import io.capsuledb.host.log.EventLog;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs the assertion-generating enclave of an insecure-simulated machine. */
@Command(
    name = "age",
    header = "Run the assertion-generating enclave of an insecure-simulated machine.",
    description = {
      "",
      "Where there is no hardware that attests, enclaves are processes that share the secret of a",
      "CPU that is made up, and this process makes their quotes, under certificates of a vendor that",
      "is made up, too. INSECURE: whoever can read DIR forges all of it. Evidence made here is accepted",
      "only by a policy that names DIR/root.pem as insecure-simulated-root. Root and keys are new",
      "with each start.",
      ""
    },
    footer = {"", "Example:", "  capsule age --machine machine"})
final class AgeCommand implements Callable<Integer> {

  @Option(
      names = "--machine",
      required = true,
      paramLabel = "DIR",
      description = "The machine: what its enclaves share. Made if it does not exist.")
  private Path machine = Path.of("");

  @Option(
      names = ParentWatch.FLAG,
      hidden = true,
      description = "Stop when the standard input ends: used where it is started by another one.")
  private boolean untilInputEnds;

  private final CommandContext context;

  AgeCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    EventLog.install(context.streams().err(), EventLog.Detail.INFO);
    ServeCommand.harden();
    SimulatedMachine simulated = new SimulatedMachine(machine);
    // Not in a try: it lives until the process ends, and the hook closes it.
    @SuppressWarnings("resource")
    AgeServer server = AgeServer.start(simulated, new SystemClock(), new SystemEntropy());
    Runtime.getRuntime().addShutdownHook(new Thread(server::close, "capsule-stop"));
    EventLog.info(
        "age.ready",
        "machine",
        simulated.directory(),
        "mode",
        "insecure-simulated",
        "pid",
        ProcessHandle.current().pid());
    context
        .streams()
        .out()
        .println(
            "insecure-simulated assertion-generating enclave is ready; policies name "
                + simulated.directory().resolve(SimulatedMachine.ROOT));
    context.streams().out().flush();
    if (untilInputEnds) {
      ParentWatch.start(context.streams().in());
    }
    ServeCommand.awaitEnd();
    return ExitCodes.OK;
  }
}
