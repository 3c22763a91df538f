package io.capsuledb.jepsen.system;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A network of TCP proxies on loopback, one for each pair of nodes of which one dials the other.
 * Needs no rights. It acts on the bytes of connections, not on packets: what is cut is held back,
 * as TCP would resend it, and packets cannot be lost.
 */
final class ProxyNetwork implements Network {

  /** Why packets cannot be lost here. */
  static final String NO_LOSS =
      "proxies carry bytes, not packets, and cannot lose any: use --network netns";

  private final Map<String, Integer> ports = new HashMap<>();
  private final Map<String, LinkProxy> links = new HashMap<>();

  /** A network of these nodes, each with a port of its own. */
  ProxyNetwork(List<String> nodes) throws IOException {
    for (int i = 0; i < nodes.size(); i++) {
      ports.put(nodes.get(i), freePort());
    }
  }

  /** A port of loopback that nobody uses now. */
  static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  @Override
  public List<String> launcher(String node) {
    return List.of();
  }

  @Override
  public String listen(String node) {
    return "127.0.0.1:" + port(node);
  }

  private int port(String node) {
    Integer port = ports.get(node);
    if (port == null) {
      throw new IllegalArgumentException("no node " + node);
    }
    return port;
  }

  @Override
  public String address(String from, String to) throws IOException {
    try {
      return "127.0.0.1:"
          + links.computeIfAbsent(from + ">" + to, name -> open(name, port(to))).port();
    } catch (UncheckedIOException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  private static LinkProxy open(String name, int port) {
    try {
      return LinkProxy.open(name, port);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public String expose(String node, int port) {
    return "127.0.0.1:" + port;
  }

  @Override
  public boolean leavesLoopback() {
    return false;
  }

  /** What carries bytes from one to the other: on links that either has dialled. */
  private List<LinkProxy.Direction> directions(String from, String to) {
    LinkProxy there = links.get(from + ">" + to);
    LinkProxy back = links.get(to + ">" + from);
    return java.util.stream.Stream.of(
            there == null ? null : there.forward(), back == null ? null : back.backward())
        .filter(java.util.Objects::nonNull)
        .toList();
  }

  @Override
  public void cut(String from, String to) {
    directions(from, to).forEach(direction -> direction.hold(true));
  }

  @Override
  public void delay(String from, String to, int delayMs, int jitterMs) {
    directions(from, to).forEach(direction -> direction.delay(delayMs, jitterMs));
  }

  @Override
  public void limit(String from, String to, int bytesPerSecond) {
    directions(from, to).forEach(direction -> direction.limit(bytesPerSecond));
  }

  @Override
  public void lose(String from, String to, int percent) throws IOException {
    throw new IOException(NO_LOSS);
  }

  @Override
  public void heal() {
    links.values().forEach(LinkProxy::heal);
  }

  @Override
  public void close() throws IOException {
    for (LinkProxy link : links.values()) {
      link.close();
    }
  }
}
