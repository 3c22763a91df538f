package io.capsuledb.host.bench.replication;

import io.capsuledb.core.port.Clock;
import java.util.SplittableRandom;
import org.HdrHistogram.Histogram;

/**
 * The counting side of one load: a write counts if it was done after the warming up and before the
 * end. Of one thread.
 */
final class Measurement {

  private static final long MAX_LATENCY_NANOS = 600_000_000_000L;
  private static final int SIGNIFICANT_DIGITS = 3;
  private static final long SEED = 20_240_229;

  private final Load load;
  private final Clock clock;
  private final long begin;
  private final Histogram latencies = new Histogram(MAX_LATENCY_NANOS, SIGNIFICANT_DIGITS);
  private final SplittableRandom random = new SplittableRandom(SEED);
  private long done;
  private long counted;
  private long end;
  private boolean over;

  Measurement(Load load, Clock clock) {
    this.load = load;
    this.clock = clock;
    this.begin = clock.monotonicNanos() + load.warmUpNanos();
    this.end = begin + load.nanos();
  }

  long now() {
    return clock.monotonicNanos();
  }

  /** The key of the next write. */
  byte[] nextKey() {
    return Load.key(random.nextInt(Load.KEYS));
  }

  /** A value; half of it random, so that it compresses by about half. */
  byte[] value() {
    byte[] value = new byte[load.valueBytes()];
    for (int i = 0; i < value.length; i++) {
      value[i] = (byte) (i < value.length / 2 ? random.nextInt() : 'v');
    }
    return value;
  }

  void record(long began, long now) {
    done++;
    if (!over && now - begin >= 0) {
      counted++;
      latencies.recordValue(Math.min(now - began, MAX_LATENCY_NANOS));
    }
  }

  /** Whether no further write is to begin. */
  boolean isOver(long now) {
    if (!over && (now - end >= 0 || load.enough().test(done))) {
      over = true;
      end = now;
    }
    return over;
  }

  Sample sample() {
    double seconds = Math.max((end - begin) / 1e9, 1e-9);
    return new Sample(
        counted,
        seconds,
        latencies.getValueAtPercentile(50) / 1e3,
        latencies.getValueAtPercentile(99) / 1e3,
        latencies.getValueAtPercentile(99.9) / 1e3);
  }
}
