package io.capsuledb.host.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Procedures: JavaScript that runs next to the data. */
@Command(
    name = "fn",
    header = "Run JavaScript in the sandbox that procedures run in.",
    synopsisSubcommandLabel = "COMMAND",
    footer = {"", "Examples:", "  capsule fn run program.js"})
final class FnCommand implements Runnable {

  @Spec private CommandSpec spec = CommandSpec.create();

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "run?");
  }
}
