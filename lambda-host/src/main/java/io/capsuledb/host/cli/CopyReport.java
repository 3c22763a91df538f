package io.capsuledb.host.cli;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.engine.CapsuleCopy;
import io.capsuledb.host.terminal.JsonLine;
import io.capsuledb.host.terminal.Progress;
import java.util.Locale;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** What backup and restore say of their work. */
final class CopyReport {

  private CopyReport() {}

  /** Shows progress while capsules are copied. */
  static <T> T during(String task, CommandContext context, Function<CapsuleCopy.Progress, T> copy) {
    try (Progress progress =
        Progress.begin(
            task,
            "records",
            Progress.Position.OPERATIONS,
            -1,
            context.streams(),
            new SystemClock())) {
      return copy.apply(
          (records, total, bytes) -> {
            progress.whole(total);
            progress.showIfDue(records, records);
          });
    }
  }

  static void print(CapsuleCopy.Summary summary, boolean json, CommandContext context) {
    print(summary, 0, null, json, context);
  }

  /**
   * Prints what was done.
   *
   * @param sync the SYNC it was done at, of {@code epoch}; null if at none
   */
  static void print(
      CapsuleCopy.Summary summary,
      long epoch,
      @Nullable Hash32 sync,
      boolean json,
      CommandContext context) {
    if (json) {
      JsonLine.print(
          context.streams().out(),
          fields -> {
            fields.writeStringField("capsule", summary.name().toString());
            fields.writeNumberField("chains", summary.chains());
            fields.writeNumberField("records", summary.records());
            fields.writeNumberField("copied", summary.copied());
            fields.writeNumberField("copiedBytes", summary.copiedBytes());
            fields.writeNumberField("released", summary.released());
            if (sync != null) {
              fields.writeNumberField("epoch", epoch);
              fields.writeStringField("sync", sync.toString());
            }
          });
      return;
    }
    context
        .streams()
        .out()
        .println(
            String.format(
                    Locale.ROOT,
                    "capsule %s: %,d records in %,d chains, %,d of them new with %,d bytes, verified;"
                        + " %,d payloads dropped that the capsule released",
                    summary.name(),
                    summary.records(),
                    summary.chains(),
                    summary.copied(),
                    summary.copiedBytes(),
                    summary.released())
                + (sync == null ? "" : "; at the SYNC of epoch " + epoch + ", " + sync));
  }
}
