package io.capsuledb.host.channel;

import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.config.HostPort;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.security.GeneralSecurityException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Opens channels: each is one connection, and gone when that is. */
public final class LinkClient {

  private static final long KEEPALIVE_SECONDS = 10;

  /**
   * What this side shows, and wants to see.
   *
   * @param keys this enclave's; null if it is none, as a client
   * @param rules whom it takes for the other side
   */
  public record Security(@Nullable EnclaveKeys keys, PeerRules rules) {}

  private LinkClient() {}

  /**
   * Opens a channel; {@code events} hear when it is open, or why it is not.
   *
   * @param security null for a channel without TLS, over which nothing secret may go
   */
  public static void open(
      HostPort address, @Nullable Security security, Entropy entropy, Link.Events events) {
    ExecutorService executor =
        Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("link-", 0).factory());
    NettyChannelBuilder builder =
        NettyChannelBuilder.forAddress(address.host(), address.port())
            .executor(executor)
            .maxInboundMessageSize(LinkMethod.MAX_FRAME_BYTES)
            .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
            .keepAliveTimeout(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
            .overrideAuthority("capsuledb")
            .disableRetry();
    if (security == null) {
      builder.usePlaintext();
    } else {
      builder.sslContext(context(security));
    }
    ManagedChannel channel = builder.build();
    ClientCall<byte[], byte[]> call = channel.newCall(LinkMethod.OPEN, CallOptions.DEFAULT);
    call.start(new Hearing(call, channel, executor, security, entropy, events), new Metadata());
    call.request(1);
  }

  private static SslContext context(Security security) {
    try {
      SslContextBuilder builder =
          GrpcSslContexts.configure(SslContextBuilder.forClient(), SslProvider.JDK)
              .protocols("TLSv1.3")
              .trustManager(new EvidenceTrust(security.rules));
      EnclaveKeys keys = security.keys;
      if (keys != null) {
        builder.keyManager(keys);
      }
      return builder.build();
    } catch (javax.net.ssl.SSLException e) {
      throw new StorageException("TLS 1.3 cannot be set up", e);
    }
  }

  /** Sends on a call that was made. */
  private record ClientWire(ClientCall<byte[], byte[]> call) implements GrpcLink.Wire {
    @Override
    public boolean ready() {
      return call.isReady();
    }

    @Override
    public void send(byte[] frame) {
      call.sendMessage(frame);
    }

    @Override
    public void close(String reason) {
      call.cancel(reason, null);
    }
  }

  private static final class Hearing extends ClientCall.Listener<byte[]> {
    private final ClientCall<byte[], byte[]> call;
    private final ManagedChannel channel;
    private final ExecutorService executor;
    private final @Nullable Security security;
    private final Entropy entropy;
    private final Link.Events events;
    private @Nullable GrpcLink link;

    Hearing(
        ClientCall<byte[], byte[]> call,
        ManagedChannel channel,
        ExecutorService executor,
        @Nullable Security security,
        Entropy entropy,
        Link.Events events) {
      this.call = call;
      this.channel = channel;
      this.executor = executor;
      this.security = security;
      this.entropy = entropy;
      this.events = events;
    }

    @Override
    public void onHeaders(Metadata headers) {
      String remote = LinkMethod.remote(call.getAttributes());
      ChannelAttestation attestation = null;
      Octets binding = Octets.EMPTY;
      Security shown = security;
      if (shown != null) {
        try {
          TlsFacts facts = LinkMethod.facts(call.getAttributes(), false);
          if (facts == null || facts.peer() == null) {
            throw new GeneralSecurityException("the server has shown no certificate");
          }
          EnclaveKeys keys = shown.keys();
          if (keys == null) {
            facts = new TlsFacts(false, Octets.EMPTY, facts.peer(), facts.exporter());
          }
          binding = facts.exporter();
          attestation =
              new ChannelAttestation(
                  facts, keys == null ? null : keys.attester(), shown.rules(), false, entropy);
        } catch (GeneralSecurityException e) {
          call.cancel(e.getMessage(), e);
          return;
        }
      }
      GrpcLink begun = new GrpcLink(new ClientWire(call), events, binding, remote, attestation);
      link = begun;
      begun.begin();
    }

    @Override
    public void onReady() {
      GrpcLink known = link;
      if (known != null) {
        known.drain();
      }
    }

    @Override
    public void onMessage(byte[] frame) {
      GrpcLink known = link;
      if (known != null) {
        known.arrived(frame);
        call.request(1);
      }
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      GrpcLink known = link;
      String reason = reason(status);
      if (known == null) {
        events.closed(reason);
      } else {
        known.over(reason);
      }
      channel.shutdownNow();
      executor.shutdown();
    }

    /** The innermost cause: what a trust manager said, for one, is wrapped several times. */
    private static String reason(Status status) {
      Throwable cause = status.getCause();
      String reason = status.getDescription();
      for (int depth = 0; cause != null && depth < 10; depth++) {
        if (cause.getMessage() != null) {
          reason = cause.getMessage();
        }
        cause = cause.getCause();
      }
      return reason == null ? status.getCode().toString() : reason;
    }
  }
}
