package io.capsuledb.host.cli;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.proof.KeyProofLayout;
import io.capsuledb.core.proof.KeyProofVerifier;
import io.capsuledb.core.proof.KeyVerdict;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.host.terminal.JsonLine;
import io.capsuledb.host.terminal.TextOrBase64;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Base64;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Checks a proof without a server, and without any key but the owner's public one. */
@Command(
    name = "check",
    header = "Check a proof, with no server and no key but the owner's public key.",
    description = {
      "",
      "Exit code 0: it is proven what the key holds, or that it holds nothing, in the state up to",
      "the covered Lamport time. 4: the proof is refused, and why. 2: the file cannot be read, or",
      "the command line is wrong. An old proof stays valid: it says nothing of later states.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule proof check greeting.proof --owner 02ab… --key greeting",
      "",
      "The owner's public key is in CAPSULE.INFO; take it from somewhere you trust instead."
    })
final class ProofCheckCommand implements Callable<Integer> {

  @Mixin private ExpectedCapsule expected = new ExpectedCapsule();

  @Option(
      names = "--key",
      paramLabel = "KEY",
      description = "The key it has to be about; the one it names if not given.")
  private @Nullable String key;

  @Option(
      names = "--at",
      paramLabel = "ISO-TIME",
      description =
          "The time by which it is judged what has expired, such as 2030-01-01T00:00:00Z; now if"
              + " not given.")
  private @Nullable String at;

  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  private final CommandContext context;

  ProofCheckCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    PublicKey ownerKey = expected.owner();
    CapsuleName name = expected.capsule();
    long nowMs = at == null ? new SystemClock().wallMs() : time(at);
    byte[] wanted = key == null ? null : key.getBytes(StandardCharsets.UTF_8);
    return switch (new KeyProofVerifier(ownerKey, Secp256k1.best())
        .verify(expected.read(KeyProofLayout.MAX_BYTES), wanted, name, nowMs)) {
      case Decoded.Accepted<KeyVerdict>(KeyVerdict verdict) -> {
        if (json) {
          printJson(verdict);
        } else {
          print(verdict);
        }
        yield ExitCodes.OK;
      }
      case Decoded.Rejected<KeyVerdict>(Rejection rejection) -> {
        refuse(rejection);
        yield ExitCodes.INTEGRITY;
      }
    };
  }

  private static long time(String text) {
    try {
      return Instant.parse(text).toEpochMilli();
    } catch (DateTimeParseException | ArithmeticException e) {
      throw new InvalidRequestException(
          "--at is no time: allowed is such as 2030-01-01T00:00:00Z", e);
    }
  }

  private void refuse(Rejection rejection) {
    if (json) {
      JsonLine.print(
          context.streams().out(),
          fields -> {
            fields.writeBooleanField("proven", false);
            fields.writeStringField("reason", rejection.reason().name());
            fields.writeStringField("detail", rejection.detail());
          });
    } else {
      context.streams().out().println("refused: " + rejection);
    }
  }

  private void print(KeyVerdict verdict) {
    PrintStream out = context.streams().out();
    for (KeyVerdict.Check check : verdict.checks()) {
      out.println("ok  " + check.name() + ": " + check.detail());
    }
    out.println("capsule  " + verdict.capsule());
    out.println("covered  Lamport time " + verdict.coveredTime());
    out.println("key      " + text(verdict.key()));
    out.println("verdict  " + verdict.outcome().name().toLowerCase(Locale.ROOT).replace('_', ' '));
    KeyVerdict.Version version = verdict.version();
    if (version != null) {
      out.println(
          "version  Lamport time "
              + version.time()
              + ", writer "
              + Long.toHexString(version.writer())
              + ", operation "
              + version.index());
    }
    if (verdict.expiryAtMs() != 0) {
      out.println("expiry   " + Instant.ofEpochMilli(verdict.expiryAtMs()));
    }
    if (verdict.present()) {
      out.println("type     " + verdict.typeNumber());
      out.println("value    " + text(verdict.value()));
    }
  }

  /** Text as it is if it has no control characters, else Base64. */
  private static String text(byte[] bytes) {
    try {
      String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      if (text.chars().noneMatch(Character::isISOControl)) {
        return text;
      }
    } catch (CharacterCodingException e) {
      // Not text: shown as what it is.
      return "base64:" + Base64.getEncoder().encodeToString(bytes);
    }
    return "base64:" + Base64.getEncoder().encodeToString(bytes);
  }

  private void printJson(KeyVerdict verdict) {
    JsonLine.print(
        context.streams().out(),
        fields -> {
          fields.writeBooleanField("proven", true);
          fields.writeBooleanField("present", verdict.present());
          fields.writeStringField("outcome", verdict.outcome().name());
          fields.writeStringField("capsule", verdict.capsule().toString());
          fields.writeNumberField("coveredTime", verdict.coveredTime());
          TextOrBase64.write(fields, "key", verdict.key());
          KeyVerdict.Version version = verdict.version();
          if (version != null) {
            fields.writeObjectFieldStart("version");
            fields.writeNumberField("time", version.time());
            fields.writeStringField("writer", Long.toHexString(version.writer()));
            fields.writeNumberField("index", version.index());
            fields.writeEndObject();
          }
          fields.writeNumberField("expiryAtMs", verdict.expiryAtMs());
          if (verdict.present()) {
            fields.writeNumberField("type", verdict.typeNumber());
            TextOrBase64.write(fields, "value", verdict.value());
          }
          fields.writeArrayFieldStart("checks");
          for (KeyVerdict.Check check : verdict.checks()) {
            fields.writeStartObject();
            fields.writeStringField("name", check.name());
            fields.writeStringField("detail", check.detail());
            fields.writeEndObject();
          }
          fields.writeEndArray();
        });
  }
}
