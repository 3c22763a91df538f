package io.capsuledb.host.cli;

import io.capsuledb.host.terminal.Streams;
import java.util.Map;

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
}
