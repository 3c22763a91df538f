package io.capsuledb.host.client;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.UnavailableException;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;

/**
 * One blocking connection to a server.
 *
 * <p>Replies come in the order of the commands. {@link #query} and {@link #update} send one command
 * and wait; for pipelining use {@link #send}, {@link #flush} and {@link #receive}: one thread may
 * send and flush while another receives, and that is all the sharing allowed.
 *
 * <p>After an exception other than one that {@link ReplyErrors} made of a reply, the connection is
 * good for nothing but closing.
 */
public final class RespClient implements AutoCloseable {

  private static final byte[] CRLF = {'\r', '\n'};
  private static final int OUT_BUFFER_BYTES = 64 << 10;

  private final ClientOptions options;
  private final Socket socket;
  private final OutputStream out;
  private final ReplyReader replies;

  private RespClient(ClientOptions options, Socket socket) throws IOException {
    this.options = options;
    this.socket = socket;
    this.out = new BufferedOutputStream(socket.getOutputStream(), OUT_BUFFER_BYTES);
    this.replies = new ReplyReader(socket.getInputStream());
  }

  /**
   * Connects, and authenticates if the options hold a password.
   *
   * @throws UnavailableException if nothing answers at the address
   * @throws io.capsuledb.core.error.DeniedException if the server refuses the password
   */
  public static RespClient open(ClientOptions options) {
    RespClient client;
    try {
      client = connect(options);
    } catch (IOException e) {
      throw new UnavailableException(
          "cannot connect to "
              + options.address()
              + " ("
              + e.getMessage()
              + "): start a server with 'capsule serve', or name yours with --connect",
          e);
    }
    SecretBytes password = options.password();
    if (password != null) {
      try (password) {
        byte[] user = options.user().getBytes(StandardCharsets.UTF_8);
        client.query(ascii("AUTH"), user, password.expose());
      } catch (CapsuleException e) {
        client.close();
        throw e;
      }
    }
    return client;
  }

  // The socket belongs to the client that is returned, or is closed here.
  @SuppressWarnings("resource")
  private static RespClient connect(ClientOptions options) throws IOException {
    Socket socket = new Socket();
    try {
      socket.setTcpNoDelay(true);
      socket.connect(options.address().resolve(), options.timeoutMs());
      socket.setSoTimeout(options.timeoutMs());
      return new RespClient(options, options.tls() ? TlsSockets.secure(socket, options) : socket);
    } catch (IOException | CapsuleException e) {
      socket.close();
      throw e;
    }
  }

  /** A word of the protocol as bytes. */
  public static byte[] ascii(String word) {
    return word.getBytes(StandardCharsets.US_ASCII);
  }

  /**
   * Sends a command that changes nothing and waits for its reply.
   *
   * @throws CapsuleException what the server answered, if it was an error; {@link
   *     UnavailableException} if the connection failed
   */
  public Reply query(byte[]... command) {
    send(command);
    flush();
    return ReplyErrors.orThrow(receive());
  }

  /**
   * Sends a command that changes something and waits for its reply.
   *
   * @throws CapsuleException what the server answered, if it was an error; {@link
   *     OutcomeUnknownException} if the connection failed before the answer
   */
  public Reply update(byte[]... command) {
    Reply reply;
    try {
      send(command);
      flush();
      reply = receive();
    } catch (UnavailableException e) {
      throw new OutcomeUnknownException(
          e.getMessage() + "; the change may or may not have been made: read it back", e);
    }
    return ReplyErrors.orThrow(reply);
  }

  /** Queues a command; {@link #flush} sends what is queued. */
  public void send(byte[]... command) {
    try {
      out.write('*');
      decimal(command.length);
      for (byte[] argument : command) {
        out.write('$');
        decimal(argument.length);
        out.write(argument);
        out.write(CRLF);
      }
    } catch (IOException e) {
      throw lost(e);
    }
  }

  private void decimal(int value) throws IOException {
    out.write(ascii(Integer.toString(value)));
    out.write(CRLF);
  }

  /** Sends what is queued. */
  public void flush() {
    try {
      out.flush();
    } catch (IOException e) {
      throw lost(e);
    }
  }

  /** Waits for the next reply, which may be a {@link Reply.Failure}. */
  public Reply receive() {
    try {
      return replies.read();
    } catch (IOException e) {
      throw lost(e);
    }
  }

  /** Whether a reply, or its beginning, is there already. */
  public boolean replyPending() {
    return replies.pending();
  }

  private UnavailableException lost(IOException e) {
    String why =
        switch (e) {
          case SocketTimeoutException _ -> "no reply within " + options.timeoutMs() + " ms";
          case ReplyReader.MalformedReplyException _ ->
              "it does not speak the Redis protocol: " + e.getMessage();
          default -> "connection lost: " + e.getMessage();
        };
    return new UnavailableException("the server at " + options.address() + ": " + why, e);
  }

  @Override
  public void close() {
    try {
      socket.close();
    } catch (IOException e) {
      throw new UnavailableException("cannot close the connection: " + e.getMessage(), e);
    }
  }
}
