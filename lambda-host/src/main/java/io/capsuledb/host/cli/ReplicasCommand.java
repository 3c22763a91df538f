package io.capsuledb.host.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Commands about replicas that run. */
@Command(
    name = "replicas",
    header = "Look at replicas that run, back up what they hold, change which of them hold it.",
    description = {
      "",
      "REPLICAS is HOST:PORT or HOST:PORT=KEY, more of them with commas between, or @FILE with one",
      "on each line. KEY, the public key that a replica prints when it starts, may be left out on",
      "loopback only.",
      ""
    },
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "",
      "Examples:",
      "  capsule replicas status 127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402",
      "  capsule replicas evidence @replicas.txt --out evidence",
      "  capsule replicas backup @replicas.txt /mnt/backup",
      "  capsule replicas add @replicas.txt d.example:7400=02ab… --owner-key owner.key"
    })
final class ReplicasCommand implements Runnable {

  @Spec private CommandSpec spec = CommandSpec.create();

  private ReplicasCommand() {}

  static CommandLine commandLine(CommandContext context) {
    return new CommandLine(new ReplicasCommand())
        .addSubcommand(new ReplicasStatusCommand(context))
        .addSubcommand(new ReplicasEvidenceCommand(context))
        .addSubcommand(new ReplicasBackupCommand(context))
        .addSubcommand(new ReplicasChangeCommand.Add(context))
        .addSubcommand(new ReplicasChangeCommand.Remove(context))
        .addSubcommand(new ReplicasChangeCommand.Replace(context))
        .addSubcommand(new ReplicasChangeCommand.Resume(context));
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "no command was given");
  }
}
