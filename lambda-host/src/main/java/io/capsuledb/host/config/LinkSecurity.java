package io.capsuledb.host.config;

import io.capsuledb.core.error.InvalidRequestException;
import java.nio.file.Path;
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
  static LinkSecurity of(
      String prefix,
      Transport transport,
      @Nullable Path tlsCert,
      @Nullable Path tlsKey,
      @Nullable Path tlsCa) {
    if (transport == Transport.PLAIN && (tlsCert != null || tlsKey != null || tlsCa != null)) {
      throw new InvalidRequestException(
          prefix
              + (tlsCert != null ? "tls-cert" : tlsKey != null ? "tls-key" : "tls-ca")
              + " is set and "
              + prefix
              + "transport is 'plain': set it to tls");
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

  static Transport parse(Setting setting, String value) {
    return switch (value) {
      case "plain" -> Transport.PLAIN;
      case "tls" -> Transport.TLS;
      default -> throw SettingValues.wrong(setting, value, "plain or tls", null);
    };
  }

  /** Whether it is TLS. */
  public boolean isTls() {
    return transport == Transport.TLS;
  }
}
