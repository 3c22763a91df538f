package io.capsuledb.host.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Proofs of what a key holds: fetches and checks them. */
@Command(
    name = "proof",
    header = "Prove what a key holds, to whoever has the owner's public key.",
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "",
      "Examples:",
      "  capsule proof get greeting --out greeting.proof",
      "  capsule proof check greeting.proof --owner 02ab… --key greeting"
    })
final class ProofCommand implements Runnable {

  @Spec private CommandSpec spec = CommandSpec.create();

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "get or check?");
  }
}
