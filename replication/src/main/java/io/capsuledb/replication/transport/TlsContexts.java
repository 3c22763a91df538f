package io.capsuledb.replication.transport;

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
import java.security.SignatureException;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/** TLS 1.3 and nothing older, by BoringSSL where its library loads, else by the JDK. */
final class TlsContexts {

  private static final Pattern PRIVATE_KEY =
      Pattern.compile("-----BEGIN PRIVATE KEY-----([^-]*)-----END PRIVATE KEY-----");

  private static final byte[] CHALLENGE =
      "capsuledb/v1/tls-key-check".getBytes(StandardCharsets.US_ASCII);

  private TlsContexts() {}

  static SslContext server(TlsOptions options) {
    @Nullable Path certificate = options.certificate();
    @Nullable Path key = options.key();
    if (certificate == null || key == null) {
      throw new InvalidRequestException(
          "listening over TLS needs a certificate and its key; there is none");
    }
    checkPair(certificate, key);
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
        checkPair(certificate, key);
        builder.keyManager(certificate.toFile(), key.toFile());
      }
      return builder.build();
    } catch (SSLException | IllegalArgumentException e) {
      throw refused(options, e);
    }
  }

  /**
   * Refuses a certificate with another one's key, which would else show in each handshake only. A
   * key that cannot be read here is left to whoever builds the context.
   */
  private static void checkPair(Path certificate, Path key) {
    boolean pair;
    try (InputStream in = Files.newInputStream(certificate)) {
      PublicKey shown =
          CertificateFactory.getInstance("X.509").generateCertificate(in).getPublicKey();
      Matcher pem = PRIVATE_KEY.matcher(Files.readString(key, StandardCharsets.ISO_8859_1));
      if (!pem.find()) {
        return;
      }
      byte[] der = Base64.getMimeDecoder().decode(pem.group(1));
      try {
        pair = isPair(shown, der);
      } finally {
        Arrays.fill(der, (byte) 0);
      }
    } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
      throw new InvalidRequestException(
          "tls certificate " + certificate + " and key " + key + " cannot be read", e);
    }
    if (!pair) {
      throw new InvalidRequestException(
          "tls key " + key + " is not the key of certificate " + certificate);
    }
  }

  private static boolean isPair(PublicKey shown, byte[] der) throws GeneralSecurityException {
    String algorithm = shown.getAlgorithm();
    String signing =
        switch (algorithm) {
          case "RSA" -> "SHA256withRSA";
          case "EC" -> "SHA256withECDSA";
          default -> algorithm;
        };
    byte[] proof = CHALLENGE.clone();
    try {
      PrivateKey mine =
          KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(der));
      Signature signer = Signature.getInstance(signing);
      signer.initSign(mine);
      signer.update(proof);
      Signature verifier = Signature.getInstance(signing);
      verifier.initVerify(shown);
      verifier.update(proof);
      return verifier.verify(signer.sign());
    } catch (InvalidKeySpecException | SignatureException | InvalidKeyException e) {
      // A key of another kind, or of another curve.
      return false;
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
