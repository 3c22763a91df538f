package io.capsuledb.host.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.replica.EvidenceFile;
import io.capsuledb.host.terminal.JsonLine;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Checks a proof that somebody lied, without a server, a replica or a key. */
@Command(
    name = "check",
    header = "Check a proof that somebody lied, with no server and no key but a public one.",
    description = {
      "",
      "The file is one that 'capsule replicas evidence --out' wrote. Exit code 0: it proves what it",
      "says. 4: it is refused, and why. 2: the file cannot be read.",
      ""
    },
    footer = {
      "",
      "Example:",
      "  capsule evidence check contradiction-1b2c….evidence --owner 02ab…"
    })
final class EvidenceCheckCommand implements Callable<Integer> {

  @Parameters(paramLabel = "FILE", description = "The proof.")
  private Path file = Path.of("");

  @Option(
      names = "--owner",
      paramLabel = "KEY",
      description =
          "The public key of the capsule's owner, 66 hex digits. Without it the file's word is"
              + " taken for whose capsule it is about.")
  private @Nullable String owner;

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  EvidenceCheckCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    PublicKey of = owner == null ? null : ReplicaAddress.key(owner);
    return switch (EvidenceFile.decode(read()).then(evidence -> evidence.check(of))) {
      case Decoded.Accepted<EvidenceFile.Verdict>(EvidenceFile.Verdict verdict) -> {
        print(verdict);
        yield ExitCodes.OK;
      }
      case Decoded.Rejected<EvidenceFile.Verdict>(Rejection rejection) -> {
        refuse(rejection);
        yield ExitCodes.INTEGRITY;
      }
    };
  }

  private byte[] read() {
    try (InputStream in = Files.newInputStream(file)) {
      // One byte more than allowed tells the decoder that it is too long.
      return in.readNBytes(EvidenceFile.MAX_BYTES + 1);
    } catch (IOException e) {
      throw new InvalidRequestException(
          "cannot read the evidence " + file + ": check its name and its permissions", e);
    }
  }

  static void write(JsonGenerator fields, EvidenceFile.Verdict verdict) throws IOException {
    fields.writeBooleanField("proven", true);
    fields.writeStringField("kind", ReplicasEvidenceCommand.kind(verdict));
    fields.writeStringField("accused", verdict.accused());
    fields.writeStringField("capsule", verdict.capsule().toString());
    fields.writeStringField("owner", verdict.owner().toString());
    fields.writeStringField("reason", verdict.reason());
  }

  private void print(EvidenceFile.Verdict verdict) {
    PrintStream out = context.streams().out();
    if (json) {
      JsonLine.print(out, fields -> write(fields, verdict));
      return;
    }
    out.println("proven   " + ReplicasEvidenceCommand.kind(verdict));
    out.println("accused  " + verdict.accused());
    out.println("capsule  " + verdict.capsule());
    out.println(
        "owner    " + verdict.owner() + (owner == null ? ", as the file says" : ", as given"));
    out.println("reason   " + verdict.reason());
  }

  private void refuse(Rejection rejection) {
    PrintStream out = context.streams().out();
    if (json) {
      JsonLine.print(
          out,
          fields -> {
            fields.writeBooleanField("proven", false);
            fields.writeStringField("reason", rejection.reason().name());
            fields.writeStringField("detail", rejection.detail());
          });
    } else {
      out.println("refused: " + rejection);
    }
  }
}
