package io.capsuledb.host.attest.simulated;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.intel.EnclaveReport;
import io.capsuledb.host.attest.intel.QuoteLayout;
import io.capsuledb.host.attest.simulated.AgeFrames.AgeFrame;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * A simulated enclave's way to its machine's assertion-generating enclave, which it knows by a
 * local report. Thread-safe: each question has a connection of its own.
 */
final class AgeClient {

  private static final long DEADLINE_SECONDS = 20;

  private final Path socket;
  private final Octets targetInfo;

  private AgeClient(Path socket, Octets targetInfo) {
    this.socket = socket;
    this.targetInfo = targetInfo;
  }

  /**
   * Local attestation, the first half: who is there proves that it is the assertion-generating
   * enclave of this machine. The second half is the report of each {@link #quote}.
   *
   * @throws IntegrityException if it does not
   * @throws UnavailableException if nobody is there
   */
  static AgeClient attest(Path socket, SimulatedCpu cpu, Octets measurement, Entropy entropy) {
    byte[] random = new byte[AgeFrames.NONCE_BYTES];
    entropy.fill(random);
    Octets nonce = Octets.own(random);
    Octets welcome = ask(socket, AgeFrames.HELLO, nonce.then(measurement), AgeFrames.WELCOME);
    if (welcome.length() != AgeFrames.WELCOME_BYTES) {
      throw refused("a welcome of " + welcome.length() + " bytes");
    }
    Octets target = welcome.slice(0, SimulatedPlatform.TARGET_INFO_BYTES);
    Octets report = welcome.from(SimulatedPlatform.TARGET_INFO_BYTES);
    if (!cpu.verify(measurement, report)) {
      throw refused("its report is not of this machine, or not for this enclave");
    }
    EnclaveReport body = new EnclaveReport(report.slice(0, QuoteLayout.SGX_BODY_BYTES));
    if (!body.measurement().equals(SimulatedPlatform.MEASUREMENT)
        || !target.startsWith(SimulatedPlatform.MEASUREMENT)) {
      throw refused("it is another enclave, with measurement " + body.measurement());
    }
    if (!body.reportData().equals(AgeFrames.welcomeData(nonce, measurement))) {
      throw refused("its report is not about this nonce: a replay");
    }
    return new AgeClient(socket, target);
  }

  private static IntegrityException refused(String why) {
    return new IntegrityException(
        Rejection.of(
            Reason.SIGNATURE, "who answers is not the assertion-generating enclave: " + why));
  }

  /** TARGETINFO for reports to it. */
  Octets targetInfo() {
    return targetInfo;
  }

  /** A quote from a local report. */
  Octets quote(Octets report) {
    return ask(socket, AgeFrames.REPORT, report, AgeFrames.QUOTE);
  }

  private static Octets ask(Path socket, int type, Octets body, int answer) {
    try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
      // Closing a channel is what ends a read of a Unix socket that takes too long.
      CompletableFuture<Void> late =
          CompletableFuture.runAsync(
              () -> close(channel),
              CompletableFuture.delayedExecutor(DEADLINE_SECONDS, TimeUnit.SECONDS));
      try {
        AgeFrames.write(channel, type, body);
        AgeFrame frame = AgeFrames.read(channel);
        if (frame.type() == AgeFrames.REFUSED) {
          throw new UnavailableException(
              "the assertion-generating enclave refuses: "
                  + new String(frame.body().toArray(), StandardCharsets.UTF_8));
        }
        if (frame.type() != answer) {
          throw refused("an answer of type " + frame.type());
        }
        return frame.body();
      } finally {
        late.cancel(false);
      }
    } catch (IOException e) {
      throw new UnavailableException(
          "the assertion-generating enclave does not answer at "
              + socket
              + " ("
              + e.getMessage()
              + "): start it with 'capsule age'",
          e);
    }
  }

  private static void close(SocketChannel channel) {
    try {
      channel.close();
    } catch (IOException e) {
      throw new UnavailableException("cannot close a socket", e);
    }
  }
}
