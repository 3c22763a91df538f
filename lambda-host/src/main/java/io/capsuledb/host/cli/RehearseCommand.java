package io.capsuledb.host.cli;

import io.capsuledb.core.error.StorageException;
import io.capsuledb.enclave.script.ScriptEngine;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import io.capsuledb.host.files.DirectoryTree;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.node.Node;
import io.capsuledb.host.terminal.Streams;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/**
 * Does what users do, on a directory of its own, so that the JVM can record it when the product is
 * built: which classes are loaded and what runs often. Recorded, a server starts in half the time
 * and is up to speed sooner.
 */
@Command(name = "rehearse", hidden = true, header = "Used by the build.")
final class RehearseCommand implements Callable<Integer> {

  private static final int OPERATIONS = 40_000;
  private static final int KEYS = 2_000;
  private static final String CALLS_MS = "250";

  private static final String LIBRARY =
      """
      #!js name=rehearsal
      register_function('empty', function () {});
      register_function('copy', function (keys) { put(keys[1], get(keys[0])) });
      register_function('count', function (keys) {
        return {is: incr('n', 1), was: exists(keys[0]), list: ['a', 1.5, null]} });
      """;

  @Parameters(paramLabel = "WHAT", description = "short: commands that end; long: a server.")
  private String what = "";

  private final CommandContext context;

  RehearseCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    PrintStream nowhere =
        new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
    EventLog.install(nowhere, EventLog.Detail.INFO);
    try {
      Path directory = Files.createTempDirectory("capsule-rehearsal-");
      try {
        if (what.equals("long")) {
          rehearseServer(directory, nowhere);
        } else {
          rehearseCommands(directory, nowhere);
        }
      } finally {
        DirectoryTree.remove(directory);
      }
    } catch (IOException e) {
      throw new StorageException("the rehearsal has no directory to work in: " + e, e);
    }
    return ExitCodes.OK;
  }

  private void rehearseServer(Path directory, PrintStream nowhere) throws IOException {
    String data = directory.resolve("data").toString();
    run(nowhere, "", "serve", "--memtable-mb", "x");
    ServeCommand.harden();
    for (int start = 0; start < 2; start++) {
      ServeOptions options =
          ServeOptions.builder()
              .set(ServeSetting.DATA, data, directory)
              .set(ServeSetting.LISTEN, "127.0.0.1:0", directory)
              .set(ServeSetting.HTTP, "127.0.0.1:0", directory)
              .build();
      try (Node node =
          Node.start(options, isProtected -> null, VersionCommand.version(), () -> {})) {
        String at = "127.0.0.1:" + node.address().getPort();
        run(nowhere, trace(), "load", "--connect", at, "-");
        rehearseCalls(directory, at, nowhere);
        if (node.httpAddress() != null) {
          scrape(node.httpAddress(), nowhere);
        }
      }
    }
    run(nowhere, "", "verify", data);
  }

  private void rehearseCalls(Path directory, String at, PrintStream nowhere) throws IOException {
    if (ScriptEngine.unavailable() != null) {
      return;
    }
    Path library = Files.writeString(directory.resolve("library.js"), LIBRARY);
    run(nowhere, "", "fn", "load", "--replace", "--connect", at, library.toString());
    for (String function : List.of("empty", "copy", "count")) {
      run(
          nowhere,
          "",
          "fn",
          "bench",
          "--connect",
          at,
          "--each-ms",
          CALLS_MS,
          "--pipeline",
          "4",
          "--key",
          "user1",
          "--key",
          "copied",
          function);
    }
  }

  private static void scrape(InetSocketAddress http, PrintStream nowhere) throws IOException {
    try (Socket socket = new Socket(http.getAddress(), http.getPort())) {
      socket
          .getOutputStream()
          .write("GET /metrics HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
      socket.getInputStream().transferTo(nowhere);
    }
  }

  /** Talks to nobody: a stand-in answers every command, so that no server is recorded with it. */
  private void rehearseCommands(Path directory, PrintStream nowhere) throws IOException {
    try (ServerSocket standIn = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Thread.ofPlatform().daemon().start(() -> answer(standIn));
      String at = "127.0.0.1:" + standIn.getLocalPort();
      for (int i = 0; i < 3; i++) {
        run(nowhere, "", "put", "--connect", at, "key", "value");
        run(nowhere, "", "get", "--connect", at, "key");
        run(nowhere, "", "get", "--json", "--connect", at, "key");
        run(nowhere, "", "del", "--connect", at, "key");
        run(nowhere, "", "version");
        run(nowhere, "", "version", "--json");
        run(nowhere, "", "--help");
        run(nowhere, "", "get", "--help");
        run(nowhere, "", "serve", "--help");
        run(nowhere, "", "no-such-command");
      }
    }
    run(nowhere, "", "get", "--connect", "127.0.0.1:1", "key");
    String key = directory.resolve("owner.key").toString();
    run(nowhere, "", "keys", "new", "--development", key);
    run(nowhere, "", "keys", "show", key);
  }

  private static void answer(ServerSocket standIn) {
    byte[] answer = "$5\r\nvalue\r\n".getBytes(StandardCharsets.US_ASCII);
    try {
      while (true) {
        try (Socket client = standIn.accept()) {
          client.getOutputStream().write(answer);
          client.getInputStream().transferTo(OutputStream.nullOutputStream());
        }
      }
    } catch (IOException e) {
      if (!standIn.isClosed()) {
        throw new UncheckedIOException("the stand-in for a server failed", e);
      }
    }
  }

  private static String trace() {
    StringBuilder trace = new StringBuilder();
    for (int i = 0; i < OPERATIONS; i++) {
      String key = "user" + i % KEYS;
      trace.append(i % 2 == 0 ? "SET " + key + " " + "value ".repeat(16) + i : "GET " + key);
      trace.append('\n');
    }
    return trace.toString();
  }

  private void run(PrintStream nowhere, String input, String... arguments) {
    InputStream in = new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8));
    CapsuleCli.run(arguments, new Streams(in, nowhere, nowhere, false), context.environment());
  }
}
