package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.Collateral;
import io.capsuledb.host.attest.attester.Attester;
import io.capsuledb.host.attest.attester.ConfigfsTsmAttester;
import io.capsuledb.host.attest.attester.GramineAttester;
import io.capsuledb.host.attest.attester.PseudoFiles;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.files.CollateralFolder;
import io.capsuledb.host.attest.simulated.CodeMeasurement;
import io.capsuledb.host.attest.simulated.OwnCode;
import io.capsuledb.host.attest.simulated.SimulatedMachine;
import io.capsuledb.host.channel.PeerRules;
import io.capsuledb.host.config.EvidencePolicyFile;
import io.capsuledb.host.log.EventLog;
import java.nio.file.Path;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What enclave processes have in common: what vouches for them, and whom they take for a peer. */
final class EnclaveOptions {

  @Option(
      names = "--attester",
      paramLabel = "gramine|tsm|insecure-simulated",
      description =
          "What makes evidence: Gramine's files (SGX), Linux configfs-tsm (TDX, SEV-SNP), or, without"
              + " hardware and without security, --machine; the last if --machine is given.")
  private @Nullable String attester;

  @Option(
      names = "--machine",
      paramLabel = "DIR",
      description = "The insecure-simulated machine, see 'capsule age'.")
  private @Nullable Path machine;

  @Option(
      names = "--policy",
      required = true,
      paramLabel = "FILE.toml",
      description =
          "Whom to take for a peer; see docs/attestation.md. What an application gives to whom is"
              + " decided by its client's policy.")
  private Path policy = Path.of("");

  @Option(
      names = "--collateral",
      paramLabel = "DIR",
      description = "Collateral for peers' evidence; --machine if not given.")
  private @Nullable Path collateral;

  /** Makes this process's evidence; measured once. */
  Supplier<Attester> attesters(Entropy entropy) {
    Path simulated = machine;
    String name = attester == null && simulated != null ? "insecure-simulated" : attester;
    return switch (name) {
      case "gramine" -> () -> new GramineAttester(PseudoFiles.SYSTEM, GramineAttester.DIRECTORY);
      case "tsm" ->
          () -> new ConfigfsTsmAttester(PseudoFiles.SYSTEM, ConfigfsTsmAttester.DIRECTORY, entropy);
      case "insecure-simulated" -> {
        if (simulated == null) {
          throw new InvalidRequestException("insecure-simulated needs --machine");
        }
        SimulatedMachine known = new SimulatedMachine(simulated);
        Octets measurement = CodeMeasurement.of(OwnCode.classPath());
        EventLog.warn(
            "enclave.insecure_simulated", "machine", simulated, "measurement", measurement);
        yield () -> known.enclave(measurement, entropy);
      }
      case null ->
          throw new InvalidRequestException("give --attester, or --machine for a simulated one");
      default ->
          throw new InvalidRequestException(
              "attester is '" + name + "': allowed are gramine, tsm and insecure-simulated");
    };
  }

  /** Where collateral comes from; read each time. */
  Supplier<Collateral> collateral() {
    Path folder = collateral == null ? machine : collateral;
    return folder == null ? () -> Collateral.NONE : () -> CollateralFolder.read(folder);
  }

  /** Whom to take for a peer. */
  PeerRules rules(Clock clock) {
    EvidencePolicyFile.Contents contents = EvidencePolicyFile.read(policy);
    return new PeerRules(
        contents.roots(), contents.policy().boundToCertificate().build(), collateral(), clock);
  }

  /** Whether all of it is simulated, for logs. */
  String mode() {
    return machine != null && (attester == null || attester.equals("insecure-simulated"))
        ? "insecure-simulated"
        : String.valueOf(attester);
  }
}
