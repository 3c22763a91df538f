package io.capsuledb.host.cli;

import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.host.job.JobFile;
import io.capsuledb.host.job.LaunchClient;
import io.capsuledb.host.launch.LaunchMessage;
import io.capsuledb.host.launch.LaunchMessage.JobReport;
import io.capsuledb.host.launch.LaunchMessage.ShareReport;
import io.capsuledb.host.launch.LaunchMessage.ShareState;
import io.capsuledb.host.terminal.JsonLine;
import java.io.PrintStream;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Looks at a job until it is over, and tells. One thread. */
final class JobWatch {

  private static final long LOOK_MS = 200;

  private final LaunchClient leader;
  private final JobFile job;
  private int nextLine;
  private int refusalsTold;
  private String told = "";

  JobWatch(LaunchClient leader, JobFile job) {
    this.leader = leader;
    this.job = job;
  }

  /** How the job is now. */
  JobReport look() {
    LaunchMessage answer = leader.ask(new LaunchMessage.AskJob(job.job(), nextLine));
    if (!(answer instanceof JobReport report)) {
      throw new UnavailableException("the leader answered with something else");
    }
    nextLine = report.nextLine();
    return report;
  }

  /** Waits for the end, telling progress and lines. */
  JobReport follow(PrintStream err, long timeoutMs) {
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMs);
    while (true) {
      JobReport report = look();
      tell(report, err);
      if (isOver(report)) {
        return report;
      }
      if (System.nanoTime() - end >= 0) {
        throw new UnavailableException(
            "the job is not over within "
                + timeoutMs / 1000
                + " s; it goes on: capsule app status "
                + job.job().hex());
      }
      try {
        TimeUnit.MILLISECONDS.sleep(LOOK_MS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new UnavailableException("interrupted", e);
      }
    }
  }

  void tell(JobReport report, PrintStream err) {
    for (LaunchMessage.JobLine line : report.lines()) {
      err.println("share " + line.share() + ": " + line.text());
    }
    List<String> refusals = report.refusals();
    for (int i = Math.min(refusalsTold, refusals.size()); i < refusals.size(); i++) {
      err.println("refused: " + refusals.get(i));
    }
    refusalsTold = refusals.size();
    String now = counts(report);
    if (!now.equals(told)) {
      err.println(now);
      told = now;
    }
  }

  static String counts(JobReport report) {
    Map<ShareState, Integer> counts = new EnumMap<>(ShareState.class);
    report.shares().forEach(share -> counts.merge(share.state(), 1, Integer::sum));
    StringBuilder text = new StringBuilder(report.shares().size() + " shares:");
    counts.forEach(
        (state, count) ->
            text.append(' ')
                .append(count)
                .append(' ')
                .append(state.name().toLowerCase(Locale.ROOT)));
    return text.toString();
  }

  static boolean isOver(JobReport report) {
    return report.shares().stream()
        .noneMatch(
            share -> share.state() == ShareState.WAITING || share.state() == ShareState.RUNNING);
  }

  /** Prints results, one line a share; says whether all are good. */
  boolean results(JobReport report, PrintStream out, boolean json) {
    boolean good = true;
    for (int i = 0; i < report.shares().size(); i++) {
      ShareReport share = report.shares().get(i);
      boolean signed = share.result().sealed().length() > 0;
      String text =
          signed
              ? LaunchClient.result(job.metadata().toArray(), job.job(), i, share, job.resultKey())
              : "";
      good &= share.state() == ShareState.DONE && share.result().good();
      if (json) {
        int number = i;
        JsonLine.print(
            out,
            fields -> {
              fields.writeNumberField("share", number);
              fields.writeStringField("state", share.state().name().toLowerCase(Locale.ROOT));
              fields.writeNumberField("attempts", share.attempts());
              fields.writeStringField("measurement", share.measurement());
              if (signed && share.result().good()) {
                fields.writeFieldName("result");
                fields.writeRawValue(text);
              } else if (signed) {
                fields.writeStringField("error", text);
              }
            });
      } else if (signed && share.result().good()) {
        out.println(text);
      } else {
        out.println(
            "share "
                + i
                + " "
                + share.state().name().toLowerCase(Locale.ROOT)
                + (text.isEmpty() ? "" : ": " + text));
      }
    }
    return good;
  }
}
