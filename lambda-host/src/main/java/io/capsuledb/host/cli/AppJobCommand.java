package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.job.JobFile;
import io.capsuledb.host.job.LaunchClient;
import io.capsuledb.host.launch.LaunchMessage;
import io.capsuledb.host.launch.LaunchMessage.JobReport;
import io.capsuledb.host.launch.LaunchMessage.ShareReport;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.terminal.JsonLine;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Looks at, or stops, a job that was launched. */
@Command
final class AppJobCommand implements Callable<Integer> {

  private enum What {
    STATUS("Show how a job is."),
    LOGS("Print the lines that a job's program printed."),
    RESULT("Wait for a job's end and print its results."),
    STOP("Stop a job: its workers reset themselves.");

    private final String header;

    What(String header) {
      this.header = header;
    }
  }

  @Mixin private AppOptions app = new AppOptions();

  @Parameters(
      arity = "0..1",
      paramLabel = "JOB",
      description = "The id that 'app launch' printed; the only one below --data if not given.")
  private String id = "";

  @Option(
      names = "--timeout-s",
      paramLabel = "N",
      description = "How long 'result' waits for the end, in seconds; 600 if not given.")
  private long timeoutSeconds = 600;

  @Option(names = "--json", description = "JSON, one object a line.")
  private boolean json;

  private final CommandContext context;
  private final What what;

  private AppJobCommand(CommandContext context, What what) {
    this.context = context;
    this.what = what;
  }

  private static CommandLine of(CommandContext context, What what) {
    CommandLine line = new CommandLine(new AppJobCommand(context, what));
    String verb = what.name().toLowerCase(Locale.ROOT);
    line.getCommandSpec().name(verb);
    line.getCommandSpec()
        .usageMessage()
        .header(what.header)
        .footer("", "Example:", "  capsule app " + verb + " --cluster capsule-cluster JOB");
    return line;
  }

  static CommandLine status(CommandContext context) {
    return of(context, What.STATUS);
  }

  static CommandLine logs(CommandContext context) {
    return of(context, What.LOGS);
  }

  static CommandLine result(CommandContext context) {
    return of(context, What.RESULT);
  }

  static CommandLine stop(CommandContext context) {
    return of(context, What.STOP);
  }

  @Override
  public Integer call() {
    EventLog.install(context.streams().err(), EventLog.Detail.ERROR);
    JobFile job = JobFile.read(app.data(), jobId());
    PrintStream out = context.streams().out();
    try (KeyTree owner = app.owner(context, false);
        LaunchClient leader = app.connect(owner)) {
      JobWatch watch = new JobWatch(leader, job);
      switch (what) {
        case STATUS -> status(watch.look(), out);
        case LOGS -> watch.look().lines().forEach(line -> line(line, out));
        case RESULT -> {
          JobReport report =
              watch.follow(context.streams().err(), TimeUnit.SECONDS.toMillis(timeoutSeconds));
          return watch.results(report, out, json) ? ExitCodes.OK : ExitCodes.FAILED;
        }
        case STOP -> {
          leader.ask(new LaunchMessage.StopJob(job.job()));
          try (LaunchClient scheduler =
              LaunchClient.scheduler(app.scheduler(), new SystemEntropy())) {
            scheduler.ask(new LaunchMessage.Withdraw(job.job()));
          }
          out.println("stopped");
        }
      }
    }
    return ExitCodes.OK;
  }

  private String jobId() {
    if (!id.isEmpty()) {
      return id;
    }
    List<String> jobs = JobFile.list(app.data());
    if (jobs.size() != 1) {
      throw new InvalidRequestException(
          "there are " + jobs.size() + " jobs below " + app.data() + ": say which");
    }
    return jobs.getFirst();
  }

  private void line(LaunchMessage.JobLine line, PrintStream out) {
    if (json) {
      JsonLine.print(
          out,
          fields -> {
            fields.writeNumberField("share", line.share());
            fields.writeStringField("line", line.text());
          });
    } else {
      out.println("share " + line.share() + ": " + line.text());
    }
  }

  private void status(JobReport report, PrintStream out) {
    if (!json) {
      out.println(JobWatch.counts(report));
    }
    for (int i = 0; i < report.shares().size(); i++) {
      ShareReport share = report.shares().get(i);
      String state = share.state().name().toLowerCase(Locale.ROOT);
      int number = i;
      if (json) {
        JsonLine.print(
            out,
            fields -> {
              fields.writeNumberField("share", number);
              fields.writeStringField("state", state);
              fields.writeNumberField("attempts", share.attempts());
              fields.writeStringField("measurement", share.measurement());
            });
      } else {
        out.println(
            "  share "
                + i
                + ": "
                + state
                + (share.attempts() > 0
                    ? ", attempt " + share.attempts() + ", on " + share.measurement()
                    : ""));
      }
    }
    report.refusals().forEach(refusal -> out.println("  refused: " + refusal));
  }
}
