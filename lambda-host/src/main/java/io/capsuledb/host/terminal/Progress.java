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
  private long lastPosition;
  private int calls;

  /** What positions are counted in. */
  public enum Position {
    BYTES(" MiB", 1 << 20),
    OPERATIONS("", 1);

    private final String label;
    private final long size;

    Position(String label, long size) {
      this.label = label;
      this.size = size;
    }
  }

  private Progress(
      String task, String unit, Position position, long whole, Streams streams, Clock clock) {
    this.task = task;
    this.unit = unit;
    this.whole = whole;
    this.err = streams.err();
    this.clock = clock;
    this.beginNanos = clock.monotonicNanos();
    this.shownNanos = beginNanos;
    this.bar = streams.errIsTerminal() ? bar(task, position, whole, err) : null;
  }

  /**
   * Begins to show progress.
   *
   * @param task what is being done, one word
   * @param unit what the operations are, in the plural
   * @param position what the positions told to {@link #update} are counted in
   * @param whole where the position will be at the end, or -1 if nobody knows
   */
  public static Progress begin(
      String task, String unit, Position position, long whole, Streams streams, Clock clock) {
    return new Progress(task, unit, position, whole, streams, clock);
  }

  private static ProgressBar bar(String task, Position position, long whole, PrintStream err) {
    return new ProgressBarBuilder()
        .setTaskName(task)
        .setInitialMax(whole)
        .setStyle(ProgressBarStyle.ASCII)
        .setUnit(position.label, position.size)
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
    lastPosition = position;
    if (++calls % CHECK_EVERY == 0) {
      showIfDue(position, operations);
    }
  }

  /** As {@link #update}, for callers that are not heard often: looks at the clock each time. */
  public void showIfDue(long position, long operations) {
    lastPosition = position;
    long now = clock.monotonicNanos();
    if (now - shownNanos < (bar == null ? LINE_EVERY_NANOS : BAR_EVERY_NANOS)) {
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
      bar.stepTo(lastPosition);
      bar.close();
    }
  }
}
