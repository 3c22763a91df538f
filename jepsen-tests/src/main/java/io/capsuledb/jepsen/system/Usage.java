package io.capsuledb.jepsen.system;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * What a process uses.
 *
 * @param name which
 * @param residentBytes of memory
 * @param openFiles sockets included
 * @param threads of the operating system
 * @param diskBytes of files in its directory
 */
public record Usage(String name, long residentBytes, long openFiles, long threads, long diskBytes) {

  private static final long KIB = 1 << 10;

  static Usage of(String name, long pid, Path directory) throws IOException {
    Path proc = Path.of("/proc", Long.toString(pid));
    long resident = 0;
    long threads = 0;
    for (String line : Files.readAllLines(proc.resolve("status"), StandardCharsets.ISO_8859_1)) {
      if (line.startsWith("VmRSS:")) {
        resident = number(line) * KIB;
      } else if (line.startsWith("Threads:")) {
        threads = number(line);
      }
    }
    long files;
    try (Stream<Path> all = Files.list(proc.resolve("fd"))) {
      files = all.count();
    }
    return new Usage(name, resident, files, threads, bytesIn(directory));
  }

  private static long number(String line) {
    return Long.parseLong(line.replaceAll("\\D", ""));
  }

  private static long size(Path file) throws IOException {
    try {
      return Files.size(file);
    } catch (NoSuchFileException mergedAway) {
      return 0;
    }
  }

  private static long bytesIn(Path directory) throws IOException {
    if (!Files.exists(directory)) {
      return 0;
    }
    long sum = 0;
    try (Stream<Path> all = Files.walk(directory)) {
      for (Path file : all.toList()) {
        sum += Files.isRegularFile(file) ? size(file) : 0;
      }
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
    return sum;
  }
}
