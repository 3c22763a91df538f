package io.capsuledb.host.cli;

import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.engine.CapsuleInspection;
import io.capsuledb.host.node.OfflineStats;
import io.capsuledb.host.terminal.JsonLine;
import io.capsuledb.host.terminal.Passphrase;
import io.capsuledb.host.terminal.Progress;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Says what the space of a data directory is used for. */
@Command(
    name = "stats",
    header = "Say what the space of a stopped server's data directory is used for.",
    description = {
      "",
      "Reads everything once, needs the owner key, and changes nothing.",
      "",
      "  level N        sorted tables of level N. Level 0 is what was flushed from memory; each",
      "                 further level is one sorted run, about ten times as large as the one before",
      "  blocks         blocks of entries in these tables",
      "  entries        versions of keys in them, deletions included",
      "  tombstones     the deletions",
      "  bytes          the tables' records as stored: compressed, encrypted, signed",
      "  separate       values kept apart from the tables, so that merging does not move them",
      "  live           keys with a value, and the bytes of these keys and values: what somebody",
      "                 gets who reads everything",
      "  history        older versions, deletions, expired and cleared keys, in tables and tail, that",
      "                 are kept on purpose for reads in the past, back to the time shown, or wait to be",
      "                 merged away: what is older than the server's history-minutes goes then",
      "  tail           records with writes that are not in tables yet: the next start reads them",
      "  records        all records, and the bytes they have without the store's own overhead",
      "  released       records whose payload was dropped because nothing needs it any more; header",
      "                 and signature stay, so that chains can be verified for ever, and have so many",
      "                 bytes",
      "  store          bytes of all files of the store on disk: records, logs and reclaimable",
      "  logs           of them the store's write-ahead logs. Room for these is set aside in advance",
      "                 and used again: with little data it is most of the store",
      "  reclaimable    of them, about, what was released and not given back yet, and indexes: the",
      "                 server gives it back when there is as much of it as of live data, or an eighth",
      "                 and nothing else to do",
      "  amplification  bytes of records, and of the store without its logs, for each byte of keys and",
      "                 values that is live or history. With values of a few bytes, headers and",
      "                 signatures weigh more than they do",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule stats capsule-data",
      "  capsule stats capsule-data --json"
    })
final class StatsCommand implements Callable<Integer> {

  @Parameters(paramLabel = "DIR", description = "The data directory.")
  private Path directory = Path.of("");

  @Option(
      names = "--passphrase-file",
      paramLabel = "FILE",
      description =
          "File whose first line is the owner key's passphrase, - for the standard input. If not"
              + " given: the environment variable CAPSULE_PASSPHRASE.")
  private @Nullable String passphraseFile;

  @Option(names = "--json", description = "Print the figures as a JSON object.")
  private boolean json;

  private final CommandContext context;

  StatsCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    OfflineStats.Result result;
    try (Progress progress =
        Progress.begin(
            "stats",
            "records and entries",
            Progress.Position.OPERATIONS,
            -1,
            context.streams(),
            new SystemClock())) {
      result =
          OfflineStats.run(
              directory,
              () -> Passphrase.given(passphraseFile, context.streams().in(), context.environment()),
              new SystemClock(),
              new SystemEntropy(),
              (done, total) -> {
                progress.whole(total);
                progress.showIfDue(done, done);
              });
    }
    if (json) {
      printJson(result);
    } else {
      print(result);
    }
    return ExitCodes.OK;
  }

  private void print(OfflineStats.Result result) {
    PrintStream out = context.streams().out();
    for (CapsuleInspection.Result capsule : result.capsules()) {
      out.println("capsule " + capsule.name());
      for (CapsuleInspection.Level level : capsule.levels()) {
        line(
            out,
            "level " + level.number(),
            number(level.tables(), " tables in ")
                + number(level.runs(), " runs, ")
                + number(level.blocks(), " blocks, ")
                + number(level.entries(), " entries, ")
                + number(level.tombstones(), " tombstones, ")
                + number(level.bytes(), " bytes"));
      }
      line(out, "separate", number(capsule.separateBytes(), " bytes"));
      line(
          out,
          "live",
          number(capsule.liveKeys(), " keys, ") + number(capsule.liveBytes(), " bytes"));
      line(
          out,
          "history",
          number(capsule.historyEntries(), " versions, ")
              + number(capsule.historyBytes(), " bytes, ")
              + (capsule.historySinceMs() == 0
                  ? "kept until they are merged"
                  : "back to " + Instant.ofEpochMilli(capsule.historySinceMs())));
      line(
          out,
          "tail",
          number(capsule.tailRecords(), " records, ") + number(capsule.tailBytes(), " bytes"));
      line(
          out,
          "records",
          number(capsule.records(), " records, ") + number(capsule.recordBytes(), " bytes"));
      line(
          out,
          "released",
          number(capsule.releasedRecords(), " records, ")
              + number(capsule.releasedBytes(), " bytes"));
    }
    line(out, "store", number(result.storeBytes(), " bytes"));
    line(out, "logs", number(result.logBytes(), " bytes"));
    line(out, "reclaimable", number(result.reclaimableBytes(), " bytes"));
    line(
        out,
        "amplification",
        result.liveBytes() + result.historyBytes() > 0
            ? String.format(
                Locale.ROOT,
                "%.2f in records, %.2f in the store without logs",
                result.recordAmplification(),
                result.spaceAmplification())
            : "none, as nothing is kept");
  }

  private static String number(long figure, String unit) {
    return String.format(Locale.ROOT, "%,d", figure) + unit;
  }

  private static void line(PrintStream out, String what, String figures) {
    out.println(String.format(Locale.ROOT, "%-15s", what) + figures);
  }

  private void printJson(OfflineStats.Result result) {
    JsonLine.print(
        context.streams().out(),
        fields -> {
          fields.writeArrayFieldStart("capsules");
          for (CapsuleInspection.Result capsule : result.capsules()) {
            fields.writeStartObject();
            fields.writeStringField("capsule", capsule.name().toString());
            fields.writeArrayFieldStart("levels");
            for (CapsuleInspection.Level level : capsule.levels()) {
              fields.writeStartObject();
              fields.writeNumberField("level", level.number());
              fields.writeNumberField("runs", level.runs());
              fields.writeNumberField("tables", level.tables());
              fields.writeNumberField("blocks", level.blocks());
              fields.writeNumberField("entries", level.entries());
              fields.writeNumberField("tombstones", level.tombstones());
              fields.writeNumberField("bytes", level.bytes());
              fields.writeNumberField("separateBytes", level.separateBytes());
              fields.writeEndObject();
            }
            fields.writeEndArray();
            fields.writeNumberField("liveKeys", capsule.liveKeys());
            fields.writeNumberField("liveBytes", capsule.liveBytes());
            fields.writeNumberField("historyEntries", capsule.historyEntries());
            fields.writeNumberField("historyBytes", capsule.historyBytes());
            fields.writeNumberField("historySinceMs", capsule.historySinceMs());
            fields.writeNumberField("tailRecords", capsule.tailRecords());
            fields.writeNumberField("tailBytes", capsule.tailBytes());
            fields.writeNumberField("records", capsule.records());
            fields.writeNumberField("recordBytes", capsule.recordBytes());
            fields.writeNumberField("releasedRecords", capsule.releasedRecords());
            fields.writeNumberField("releasedBytes", capsule.releasedBytes());
            fields.writeEndObject();
          }
          fields.writeEndArray();
          fields.writeNumberField("storeBytes", result.storeBytes());
          fields.writeNumberField("logBytes", result.logBytes());
          fields.writeNumberField("reclaimableBytes", result.reclaimableBytes());
          if (result.liveBytes() + result.historyBytes() > 0) {
            fields.writeNumberField("recordAmplification", result.recordAmplification());
            fields.writeNumberField("spaceAmplification", result.spaceAmplification());
          } else {
            fields.writeNullField("recordAmplification");
            fields.writeNullField("spaceAmplification");
          }
        });
  }
}
