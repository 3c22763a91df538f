package io.capsuledb.host.cli;

import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.attest.attester.Attester;
import io.capsuledb.host.channel.EnclaveKeys;
import io.capsuledb.host.channel.LinkServer;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.job.ReplicatedCapsules;
import io.capsuledb.host.launch.LeaderServer;
import io.capsuledb.host.log.EventLog;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Runs a leader until it is told to stop. */
@Command(
    name = "leader",
    header =
        "Run a leader: an enclave that gives keys to attested workers, until SIGTERM or SIGINT.",
    description = {
      "",
      "Clients attest the leader and give it the keys of their applications; it attests workers, and",
      "gives each a share of a job with what that needs. It keeps nothing on disk: if it is lost,",
      "clients open their applications at another one. One leader serves many applications, which",
      "know nothing of each other. See docs/launch.md.",
      ""
    },
    footer = {
      "",
      "Example:",
      "  capsule leader --listen 127.0.0.1:7600 --machine machine --policy policy.toml"
    })
final class LeaderCommand implements Callable<Integer> {

  @Option(
      names = "--listen",
      paramLabel = "HOST:PORT",
      description = "Address for clients and workers; 127.0.0.1:7600 if not given.")
  private String listen = "127.0.0.1:7600";

  @Option(
      names = "--scratch",
      paramLabel = "DIR",
      description =
          "A directory of its own for what replicas hold while a capsule is looked at or rotated,"
              + " ciphertext only, emptied afterwards; a temporary one if not given.")
  private @Nullable Path scratch;

  @Mixin private MemberLinkOptions links = new MemberLinkOptions();

  @Mixin private EnclaveOptions enclave = new EnclaveOptions();

  @Option(
      names = ParentWatch.FLAG,
      hidden = true,
      description = "Stop when the standard input ends: used where it is started by another one.")
  private boolean untilInputEnds;

  private final CommandContext context;

  LeaderCommand(CommandContext context) {
    this.context = context;
  }

  private Path scratch() {
    Path given = scratch;
    if (given != null) {
      return given;
    }
    try {
      return Files.createTempDirectory("capsule-leader");
    } catch (IOException e) {
      throw new StorageException("there is no temporary directory: give --scratch", e);
    }
  }

  @Override
  public Integer call() {
    EventLog.install(context.streams().err(), EventLog.Detail.INFO);
    ServeCommand.harden();
    SystemClock clock = new SystemClock();
    SystemEntropy entropy = new SystemEntropy();
    HostPort address = HostPort.parse(listen);
    Attester attester = enclave.attesters(entropy).get();
    // Not in a try: it lives until the process ends, and the hook closes it.
    @SuppressWarnings("resource")
    LeaderServer server =
        LeaderServer.start(
            address.resolve(),
            new LinkServer.Security(new EnclaveKeys(attester, clock), enclave.rules(clock), true),
            enclave.collateral(),
            new ReplicatedCapsules(scratch(), links.security(), clock, entropy),
            clock,
            entropy);
    Runtime.getRuntime().addShutdownHook(new Thread(server::close, "capsule-stop"));
    HostPort listening = new HostPort(address.host(), server.port());
    EventLog.info(
        "leader.ready",
        "listen",
        listening,
        "mode",
        enclave.mode(),
        "pid",
        ProcessHandle.current().pid());
    context.streams().out().println("leader is ready on " + listening + ", " + enclave.mode());
    context.streams().out().flush();
    if (untilInputEnds) {
      ParentWatch.start(context.streams().in());
    }
    ServeCommand.awaitEnd();
    return ExitCodes.OK;
  }
}
