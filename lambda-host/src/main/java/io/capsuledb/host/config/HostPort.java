package io.capsuledb.host.config;

import io.capsuledb.core.error.InvalidRequestException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;

/**
 * A host and a TCP port as a user writes them: {@code 127.0.0.1:6380}, {@code localhost:6380},
 * {@code [::1]:6380}.
 *
 * @param host a name or an address; IPv6 addresses without their brackets
 * @param port 0 to 65535; as an address to listen on, 0 lets the system choose
 */
public record HostPort(String host, int port) {

  private static final int MAX_PORT = 65535;

  public HostPort {
    if (host.isEmpty() || port < 0 || port > MAX_PORT) {
      throw new IllegalArgumentException("not a host and a port: " + host + ":" + port);
    }
  }

  /**
   * Parses {@code HOST:PORT}.
   *
   * @throws InvalidRequestException if {@code text} is anything else
   */
  public static HostPort parse(String text) {
    int colon = text.lastIndexOf(':');
    if (colon > 0) {
      String host = text.substring(0, colon);
      if (host.startsWith("[") && host.endsWith("]")) {
        host = host.substring(1, host.length() - 1);
      } else if (host.indexOf(':') >= 0) {
        host = "";
      }
      int port = parsePort(text.substring(colon + 1));
      if (!host.isBlank() && host.indexOf(' ') < 0 && port >= 0) {
        return new HostPort(host, port);
      }
    }
    throw new InvalidRequestException(
        "'" + text + "' is not HOST:PORT with a port of 0 to 65535 (IPv6 as [::1]:6380)");
  }

  private static int parsePort(String digits) {
    if (digits.isEmpty() || digits.length() > 5) {
      return -1;
    }
    int port = 0;
    for (int i = 0; i < digits.length(); i++) {
      char digit = digits.charAt(i);
      if (digit < '0' || digit > '9') {
        return -1;
      }
      port = port * 10 + (digit - '0');
    }
    return port <= MAX_PORT ? port : -1;
  }

  /**
   * The address, looked up.
   *
   * @throws InvalidRequestException if the name is not known
   */
  public InetSocketAddress resolve() {
    try {
      return new InetSocketAddress(InetAddress.getByName(host), port);
    } catch (UnknownHostException e) {
      throw new InvalidRequestException(
          "the host '" + host + "' is not known: use its address or fix the name", e);
    }
  }

  @Override
  public String toString() {
    return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + port;
  }
}
