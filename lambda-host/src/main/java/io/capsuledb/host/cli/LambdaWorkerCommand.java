package io.capsuledb.host.cli;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.enclave.ProcessImage;
import io.capsuledb.host.attest.attester.Attester;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.job.LambdaCoordinator;
import io.capsuledb.host.job.LambdaWorker;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.metrics.MetricsServer;
import io.capsuledb.host.metrics.PrometheusTelemetry;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Runs a worker for launched programs until it is told to stop. */
@Command(
    name = "lambda-worker",
    header = "Run a worker for launched programs: an enclave, until SIGTERM or SIGINT.",
    description = {
      "",
      "It registers with a scheduler, and attests to the leader. Offered a program, it runs a share",
      "of the job with the keys that the leader gives it; then it resets itself: the program begins",
      "anew in the same process, attests anew, and is idle again. It keeps nothing: DIR is emptied,",
      "and holds ciphertext only. See docs/launch.md.",
      ""
    },
    footer = {
      "",
      "Example:",
      "  capsule lambda-worker --scheduler 127.0.0.1:7601 --leader 127.0.0.1:7600 \\",
      "    --machine machine --policy policy.toml --scratch w1"
    })
final class LambdaWorkerCommand implements Callable<Integer> {

  @Option(
      names = "--scheduler",
      paramLabel = "HOST:PORT",
      description = "Where programs are offered; 127.0.0.1:7601 if not given.")
  private String scheduler = "127.0.0.1:7601";

  @Option(
      names = "--leader",
      paramLabel = "HOST:PORT",
      description = "Where keys come from; 127.0.0.1:7600 if not given.")
  private String leader = "127.0.0.1:7600";

  @Option(
      names = "--scratch",
      required = true,
      paramLabel = "DIR",
      description = "A directory of its own, emptied for each share.")
  private Path scratch = Path.of("");

  @Option(
      names = "--lease-ms",
      paramLabel = "N",
      description =
          "Milliseconds after which a silent worker is replaced, the same for all; 2000 if not"
              + " given.")
  private long leaseMs = 2_000;

  @Option(
      names = "--http",
      paramLabel = "HOST:PORT|none",
      description = "Loopback address for /metrics and /healthz, or none; none if not given.")
  private String http = "none";

  @Mixin private MemberLinkOptions links = new MemberLinkOptions();

  @Mixin private EnclaveOptions enclave = new EnclaveOptions();

  @Option(
      names = ParentWatch.FLAG,
      hidden = true,
      description = "Stop when the standard input ends: used where it is started by another one.")
  private boolean untilInputEnds;

  /** In the environment of a worker that reset itself: when it began to, in milliseconds. */
  private static final String RESET_AT = "CAPSULE_RESET_AT_MS";

  private static final Pattern MILLISECONDS = Pattern.compile("[0-9]{1,18}");

  private final CommandContext context;
  private final boolean coordinates;

  /** When this process began to reset itself; null if it did not, or that was told. */
  private @Nullable String resetAt;

  private LambdaWorkerCommand(CommandContext context, boolean coordinates) {
    this.context = context;
    this.coordinates = coordinates;
    String since = context.environment().get(RESET_AT);
    this.resetAt = since != null && MILLISECONDS.matcher(since).matches() ? since : null;
  }

  /** The command of workers. */
  static CommandLine worker(CommandContext context) {
    return new CommandLine(new LambdaWorkerCommand(context, false));
  }

  /** The same, for a process that coordinates the capsules of launched programs. */
  static CommandLine coordinator(CommandContext context) {
    CommandLine line = new CommandLine(new LambdaWorkerCommand(context, true));
    line.getCommandSpec().name("coordinator");
    line.getCommandSpec()
        .usageMessage()
        .header("Run a coordinator for launched programs: an enclave, until SIGTERM or SIGINT.")
        .description(
            "",
            "The leader appoints it for the capsules of its applications: it ends epochs, grants locks,"
                + " and replaces workers that died. If it is gone, a worker takes its place. It keeps"
                + " nothing: DIR is emptied, and holds ciphertext only. See docs/launch.md.",
            "")
        .footer(
            "",
            "Example:",
            "  capsule coordinator --leader 127.0.0.1:7600 --machine machine --policy policy.toml \\",
            "    --scratch c1");
    return line;
  }

  @Override
  public Integer call() throws InterruptedException {
    EventLog.install(context.streams().err(), EventLog.Detail.INFO);
    ServeCommand.harden();
    SystemClock clock = new SystemClock();
    SystemEntropy entropy = new SystemEntropy();
    LambdaWorker.Options options =
        new LambdaWorker.Options(
            HostPort.parse(scheduler), HostPort.parse(leader), scratch, leaseMs, links.security());
    Supplier<Attester> attesters = enclave.attesters(entropy);
    String event = coordinates ? "coordinator.ready" : "lambda.ready";
    LambdaWorker.Identity identity = new LambdaWorker.Identity(attesters, enclave.rules(clock));
    if (untilInputEnds) {
      ParentWatch.start(context.streams().in());
    }
    if (coordinates) {
      // Not in a try: the hook closes it.
      @SuppressWarnings("resource")
      LambdaCoordinator coordinator = new LambdaCoordinator(options, identity, clock, entropy);
      Runtime.getRuntime().addShutdownHook(new Thread(coordinator::close, "capsule-stop"));
      ready(event);
      serve(coordinator::trouble);
      coordinator.run();
    } else {
      @SuppressWarnings("resource")
      LambdaWorker worker = new LambdaWorker(options, identity, clock, entropy);
      Thread stop = new Thread(worker::close, "capsule-stop");
      Runtime.getRuntime().addShutdownHook(stop);
      ready(event);
      serve(worker::trouble);
      if (worker.run(this::idle)) {
        reset(stop);
      }
    }
    return ExitCodes.OK;
  }

  private void idle() {
    EventLog.info("lambda.idle", "leader", leader);
    String since = resetAt;
    resetAt = null;
    if (since != null) {
      long ms = System.currentTimeMillis() - Long.parseLong(since);
      EventLog.info("lambda.reset", "ms", ms);
    }
  }

  /** Begins anew, without anything of this life; or ends, which leaves nothing either. */
  private static void reset(Thread stop) {
    try {
      Runtime.getRuntime().removeShutdownHook(stop);
    } catch (IllegalStateException _) {
      // It is being stopped, and ends now.
      return;
    }
    EventLog.info("lambda.resets");
    String failure =
        ProcessImage.replace(Map.of(RESET_AT, Long.toString(System.currentTimeMillis())));
    throw new UnavailableException("RESET is not possible, so this process ends: " + failure);
  }

  private void serve(Supplier<@Nullable CapsuleException> trouble) {
    if (!http.equals("none")) {
      // It lives until the process ends.
      @SuppressWarnings("resource")
      MetricsServer started =
          MetricsServer.start(
              HostPort.parse(http).resolve(), new PrometheusTelemetry()::text, trouble);
      EventLog.info("http.ready", "listen", started.address());
    }
  }

  private void ready(String event) {
    EventLog.info(
        event, "mode", enclave.mode(), "pid", ProcessHandle.current().pid(), "leader", leader);
    context
        .streams()
        .out()
        .println((coordinates ? "coordinator" : "worker") + " is ready, " + enclave.mode());
    context.streams().out().flush();
  }
}
