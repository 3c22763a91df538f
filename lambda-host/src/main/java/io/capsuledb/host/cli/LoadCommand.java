package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.host.client.RespClient;
import io.capsuledb.host.load.LoadFormat;
import io.capsuledb.host.load.LoadSummary;
import io.capsuledb.host.load.Loader;
import io.capsuledb.host.terminal.JsonLine;
import io.capsuledb.host.terminal.Progress;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Runs the operations of a file. */
@Command(
    name = "load",
    header = "Run the operations of a file on a running server, pipelined.",
    description = {
      "",
      "Formats, one operation a line, empty lines skipped:",
      "  ycsb-trace   SET key value   or   GET key; the value is the rest of the line after the",
      "               one space that follows the key, spaces included",
      "  jsonl        {\"op\":\"set\",\"key\":\"k\",\"value\":\"v\",\"ttl\":60}; op is set, get or del, ttl in",
      "               seconds is optional; keyBase64 and valueBase64 for bytes that are not text",
      "  tsv          key<TAB>value, with \\t \\n \\r \\\\ for bytes that cannot stand for themselves",
      "",
      "A line that is no operation ends the load, unless --keep-going. Every problem names its line.",
      ""
    },
    footer = {
      "",
      "Examples:",
      "  capsule load workload.trace",
      "  capsule load dump.tsv",
      "  zcat dump.jsonl.gz | capsule load --format jsonl --json -"
    })
final class LoadCommand implements Callable<Integer> {

  private static final int DEFAULT_WINDOW = 1024;

  @ArgGroup(validate = false, heading = ConnectOptions.HEADING)
  private ConnectOptions connect = new ConnectOptions();

  @Parameters(paramLabel = "FILE", description = "The file; - is the standard input.")
  private String file = "-";

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      description =
          "ycsb-trace, jsonl or tsv; if not given, by the file's name (.jsonl, .tsv), else"
              + " ycsb-trace.")
  private @Nullable String formatName;

  @Option(
      names = "--window",
      paramLabel = "N",
      description = "Most operations sent and not yet answered, 1 to 65536; 1024 if not given.")
  private int window = DEFAULT_WINDOW;

  @Option(names = "--keep-going", description = "Skip lines that are no operation.")
  private boolean keepGoing;

  @Option(names = "--json", description = "Print the summary as a JSON object.")
  private boolean json;

  private final CommandContext context;

  LoadCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    LoadFormat format = format();
    LoadSummary summary;
    try (InputStream in = file.equals("-") ? context.streams().in() : open();
        RespClient client = connect.open(context);
        Progress progress = progress()) {
      Loader loader =
          new Loader(
              client,
              new SystemClock(),
              window,
              keepGoing,
              problem -> context.streams().err().println("capsule load: " + problem));
      summary = loader.run(in, format, progress);
    } catch (IOException e) {
      throw new InvalidRequestException("cannot close " + file, e);
    }
    print(summary);
    return summary.errors() + summary.malformed() == 0 ? ExitCodes.OK : ExitCodes.FAILED;
  }

  private LoadFormat format() {
    String name = formatName;
    if (name == null) {
      if (file.endsWith(".jsonl")) {
        return LoadFormat.JSONL;
      }
      return file.endsWith(".tsv") ? LoadFormat.TSV : LoadFormat.YCSB_TRACE;
    }
    LoadFormat format = LoadFormat.ofKey(name);
    if (format == null) {
      throw new InvalidRequestException(
          "--format is '" + name + "': allowed are ycsb-trace, jsonl and tsv");
    }
    return format;
  }

  private InputStream open() {
    try {
      return Files.newInputStream(Path.of(file));
    } catch (IOException e) {
      throw new InvalidRequestException(
          "cannot read " + file + ": check that it exists and is readable", e);
    }
  }

  private Progress progress() throws IOException {
    long whole = file.equals("-") ? -1 : Files.size(Path.of(file));
    return Progress.begin(
        "load", "operations", Progress.Position.BYTES, whole, context.streams(), new SystemClock());
  }

  private void print(LoadSummary summary) {
    PrintStream out = context.streams().out();
    if (json) {
      JsonLine.print(
          out,
          fields -> {
            fields.writeNumberField("operations", summary.operations());
            fields.writeNumberField("sets", summary.sets());
            fields.writeNumberField("gets", summary.gets());
            fields.writeNumberField("misses", summary.misses());
            fields.writeNumberField("deletes", summary.deletes());
            fields.writeNumberField("errors", summary.errors());
            fields.writeNumberField("malformedLines", summary.malformed());
            fields.writeNumberField("bytes", summary.bytes());
            fields.writeNumberField("seconds", summary.seconds());
            fields.writeNumberField("operationsPerSecond", summary.rate());
          });
      return;
    }
    out.println(
        String.format(
            Locale.ROOT,
            "%,d operations in %.2f s, %,.0f/s: %,d set, %,d get (%,d found nothing), %,d del,"
                + " %,d errors, %,d malformed lines",
            summary.operations(),
            summary.seconds(),
            summary.rate(),
            summary.sets(),
            summary.gets(),
            summary.misses(),
            summary.deletes(),
            summary.errors(),
            summary.malformed()));
  }
}
