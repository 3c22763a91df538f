package io.capsuledb.host.cli;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.attest.Collateral;
import io.capsuledb.host.attest.EvidenceKind;
import io.capsuledb.host.attest.EvidenceVerifier;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.files.CollateralFolder;
import io.capsuledb.host.attest.pki.Certificate;
import io.capsuledb.host.attest.pki.TrustRoots;
import io.capsuledb.host.attest.verdict.Check;
import io.capsuledb.host.attest.verdict.Claim;
import io.capsuledb.host.attest.verdict.EvidencePolicy;
import io.capsuledb.host.attest.verdict.EvidencePolicy.Allowed;
import io.capsuledb.host.attest.verdict.TcbStatus;
import io.capsuledb.host.attest.verdict.Verdict;
import io.capsuledb.host.config.EvidencePolicyFile;
import io.capsuledb.host.terminal.JsonLine;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Judges evidence. */
@Command(
    name = "verify",
    header = "Judge attestation evidence, offline, and say which checks it passes.",
    description = {
      "",
      "Exit code 0: accepted. 4: rejected, and why. 2: the file, the policy or the collateral cannot",
      "be read, or the command line is wrong. Nothing is fetched: the collateral (TCB info, enclave",
      "identity, revocation lists, AMD's certificates) is taken from a folder, by the names that",
      "docs/attestation.md lists.",
      "",
      "Without --policy a measurement and report data have to be given: evidence that runs anything,",
      "or is bound to nothing, proves nothing. The policies strict and lenient ask for neither; they",
      "say whether evidence is genuine and current, and not whom to trust.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule attest verify quote.bin --measurement 6d9b… --report-data db2d…",
      "  capsule attest verify report.bin --collateral amd/ --policy workers.toml --json",
      "  capsule attest verify quote.bin --policy strict --at 2026-07-30T17:31:28Z"
    })
final class AttestVerifyCommand implements Callable<Integer> {

  private static final String STRICT = "strict";
  private static final String LENIENT = "lenient";

  @Mixin private EvidenceInput input = new EvidenceInput();

  @Option(
      names = "--collateral",
      paramLabel = "DIR",
      description = "The folder with the collateral. Default: the folder of FILE.")
  private @Nullable Path collateral;

  @Option(
      names = "--at",
      paramLabel = "TIME",
      description =
          "The instant at which everything has to be valid, such as 2026-07-30T17:31:28Z. Default:"
              + " now.")
  private @Nullable String at;

  @Option(
      names = "--policy",
      paramLabel = "NAME|FILE",
      description = "strict, lenient, or a TOML file. Default: strict, with measurement and data.")
  private @Nullable String policy;

  @Option(
      names = "--root",
      paramLabel = "PEM",
      description = "Trust this root, and not the vendors'. Repeatable.")
  private List<Path> rootFiles = List.of();

  @Option(
      names = "--report-data",
      paramLabel = "HEX",
      description = "What the evidence has to be bound to: 1 to 64 bytes, and zeros after them.")
  private @Nullable String reportData;

