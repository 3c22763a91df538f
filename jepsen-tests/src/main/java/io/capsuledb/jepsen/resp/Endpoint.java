package io.capsuledb.jepsen.resp;

import java.net.InetSocketAddress;

/**
 * Where a server listens.
 *
 * @param name of the node, in histories
 * @param host its host
 * @param port its port, 1 to 65535
 */
public record Endpoint(String name, String host, int port) {

  /**
   * Reads {@code HOST:PORT}; the text is the name, too.
   *
   * @throws IllegalArgumentException if it is none
   */
  public static Endpoint parse(String text) {
    int colon = text.lastIndexOf(':');
    if (colon < 1) {
      throw new IllegalArgumentException("'" + text + "' is no HOST:PORT");
    }
    try {
      int port = Integer.parseInt(text.substring(colon + 1));
      if (port < 1 || port > 65535) {
        throw new IllegalArgumentException("'" + text + "': allowed are ports 1 to 65535");
      }
      return new Endpoint(text, text.substring(0, colon), port);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("'" + text + "' has no number as its port", e);
    }
  }

  InetSocketAddress resolve() {
    return new InetSocketAddress(host, port);
  }

  @Override
  public String toString() {
    return host + ":" + port;
  }
}
