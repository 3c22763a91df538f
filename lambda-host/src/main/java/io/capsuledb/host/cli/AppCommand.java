package io.capsuledb.host.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Launches programs on attested workers. */
@Command(
    name = "app",
    header = "Launch a program on attested workers; look at it, stop it.",
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "",
      "Examples:",
      "  capsule cluster --enclaves 4",
      "  capsule app launch --cluster capsule-cluster --program count.js --workers 4",
      "  capsule app status --cluster capsule-cluster JOB",
      "",
      "See docs/launch.md."
    })
final class AppCommand implements Runnable {

  @Spec private CommandSpec spec = CommandSpec.create();

  private AppCommand() {}

  static CommandLine commandLine(CommandContext context) {
    return new CommandLine(new AppCommand())
        .addSubcommand(new AppLaunchCommand(context))
        .addSubcommand(AppJobCommand.status(context))
        .addSubcommand(AppJobCommand.logs(context))
        .addSubcommand(AppJobCommand.result(context))
        .addSubcommand(AppJobCommand.stop(context))
        .addSubcommand(new AppRotateCommand(context))
        .addSubcommand(new AppResetCommand(context));
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "say what to do");
  }
}
