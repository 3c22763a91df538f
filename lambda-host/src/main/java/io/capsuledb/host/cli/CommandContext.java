package io.capsuledb.host.cli;

import io.capsuledb.host.terminal.Streams;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What a command sees of the process it runs in.
 *
 * @param streams standard input, output and error
 * @param environment environment variables
 */
record CommandContext(Streams streams, Map<String, String> environment) {
  CommandContext {
    environment = Map.copyOf(environment);
  }

  /** A program on the PATH, or null if it is not there. */
  @Nullable String onPath(String program) {
    String path = environment.getOrDefault("PATH", "");
    for (String entry : Pattern.compile(Pattern.quote(File.pathSeparator)).split(path, -1)) {
      Path candidate = Path.of(entry, program);
      if (!entry.isEmpty() && Files.isExecutable(candidate)) {
        return candidate.toString();
      }
    }
    return null;
  }
}
