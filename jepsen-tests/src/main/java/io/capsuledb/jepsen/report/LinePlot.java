package io.capsuledb.jepsen.report;

import io.capsuledb.jepsen.nemesis.FaultWindow;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Lines over time, as SVG. Used by one thread. */
final class LinePlot {

  private static final int WIDTH = 1000;
  private static final int HEIGHT = 260;
  private static final int LEFT = 56;
  private static final int BOTTOM = 24;
  private static final int TOP = 14;
  private static final double SMALLEST_LOGARITHMIC = 0.1;

  private final double seconds;
  private final double bucketSeconds;
  private final String unit;
  private final boolean logarithmic;
  private final StringBuilder shades = new StringBuilder();
  private final List<double[]> lines = new ArrayList<>();
  private final List<String> colours = new ArrayList<>();

  LinePlot(double seconds, double bucketSeconds, String unit, boolean logarithmic) {
    this.seconds = seconds;
    this.bucketSeconds = bucketSeconds;
    this.unit = unit;
    this.logarithmic = logarithmic;
  }

  /** Shades faults. */
  void shade(List<FaultWindow> windows) {
    for (FaultWindow window : windows) {
      double from = x(window.beginNs() / 1e9);
      double to = x(Math.min(seconds, window.endNs() / 1e9));
      shades.append(
          String.format(
              Locale.ROOT,
              "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"><title>%s</title>"
                  + "</rect>",
              from,
              TOP,
              Math.max(1, to - from),
              HEIGHT - TOP - BOTTOM,
              window.stopsService() ? "#f3c9c9" : "#eef0c9",
              escape(window.name() + ": " + window.description())));
    }
  }

  static String escape(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }

  /** Adds a line; NaN is a gap. */
  void line(double[] values, String colour) {
    lines.add(values.clone());
    colours.add(colour);
  }

  private double x(double second) {
    return LEFT + (WIDTH - LEFT) * Math.min(1, second / seconds);
  }

  private double y(double value, double most) {
    double part;
    if (logarithmic) {
      double low = Math.log10(SMALLEST_LOGARITHMIC);
      part = (Math.log10(Math.max(value, SMALLEST_LOGARITHMIC)) - low) / (Math.log10(most) - low);
    } else {
      part = value / most;
    }
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part;
  }

  /** The picture. */
  String svg() {
    double most = logarithmic ? 1 : 1e-9;
    for (double[] line : lines) {
      for (double value : line) {
        if (value > most) {
          most = value;
        }
      }
    }
    most = logarithmic ? Math.pow(10, Math.ceil(Math.log10(most))) : most * 1.05;
    StringBuilder svg = new StringBuilder();
    svg.append("<svg viewBox=\"0 0 ").append(WIDTH).append(' ').append(HEIGHT).append("\">");
    svg.append(shades);
    axes(svg, most);
    for (int i = 0; i < lines.size(); i++) {
      path(svg, lines.get(i), colours.get(i), most);
    }
    return svg.append("</svg>").toString();
  }

  private void axes(StringBuilder svg, double most) {
    List<Double> ticks = new ArrayList<>();
    if (logarithmic) {
      for (double tick = SMALLEST_LOGARITHMIC; tick <= most * 1.001; tick *= 10) {
        ticks.add(tick);
      }
    } else {
      ticks.addAll(Ticks.upTo(most));
    }
    for (double tick : ticks) {
      svg.append(
          String.format(
              Locale.ROOT,
              "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>"
                  + "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
              LEFT,
              WIDTH,
              y(tick, most),
              y(tick, most),
              LEFT - 6,
              y(tick, most) + 4,
              Ticks.label(tick)));
    }
    for (double second : Ticks.upTo(seconds)) {
      svg.append(
          String.format(
              Locale.ROOT,
              "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">%s s</text>",
              x(second),
              HEIGHT - 6,
              second > 0.98 * seconds ? "end" : "middle",
              Ticks.label(second)));
    }
    svg.append("<text x=\"60\" y=\"11\">").append(unit).append("</text>");
  }

  private void path(StringBuilder svg, double[] values, String colour, double most) {
    StringBuilder path = new StringBuilder();
    boolean down = false;
    for (int i = 0; i < values.length; i++) {
      if (Double.isNaN(values[i])) {
        down = false;
        continue;
      }
      path.append(
          String.format(
              Locale.ROOT,
              "%s%.1f %.1f",
              down ? "L" : "M",
              x((i + 0.5) * bucketSeconds),
              y(values[i], most)));
      down = true;
    }
    svg.append("<path fill=\"none\" stroke-width=\"1.3\" stroke=\"")
        .append(colour)
        .append("\" d=\"")
        .append(path)
        .append("\"/>");
  }
}
