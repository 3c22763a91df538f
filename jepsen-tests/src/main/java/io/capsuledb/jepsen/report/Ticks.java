package io.capsuledb.jepsen.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Where an axis is labelled: at 1, 2 or 5 times a power of ten. */
final class Ticks {

  private static final int MOST = 10;
  private static final double[] STEPS = {1, 2, 5, 10};

  private Ticks() {}

  /** From 0 on, as far as they lie within {@code most}, which is more than 0. */
  static List<Double> upTo(double most) {
    double power = Math.pow(10, Math.floor(Math.log10(most / MOST)));
    double step = power;
    for (double factor : STEPS) {
      step = factor * power;
      if (most / step <= MOST) {
        break;
      }
    }
    List<Double> ticks = new ArrayList<>();
    for (int i = 0; i * step <= most * (1 + 1e-9); i++) {
      ticks.add(i * step);
    }
    return ticks;
  }

  /** A label without needless digits. */
  static String label(double tick) {
    return tick == Math.rint(tick)
        ? String.format(Locale.ROOT, "%.0f", tick)
        : String.format(Locale.ROOT, tick * 10 == Math.rint(tick * 10) ? "%.1f" : "%.2f", tick);
  }
}
