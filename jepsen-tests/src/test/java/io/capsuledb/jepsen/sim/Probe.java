package io.capsuledb.jepsen.sim;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/** Which lines of the product's code were run. Instrumented code calls {@link #line}. */
public final class Probe {

  private static final int FIRST_SIZE = 1 << 16;

  private static volatile boolean[] reached = new boolean[FIRST_SIZE];
  private static final List<String> OWNERS = new ArrayList<>();

  private Probe() {}

  /** A new line of a class; returns its number. */
  static synchronized int add(String owner) {
    OWNERS.add(owner);
    if (OWNERS.size() > reached.length) {
      reached = Arrays.copyOf(reached, 2 * reached.length);
    }
    return OWNERS.size() - 1;
  }

  /** Called from every line. That a line is run for the first time may be missed once: no harm. */
  public static void line(int number) {
    boolean[] all = reached;
    if (!all[number]) {
      all[number] = true;
    }
  }

  /**
   * Lines there are and lines that were run, of each class that was loaded.
   *
   * @param lines all
   * @param run of them
   */
  record Share(int lines, int run) {

    Share plus(Share other) {
      return new Share(lines + other.lines, run + other.run);
    }
  }

  static synchronized SortedMap<String, Share> shares() {
    SortedMap<String, Share> shares = new TreeMap<>();
    for (int i = 0; i < OWNERS.size(); i++) {
      boolean isRun = reached[i];
      shares.merge(OWNERS.get(i), new Share(1, isRun ? 1 : 0), Share::plus);
    }
    return shares;
  }
}
