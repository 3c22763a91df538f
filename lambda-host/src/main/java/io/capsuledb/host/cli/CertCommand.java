package io.capsuledb.host.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Certificates that a record is durable. */
@Command(
    name = "cert",
    header = "Certify that a quorum of replicas holds a record.",
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "",
      "Examples:",
      "  capsule cert get --out newest.cert",
      "  capsule cert check newest.cert --owner 02ab…"
    })
final class CertCommand implements Runnable {

  @Spec private CommandSpec spec = CommandSpec.create();

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "get or check?");
  }
}
