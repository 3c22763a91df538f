package io.capsuledb.host.config;

import io.capsuledb.core.error.InvalidRequestException;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How links between replicas and their clients travel. Either way each side proves its key by a
 * signed hello and every frame carries a MAC; TLS hides what is said from the network besides.
 *
 * @param transport which one
 * @param tlsCert this side's certificate chain, PEM; null without TLS
 * @param tlsKey the certificate's private key, PEM (PKCS #8); null without TLS
 * @param tlsCa who must vouch for the other side's certificate, PEM; null without TLS
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
    boolean tls = transport == Transport.TLS;
    require(prefix + "tls-cert", tlsCert, tls, prefix);
    require(prefix + "tls-key", tlsKey, tls, prefix);
    require(prefix + "tls-ca", tlsCa, tls, prefix);
    return new LinkSecurity(transport, tlsCert, tlsKey, tlsCa);
  }

  private static void require(String name, @Nullable Path file, boolean tls, String prefix) {
    if (tls && file == null) {
      throw new InvalidRequestException(
          prefix + "transport is 'tls' and " + name + " is not set: TLS needs it");
    }
    if (!tls && file != null) {
      throw new InvalidRequestException(
          name + " is set and " + prefix + "transport is 'plain': set it to tls");
    }
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

  /** The files of TLS, if it is. */
  public Optional<Files> files() {
    Path cert = tlsCert;
    Path key = tlsKey;
    Path ca = tlsCa;
    return isTls() && cert != null && key != null && ca != null
        ? Optional.of(new Files(cert, key, ca))
        : Optional.empty();
  }

  /** What TLS needs. */
  public record Files(Path cert, Path key, Path ca) {}
}
