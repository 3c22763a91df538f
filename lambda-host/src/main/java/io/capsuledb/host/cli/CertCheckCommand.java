package io.capsuledb.host.cli;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.host.terminal.JsonLine;
import io.capsuledb.replication.protocol.CertificateLayout;
import io.capsuledb.replication.protocol.CertificateVerdict;
import io.capsuledb.replication.protocol.CertificateVerifier;
import java.io.PrintStream;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Checks a durability certificate, without a server and without any key but a public one. */
@Command(
    name = "check",
    header =
        "Check a durability certificate, with no server and no key but the owner's public key.",
    description = {
      "",
      "Exit code 0: a quorum of the capsule's replicas has signed that it durably holds the record.",
      "4: the certificate does not show that, and why. 2: the file cannot be read, or the command",
      "line is wrong. It says nothing of later: replicas that were removed since can go on signing",
      "in their old membership, so compare its version with the one you know.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule cert check record.cert --owner 02ab…",
      "",
      "The owner's public key is in CAPSULE.INFO; take it from somewhere you trust instead."
    })
final class CertCheckCommand implements Callable<Integer> {

  @Mixin private ExpectedCapsule expected = new ExpectedCapsule();

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  CertCheckCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    PublicKey ownerKey = expected.owner();
    CapsuleName name = expected.capsule();
    CertificateVerdict verdict =
        new CertificateVerifier(Secp256k1.best())
            .verify(expected.read(CertificateLayout.MAX_BYTES), ownerKey, name);
    if (json) {
      printJson(verdict);
    } else {
      print(verdict);
    }
    return verdict.proven() ? ExitCodes.OK : ExitCodes.INTEGRITY;
  }

  private void print(CertificateVerdict verdict) {
    PrintStream out = context.streams().out();
    for (CertificateVerdict.Check check : verdict.checks()) {
      out.println((check.held() ? "ok  " : "no  ") + check.name() + ": " + check.detail());
    }
    Rejection rejection = verdict.rejection();
    if (rejection != null) {
      out.println("refused: " + rejection);
      return;
    }
    out.println("capsule     " + verdict.capsule());
    out.println("writer      " + Long.toHexString(verdict.writer()));
    out.println("sequence    " + verdict.claim().sequence());
    out.println("record      " + verdict.claim().hash());
    out.println("membership  version " + verdict.membership());
    out.println("verdict     durable");
  }

  private void printJson(CertificateVerdict verdict) {
    JsonLine.print(
        context.streams().out(),
        fields -> {
          fields.writeBooleanField("proven", verdict.proven());
          Rejection rejection = verdict.rejection();
          if (rejection != null) {
            fields.writeStringField("reason", rejection.reason().name());
            fields.writeStringField("detail", rejection.detail());
          }
          if (verdict.capsule() != null) {
            fields.writeStringField("capsule", verdict.capsule().toString());
          }
          if (verdict.writer() != 0) {
            fields.writeStringField("writer", Long.toHexString(verdict.writer()));
            fields.writeNumberField("sequence", verdict.claim().sequence());
            fields.writeStringField("record", verdict.claim().hash().toString());
          }
          if (verdict.membership() >= 0) {
            fields.writeNumberField("membership", verdict.membership());
          }
          fields.writeArrayFieldStart("checks");
          for (CertificateVerdict.Check check : verdict.checks()) {
            fields.writeStartObject();
            fields.writeStringField("name", check.name());
            fields.writeBooleanField("held", check.held());
            fields.writeStringField("detail", check.detail());
            fields.writeEndObject();
          }
          fields.writeEndArray();
        });
  }
}
