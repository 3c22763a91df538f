package io.capsuledb.replication.transport;

import io.capsuledb.core.error.InvalidRequestException;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.OpenSsl;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.nio.file.Path;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/** TLS 1.3 and nothing older, by BoringSSL where its library loads, else by the JDK. */
final class TlsContexts {

  private TlsContexts() {}

  static SslContext server(TlsOptions options) {
    @Nullable Path certificate = options.certificate();
    @Nullable Path key = options.key();
    if (certificate == null || key == null) {
      throw new InvalidRequestException(
          "listening over TLS needs a certificate and its key; there is none");
    }
    try {
      SslContextBuilder builder =
          common(SslContextBuilder.forServer(certificate.toFile(), key.toFile()), options);
      if (options.authority() != null) {
        builder.clientAuth(ClientAuth.REQUIRE);
      }
      return builder.build();
    } catch (SSLException | IllegalArgumentException e) {
      throw refused(options, e);
    }
  }

  static SslContext client(TlsOptions options) {
    try {
      SslContextBuilder builder = common(SslContextBuilder.forClient(), options);
      @Nullable Path certificate = options.certificate();
      @Nullable Path key = options.key();
      if (certificate != null && key != null) {
        builder.keyManager(certificate.toFile(), key.toFile());
      }
      return builder.build();
    } catch (SSLException | IllegalArgumentException e) {
      throw refused(options, e);
    }
  }

  private static SslContextBuilder common(SslContextBuilder builder, TlsOptions options) {
    @Nullable Path authority = options.authority();
    if (authority != null) {
      builder.trustManager(authority.toFile());
    }
    return builder
        .sslProvider(OpenSsl.isAvailable() ? SslProvider.OPENSSL : SslProvider.JDK)
        .protocols("TLSv1.3")
        .sessionCacheSize(1)
        .sessionTimeout(1);
  }

  private static InvalidRequestException refused(TlsOptions options, Exception cause) {
    return new InvalidRequestException(
        "tls certificate "
            + options.certificate()
            + ", key "
            + options.key()
            + " and authority "
            + options.authority()
            + " cannot be used; allowed are PEM files of a certificate chain, its unencrypted"
            + " PKCS#8 key, and certificates",
        cause);
  }
}
