package io.capsuledb.host.terminal;

import io.capsuledb.core.port.Clock;
import java.io.PrintStream;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/**
 * Shows how far long work has come, on the standard error: a bar on a terminal, else a line every
 * few seconds. Not thread-safe; {@link #update} is cheap enough for every operation.
 */
public final class Progress implements AutoCloseable {

  private static final int CHECK_EVERY = 256;
  private static final long BAR_EVERY_NANOS = TimeUnit.MILLISECONDS.toNanos(200);
  private static final long LINE_EVERY_NANOS = TimeUnit.SECONDS.toNanos(5);
  private static final int BAR_COLUMNS = 100;

  private final String task;
  private final String unit;
  private long whole;
  private final PrintStream err;
  private final Clock clock;
  private final @Nullable ProgressBar bar;
  private final long beginNanos;
  private long shownNanos;
  private int calls;

  private Progress(
      String task, String unit, long whole, Streams streams, Clock clock, boolean quiet) {
    this.task = task;
    this.unit = unit;
    this.whole = quiet ? -1 : whole;
    this.err = streams.err();
    this.clock = clock;
    this.beginNanos = clock.monotonicNanos();
    this.shownNanos = quiet ? Long.MAX_VALUE : beginNanos;
    this.bar = quiet || !streams.errIsTerminal() ? null : bar(task, whole, err);
  }

  /**
   * Begins to show progress.
   *
   * @param task what is being done, one word
   * @param unit what the operations are, in the plural
   * @param whole where {@code position} will be at the end, or -1 if nobody knows
   */
  public static Progress begin(String task, String unit, long whole, Streams streams, Clock clock) {
    return new Progress(task, unit, whole, streams, clock, false);
  }

  /** Shows nothing. */
  public static Progress quiet(Streams streams, Clock clock) {
    return new Progress("", "", -1, streams, clock, true);
  }

  private static ProgressBar bar(String task, long whole, PrintStream err) {
    return new ProgressBarBuilder()
        .setTaskName(task)
        .setInitialMax(whole)
        .setStyle(ProgressBarStyle.ASCII)
        .hideEta()
        .continuousUpdate()
        .setUpdateIntervalMillis((int) TimeUnit.NANOSECONDS.toMillis(BAR_EVERY_NANOS))
        .setConsumer(new ConsoleProgressBarConsumer(err, BAR_COLUMNS))
        .build();
  }

  /**
   * Reports progress.
   *
   * @param position how far, in the unit of the whole
   * @param operations what was done so far
   */
  public void update(long position, long operations) {
    if (++calls % CHECK_EVERY == 0) {
      showIfDue(position, operations);
    }
  }

  /** As {@link #update}, for callers that are not heard often: looks at the clock each time. */
  public void showIfDue(long position, long operations) {
    long now = clock.monotonicNanos();
    if (shownNanos == Long.MAX_VALUE
        || now - shownNanos < (bar == null ? LINE_EVERY_NANOS : BAR_EVERY_NANOS)) {
      return;
    }
    shownNanos = now;
    double seconds = (now - beginNanos) / 1e9;
    String rate =
        String.format(
            Locale.ROOT, "%,d %s, %,.0f/s", operations, unit, operations / Math.max(seconds, 1e-3));
    if (bar != null) {
      bar.stepTo(position);
      bar.setExtraMessage(" " + rate);
    } else if (whole > 0) {
      err.println(task + ": " + 100 * position / whole + " %, " + rate);
    } else {
      err.println(task + ": " + rate);
    }
  }

  /** Says where {@code position} will be at the end, once that is known. */
  public void whole(long position) {
    if (position != whole) {
      whole = position;
      if (bar != null) {
        bar.maxHint(position);
      }
    }
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
    }
  }
}
