package io.capsuledb.enclave;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;

/** A process that seals itself, and then tries what it may not do any more. */
final class SealedProcess {

  private SealedProcess() {}

  /** Prints one line for each attempt: what it was, and how it ended. */
  public static void main(String[] arguments) throws Exception {
    // What is to fail later has to be loaded now, or only the loading would fail.
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        Socket client = new Socket(listener.getInetAddress(), listener.getLocalPort());
        SocketChannel channel = SocketChannel.open()) {
      System.out.println("before: " + (client.isConnected() && channel.isOpen()));
    }
    attempt("file before", () -> Files.readString(Path.of("/proc/version")));
    new ProcessBuilder("true").start().waitFor();
    for (ProcessHardening.Measure measure : ProcessHardening.apply()) {
      System.out.println(measure.name() + ": " + measure.failure());
    }
    for (ProcessHardening.Measure measure : ProcessHardening.seal()) {
      System.out.println(measure.name() + ": " + measure.failure());
    }
    attempt("socket", () -> new ServerSocket(0, 1, InetAddress.getLoopbackAddress()));
    attempt("connect", () -> new Socket(InetAddress.getLoopbackAddress(), 1));
    attempt("file", () -> Files.readString(Path.of("/proc/version")));
    attempt("write", () -> Files.writeString(Path.of("/tmp/capsule-sealed"), "x"));
    attempt("program", () -> new ProcessBuilder("true").start());
    Thread thread = new Thread(() -> System.out.println("thread: runs"));
    thread.start();
    thread.join();
    byte[][] memory = new byte[64][];
    for (int i = 0; i < memory.length; i++) {
      memory[i] = new byte[1 << 20];
    }
    System.gc();
    System.out.println("memory: " + memory.length);
  }

  private static void attempt(String what, Callable<?> act) throws Exception {
    try {
      act.call();
      System.out.println(what + ": done");
    } catch (IOException e) {
      System.out.println(what + ": refused");
    }
  }
}
