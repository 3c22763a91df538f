package io.capsuledb.jepsen.report;

import io.capsuledb.jepsen.history.Completed;
import io.capsuledb.jepsen.nemesis.FaultWindow;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * What went on when, as SVG: a row for each workload, cut into pieces of time that show how its
 * operations ended, and a row for each kind of fault. Used by one thread.
 */
final class Timeline {

  /** What the colours of workloads mean, for people. */
  static final String LEGEND =
      "green: nine of ten or more ok; yellow: fewer; red: none; white: none ended.";

  private static final int WIDTH = 1000;
  private static final int LEFT = 130;
  private static final int ROW = 18;
  private static final int BAR = 13;
  private static final int BOTTOM = 20;
  private static final int MAX_PIECES = 300;
  private static final int MAX_BARS = 2_000;

  /** Transactions that meet others are refused on good days, too. */
  private static final double NEARLY_ALL = 0.9;

  private static final String OK = "#8fce9f";
  private static final String SOME = "#f0d264";
  private static final String NONE = "#d9646e";
  private static final String FAULT = "#b9bc6a";
  private static final String STOP = "#c98080";

  private final double seconds;
  private final double pieceSeconds;
  private final List<String> rows = new ArrayList<>();
  private final StringBuilder bars = new StringBuilder();

  Timeline(double seconds) {
    this.seconds = seconds;
    this.pieceSeconds = Math.max(1, Math.ceil(seconds / MAX_PIECES));
  }

  /** Adds a row of a workload's operations. */
  void workload(String name, List<Completed> operations) {
    int pieces = (int) Math.ceil(seconds / pieceSeconds);
    int[] ok = new int[pieces];
    int[] other = new int[pieces];
    for (Completed operation : operations) {
      int piece = (int) (operation.end().timeNs() / 1e9 / pieceSeconds);
      if (piece < pieces) {
        (operation.isOk() ? ok : other)[piece]++;
      }
    }
    int row = row(name);
    for (int i = 0; i < pieces; i++) {
      if (ok[i] + other[i] > 0) {
        bar(
            row,
            i * pieceSeconds,
            (i + 1) * pieceSeconds,
            ok[i] == 0 ? NONE : ok[i] >= NEARLY_ALL * (ok[i] + other[i]) ? OK : SOME,
            name + ": " + ok[i] + " ok, " + other[i] + " not");
      }
    }
  }

  /** Adds a row for each kind of fault. */
  void faults(List<FaultWindow> windows) {
    Map<String, Integer> rowOf = new TreeMap<>();
    windows.forEach(window -> rowOf.put(window.name(), 0));
    rowOf.replaceAll((kind, _) -> row(kind));
    for (FaultWindow window : windows.subList(0, Math.min(MAX_BARS, windows.size()))) {
      bar(
          rowOf.getOrDefault(window.name(), 0),
          window.beginNs() / 1e9,
          Math.min(seconds, window.endNs() / 1e9),
          window.stopsService() ? STOP : FAULT,
          window.name() + ": " + window.description());
    }
  }

  private int row(String name) {
    rows.add(name);
    return rows.size() - 1;
  }

  private double x(double second) {
    return LEFT + (WIDTH - LEFT) * Math.min(1, second / seconds);
  }

  private void bar(int row, double from, double to, String colour, String title) {
    bars.append(
        String.format(
            Locale.ROOT,
            "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"><title>%.0f s"
                + " %s</title></rect>",
            x(from),
            row * ROW + 2,
            Math.max(1, x(to) - x(from)),
            BAR,
            colour,
            from,
            LinePlot.escape(title)));
  }

  /** The picture. */
  String svg() {
    int height = rows.size() * ROW + BOTTOM;
    StringBuilder svg = new StringBuilder();
    svg.append("<svg viewBox=\"0 0 ").append(WIDTH).append(' ').append(height).append("\">");
    for (int i = 0; i < rows.size(); i++) {
      svg.append(
          String.format(
              Locale.ROOT,
              "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>",
              LEFT - 6,
              i * ROW + BAR,
              LinePlot.escape(rows.get(i))));
    }
    svg.append(bars);
    for (double second : Ticks.upTo(seconds)) {
      svg.append(
          String.format(
              Locale.ROOT,
              "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">%s s</text>",
              x(second),
              height - 5,
              second > 0.98 * seconds ? "end" : "middle",
              Ticks.label(second)));
    }
    return svg.append("</svg>").toString();
  }
}
