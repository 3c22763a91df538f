package io.capsuledb.host.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Procedures: JavaScript that runs next to the data. */
@Command(
    name = "fn",
    header = "Stored procedures: load, call, look at and measure JavaScript next to the data.",
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "",
      "Examples:",
      "  capsule fn load bank.js --replace",
      "  capsule fn call transfer --key alice --key bob 10",
      "  capsule fn run program.js"
    })
final class FnCommand implements Runnable {

  @Spec private CommandSpec spec = CommandSpec.create();

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "load, list, call, logs, bench or run?");
  }
}
