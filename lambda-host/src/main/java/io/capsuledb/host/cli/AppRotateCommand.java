package io.capsuledb.host.cli;

import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.host.job.LaunchClient;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.node.CapsuleFounding;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Rotates the keys of an application. */
@Command(
    name = "rotate",
    header = "Begin the next key generation of the application.",
    description = {
      "",
      "Workers finish the transaction they are in, leave, and go on with new keys when the rotation is",
      "done. What was written before stays readable; nothing more under the old keys counts.",
      "With --every-hours it goes on until it is stopped: the owner's keys are needed each time.",
      ""
    },
    footer = {"", "Example:", "  capsule app rotate --cluster capsule-cluster"})
final class AppRotateCommand implements Callable<Integer> {

  private static final int MAX_HOURS = 24 * 365;

  @Mixin private AppOptions app = new AppOptions();

  @Option(
      names = "--every-hours",
      paramLabel = "N",
      description = "Rotate again every N hours, 1 to 8760; once if not given.")
  private int everyHours;

  private final CommandContext context;

  AppRotateCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() throws InterruptedException {
    EventLog.install(context.streams().err(), EventLog.Detail.ERROR);
    if (everyHours < 0 || everyHours > MAX_HOURS) {
      throw new InvalidRequestException(
          "--every-hours is " + everyHours + ": allowed are 1 to " + MAX_HOURS);
    }
    while (true) {
      try (KeyTree owner = app.owner(context, false)) {
        rotate(owner);
      }
      if (everyHours == 0) {
        return ExitCodes.OK;
      }
      TimeUnit.HOURS.sleep(everyHours);
    }
  }

  private void rotate(KeyTree owner) {
    long begin = System.nanoTime();
    byte[] metadata = app.capsule(owner);
    try (LaunchClient leader = app.connect(owner)) {
      int before =
          leader.open(metadata, owner, CapsuleFounding.APPLICATION, app.place(), app.policy());
      int now =
          leader.rotate(
              MetadataCodec.nameOf(metadata), owner, CapsuleFounding.APPLICATION, before + 1);
      context
          .streams()
          .out()
          .println(
              "key generation "
                  + now
                  + " is in force after "
                  + TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin)
                  + " ms");
      context.streams().out().flush();
    }
  }
}
