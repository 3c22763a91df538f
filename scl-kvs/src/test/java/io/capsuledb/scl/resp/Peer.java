package io.capsuledb.scl.resp;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;

/** The client's end of a socket. Text stands for bytes as Latin-1. */
final class Peer implements AutoCloseable {

  private static final int PATIENCE_MS = 30_000;

  final Socket socket;
  private final InputStream in;
  private final OutputStream out;

  Peer(Socket socket) throws IOException {
    this.socket = socket;
    socket.setSoTimeout(PATIENCE_MS);
    socket.setTcpNoDelay(true);
    in = new BufferedInputStream(socket.getInputStream());
    out = socket.getOutputStream();
  }

  /** Sends inline commands or raw bytes. */
  void send(String bytes) throws IOException {
    out.write(bytes.getBytes(StandardCharsets.ISO_8859_1));
    out.flush();
  }

  /** Sends one inline command and returns its reply. */
  String ask(String command) throws IOException {
    send(command + "\r\n");
    return reply();
  }

  /** The next reply, its bytes as they came; "" at the end of the connection. */
  String reply() throws IOException {
    StringBuilder text = new StringBuilder();
    reply(text);
    return text.toString();
  }

  private void reply(StringBuilder into) throws IOException {
    String line = line();
    into.append(line);
    if (line.isEmpty()) {
      return;
    }
    int count =
        "$=*%~".indexOf(line.charAt(0)) < 0 ? 0 : Integer.parseInt(line.substring(1).trim());
    switch (line.charAt(0)) {
      case '$', '=' -> {
        if (count >= 0) {
          into.append(new String(in.readNBytes(count + 2), StandardCharsets.ISO_8859_1));
        }
      }
      case '*', '~', '%' -> {
        for (int i = 0; i < (line.charAt(0) == '%' ? 2 * count : count); i++) {
          reply(into);
        }
      }
      default -> {}
    }
  }

  private String line() throws IOException {
    StringBuilder line = new StringBuilder();
    int b;
    while ((b = in.read()) >= 0) {
      line.append((char) b);
      if (b == '\n') {
        break;
      }
    }
    return line.toString();
  }

  /** Everything until the server closes. */
  String rest() throws IOException {
    StringBuilder rest = new StringBuilder();
    try {
      int b;
      while ((b = in.read()) >= 0) {
        rest.append((char) b);
      }
    } catch (SocketTimeoutException e) {
      throw new AssertionError("the server did not close the connection", e);
    } catch (SocketException e) {
      // Reset: also an end, when the server had not read everything.
      return rest.toString();
    }
    return rest.toString();
  }

  /** Whether nothing arrives for a moment. */
  boolean silentFor(int milliseconds) throws IOException {
    socket.setSoTimeout(milliseconds);
    try {
      in.mark(1);
      int b = in.read();
      in.reset();
      return b < 0;
    } catch (SocketTimeoutException e) {
      return true;
    } finally {
      socket.setSoTimeout(PATIENCE_MS);
    }
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
