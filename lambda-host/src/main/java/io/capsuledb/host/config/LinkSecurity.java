package io.capsuledb.host.config;

import io.capsuledb.core.error.InvalidRequestException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * How links between replicas and their clients travel. Either way each side proves its key by a
 * signed hello and every frame carries a MAC; TLS hides what is said from the network besides.
 *
 * @param transport which one
 * @param tlsCert this side's certificate chain, PEM; needed for listening with TLS
 * @param tlsKey the certificate's private key, PEM (PKCS #8); present exactly if {@code tlsCert} is
 * @param tlsCa who must vouch for the other side's certificate, PEM; null: the system's authorities
 *     for whom this side dials, nobody for who dials this side
 */
public record LinkSecurity(
    Transport transport, @Nullable Path tlsCert, @Nullable Path tlsKey, @Nullable Path tlsCa) {

  /** What carries the frames. */
  public enum Transport {
    /** TCP as it is, for loopback. */
    PLAIN,
    /** JeroMQ, in clear, for loopback. */
    ZMQ,
    /** TLS 1.3. */
    TLS
  }

  /** Nothing but TCP. */
  public static final LinkSecurity PLAIN = new LinkSecurity(Transport.PLAIN, null, null, null);

  /**
   * Puts the settings together.
   *
   * @param prefix of the settings' names, such as {@code replica-}, for messages
   * @throws InvalidRequestException if they do not fit together
   */
  public static LinkSecurity of(
      String prefix,
      Transport transport,
      @Nullable Path tlsCert,
      @Nullable Path tlsKey,
      @Nullable Path tlsCa) {
    if (transport != Transport.TLS && (tlsCert != null || tlsKey != null || tlsCa != null)) {
      throw new InvalidRequestException(
          prefix
              + (tlsCert != null ? "tls-cert" : tlsKey != null ? "tls-key" : "tls-ca")
              + " is set and "
              + prefix
              + "transport is '"
              + transport.name().toLowerCase(Locale.ROOT)
              + "': set it to tls");
    }
    if ((tlsCert == null) != (tlsKey == null)) {
      throw new InvalidRequestException(
          prefix
              + (tlsCert == null ? "tls-key" : "tls-cert")
              + " is set without "
              + prefix
              + (tlsCert == null ? "tls-cert" : "tls-key")
              + ": they belong together");
    }
    return new LinkSecurity(transport, tlsCert, tlsKey, tlsCa);
  }

  /**
   * The transport of a name.
   *
   * @throws InvalidRequestException if there is none
   */
  public static Transport parse(String value) {
    return switch (value) {
      case "plain" -> Transport.PLAIN;
      case "zmq" -> Transport.ZMQ;
      case "tls" -> Transport.TLS;
      default ->
          throw new InvalidRequestException(
              "the transport is '" + value + "': allowed is plain, zmq or tls");
    };
  }

  /**
   * Checks that nothing leaves the machine in clear.
   *
   * @param setting where the replicas were named, for the message
   * @throws InvalidRequestException if one of {@code replicas} is elsewhere and there is no TLS
   */
  public static void requireLoopbackWithoutTls(
      String setting, List<ReplicaAddress> replicas, LinkSecurity links) {
    for (ReplicaAddress replica : replicas) {
      if (!links.isTls() && !replica.address().resolve().getAddress().isLoopbackAddress()) {
        throw new InvalidRequestException(
            setting
                + ": "
                + replica.address()
                + " is not on loopback, and the transport is in clear, which everybody on the way"
                + " can read: use tls");
      }
    }
  }

  /** Whether it is TLS. */
  public boolean isTls() {
    return transport == Transport.TLS;
  }
}
