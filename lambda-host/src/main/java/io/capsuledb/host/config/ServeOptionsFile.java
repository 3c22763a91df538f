package io.capsuledb.host.config;

import io.capsuledb.core.error.InvalidRequestException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.tomlj.Toml;
import org.tomlj.TomlParseError;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlPosition;

/**
 * Reads a server's settings from a TOML file: the settings of {@link ServeSetting} by their names,
 * texts as strings, numbers as integers. Anything else in the file is an error that says where.
 * Paths are relative to the file.
 */
public final class ServeOptionsFile {

  private static final long MAX_FILE_BYTES = 1 << 20;

  private ServeOptionsFile() {}

  /**
   * Sets what {@code file} says.
   *
   * @throws InvalidRequestException if it cannot be read, or holds something that is not allowed
   */
  public static void apply(Path file, ServeOptions.Builder builder) {
    TomlParseResult toml = parse(file);
    Path parent = file.toAbsolutePath().getParent();
    Path base = parent == null ? Path.of("") : parent;
    for (String key : toml.keySet()) {
      ServeSetting setting = ServeSetting.ofKey(key);
      if (setting == null) {
        throw wrong(file, toml, key, "there is no setting '" + key + "'; see capsule serve --help");
      }
      Object value = toml.get(List.of(key));
      String text =
          switch (value) {
            case String string -> string;
            case Long number -> Long.toString(number);
            case null, default ->
                throw wrong(file, toml, key, key + " is neither a string nor a whole number");
          };
      try {
        builder.set(setting, text, base);
      } catch (InvalidRequestException e) {
        throw wrong(file, toml, key, String.valueOf(e.getMessage()));
      }
    }
  }

  /**
   * Parses a TOML file.
   *
   * @throws InvalidRequestException if it cannot be read or is not TOML
   */
  static TomlParseResult parse(Path file) {
    TomlParseResult toml;
    try {
      if (Files.size(file) > MAX_FILE_BYTES) {
        throw new InvalidRequestException(
            file + " has more than " + MAX_FILE_BYTES + " bytes: that is not a settings file");
      }
      toml = Toml.parse(file);
    } catch (IOException e) {
      throw new InvalidRequestException(
          "cannot read the settings file " + file + ": check that it exists and is readable", e);
    }
    if (toml.hasErrors()) {
      TomlParseError first = toml.errors().getFirst();
      throw new InvalidRequestException(
          at(file, first.position()) + ": not TOML: " + first.getMessage());
    }
    return toml;
  }

  private static InvalidRequestException wrong(
      Path file, TomlParseResult toml, String key, String message) {
    return new InvalidRequestException(
        at(file, toml.inputPositionOf(List.of(key))) + ": " + message);
  }

  private static String at(Path file, @Nullable TomlPosition position) {
    return position == null ? file.toString() : file + ", line " + position.line();
  }
}
