package io.capsuledb.scl.resp;

import io.capsuledb.core.error.InvalidRequestException;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.OpenSsl;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.nio.file.Path;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * TLS 1.3 and nothing older, by BoringSSL where its library loads, else by the JDK. No session is
 * ever resumed: every connection is a full handshake with fresh keys.
 */
final class TlsContexts {

  private TlsContexts() {}

  /**
   * The context for a certificate and key.
   *
   * @throws InvalidRequestException if they cannot be read or do not belong together
   */
  static SslContext of(RespServerOptions.Tls tls) {
    return of(tls, OpenSsl.isAvailable() ? SslProvider.OPENSSL : SslProvider.JDK);
  }

  static SslContext of(RespServerOptions.Tls tls, SslProvider provider) {
    if (provider == SslProvider.JDK) {
      // Read once, by the first JDK engine of the process. Tickets are the only resumption that
      // ending the session after the handshake does not stop.
      setIfAbsent("jdk.tls.server.enableSessionTicketExtension", "false");
      setIfAbsent("jdk.tls.server.newSessionTicketCount", "0");
    }
    try {
      SslContextBuilder builder =
          SslContextBuilder.forServer(tls.certificate().toFile(), tls.key().toFile())
              .sslProvider(provider)
              .protocols("TLSv1.3")
              .sessionCacheSize(1)
              .sessionTimeout(1);
      @Nullable Path authority = tls.clientAuthority();
      if (authority != null) {
        builder.trustManager(authority.toFile()).clientAuth(ClientAuth.REQUIRE);
      }
      SslContext context = builder.build();
      if (context.sessionContext()
          instanceof io.netty.handler.ssl.OpenSslSessionContext openSslSessions) {
        openSslSessions.setSessionCacheEnabled(false);
      }
      return context;
    } catch (SSLException | IllegalArgumentException e) {
      throw new InvalidRequestException(
          "tls certificate "
              + tls.certificate()
              + " and key "
              + tls.key()
              + " cannot be used; allowed are PEM files of a certificate chain and its unencrypted"
              + " PKCS#8 key",
          e);
    }
  }

  private static void setIfAbsent(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }
}
