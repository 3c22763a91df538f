package io.capsuledb.jepsen.report;

import io.capsuledb.jepsen.check.Finding;
import io.capsuledb.jepsen.check.Verdict;
import io.capsuledb.jepsen.history.Completed;
import io.capsuledb.jepsen.history.OpType;
import io.capsuledb.jepsen.nemesis.FaultWindow;
import io.capsuledb.jepsen.run.Run;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;

/**
 * A run as one HTML file without anything from elsewhere: verdicts, a timeline of workloads and
 * faults, throughput and latency over time with faults shaded, and the faults as a table.
 */
public final class HtmlReport {

  private static final int MAX_BUCKETS = 600;
  private static final int MAX_TIMELINE_ROWS = 400;

  private final StringBuilder out = new StringBuilder();
  private final Run.Result result;

  private HtmlReport(Run.Result result) {
    this.result = result;
  }

  /** Writes the report of a run. */
  public static void write(Path file, String title, Run.Result result) throws IOException {
    HtmlReport report = new HtmlReport(result);
    report.page(title);
    Files.writeString(file, report.out);
  }

  private void page(String title) {
    out.append("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    text(title);
    out.append("</title><style>body{font:14px/1.45 system-ui,sans-serif;max-width:1080px;")
        .append("margin:2em auto;padding:0 1em;color:#222}table{border-collapse:collapse}")
        .append("td,th{padding:.2em .8em .2em 0;text-align:left;vertical-align:top}")
        .append("h2{margin-top:2em}.bad{color:#b00020;font-weight:600}.good{color:#1b6e3c;")
        .append("font-weight:600}svg{width:100%;height:auto}text{font:11px system-ui,sans-serif;")
        .append("fill:#555}code{font-size:12px}</style></head><body><h1>");
    text(title);
    out.append("</h1><p class=\"").append(result.clean() ? "good" : "bad").append("\">");
    text(result.clean() ? "Clean." : "Not clean.");
    out.append("</p><p>");
    text(
        String.format(
            Locale.ROOT,
            "%d operations in %.0f s: %d ok, %d failed, %d unknown; %d faults.",
            result.count(OpType.INVOKE),
            result.loadNs() / 1e9,
            result.count(OpType.OK),
            result.count(OpType.FAIL),
            result.count(OpType.INFO),
            result.windows().size()));
    out.append("</p>");
    verdicts();
    timeline();
    plots();
    faults();
    out.append("</body></html>\n");
  }

  private void text(String text) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '<' -> out.append("&lt;");
        case '>' -> out.append("&gt;");
        case '&' -> out.append("&amp;");
        case '"' -> out.append("&quot;");
        default -> out.append(c);
      }
    }
  }

  private void verdicts() {
    out.append("<h2>Verdicts</h2><table><tr><th>workload<th>verdict<th>looked at</tr>");
    result.verdicts().forEach(this::verdict);
    out.append("</table>");
    if (!result.problems().isEmpty()) {
      out.append("<h2>Problems</h2><ul>");
      for (String problem : result.problems()) {
        out.append("<li class=\"bad\">");
        text(problem);
      }
      out.append("</ul>");
    }
    out.append("<h2>Notes</h2><ul>");
    for (String note : result.notes()) {
      out.append("<li>");
      text(note);
    }
    out.append("</ul>");
  }

  private void verdict(String name, Verdict verdict) {
    out.append("<tr><td>");
    text(name);
    out.append("<td class=\"").append(verdict.clean() ? "good" : "bad").append("\">");
    text(
        verdict.clean()
            ? "valid"
            : verdict.violations() + " violations, " + verdict.undecided().size() + " undecided");
    out.append("<td>");
    text(new TreeMap<>(verdict.figures()).toString());
    out.append("</tr>");
    for (Finding finding : verdict.findings()) {
      out.append("<tr><td><td class=\"bad\">");
      text(finding.property());
      out.append("<td><code>");
      text(finding.detail());
      out.append("</code></tr>");
    }
    for (String what : verdict.undecided()) {
      out.append("<tr><td><td class=\"bad\">undecided<td>");
      text(what);
      out.append("</tr>");
    }
  }

  private void plots() {
    double seconds = wholeSeconds();
    double width = Math.max(1, Math.ceil(seconds / MAX_BUCKETS));
    int buckets = (int) Math.ceil(seconds / width);
    List<List<Double>> latencies = new ArrayList<>();
    double[] ok = new double[buckets];
    double[] fail = new double[buckets];
    double[] info = new double[buckets];
    for (int i = 0; i < buckets; i++) {
      latencies.add(new ArrayList<>());
    }
    result
        .histories()
        .values()
        .forEach(
            history -> {
              for (Completed operation : Completed.of(history)) {
                int bucket = (int) (operation.end().timeNs() / 1e9 / width);
                if (bucket >= buckets) {
                  continue;
                }
                switch (operation.type()) {
                  case OK -> ok[bucket] += 1 / width;
                  case FAIL -> fail[bucket] += 1 / width;
                  default -> info[bucket] += 1 / width;
                }
                if (operation.isOk()) {
                  latencies
                      .get(bucket)
                      .add((operation.end().timeNs() - operation.invoke().timeNs()) / 1e6);
                }
              }
            });
    out.append(
            "<h2>Throughput</h2><p>Operations a second that ended ok (green), failed (orange) or")
        .append(" unknown (red). Shaded: faults; darker: faults that may stop service.</p>");
    LinePlot throughput = new LinePlot(seconds, width, "ops/s", false);
    throughput.shade(result.windows());
    throughput.line(ok, "#1b8a4b");
    throughput.line(fail, "#e08a00");
    throughput.line(info, "#c4001a");
    out.append(throughput.svg());
    out.append(
            "<h2>Latency</h2><p>Of operations that ended ok, in ms: median (blue), 95th (violet)")
        .append(" and 99th percentile (red).</p>");
    LinePlot latency = new LinePlot(seconds, width, "ms", true);
    latency.shade(result.windows());
    latency.line(quantile(latencies, 0.5), "#2b62c4");
    latency.line(quantile(latencies, 0.95), "#8a3fbf");
    latency.line(quantile(latencies, 0.99), "#c4001a");
    out.append(latency.svg());
  }

  /** How long there was load; final reads, which come after it, are not in the pictures. */
  private double wholeSeconds() {
    return Math.max(1, Math.floor(result.loadNs() / 1e9));
  }

  private static double[] quantile(List<List<Double>> buckets, double part) {
    double[] values = new double[buckets.size()];
    for (int i = 0; i < values.length; i++) {
      List<Double> sorted = new ArrayList<>(buckets.get(i));
      sorted.sort(null);
      values[i] =
          sorted.isEmpty()
              ? Double.NaN
              : sorted.get((int) Math.min(sorted.size() - 1L, (long) (sorted.size() * part)));
    }
    return values;
  }

  private void timeline() {
    Timeline timeline = new Timeline(wholeSeconds());
    result.histories().forEach((name, history) -> timeline.workload(name, Completed.of(history)));
    timeline.faults(result.windows());
    out.append("<h2>Timeline</h2><p>Above, by workload, how operations ended: ")
        .append(Timeline.LEGEND)
        .append(" Below, by kind, when there were faults; darker: faults that may stop service.")
        .append("</p>")
        .append(timeline.svg());
  }

  private void faults() {
    out.append("<h2>Faults</h2><table><tr><th>from<th>to<th>kind<th>what</tr>");
    List<FaultWindow> windows = result.windows();
    for (FaultWindow window : windows.subList(0, Math.min(MAX_TIMELINE_ROWS, windows.size()))) {
      out.append("<tr><td>");
      text(String.format(Locale.ROOT, "%.1f s", window.beginNs() / 1e9));
      out.append("<td>");
      text(String.format(Locale.ROOT, "%.1f s", window.endNs() / 1e9));
      out.append("<td>");
      text(window.name());
      out.append("<td>");
      text(window.description());
      out.append("</tr>");
    }
    out.append("</table>");
    if (windows.size() > MAX_TIMELINE_ROWS) {
      out.append("<p>and ").append(windows.size() - MAX_TIMELINE_ROWS).append(" more</p>");
    }
  }
}
