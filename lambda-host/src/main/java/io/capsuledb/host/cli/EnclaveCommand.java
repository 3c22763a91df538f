package io.capsuledb.host.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What is about the process that has the keys. */
@Command(
    name = "enclave",
    header = "The process that has the keys: look at how it is protected.",
    synopsisSubcommandLabel = "COMMAND",
    footer = {"", "Examples:", "  capsule enclave status"})
final class EnclaveCommand implements Runnable {

  @Spec private CommandSpec spec = CommandSpec.create();

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "status?");
  }
}
