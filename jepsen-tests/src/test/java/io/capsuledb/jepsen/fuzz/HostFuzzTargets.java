package io.capsuledb.jepsen.fuzz;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.sim.FuzzTarget;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.host.attest.EvidenceFields;
import io.capsuledb.host.attest.amd.CertificateTable;
import io.capsuledb.host.attest.amd.SnpReport;
import io.capsuledb.host.attest.encoding.Decoding;
import io.capsuledb.host.attest.encoding.Json;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.IntelCollateral;
import io.capsuledb.host.attest.intel.QuoteCodec;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.RevocationList;
import io.capsuledb.host.attest.ratls.CertificateEvidence;
import io.capsuledb.host.attest.simulated.SimulatedCpu;
import io.capsuledb.host.attest.simulated.SimulatedPlatform;
import io.capsuledb.host.replica.EvidenceFile;
import java.time.Instant;
import java.util.List;

/** The decoders of attestation and of files that owners hand around. */
final class HostFuzzTargets {

  private HostFuzzTargets() {}

  static List<FuzzTarget> all() {
    Instant now = Instant.parse("2026-01-01T00:00:00Z");
    SimEntropy entropy = new SimEntropy(1);
    SimulatedCpu cpu =
        new SimulatedCpu(SecretBytes.own(new byte[SimulatedCpu.SECRET_BYTES]), entropy);
    SimulatedPlatform platform = new SimulatedPlatform(cpu, entropy, now);
    Octets report =
        cpu.report(
            SimulatedPlatform.MEASUREMENT, SimulatedPlatform.MEASUREMENT, Octets.own(new byte[64]));
    byte[] quote = platform.quote(report).toArray();
    IntelCollateral collateral = platform.collateral(now);
    return List.of(
        FuzzTarget.decoder(
            "quote", List.of(quote), bytes -> QuoteCodec.decode(Octets.copyOf(bytes))),
        FuzzTarget.decoder(
            "quote-fields", List.of(quote), bytes -> EvidenceFields.of(Octets.copyOf(bytes))),
        FuzzTarget.decoder(
            "snp-report", List.of(new byte[1184]), bytes -> SnpReport.decode(Octets.copyOf(bytes))),
        FuzzTarget.decoder(
            "certificate-table",
            List.of(new byte[48]),
            bytes -> CertificateTable.decode(Octets.copyOf(bytes))),
        FuzzTarget.decoder(
            "certificate-evidence",
            List.of(),
            bytes -> CertificateEvidence.decode(Octets.copyOf(bytes))),
        FuzzTarget.decoder(
            "x509",
            List.of(platform.root().encoded().toArray()),
            bytes -> Decoding.of(() -> Certificate.parseFile(Octets.copyOf(bytes)))),
        FuzzTarget.decoder(
            "x509-chain",
            List.of(collateral.tcbInfoChain().toArray()),
            bytes -> Decoding.of(() -> Certificate.parseChain(Octets.copyOf(bytes)))),
        FuzzTarget.decoder(
            "revocation-list",
            List.of(collateral.rootCrl().toArray()),
            bytes -> Decoding.of(() -> RevocationList.parseFile(Octets.copyOf(bytes)))),
        FuzzTarget.decoder(
            "collateral-json",
            List.of(collateral.tcbInfo().toArray(), collateral.qeIdentity().toArray()),
            bytes -> Decoding.of(() -> Json.parse("it", Octets.copyOf(bytes)))),
        FuzzTarget.decoder("evidence-file", List.of(), EvidenceFile::decode));
  }
}
