package io.capsuledb.jepsen.nemesis;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Draws one fault after the other from a list of kinds, each for some seconds, with a pause
 * between. It stops at the first that cannot be made or put right: a run whose faults did not
 * happen shows nothing.
 */
public final class Nemesis {

  private final List<String> kinds;
  private final Function<String, Fault> faults;
  private final RandomGenerator random;
  private final LongSupplier clock;
  private final Consumer<String> report;
  private final List<FaultWindow> windows = new ArrayList<>();
  private @Nullable String failure;

  /**
   * A nemesis.
   *
   * @param kinds of faults to draw from
   * @param faults makes a fault of a kind
   * @param clock nanoseconds since the run began
   * @param report hears what happens
   */
  public Nemesis(
      List<String> kinds,
      Function<String, Fault> faults,
      RandomGenerator random,
      LongSupplier clock,
      Consumer<String> report) {
    this.kinds = List.copyOf(kinds);
    this.faults = faults;
    this.random = random;
    this.clock = clock;
    this.report = report;
  }

  /**
   * How long faults and the pauses between them last.
   *
   * @param maxStopMs most for faults with which service may stop: long enough for deadlines to pass
   */
  public record Rhythm(
      long minFaultMs, long maxFaultMs, long maxStopMs, long minPauseMs, long maxPauseMs) {

    /** A few seconds each. */
    public static final Rhythm DEFAULT = new Rhythm(2_000, 10_000, 20_000, 1_000, 5_000);
  }

  /**
   * Works until a time; when this returns, everything that it did is put right. Every kind comes
   * once before any comes again.
   *
   * @param untilNs when to stop, by the clock
   */
  public void run(long untilNs, Rhythm rhythm) throws InterruptedException {
    List<String> bag = new ArrayList<>();
    while (failure == null && !kinds.isEmpty()) {
      if (!sleep(draw(rhythm.minPauseMs, rhythm.maxPauseMs), untilNs)) {
        return;
      }
      if (bag.isEmpty()) {
        bag.addAll(kinds);
      }
      String kind = bag.remove(random.nextInt(bag.size()));
      Fault fault = faults.apply(kind);
      long most = fault.stopsService() ? rhythm.maxStopMs : rhythm.maxFaultMs;
      one(kind, fault, draw(rhythm.minFaultMs, most), untilNs);
    }
  }

  private void one(String kind, Fault fault, long lastsMs, long untilNs)
      throws InterruptedException {
    long begin = clock.getAsLong();
    report.accept(kind + ": " + fault.describe() + ", for " + lastsMs + " ms");
    try {
      fault.begin();
      sleep(lastsMs, untilNs);
    } catch (IOException e) {
      failure = kind + " cannot be done: " + e.getMessage();
      report.accept(failure);
    } finally {
      end(kind, fault);
      windows.add(
          new FaultWindow(kind, fault.describe(), begin, clock.getAsLong(), fault.stopsService()));
    }
  }

  private void end(String kind, Fault fault) {
    try {
      fault.end();
      report.accept(kind + ": over");
    } catch (IOException e) {
      failure = kind + " cannot be put right: " + e.getMessage();
      report.accept(failure);
    }
  }

  private long draw(long from, long to) {
    return from + random.nextLong(to - from + 1);
  }

  /** Sleeps, but not beyond the end. Says whether there is time left. */
  private boolean sleep(long ms, long untilNs) throws InterruptedException {
    long left = (untilNs - clock.getAsLong()) / 1_000_000;
    if (left > 0) {
      Thread.sleep(Math.min(ms, left));
    }
    return ms < left;
  }

  /** The faults that there were, in their order. */
  public List<FaultWindow> windows() {
    return List.copyOf(windows);
  }

  /** Why it stopped early, or null. */
  public @Nullable String failure() {
    return failure;
  }
}
