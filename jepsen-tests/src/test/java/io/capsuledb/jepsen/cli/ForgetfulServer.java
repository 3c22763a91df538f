package io.capsuledb.jepsen.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** A server of GET, SET, SADD and SMEMBERS that forgets some of what it acknowledges. */
final class ForgetfulServer implements AutoCloseable {

  private final ServerSocket listener;
  private final int forgetEvery;
  private final Map<String, AtomicInteger> writes = new ConcurrentHashMap<>();
  private final Map<String, String> strings = new HashMap<>();
  private final Map<String, Set<String>> sets = new HashMap<>();

  /** Starts one; 0 forgets nothing. */
  ForgetfulServer(int forgetEvery) throws IOException {
    this.forgetEvery = forgetEvery;
    this.listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().start(this::accept);
  }

  String address() {
    return "127.0.0.1:" + listener.getLocalPort();
  }

  private void accept() {
    while (!listener.isClosed()) {
      try {
        Socket client = listener.accept();
        Thread.ofVirtual().start(() -> serve(client));
      } catch (IOException e) {
        return;
      }
    }
  }

  private void serve(Socket client) {
    try (client;
        BufferedReader in =
            new BufferedReader(
                new InputStreamReader(client.getInputStream(), StandardCharsets.US_ASCII));
        OutputStream out = client.getOutputStream()) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        List<String> command = new ArrayList<>();
        for (int i = Integer.parseInt(line.substring(1)); i > 0; i--) {
          in.readLine();
          command.add(in.readLine());
        }
        out.write(answer(command).getBytes(StandardCharsets.US_ASCII));
      }
    } catch (IOException e) {
      // The client is gone.
      return;
    }
  }

  private boolean forgets(String command) {
    int count = writes.computeIfAbsent(command, _ -> new AtomicInteger()).incrementAndGet();
    return forgetEvery > 0 && count % forgetEvery == 0;
  }

  private synchronized String answer(List<String> command) {
    return switch (command.getFirst()) {
      case "SET" -> {
        if (!forgets("SET")) {
          strings.put(command.get(1), command.get(2));
        }
        yield "+OK\r\n";
      }
      case "GET" -> bulk(strings.get(command.get(1)));
      case "SADD" -> {
        if (!forgets("SADD")) {
          sets.computeIfAbsent(command.get(1), _ -> new TreeSet<>()).add(command.get(2));
        }
        yield ":1\r\n";
      }
      case "SMEMBERS" -> {
        Set<String> set = sets.getOrDefault(command.get(1), Set.of());
        StringBuilder text = new StringBuilder("*" + set.size() + "\r\n");
        set.forEach(element -> text.append(bulk(element)));
        yield text.toString();
      }
      default -> "-ERR unknown command '" + command.getFirst() + "'\r\n";
    };
  }

  private static String bulk(String text) {
    return text == null ? "$-1\r\n" : "$" + text.length() + "\r\n" + text + "\r\n";
  }

  @Override
  public void close() throws IOException {
    listener.close();
  }
}
