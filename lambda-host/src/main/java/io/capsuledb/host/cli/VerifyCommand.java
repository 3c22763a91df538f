package io.capsuledb.host.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.engine.CapsuleVerifier.Problem;
import io.capsuledb.engine.CapsuleVerifier.Report;
import io.capsuledb.host.node.OfflineVerification;
import io.capsuledb.host.terminal.JsonLine;
import io.capsuledb.host.terminal.Passphrase;
import io.capsuledb.host.terminal.Progress;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Checks a data directory whose server is stopped. */
@Command(
    name = "verify",
    header = "Check every record of a stopped server's data directory.",
    description = {
      "",
      "Hashes, chains, joins and signatures of every record are checked, and that no payload is",
      "missing but those that were released. With the owner key also that each payload decrypts, and",
      "that the tables, blocks and values which the newest manifest names are there and are what it",
      "says: in order, in their ranges of keys, covered by their filters and committed to by the",
      "checkpoint. A directory restored from a backup has no owner.key: then contents are not checked",
      "and the last line says so; --key gives one that is elsewhere.",
      "",
      "Exit code 0: what could be checked is well, be it with or without contents; 4: something is",
      "wrong, and each line says which record and what is wrong with it. Nothing in the directory is",
      "changed.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule verify capsule-data",
      "  capsule verify restored --key capsule-data/owner.key",
      "  capsule verify capsule-data --contains 3b1f… --json",
      "",
      "A store that was rolled back as a whole looks well. Who keeps the hash of the newest record",
      "(CAPSULE.HEAD) can ask with --contains whether it is still there."
    })
final class VerifyCommand implements Callable<Integer> {

  @Parameters(paramLabel = "DIR", description = "The data directory.")
  private Path directory = Path.of("");

  @Option(
      names = "--key",
      paramLabel = "FILE",
      description = "The owner key. If not given: owner.key in the directory, if it is there.")
  private @Nullable Path key;

  @Option(
      names = "--passphrase-file",
      paramLabel = "FILE",
      description =
          "File whose first line is the owner key's passphrase, - for the standard input. If not"
              + " given: the environment variable CAPSULE_PASSPHRASE. Without a passphrase a"
              + " protected key stays closed, and payloads are checked but not decrypted.")
  private @Nullable String passphraseFile;

  @Option(
      names = "--contains",
      paramLabel = "HASH",
      description = "Check that the record with this hash, 64 hex digits, is there.")
  private @Nullable String contains;

  @Option(names = "--json", description = "Print the report as a JSON object.")
  private boolean json;

  private final CommandContext context;

  VerifyCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    Hash32 expected = contains == null ? null : hash(contains);
    OfflineVerification.Result result;
    try (Progress progress =
        Progress.begin(
            "verify",
            "records",
            Progress.Position.OPERATIONS,
            -1,
            context.streams(),
            new SystemClock())) {
      result =
          OfflineVerification.run(
              directory,
              key,
              () -> Passphrase.given(passphraseFile, context.streams().in(), context.environment()),
              expected,
              (records, total) -> {
                progress.whole(total);
                progress.showIfDue(records, records);
              });
    }
    if (json) {
      printJson(result);
    } else {
      print(result);
    }
    return result.clean() ? ExitCodes.OK : ExitCodes.INTEGRITY;
  }

  private static Hash32 hash(String hex) {
    try {
      return Hash32.parse(hex);
    } catch (IllegalArgumentException e) {
      throw new InvalidRequestException("--contains is no hash: allowed are 64 hex digits", e);
    }
  }

  private void print(OfflineVerification.Result result) {
    PrintStream out = context.streams().out();
    for (Report report : result.capsules()) {
      report.problems().forEach(out::println);
      if (report.problemCount() > report.problems().size()) {
        out.println("… and " + (report.problemCount() - report.problems().size()) + " more");
      }
      out.println(
          String.format(
              Locale.ROOT,
              "capsule %s: %,d records in %,d chains, %,d bytes, %,d signatures verified, %,d"
                  + " payloads decrypted, %,d problems",
              report.name() == null ? "unknown" : report.name(),
              report.records(),
              report.chains(),
              report.bytes(),
              report.signatures(),
              report.decrypted(),
              report.problemCount()));
      if (report.treeChecked()) {
        out.println(
            String.format(
                Locale.ROOT,
                "tree: %,d tables, %,d blocks, %,d entries, %,d values kept apart; %,d payloads"
                    + " released, %,d blocks of no use any more",
                report.tables(),
                report.blocks(),
                report.entries(),
                report.values(),
                report.released(),
                report.unreferenced()));
      } else if (report.decrypted() > 0) {
        out.println(
            "blocks were not looked into: the newest manifest, which names them, cannot be used");
      } else if (report.records() > 0) {
        out.println(
            "chains, signatures and hashes were checked; contents were not: no payload was decrypted"
                + " and blocks not looked into");
      }
    }
    result.others().forEach(out::println);
    if (result.unopened() != null) {
      out.println("contents could not be checked for want of the owner key: " + result.unopened());
    }
    out.println(
        !result.clean()
            ? "something is wrong: see above"
            : result.unopened() == null
                ? "all is well"
                : "all is well as far as it could be checked, which is all but the contents");
  }

  private void printJson(OfflineVerification.Result result) {
    JsonLine.print(
        context.streams().out(),
        fields -> {
          fields.writeBooleanField("clean", result.clean());
          fields.writeStringField("contentsUncheckedBecause", result.unopened());
          fields.writeArrayFieldStart("capsules");
          for (Report report : result.capsules()) {
            fields.writeStartObject();
            fields.writeStringField("capsule", String.valueOf(report.name()));
            fields.writeNumberField("chains", report.chains());
            fields.writeNumberField("records", report.records());
            fields.writeNumberField("bytes", report.bytes());
            fields.writeNumberField("signaturesVerified", report.signatures());
            fields.writeNumberField("payloadsDecrypted", report.decrypted());
            fields.writeNumberField("payloadsReleased", report.released());
            fields.writeBooleanField("treeChecked", report.treeChecked());
            fields.writeNumberField("tables", report.tables());
            fields.writeNumberField("blocks", report.blocks());
            fields.writeNumberField("values", report.values());
            fields.writeNumberField("entries", report.entries());
            fields.writeNumberField("unreferencedBlocks", report.unreferenced());
            fields.writeNumberField("problemCount", report.problemCount());
            problems(fields, report.problems());
            fields.writeArrayFieldStart("heads");
            for (ChainVerifier.Head head : report.heads()) {
              fields.writeStartObject();
              fields.writeStringField("writer", Long.toHexString(head.writer()));
              fields.writeNumberField("sequence", head.sequence());
              fields.writeStringField("hash", head.hash().toString());
              fields.writeEndObject();
            }
            fields.writeEndArray();
            fields.writeEndObject();
          }
          fields.writeEndArray();
          problems(fields, result.others());
        });
  }

  private static void problems(JsonGenerator fields, List<Problem> problems) throws IOException {
    fields.writeArrayFieldStart("problems");
    for (Problem problem : problems) {
      fields.writeStartObject();
      fields.writeStringField("where", problem.where());
      fields.writeStringField("reason", problem.rejection().reason().name());
      fields.writeStringField("detail", problem.rejection().detail());
      fields.writeEndObject();
    }
    fields.writeEndArray();
  }
}