  @Option(
      names = "--measurement",
      paramLabel = "HEX",
      description = "MRENCLAVE, MRTD or SEV-SNP measurement. Repeatable.")
  private List<String> measurements = List.of();

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  AttestVerifyCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    Octets evidence = input.read();
    TrustRoots roots = TrustRoots.production();
    EvidencePolicy.Builder builder;
    String name = policy == null ? "" : policy;
    switch (name) {
      case STRICT -> builder = EvidencePolicy.strict();
      case LENIENT -> builder = EvidencePolicy.lenient();
      case "" -> builder = EvidencePolicy.builder("of the command line");
      default -> {
        EvidencePolicyFile.Contents contents = EvidencePolicyFile.read(Path.of(name));
        builder = contents.policy();
        roots = contents.roots();
      }
    }
    if (!rootFiles.isEmpty()) {
      roots = TrustRoots.given(rootFiles.stream().map(AttestVerifyCommand::root).toList());
    }
    if (reportData != null) {
      builder.reportData(hex("--report-data", reportData));
    } else if (EvidenceKind.of(evidence) == EvidenceKind.CERTIFICATE) {
      builder.boundToCertificate();
    }
    for (String measurement : measurements) {
      allow(builder, hex("--measurement", measurement));
    }
    EvidencePolicy judgedBy;
    try {
      judgedBy = builder.build();
    } catch (InvalidRequestException e) {
      throw new InvalidRequestException(
          e.getMessage()
              + "; give --measurement and --report-data, or a policy (strict and lenient ask for"
              + " neither)",
          e);
    }
    Verdict verdict = new EvidenceVerifier(roots).verify(evidence, files(), instant(), judgedBy);
    if (json) {
      printJson(verdict, judgedBy);
    } else {
      print(verdict, judgedBy);
    }
    return verdict.accepted() ? ExitCodes.OK : ExitCodes.INTEGRITY;
  }

  private static void allow(EvidencePolicy.Builder builder, Octets measurement) {
    if (measurement.length() == 32) {
      builder.allow(Allowed.MRENCLAVE, measurement);
    } else {
      builder.allow(Allowed.MRTD, measurement);
      builder.allow(Allowed.SNP_MEASUREMENT, measurement);
    }
  }

  private static Octets hex(String option, String text) {
    try {
      return Octets.ofHex(text);
    } catch (IntegrityException e) {
      throw new InvalidRequestException(
          option + " is '" + text + "': allowed are hexadecimal digits, two for each byte", e);
    }
  }

  private static Certificate root(Path file) {
    try {
      return Certificate.parseFile(CollateralFolder.read(file, Certificate.MAX_BYTES));
    } catch (IOException | IntegrityException e) {
      throw new InvalidRequestException("cannot read the root " + file, e);
    }
  }

  private Collateral files() {
    if (collateral != null) {
      return CollateralFolder.read(collateral);
    }
    Path folder = input.path().toAbsolutePath().getParent();
    return folder == null ? Collateral.NONE : CollateralFolder.read(folder);
  }

  private Instant instant() {
    if (at == null) {
      return Instant.now();
    }
    try {
      return Instant.parse(at);
    } catch (DateTimeParseException e) {
      throw new InvalidRequestException(
          "--at is '" + at + "': allowed is an instant such as 2026-07-30T17:31:28Z", e);
    }
  }

  private void print(Verdict verdict, EvidencePolicy judgedBy) {
    PrintStream out = context.streams().out();
    for (Check check : verdict.checks()) {
      String mark =
          switch (check.outcome()) {
            case PASSED -> "ok  ";
            case FAILED -> "no  ";
            case NOT_APPLICABLE -> "-   ";
          };
      out.println(mark + check.name() + ": " + check.reason());
    }
    out.println("type        " + verdict.type());
    if (verdict.simulated()) {
      out.println("WARNING     insecure-simulated: no hardware stands behind this evidence");
    }
    TcbStatus status = verdict.tcbStatus();
    if (status != null) {
      out.println("TCB status  " + status);
    }
    if (!verdict.advisories().isEmpty()) {
      out.println("advisories  " + String.join(", ", verdict.advisories()));
    }
    out.println("policy      " + judgedBy.name());
    out.println("verdict     " + (verdict.accepted() ? "accepted" : "rejected"));
  }

  private void printJson(Verdict verdict, EvidencePolicy judgedBy) {
    JsonLine.print(
        context.streams().out(),
        fields -> {
          fields.writeStringField("type", verdict.type());
          fields.writeStringField("verdict", verdict.accepted() ? "ACCEPT" : "REJECT");
          TcbStatus status = verdict.tcbStatus();
          fields.writeStringField("tcbStatus", status == null ? null : status.toString());
          fields.writeArrayFieldStart("advisories");
          for (String advisory : verdict.advisories()) {
            fields.writeString(advisory);
          }
          fields.writeEndArray();
          Boolean debug = verdict.debug();
          if (debug == null) {
            fields.writeNullField("debug");
          } else {
            fields.writeBooleanField("debug", debug);
          }
          fields.writeStringField("policy", judgedBy.name());
          fields.writeStringField("anchor", verdict.anchor());
          fields.writeBooleanField("simulated", verdict.simulated());
          Instant until = verdict.validUntil();
          fields.writeStringField("validUntil", until == null ? null : until.toString());
          if (verdict.tcbEvaluationNumber() >= 0) {
            fields.writeNumberField("tcbEvaluationDataNumber", verdict.tcbEvaluationNumber());
          }
          fields.writeArrayFieldStart("checks");
          for (Check check : verdict.checks()) {
            fields.writeStartObject();
            fields.writeStringField("name", check.name());
            fields.writeStringField("outcome", check.outcome().toString());
            fields.writeStringField("reason", check.reason());
            fields.writeEndObject();
          }
          fields.writeEndArray();
          fields.writeObjectFieldStart("claims");
          for (Claim claim : verdict.claims()) {
            fields.writeStringField(claim.name(), claim.value());
          }
          fields.writeEndObject();
        });
  }
}
