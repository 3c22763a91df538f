package io.capsuledb.replication.transport;

import io.capsuledb.core.error.InvalidRequestException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Files and bounds of a {@link TlsTransport}. Immutable.
 *
 * @param certificate PEM chain this side shows; needed for listening
 * @param key its unencrypted PKCS#8 key in PEM
 * @param authority PEM certificates that have to have signed the peer's; then whoever connects
 *     needs one. Null: whoever connects needs none, and who is dialled needs one of the system's
 * @param maxLinks most connections that peers made, at once
 * @param linkQueueBytes most bytes of frames that wait for one link; more are refused, and so is
 *     any frame longer than this
 * @param handshakeMs most for a TLS handshake
 * @param idleMs a peer that sends nothing for so long is disconnected
 */
public record TlsOptions(
    @Nullable Path certificate,
    @Nullable Path key,
    @Nullable Path authority,
    int maxLinks,
    int linkQueueBytes,
    int handshakeMs,
    int idleMs) {

  /** Checks the ranges. */
  public TlsOptions {
    if ((certificate == null) != (key == null)) {
      throw new InvalidRequestException(
          "certificate is " + certificate + " and key is " + key + "; allowed is both or neither");
    }
    check("maxLinks", maxLinks, 1, 65_536);
    check("linkQueueBytes", linkQueueBytes, 1 << 20, 1 << 30);
    check("handshakeMs", handshakeMs, 10, 600_000);
    check("idleMs", idleMs, 10, 3_600_000);
  }

  /** These files, 1024 links, 64 MiB of queue each, five seconds to begin, a minute of silence. */
  public static TlsOptions of(
      @Nullable Path certificate, @Nullable Path key, @Nullable Path authority) {
    return new TlsOptions(certificate, key, authority, 1024, 64 << 20, 5_000, 60_000);
  }

  private static void check(String option, int value, int least, int most) {
    if (value < least || value > most) {
      throw new InvalidRequestException(
          option + " is " + value + "; allowed is " + least + " to " + most);
    }
  }
}
