package io.capsuledb.jepsen.resp;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * One blocking connection. After an {@link IOException} nobody knows what the commands did that
 * were sent, and the connection is good for nothing but closing. Not thread-safe.
 */
public final class RespConnection implements AutoCloseable {

  private static final int MAX_BULK_BYTES = 16 << 20;
  private static final int MAX_ITEMS = 1 << 20;
  private static final int MAX_LINE_BYTES = 64 << 10;
  private static final int MAX_DEPTH = 8;

  private final Endpoint endpoint;
  private final Socket socket;
  private final InputStream in;

  private RespConnection(Endpoint endpoint, Socket socket) throws IOException {
    this.endpoint = endpoint;
    this.socket = socket;
    this.in = new BufferedInputStream(socket.getInputStream(), 16 << 10);
  }

  /**
   * Connects.
   *
   * @param timeoutMs most to wait for the connection, and for each reply
   * @throws IOException if nobody answers: nothing was asked for yet
   */
  @SuppressWarnings("resource") // The socket belongs to the connection, or is closed here.
  public static RespConnection open(Endpoint endpoint, int timeoutMs) throws IOException {
    Socket socket = new Socket();
    try {
      socket.setTcpNoDelay(true);
      socket.connect(endpoint.resolve(), timeoutMs);
      socket.setSoTimeout(timeoutMs);
      return new RespConnection(endpoint, socket);
    } catch (IOException e) {
      socket.close();
      throw e;
    }
  }

  /** Where it leads. */
  public Endpoint endpoint() {
    return endpoint;
  }

  /** Sends a command and waits for its reply. */
  public Reply call(String... command) throws IOException {
    return pipeline(List.of(List.of(command))).getFirst();
  }

  /** Sends several commands at once and waits for all replies. */
  public List<Reply> pipeline(List<List<String>> commands) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (List<String> command : commands) {
      out.writeBytes(ascii("*" + command.size() + "\r\n"));
      for (String word : command) {
        byte[] bytes = word.getBytes(StandardCharsets.UTF_8);
        out.writeBytes(ascii("$" + bytes.length + "\r\n"));
        out.writeBytes(bytes);
        out.writeBytes(ascii("\r\n"));
      }
    }
    out.writeTo(socket.getOutputStream());
    List<Reply> replies = new ArrayList<>();
    for (int i = 0; i < commands.size(); i++) {
      replies.add(read(0));
    }
    return replies;
  }

  /**
   * Sends commands as one transaction.
   *
   * @return what EXEC was answered
   * @throws ServerFaultException what the first refused command of it was answered; then the
   *     transaction did not happen
   */
  public Reply transaction(List<List<String>> commands) throws IOException, ServerFaultException {
    List<List<String>> all = new ArrayList<>();
    all.add(List.of("MULTI"));
    all.addAll(commands);
    all.add(List.of("EXEC"));
    List<Reply> replies = pipeline(all);
    Reply exec = replies.getLast();
    if (exec instanceof Reply.Fault(String message) && message.startsWith("EXECABORT")) {
      for (Reply reply : replies.subList(0, replies.size() - 1)) {
        if (reply instanceof Reply.Fault(String why)) {
          throw new ServerFaultException("EXECABORT after: " + why);
        }
      }
    }
    return exec;
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private Reply read(int depth) throws IOException {
    if (depth > MAX_DEPTH) {
      throw new IOException("a reply is nested too deeply");
    }
    String line = line();
    if (line.isEmpty()) {
      throw new IOException("a reply is empty");
    }
    String rest = line.substring(1);
    return switch (line.charAt(0)) {
      case '+' -> new Reply.Status(rest);
      case '-' -> new Reply.Fault(rest);
      case ':' -> new Reply.Int(number(rest, Long.MAX_VALUE));
      case '$' -> bulk((int) number(rest, MAX_BULK_BYTES));
      case '*' -> many((int) number(rest, MAX_ITEMS), depth);
      default -> throw new IOException("a reply is of no known type: '" + line.charAt(0) + "'");
    };
  }

  private static long number(String text, long most) throws IOException {
    try {
      long value = Long.parseLong(text);
      if (value <= most) {
        return value;
      }
    } catch (NumberFormatException e) {
      throw new IOException("a reply has no number where one belongs", e);
    }
    throw new IOException("a reply is too large");
  }

  private Reply bulk(int length) throws IOException {
    if (length < 0) {
      return new Reply.Bulk(null);
    }
    byte[] bytes = in.readNBytes(length);
    if (bytes.length < length || in.read() != '\r' || in.read() != '\n') {
      throw new EOFException("a reply ended too early");
    }
    return new Reply.Bulk(new String(bytes, StandardCharsets.UTF_8));
  }

  private Reply many(int count, int depth) throws IOException {
    if (count < 0) {
      return new Reply.Many(null);
    }
    List<Reply> items = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      items.add(read(depth + 1));
    }
    return new Reply.Many(items);
  }

  private String line() throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    for (int b = in.read(); b != '\n'; b = in.read()) {
      if (b < 0) {
        throw new EOFException("the server closed the connection");
      }
      if (line.size() == MAX_LINE_BYTES) {
        throw new IOException("a line of a reply is too long");
      }
      line.write(b);
    }
    String text = line.toString(StandardCharsets.UTF_8);
    return text.endsWith("\r") ? text.substring(0, text.length() - 1) : text;
  }

  @Override
  public void close() {
    try {
      socket.close();
    } catch (IOException e) {
      // Nothing more is wanted of it; what was sent before is unknown already.
      throw new java.io.UncheckedIOException(e);
    }
  }
}
