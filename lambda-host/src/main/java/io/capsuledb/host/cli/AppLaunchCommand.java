package io.capsuledb.host.cli;

import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.verdict.Verdict;
import io.capsuledb.host.channel.PeerRules;
import io.capsuledb.host.job.JobFile;
import io.capsuledb.host.job.LaunchClient;
import io.capsuledb.host.launch.LaunchMessage;
import io.capsuledb.host.launch.LaunchMessage.JobReport;
import io.capsuledb.host.launch.ProgramBox;
import io.capsuledb.host.launch.ResultBox;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.node.CapsuleFounding;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Launches a program. */
@Command(
    name = "launch",
    header = "Run a JavaScript program on attested workers and print its results.",
    description = {
      "",
      "Each worker runs the whole program, with share (0, 1, …) and shares (how many) as global",
      "variables, args as an array of texts, and get, put, transaction, … over the capsule that all",
      "share. Give a result with psl_return(value). The leader is attested before it gets a key, and",
      "the program, the results and all data are encrypted on the way. See docs/launch.md.",
      ""
    },
    footer = {
      "",
      "Exit code 0: every share gave a result. 1: one did not.",
      "",
      "Example:",
      "  capsule app launch --cluster capsule-cluster --program count.js --workers 4 --args texts"
    })
final class AppLaunchCommand implements Callable<Integer> {

  private static final int KEY_BYTES = 32;

  @Mixin private AppOptions app = new AppOptions();

  @Option(
      names = "--program",
      required = true,
      paramLabel = "FILE.js",
      description = "JavaScript source, UTF-8.")
  private Path program = Path.of("");

  @Option(
      names = "--workers",
      paramLabel = "N",
      description = "How many shares, 1 to 256; 1 if not given.")
  private int workers = 1;

  @Option(
      names = "--args",
      arity = "1..*",
      paramLabel = "TEXT",
      description = "What the program finds in the array args.")
  private List<String> arguments = new ArrayList<>();

  @Option(
      names = "--cpu-ms",
      paramLabel = "N",
      description = "CPU time of each share, 1 to 600,000; 60,000 if not given.")
  private long cpuMs = 60_000;

  @Option(
      names = "--timeout-s",
      paramLabel = "N",
      description = "How long to wait for the end, in seconds; 600 if not given.")
  private long timeoutSeconds = 600;

  @Option(
      names = "--rotate-first",
      description = "Begin a new key generation for this job, before anybody is given a key.")
  private boolean rotateFirst;

  @Option(names = "--detach", description = "Print the job's id, and do not wait.")
  private boolean detach;

  @Option(names = "--json", description = "One JSON object a share.")
  private boolean json;

  private final CommandContext context;

  AppLaunchCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    EventLog.install(context.streams().err(), EventLog.Detail.ERROR);
    PrintStream err = context.streams().err();
    if (workers < 1 || workers > LaunchMessage.MAX_SHARES) {
      throw new InvalidRequestException(
          "--workers is " + workers + ": allowed are 1 to " + LaunchMessage.MAX_SHARES);
    }
    SystemEntropy entropy = new SystemEntropy();
    long begin = System.nanoTime();
    try (KeyTree owner = app.owner(context, true);
        SecretBytes programKey = random(entropy);
        SecretBytes source = source();
        LaunchClient leader = app.connect(owner)) {
      Verdict verdict = leader.peer();
      err.println(
          "leader "
              + app.leader()
              + " runs "
              + (verdict == null ? "unknown code" : PeerRules.measurement(verdict))
              + (verdict != null && verdict.simulated() ? ", insecure-simulated" : "")
              + "; attested in "
              + since(begin)
              + " ms");
      long opening = System.nanoTime();
      byte[] metadata = app.capsule(owner);
      int generation =
          leader.open(metadata, owner, CapsuleFounding.APPLICATION, app.place(), app.policy());
      if (rotateFirst) {
        generation =
            leader.rotate(
                MetadataCodec.nameOf(metadata), owner, CapsuleFounding.APPLICATION, generation + 1);
        err.println("key generation " + generation + " is in force");
      }
      byte[] id = new byte[LaunchMessage.JOB_BYTES];
      entropy.fill(id);
      Octets job = Octets.own(id);
      Octets sealed = ProgramBox.seal(programKey, job, source);
      KeyPair results = ResultBox.newKey();
      JobFile kept = new JobFile(job, Octets.copyOf(metadata), results.getPrivate());
      kept.write(app.data());
      leader.ask(
          new LaunchMessage.StartJob(
              MetadataCodec.nameOf(metadata),
              job,
              programKey,
              ProgramBox.hash(sealed),
              Octets.own(results.getPublic().getEncoded()),
              workers,
              arguments,
              cpuMs));
      try (LaunchClient scheduler = LaunchClient.scheduler(app.scheduler(), entropy)) {
        scheduler.ask(new LaunchMessage.Submit(job, sealed, workers));
        err.println("job " + job.hex() + " submitted after " + since(opening) + " ms");
        if (detach) {
          context.streams().out().println(job.hex());
          return ExitCodes.OK;
        }
        JobWatch watch = new JobWatch(leader, kept);
        JobReport report = watch.follow(err, TimeUnit.SECONDS.toMillis(timeoutSeconds));
        scheduler.ask(new LaunchMessage.Withdraw(job));
        boolean good = watch.results(report, context.streams().out(), json);
        err.println("done in " + since(begin) + " ms");
        return good ? ExitCodes.OK : ExitCodes.FAILED;
      }
    }
  }

  private static SecretBytes random(SystemEntropy entropy) {
    byte[] key = new byte[KEY_BYTES];
    entropy.fill(key);
    return SecretBytes.own(key);
  }

  private SecretBytes source() {
    try {
      if (Files.size(program) > LaunchMessage.MAX_PROGRAM_BYTES / 2) {
        throw new InvalidRequestException(
            program + " has more than " + LaunchMessage.MAX_PROGRAM_BYTES / 2 + " bytes");
      }
      return SecretBytes.own(Files.readAllBytes(program));
    } catch (IOException e) {
      throw new InvalidRequestException("cannot read " + program + " (" + e + ")", e);
    }
  }

  private static long since(long nanos) {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - nanos);
  }
}
