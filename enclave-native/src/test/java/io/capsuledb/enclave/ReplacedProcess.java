package io.capsuledb.enclave;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

/** A process that replaces itself once, and then waits until its standard input ends. */
final class ReplacedProcess {

  private static final String LIFE = "CAPSULE_TEST_LIFE";
  private static final int COPIES = 1000;

  private ReplacedProcess() {}

  /** Prints one line of what it is in each life. */
  public static void main(String[] arguments) throws Exception {
    ProcessHardening.apply();
    if (System.getenv(LIFE) == null) {
      // The secret is nowhere but in memory: it comes in, and is told nobody.
      String secret = new String(System.in.readNBytes(32), StandardCharsets.US_ASCII);
      List<String> copies = new ArrayList<>();
      for (int i = 0; i < COPIES; i++) {
        copies.add(secret + i);
      }
      ServerSocket open = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
      Thread holds =
          Thread.ofPlatform().start(() -> System.out.println("holds " + hash(secret, copies)));
      holds.join();
      Thread.ofPlatform().daemon().start(() -> LockSupport.parkNanos(open, Long.MAX_VALUE));
      say("first", arguments);
      System.in.read();
      System.out.println(ProcessImage.replace(Map.of(LIFE, "2")));
      return;
    }
    say("second", arguments);
    while (System.in.read() >= 0) {
      // Until it ends.
    }
  }

  private static String hash(String secret, List<String> copies) {
    return HexFormat.of().toHexDigits((long) secret.length() * copies.size());
  }

  private static void say(String life, String[] arguments) throws IOException {
    long sockets;
    try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
      sockets = files.filter(ReplacedProcess::isSocket).count();
    }
    String status = Files.readString(Path.of("/proc/thread-self/status"));
    System.out.println(
        String.join(
            " ",
            life,
            Long.toString(ProcessHandle.current().pid()),
            String.join("+", arguments),
            sockets == 0 ? "nothing-open" : "sockets-open",
            status.contains("NoNewPrivs:\t1") ? "hardened" : "soft"));
  }

  private static boolean isSocket(Path file) {
    try {
      return Files.readSymbolicLink(file).toString().startsWith("socket:");
    } catch (IOException e) {
      return false;
    }
  }
}
