package io.capsuledb.scl.resp;

import io.capsuledb.core.error.InvalidRequestException;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.OpenSsl;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.InvalidKeyException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * TLS 1.3 and nothing older, by BoringSSL where its library loads, else by the JDK. No session is
 * ever resumed: every connection is a full handshake with fresh keys.
 */
final class TlsContexts {

  private static final Pattern PKCS8_PEM =
      Pattern.compile("-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\\s]+)-----END PRIVATE KEY-----");

  private static final byte[] PROBE =
      "capsuledb.resp.tls.key-check.v1".getBytes(StandardCharsets.US_ASCII);

  static {
    // Both libraries read these once, when they make their first engine. Tickets are the one way
    // to resume a session that ending it after the handshake does not close.
    setIfAbsent("jdk.tls.server.enableSessionTicketExtension", "false");
    setIfAbsent("jdk.tls.server.newSessionTicketCount", "0");
  }

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
    try {
      checkPair(tls);
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
    } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
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

  /**
   * Signs with the key and verifies with the certificate: neither TLS library notices before the
   * first client that the two do not belong together.
   */
  private static void checkPair(RespServerOptions.Tls tls)
      throws IOException, GeneralSecurityException {
    PublicKey publicKey;
    try (InputStream in = Files.newInputStream(tls.certificate())) {
      publicKey = CertificateFactory.getInstance("X.509").generateCertificate(in).getPublicKey();
    }
    String algorithm = publicKey.getAlgorithm();
    PrivateKey privateKey =
        KeyFactory.getInstance(algorithm)
            .generatePrivate(new PKCS8EncodedKeySpec(pkcs8(tls.key())));
    String scheme =
        switch (algorithm) {
          case "RSA" -> "SHA256withRSA";
          case "EC" -> "SHA256withECDSA";
          case "EdDSA", "Ed25519" -> algorithm;
          default -> "";
        };
    if (scheme.isEmpty()) {
      return;
    }
    Signature signature = Signature.getInstance(scheme);
    signature.initSign(privateKey);
    signature.update(PROBE);
    byte[] signed = signature.sign();
    signature.initVerify(publicKey);
    signature.update(PROBE);
    if (!signature.verify(signed)) {
      throw new InvalidKeyException("the key is not the certificate's");
    }
  }

  private static byte[] pkcs8(Path file) throws IOException {
    Matcher pem = PKCS8_PEM.matcher(Files.readString(file, StandardCharsets.US_ASCII));
    if (!pem.find()) {
      throw new IllegalArgumentException("no unencrypted PKCS#8 key in PEM form");
    }
    return Base64.getMimeDecoder().decode(pem.group(1));
  }

  private static void setIfAbsent(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }
}
