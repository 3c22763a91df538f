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
