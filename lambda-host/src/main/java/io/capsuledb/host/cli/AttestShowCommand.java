package io.capsuledb.host.cli;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Decoded.Accepted;
import io.capsuledb.core.error.Decoded.Rejected;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.host.attest.EvidenceFields;
import io.capsuledb.host.attest.verdict.Claim;
import io.capsuledb.host.terminal.JsonLine;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Shows what evidence says. */
@Command(
    name = "show",
    header = "Print every field of attestation evidence, without judging any.",
    description = {
      "",
      "Exit code 0: it could be read. 4: it is evidence, but malformed. 2: the file cannot be read,",
      "or is no evidence. Nothing is verified: anybody could have written these fields.",
      ""
    },
    footer = {"", "Examples:", "  capsule attest show quote.bin --json"})
final class AttestShowCommand implements Callable<Integer> {

  @Mixin private EvidenceInput input = new EvidenceInput();

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  AttestShowCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    Decoded<List<Claim>> fields = EvidenceFields.of(input.read());
    return switch (fields) {
      case Rejected<List<Claim>>(Rejection rejection) -> {
        context.streams().err().println("malformed: " + rejection.detail());
        yield ExitCodes.INTEGRITY;
      }
      case Accepted<List<Claim>>(List<Claim> claims) -> {
        print(claims);
        yield ExitCodes.OK;
      }
    };
  }

  private void print(List<Claim> claims) {
    if (json) {
      JsonLine.print(
          context.streams().out(),
          object -> {
            for (Claim claim : claims) {
              object.writeStringField(claim.name(), claim.value());
            }
          });
      return;
    }
    int width = claims.stream().mapToInt(claim -> claim.name().length()).max().orElse(0);
    for (Claim claim : claims) {
      context
          .streams()
          .out()
          .println(claim.name() + " ".repeat(width - claim.name().length() + 2) + claim.value());
    }
  }
}
