package io.capsuledb.host.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Attestation evidence. */
@Command(
    name = "attest",
    header = "Judge and show attestation evidence: SGX, TDX, SEV-SNP, RA-TLS.",
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "",
      "Examples:",
      "  capsule attest verify quote.bin --policy workers.toml --report-data 5a5a…",
      "  capsule attest show report.bin"
    })
final class AttestCommand implements Runnable {

  @Spec private CommandSpec spec = CommandSpec.create();

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "verify or show?");
  }
}
