package io.capsuledb.replication.transport;

import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SocketChannel;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import zmq.io.net.Address;

/** Addresses as JeroMQ writes them. */
final class ZmqAddress {

  private static final Pattern TCP =
      Pattern.compile("tcp://(\\[[0-9a-fA-F:.]+]|[^:/\\[\\]\\s;]+):([0-9]{1,5})");
  private static final Pattern IPC = Pattern.compile("ipc://[^\\s;]{1,100}");
  private static final int MAX_PORT = 65_535;

  private ZmqAddress() {}

  static boolean isValid(String endpoint) {
    Matcher tcp = TCP.matcher(endpoint);
    return tcp.matches()
        ? Integer.parseInt(tcp.group(2)) <= MAX_PORT
        : IPC.matcher(endpoint).matches();
  }

  /** With the host's number instead of its name; null if the name is not known. May wait. */
  static @Nullable String resolve(String endpoint) {
    Matcher tcp = TCP.matcher(endpoint);
    if (!tcp.matches()) {
      return endpoint;
    }
    try {
      InetAddress host = InetAddress.getByName(tcp.group(1));
      String number = host.getHostAddress();
      return "tcp://"
          + (host instanceof Inet6Address ? "[" + number + "]" : number)
          + ":"
          + tcp.group(2);
    } catch (UnknownHostException e) {
      return null;
    }
  }

  /** A connection's other end, in the words of JeroMQ's metadata; null if it is gone already. */
  static @Nullable String peer(SelectableChannel channel) {
    try {
      return channel instanceof SocketChannel socket
          ? new Address(socket.getRemoteAddress()).address()
          : null;
    } catch (IOException e) {
      return null;
    }
  }
}
