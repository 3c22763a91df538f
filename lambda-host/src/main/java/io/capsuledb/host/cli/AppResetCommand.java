package io.capsuledb.host.cli;

import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.host.job.LaunchClient;
import io.capsuledb.host.launch.LaunchMessage;
import io.capsuledb.host.log.EventLog;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Has a leader forget an application. */
@Command(
    name = "reset",
    header = "Have every worker of the application reset itself, and the leader forget its keys.",
    description = {
      "",
      "Workers clear keys, memory and heap, and attest again before they are given anything. The data",
      "stay where they are; launching opens the application again.",
      ""
    },
    footer = {"", "Example:", "  capsule app reset --cluster capsule-cluster"})
final class AppResetCommand implements Callable<Integer> {

  @Mixin private AppOptions app = new AppOptions();

  private final CommandContext context;

  AppResetCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    EventLog.install(context.streams().err(), EventLog.Detail.ERROR);
    try (KeyTree owner = app.owner(context, false);
        LaunchClient leader = app.connect(owner)) {
      byte[] metadata = app.capsule(owner);
      leader.ask(new LaunchMessage.ResetApplication(MetadataCodec.nameOf(metadata)));
      context.streams().out().println("reset");
    }
    return ExitCodes.OK;
  }
}
