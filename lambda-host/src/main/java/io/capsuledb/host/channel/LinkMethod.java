package io.capsuledb.host.channel;

import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.pki.Certificate;
import io.grpc.Attributes;
import io.grpc.Grpc;
import io.grpc.MethodDescriptor;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import javax.net.ssl.ExtendedSSLSession;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import org.jspecify.annotations.Nullable;

/** The one gRPC method there is: a stream of byte strings in both directions. */
final class LinkMethod {

  static final String SERVICE = "capsuledb.v1.Link";

  private static final String EXPORTER_LABEL = "EXPORTER-capsuledb-attest-v1";
  private static final byte[] EXPORTER_CONTEXT =
      "capsuledb/v1/attest".getBytes(StandardCharsets.US_ASCII);
  private static final int EXPORTER_BYTES = 32;

  /** A frame on the wire: a message, one byte of type, and gRPC's limit is on all of it. */
  static final int MAX_FRAME_BYTES = Link.MAX_MESSAGE_BYTES + 1024;

  /** gRPC's marshaller of what is bytes already. */
  private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public InputStream stream(byte[] value) {
      return new ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
      try (stream) {
        return stream.readAllBytes();
      } catch (IOException e) {
        throw new UncheckedIOException("a frame that arrived cannot be read", e);
      }
    }
  }

  static final MethodDescriptor<byte[], byte[]> OPEN =
      MethodDescriptor.<byte[], byte[]>newBuilder()
          .setType(MethodDescriptor.MethodType.BIDI_STREAMING)
          .setFullMethodName(MethodDescriptor.generateFullMethodName(SERVICE, "Open"))
          .setRequestMarshaller(new Bytes())
          .setResponseMarshaller(new Bytes())
          .build();

  private LinkMethod() {}

  /**
   * The TLS connection below a call.
   *
   * @throws GeneralSecurityException if it cannot be told apart from others, or a certificate
   *     cannot be read
   */
  static @Nullable TlsFacts facts(Attributes attributes, boolean server)
      throws GeneralSecurityException {
    SSLSession session = attributes.get(Grpc.TRANSPORT_ATTR_SSL_SESSION);
    if (session == null) {
      return null;
    }
    if (!(session instanceof ExtendedSSLSession extended)
        || !session.getProtocol().equals("TLSv1.3")) {
      throw new GeneralSecurityException("only TLS 1.3 with an exporter will do");
    }
    java.security.cert.Certificate[] own = session.getLocalCertificates();
    try {
      return new TlsFacts(
          server,
          own == null || own.length == 0
              ? Octets.EMPTY
              : Octets.own(own[0].getPublicKey().getEncoded()),
          peer(session),
          Octets.own(
              extended.exportKeyingMaterialData(EXPORTER_LABEL, EXPORTER_CONTEXT, EXPORTER_BYTES)));
    } catch (javax.net.ssl.SSLException e) {
      throw new GeneralSecurityException("the connection has no exporter", e);
    }
  }

  private static @Nullable Certificate peer(SSLSession session) throws GeneralSecurityException {
    try {
      return Certificate.parse(Octets.own(session.getPeerCertificates()[0].getEncoded()));
    } catch (SSLPeerUnverifiedException _) {
      return null;
    }
  }

  static String remote(Attributes attributes) {
    return String.valueOf(attributes.get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR));
  }
}
