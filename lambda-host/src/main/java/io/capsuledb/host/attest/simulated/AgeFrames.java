package io.capsuledb.host.attest.simulated;

import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.QuoteLayout;
import io.capsuledb.host.attest.pki.Digests;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

/**
 * What a simulated enclave and the assertion-generating enclave say to each other through a Unix
 * socket: frames of a length (4 bytes, little endian), a type and a body.
 *
 * <table>
 * <caption>Frames</caption>
 * <tr><th>type</th><th>body</th></tr>
 * <tr><td>1 HELLO</td><td>nonce (32), measurement of the enclave (32)</td></tr>
 * <tr><td>2 WELCOME</td><td>TARGETINFO (512), report (432) for that enclave over {@link
 * #welcomeData}</td></tr>
 * <tr><td>3 REPORT</td><td>report (432) for the assertion-generating enclave</td></tr>
 * <tr><td>4 QUOTE</td><td>a quote</td></tr>
 * <tr><td>5 REFUSED</td><td>a sentence, UTF-8</td></tr>
 * </table>
 */
final class AgeFrames {

  static final int HELLO = 1;
  static final int WELCOME = 2;
  static final int REPORT = 3;
  static final int QUOTE = 4;
  static final int REFUSED = 5;

  static final int NONCE_BYTES = 32;
  static final int HELLO_BYTES = NONCE_BYTES + QuoteLayout.SHA256_BYTES;
  static final int WELCOME_BYTES = SimulatedPlatform.TARGET_INFO_BYTES + SimulatedCpu.REPORT_BYTES;

  private static final int MAX_BODY = 1 << 16;
  private static final int HEAD = Integer.BYTES + 1;
  private static final Octets TAG =
      Octets.own("capsule/age-welcome/v1".getBytes(StandardCharsets.US_ASCII));

  private AgeFrames() {}

  /**
   * A frame.
   *
   * @param type one of the numbers above
   * @param body what comes with it
   */
  record AgeFrame(int type, Octets body) {}

  /** What the assertion-generating enclave's own report is about. */
  static Octets welcomeData(Octets nonce, Octets measurement) {
    return Digests.sha512(TAG.then(nonce).then(measurement));
  }

  static void write(SocketChannel channel, int type, Octets body) throws IOException {
    ByteBuffer frame = ByteBuffer.allocate(HEAD + body.length()).order(ByteOrder.LITTLE_ENDIAN);
    frame.putInt(body.length()).put((byte) type).put(body.buffer()).flip();
    while (frame.hasRemaining()) {
      channel.write(frame);
    }
  }

  /**
   * The next frame.
   *
   * @throws EOFException if the other side closed
   */
  static AgeFrame read(SocketChannel channel) throws IOException {
    ByteBuffer head = full(channel, HEAD).order(ByteOrder.LITTLE_ENDIAN);
    int length = head.getInt(0);
    if (length < 0 || length > MAX_BODY) {
      throw new IOException("a frame of " + length + " bytes");
    }
    return new AgeFrame(head.get(Integer.BYTES), Octets.own(full(channel, length).array()));
  }

  private static ByteBuffer full(SocketChannel channel, int bytes) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(bytes);
    while (buffer.hasRemaining()) {
      if (channel.read(buffer) < 0) {
        throw new EOFException("the other side closed");
      }
    }
    return buffer;
  }
}
