package io.capsuledb.host.process;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.terminal.PrivateFile;
import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/** What a cluster with enclaves tells those who launch programs on it: {@code DIR/launch}. */
public final class LaunchFile {

  private static final String NAME = "launch";

  private final Properties values;

  private LaunchFile(Properties values) {
    this.values = values;
  }

  /**
   * Reads that of a cluster's directory.
   *
   * @throws InvalidRequestException if there is none
   */
  public static LaunchFile read(Path cluster) {
    Path path = cluster.resolve(NAME);
    Properties values = new Properties();
    try {
      values.load(new StringReader(Files.readString(path, StandardCharsets.UTF_8)));
    } catch (NoSuchFileException e) {
      throw new InvalidRequestException(
          cluster + " is no directory of a cluster with enclaves: 'capsule cluster --enclaves 4'",
          e);
    } catch (IOException | IllegalArgumentException e) {
      throw new InvalidRequestException("cannot read " + path + " (" + e + ")", e);
    }
    return new LaunchFile(values);
  }

  static void write(Path cluster, Map<String, String> fields) {
    Properties values = new Properties();
    values.putAll(fields);
    StringWriter text = new StringWriter();
    try {
      values.store(text, null);
    } catch (IOException e) {
      throw new InvalidRequestException("cannot write in memory", e);
    }
    PrivateFile.write(
        cluster.resolve(NAME), text.toString().getBytes(StandardCharsets.UTF_8), true);
  }

  /** Makes a directory. */
  public static void directory(Path path) {
    ChildProcess.makeDirectory(path);
  }

  /** A value, or null. */
  public @Nullable String get(String name) {
    return values.getProperty(name);
  }
}
