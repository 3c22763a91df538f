package io.capsuledb.host.process;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** How this very program is started again. */
public final class SelfCommand {

  private static final List<String> OPENING_FLAGS =
      List.of("--add-opens", "--add-exports", "--enable-native-access", "--sun-misc-unsafe");

  private SelfCommand() {}

  /** What clearing the heap of a coordinator needs, see bin/capsule. */
  private static final List<String> CLEARING_FLAGS =
      List.of(
          "-XX:+UseSerialGC",
          "-Xms16m",
          "-Xmn24m",
          "-XX:-ShrinkHeapInSteps",
          "-XX:MinHeapFreeRatio=5",
          "-XX:MaxHeapFreeRatio=20",
          "-XX:MarkSweepAlwaysCompactCount=1");

  /** For enclaves: a JVM that fails writes no memory to a file, and nobody attaches to it. */
  private static final List<String> DISCREET_FLAGS =
      List.of(
          "-XX:+SuppressFatalErrorMessage",
          "-XX:-CreateCoredumpOnCrash",
          "-XX:+DisableAttachMechanism");

  private static List<String> flags(String command) {
    return switch (command) {
      case "coordinator" ->
          Stream.concat(CLEARING_FLAGS.stream(), DISCREET_FLAGS.stream()).toList();
      case "lambda-worker", "leader" -> DISCREET_FLAGS;
      default -> List.of();
    };
  }

  /** As {@link #prefix()}, for one command, which may want flags of its own. */
  static List<String> prefix(String command) {
    List<String> words = prefix();
    if (System.getProperty("capsule.launcher") == null) {
      words.addAll(1, flags(command));
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
