package io.capsuledb.jepsen.system;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Wall clocks of processes, by libfaketime: each follows a file of its own. */
final class Clocks {

  private static final List<String> LIBRARIES =
      List.of(
          "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
          "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
          "/usr/lib/faketime/libfaketimeMT.so.1",
          "/usr/local/lib/faketime/libfaketimeMT.so.1");

  private final Path directory;

  Clocks(Path directory) {
    this.directory = directory;
  }

  private static @Nullable String library() {
    return LIBRARIES.stream().filter(file -> Files.exists(Path.of(file))).findFirst().orElse(null);
  }

  /** Why clocks cannot be set, or nothing. */
  static List<String> obstacles() {
    return library() == null
        ? List.of("there is no libfaketime: on Debian, apt-get install libfaketime")
        : List.of();
  }

  /** What a node's process needs in its environment. */
  Map<String, String> environment(String node) throws IOException {
    set(node, "+0");
    Map<String, String> environment = new HashMap<>();
    environment.put("LD_PRELOAD", String.valueOf(library()));
    environment.put("FAKETIME_TIMESTAMP_FILE", file(node).toString());
    // The file is read once a second: at each look at a clock, a JVM would do little else.
    environment.put("FAKETIME_CACHE_DURATION", "1");
    environment.put("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    return environment;
  }

  private Path file(String node) {
    return directory.resolve("clock-" + node).toAbsolutePath();
  }

  /**
   * Sets a node's clock, as {@code +3600} or {@code -120 x1.5}: an offset in seconds and a rate.
   */
  void set(String node, String time) throws IOException {
    Files.createDirectories(directory);
    Path fresh = directory.resolve("clock-" + node + ".new");
    Files.writeString(fresh, time + "\n");
    Files.move(fresh, file(node), StandardCopyOption.ATOMIC_MOVE);
  }
}
