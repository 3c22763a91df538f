package io.capsuledb.host.process;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How this very program is started again. */
public final class SelfCommand {

  private static final List<String> OPENING_FLAGS =
      List.of("--add-opens", "--add-exports", "--enable-native-access", "--sun-misc-unsafe");

  private SelfCommand() {}

  /** What RESET of a worker needs: a heap that gives back what it does not use, see bin/capsule. */
  private static final List<String> WORKER_FLAGS =
      List.of(
          "-XX:+UseSerialGC",
          "-Xms16m",
          "-Xmn24m",
          "-XX:-ShrinkHeapInSteps",
          "-XX:MinHeapFreeRatio=5",
          "-XX:MaxHeapFreeRatio=20",
          "-XX:MarkSweepAlwaysCompactCount=1");

  /** As {@link #prefix()}, for one command, which may want flags of its own. */
  static List<String> prefix(String command) {
    List<String> words = prefix();
    if (System.getProperty("capsule.launcher") == null
        && (command.equals("lambda-worker") || command.equals("coordinator"))) {
      words.addAll(1, WORKER_FLAGS);
    }
    return words;
  }

  /** The words before those of a command: the launcher, or the JVM as this one was started. */
  public static List<String> prefix() {
    List<String> command = new ArrayList<>();
    String launcher = System.getProperty("capsule.launcher");
    if (launcher != null) {
      command.add(launcher);
      return command;
    }
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    // Without the jar, whose manifest says it, the child needs what this JVM was opened for.
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(flag -> OPENING_FLAGS.stream().anyMatch(flag::startsWith))
        .forEach(command::add);
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add("io.capsuledb.host.Main");
    return command;
  }
}
