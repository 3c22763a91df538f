package io.capsuledb.host.config;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.log.EventLog;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Values of settings from text. What is not allowed is refused with the setting's name, the value
 * and what is allowed; not with where it came from, which is for the caller to add.
 */
final class SettingValues {

  private SettingValues() {}

  /** A path, relative to {@code base} if it is not absolute. */
  static Path path(Setting setting, String value, Path base) {
    if (!value.isEmpty()) {
      try {
        return base.resolve(value).normalize();
      } catch (InvalidPathException e) {
        throw wrong(setting, value, "a path", e);
      }
    }
    throw wrong(setting, value, "a path", null);
  }

  /**
   * A host and a port.
   *
   * @param orElse what else is allowed, for the message
   */
  static HostPort hostPort(Setting setting, String value, String orElse) {
    try {
      return HostPort.parse(value);
    } catch (InvalidRequestException e) {
      throw wrong(
          setting, value, "HOST:PORT with a port of 0 to 65535 (IPv6 as [::1]:6380)" + orElse, e);
    }
  }

  /** Hosts and ports with commas between, none twice; empty text is an empty list. */
  static List<HostPort> hostPorts(Setting setting, String value, int most) {
    List<HostPort> list = new ArrayList<>();
    for (String part : value.isEmpty() ? List.<String>of() : List.of(value.split(",", -1))) {
      HostPort address = hostPort(setting, part.strip(), " each");
      if (address.port() == 0 || list.contains(address)) {
        throw wrong(setting, value, "each address once, with its port", null);
      }
      list.add(address);
    }
    if (list.size() > most) {
      throw wrong(setting, value, "at most " + most + " addresses", null);
    }
    return list;
  }

  static int number(Setting setting, String value, int least, int most) {
    String allowed = "a whole number from " + least + " to " + most;
    try {
      int number = Integer.parseInt(value);
      if (number >= least && number <= most) {
        return number;
      }
    } catch (NumberFormatException e) {
      throw wrong(setting, value, allowed, e);
    }
    throw wrong(setting, value, allowed, null);
  }

  static EventLog.Detail detail(Setting setting, String value) {
    for (EventLog.Detail detail : EventLog.Detail.values()) {
      if (detail.name().toLowerCase(Locale.ROOT).equals(value)) {
        return detail;
      }
    }
    throw wrong(setting, value, "error, warn, info or debug", null);
  }

  static boolean flag(Setting setting, String value) {
    return switch (value) {
      case "true" -> true;
      case "false" -> false;
      default -> throw wrong(setting, value, "true or false", null);
    };
  }

  /** A list of replicas; empty text is an empty list. */
  static List<ReplicaAddress> replicas(Setting setting, String value, Path base) {
    try {
      return value.isEmpty() ? List.of() : ReplicaAddress.parseList(value, base);
    } catch (InvalidRequestException e) {
      throw new InvalidRequestException(setting.key() + ": " + e.getMessage(), e);
    }
  }

  static InvalidRequestException wrong(
      Setting setting, String value, String allowed, @Nullable Throwable cause) {
    String message = setting.key() + " is '" + value + "': allowed is " + allowed;
    return cause == null
        ? new InvalidRequestException(message)
        : new InvalidRequestException(message, cause);
  }
}
