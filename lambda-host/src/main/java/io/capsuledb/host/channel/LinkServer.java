package io.capsuledb.host.channel;

import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.log.EventLog;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerMethodDefinition;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyServerBuilder;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.security.GeneralSecurityException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Takes channels. Thread-safe. */
public final class LinkServer implements AutoCloseable {

  private static final long CLOSE_SECONDS = 5;
  private static final long KEEPALIVE_SECONDS = 10;
  private static final int MAX_METADATA_BYTES = 8 << 10;

  /** How long a connection may take to show what it is; also that of the client's side. */
  private static final long HANDSHAKE_SECONDS = 20;

  /**
   * What this side shows, and wants to see.
   *
   * @param keys this enclave's
   * @param rules whom it takes with a certificate
   * @param anonymous whether it takes those without one
   */
  public record Security(EnclaveKeys keys, PeerRules rules, boolean anonymous) {}

  private final Server server;
  private final ExecutorService executor;

  private LinkServer(Server server, ExecutorService executor) {
    this.server = server;
    this.executor = executor;
  }

  /**
   * Starts to listen.
   *
   * @param security null for channels without TLS, over which nothing secret may go
   * @param acceptor makes the hearer of each channel
   * @throws UnavailableException if the address is taken
   */
  public static LinkServer start(
      InetSocketAddress address,
      @Nullable Security security,
      Entropy entropy,
      Supplier<Link.Events> acceptor) {
    return start(address, security, entropy, acceptor, _ -> {});
  }

  /**
   * As above.
   *
   * @param refused hears whose certificate is refused, and why
   */
  public static LinkServer start(
      InetSocketAddress address,
      @Nullable Security security,
      Entropy entropy,
      Supplier<Link.Events> acceptor,
      Consumer<String> refused) {
    ExecutorService executor =
        Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("link-", 0).factory());
    NettyServerBuilder builder =
        NettyServerBuilder.forAddress(address)
            .executor(executor)
            .maxInboundMessageSize(LinkMethod.MAX_FRAME_BYTES)
            .maxInboundMetadataSize(MAX_METADATA_BYTES)
            .maxConcurrentCallsPerConnection(1)
            .handshakeTimeout(HANDSHAKE_SECONDS, TimeUnit.SECONDS)
            .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
            .keepAliveTimeout(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
            .permitKeepAliveTime(1, TimeUnit.SECONDS)
            .permitKeepAliveWithoutCalls(true)
            .addService(
                ServerServiceDefinition.builder(LinkMethod.SERVICE)
                    .addMethod(
                        ServerMethodDefinition.create(
                            LinkMethod.OPEN,
                            (call, _) -> accept(call, security, entropy, acceptor.get())))
                    .build());
    if (security != null) {
      builder.sslContext(context(security, refused));
    }
    try {
      return new LinkServer(builder.build().start(), executor);
    } catch (IOException e) {
      executor.close();
      throw new UnavailableException(
          "cannot listen on " + address + " (" + e.getMessage() + ")", e);
    }
  }

  private static SslContext context(Security security, Consumer<String> refused) {
    try {
      SslContextBuilder builder =
          GrpcSslContexts.configure(SslContextBuilder.forServer(security.keys), SslProvider.JDK)
              .protocols("TLSv1.3")
              .trustManager(new EvidenceTrust(security.rules, refused))
              .clientAuth(security.anonymous ? ClientAuth.OPTIONAL : ClientAuth.REQUIRE);
      return builder.build();
    } catch (javax.net.ssl.SSLException e) {
      throw new StorageException("TLS 1.3 cannot be set up", e);
    }
  }

  private static ServerCall.Listener<byte[]> accept(
      ServerCall<byte[], byte[]> call,
      @Nullable Security security,
      Entropy entropy,
      Link.Events events) {
    String remote = LinkMethod.remote(call.getAttributes());
    ChannelAttestation attestation = null;
    Octets binding = Octets.EMPTY;
    if (security != null) {
      try {
        TlsFacts facts = LinkMethod.facts(call.getAttributes(), true);
        if (facts == null) {
          throw new GeneralSecurityException("there is no TLS");
        }
        binding = facts.exporter();
        attestation =
            new ChannelAttestation(
                facts, security.keys.attester(), security.rules, security.anonymous, entropy);
      } catch (GeneralSecurityException e) {
        EventLog.warn("link.refused", "remote", remote, "reason", String.valueOf(e.getMessage()));
        call.close(Status.UNAUTHENTICATED.withDescription(e.getMessage()), new Metadata());
        return new ServerCall.Listener<>() {};
      }
    }
    GrpcLink link = new GrpcLink(new ServerWire(call), events, binding, remote, attestation);
    call.sendHeaders(new Metadata());
    call.request(1);
    return new Hearing(call, link);
  }

  /** Sends on a call that was taken. */
  private record ServerWire(ServerCall<byte[], byte[]> call) implements GrpcLink.Wire {
    @Override
    public boolean ready() {
      return call.isReady();
    }

    @Override
    public void send(byte[] frame) {
      if (!call.isCancelled()) {
        call.sendMessage(frame);
      }
    }

    @Override
    public void close(String reason) {
      if (!call.isCancelled()) {
        call.close(Status.ABORTED.withDescription(reason), new Metadata());
      }
    }
  }

  private static final class Hearing extends ServerCall.Listener<byte[]> {
    private final ServerCall<byte[], byte[]> call;
    private final GrpcLink link;
    private boolean begun;

    Hearing(ServerCall<byte[], byte[]> call, GrpcLink link) {
      this.call = call;
      this.link = link;
    }

    private void begin() {
      if (!begun) {
        begun = true;
        link.begin();
      }
    }

    @Override
    public void onReady() {
      begin();
      link.drain();
    }

    @Override
    public void onMessage(byte[] frame) {
      begin();
      link.arrived(frame);
      call.request(1);
    }

    @Override
    public void onHalfClose() {
      link.close("the other side closed");
      link.over("the other side closed");
    }

    @Override
    public void onCancel() {
      link.over("the connection is gone");
    }

    @Override
    public void onComplete() {
      link.over("closed");
    }
  }

  /** The port it listens on. */
  public int port() {
    return server.getPort();
  }

  @Override
  public void close() {
    server.shutdownNow();
    try {
      if (!server.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
        EventLog.warn("link.close_late");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    executor.shutdownNow();
  }
}
