package io.capsuledb.jepsen.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Why a run was not clean, in few lines, the first of which says the most: for those who see the
 * message of a failed test and nothing of its files.
 */
final class RunDigest {

  /** Most lines of all. */
  static final int MAX_LINES = 60;

  /** Most characters of a line. */
  static final int MAX_LINE = 400;

  private static final int MAX_FINDINGS = 24;
  private static final int MAX_GAPS = 12;
  private static final int MAX_LAST = 3;
  private static final int MAX_OF_A_LOG = 3;

  private static final Pattern FINDING =
      Pattern.compile("^(VIOLATION|UNDECIDED) |^[a-z-]+: \\d+ violations, |^capsule \\w+: ");
  private static final Pattern GAP =
      Pattern.compile(
          "^(longest |gap |faults: )|first acknowledged write|^\\d+ operations in |^seed \\d+");
  private static final Pattern TROUBLE =
      Pattern.compile("ERROR|SEVERE|FATAL|WARN|Exception|Error:|OutOfMemory|^\\s*Caused by");

  private RunDigest() {}

  /**
   * The digest.
   *
   * @param said what the run printed, on both streams
   * @param directory of its {@code --out}
   */
  static String of(List<String> said, Path directory) throws IOException {
    List<String> lines = new ArrayList<>();
    List<String> findings = said.stream().filter(line -> FINDING.matcher(line).find()).toList();
    lines.add(
        findings.isEmpty()
            ? "NOT CLEAN, and no violation was told"
            : "NOT CLEAN: "
                + findings.stream()
                    .filter(line -> !line.contains(" violations, "))
                    .findFirst()
                    .orElse(findings.getFirst()));
    add(lines, findings, MAX_FINDINGS, "findings");
    add(lines, said.stream().filter(line -> GAP.matcher(line).find()).toList(), MAX_GAPS, "gaps");
    lines.addAll(said.subList(Math.max(0, said.size() - MAX_LAST), said.size()));
    addLogs(lines, directory.resolve("nodes").resolve("log"));
    StringBuilder text = new StringBuilder();
    lines.stream()
        .limit(MAX_LINES)
        .forEach(
            line ->
                text.append(line.length() > MAX_LINE ? line.substring(0, MAX_LINE) + " …" : line)
                    .append('\n'));
    return text.toString();
  }

  private static void add(List<String> lines, List<String> more, int most, String what) {
    more.stream().limit(most).forEach(lines::add);
    if (more.size() > most) {
      lines.add("… and " + (more.size() - most) + " more lines of " + what);
    }
  }

  /** The first lines of each process's output that tell of trouble. */
  private static void addLogs(List<String> lines, Path logs) throws IOException {
    if (!Files.isDirectory(logs)) {
      lines.add("no logs of nodes in " + logs);
      return;
    }
    try (Stream<Path> files = Files.walk(logs)) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        try (Stream<String> all = Files.lines(file, StandardCharsets.ISO_8859_1)) {
          all.filter(line -> TROUBLE.matcher(line).find())
              .limit(MAX_OF_A_LOG)
              .forEach(line -> lines.add(file.getFileName() + ": " + line));
        }
      }
    }
  }
}
