package io.capsuledb.host.config;

import io.capsuledb.core.error.InvalidRequestException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.tomlj.Toml;
import org.tomlj.TomlArray;
import org.tomlj.TomlParseError;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlPosition;

/**
 * Reads a process's settings from a TOML file: settings by their names, texts as strings, numbers
 * as integers, yes and no as booleans, lists as arrays of strings. Anything else in the file is an
 * error that says where. Paths are relative to the file.
 */
public final class ServeOptionsFile {

  private static final long MAX_FILE_BYTES = 1 << 20;

  private ServeOptionsFile() {}

  /** Takes the settings of one kind of process. */
  private interface Target {
    /** Whether there is a setting of that name. */
    boolean has(String key);

    void set(String key, String value, Path base);
  }

  /**
   * Sets what {@code file} says of a server.
   *
   * @throws InvalidRequestException if it cannot be read, or holds something that is not allowed
   */
  public static void apply(Path file, ServeOptions.Builder builder) {
    apply(
        file,
        "serve",
        new Target() {
          @Override
          public boolean has(String key) {
            return ServeSetting.ofKey(key) != null;
          }

          @Override
          public void set(String key, String value, Path base) {
            ServeSetting setting = ServeSetting.ofKey(key);
            if (setting != null) {
              builder.set(setting, value, base);
            }
          }
        });
  }

  /**
   * Sets what {@code file} says of a replica.
   *
   * @throws InvalidRequestException if it cannot be read, or holds something that is not allowed
   */
  public static void apply(Path file, ReplicaProcessOptions.Builder builder) {
    apply(
        file,
        "replica",
        new Target() {
          @Override
          public boolean has(String key) {
            return ReplicaSetting.ofKey(key) != null;
          }

          @Override
          public void set(String key, String value, Path base) {
            ReplicaSetting setting = ReplicaSetting.ofKey(key);
            if (setting != null) {
              builder.set(setting, value, base);
            }
          }
        });
  }

  /**
   * Sets what {@code file} says of a router.
   *
   * @throws InvalidRequestException if it cannot be read, or holds something that is not allowed
   */
  public static void apply(Path file, RouterProcessOptions.Builder builder) {
    apply(
        file,
        "router",
        new Target() {
          @Override
          public boolean has(String key) {
            return RouterSetting.ofKey(key) != null;
          }

          @Override
          public void set(String key, String value, Path base) {
            RouterSetting setting = RouterSetting.ofKey(key);
            if (setting != null) {
              builder.set(setting, value, base);
            }
          }
        });
  }

  private static void apply(Path file, String command, Target target) {
    TomlParseResult toml = parse(file);
    Path parent = file.toAbsolutePath().getParent();
    Path base = parent == null ? Path.of("") : parent;
    for (String key : toml.keySet()) {
      if (!target.has(key)) {
        throw wrong(
            file,
            toml,
            key,
            "there is no setting '" + key + "'; see capsule " + command + " --help");
      }
      String text = text(toml.get(List.of(key)));
      if (text == null) {
        throw wrong(
            file,
            toml,
            key,
            key + " is neither a string, a whole number, true or false, nor an array of strings");
      }
      try {
        target.set(key, text, base);
      } catch (InvalidRequestException e) {
        throw wrong(file, toml, key, String.valueOf(e.getMessage()));
      }
    }
  }

  private static @Nullable String text(@Nullable Object value) {
    return switch (value) {
      case String string -> string;
      case Long number -> Long.toString(number);
      case Boolean flag -> Boolean.toString(flag);
      case TomlArray array when array.toList().stream().allMatch(String.class::isInstance) ->
          String.join(",", array.toList().stream().map(String::valueOf).toList());
      case null, default -> null;
    };
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
