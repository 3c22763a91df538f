package io.capsuledb.host.replica;

import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.replication.session.Identity;
import io.capsuledb.replication.session.Messenger;
import io.capsuledb.replication.session.MessengerOptions;
import io.capsuledb.replication.session.Network;
import io.capsuledb.replication.transport.TcpOptions;
import io.capsuledb.replication.transport.TcpTransport;
import io.capsuledb.replication.transport.TlsOptions;
import io.capsuledb.replication.transport.TlsTransport;
import io.capsuledb.replication.transport.ZmqOptions;
import io.capsuledb.replication.transport.ZmqTransport;
import java.util.function.Function;

/** Makes messengers as the settings say: over TCP or JeroMQ in clear, or over TLS. */
public final class LinkNetwork {

  /** Bytes that may wait for one link of a router: three of the longest frames. */
  private static final int ROUTER_QUEUE_BYTES = 12 << 20;

  private LinkNetwork() {}

  /** Starts a messenger without links. */
  public static Messenger start(
      Identity self,
      LinkSecurity security,
      Clock clock,
      Entropy entropy,
      Scheduler scheduler,
      Telemetry telemetry,
      Messenger.Events events) {
    return Messenger.start(
        self,
        MessengerOptions.DEFAULT,
        new Messenger.Ports(clock, entropy, scheduler, telemetry),
        transport(security, telemetry),
        events);
  }

  /** What carries the frames of routers, whose links hold less in their queues. */
  public static Function<Transport.Events, Network> ofRouters(
      LinkSecurity security, int maxLinks, Telemetry telemetry) {
    if (security.isTls()) {
      TlsOptions files = TlsOptions.of(security.tlsCert(), security.tlsKey(), security.tlsCa());
      TlsOptions options =
          new TlsOptions(
              files.certificate(),
              files.key(),
              files.authority(),
              maxLinks,
              ROUTER_QUEUE_BYTES,
              files.handshakeMs(),
              files.idleMs());
      return events -> TlsTransport.start(options, telemetry, events);
    }
    ZmqOptions options =
        new ZmqOptions(
            maxLinks,
            ROUTER_QUEUE_BYTES,
            ZmqOptions.DEFAULT.linkQueueFrames(),
            ZmqOptions.DEFAULT.handshakeMs());
    return events -> ZmqTransport.start(options, telemetry, events);
  }

  /** Starts a messenger without links over a transport of the caller's. */
  public static Messenger start(
      Identity self,
      Function<Transport.Events, Network> transport,
      Messenger.Ports ports,
      Messenger.Events events) {
    return Messenger.start(self, MessengerOptions.DEFAULT, ports, transport, events);
  }

  /** What carries frames to replicas. */
  public static Function<Transport.Events, Network> transport(
      LinkSecurity security, Telemetry telemetry) {
    return switch (security.transport()) {
      case PLAIN -> events -> TcpTransport.start(TcpOptions.DEFAULT, telemetry, events);
      case ZMQ -> events -> ZmqTransport.start(ZmqOptions.DEFAULT, telemetry, events);
      case TLS -> {
        TlsOptions options = TlsOptions.of(security.tlsCert(), security.tlsKey(), security.tlsCa());
        yield events -> TlsTransport.start(options, telemetry, events);
      }
    };
  }

  /** The address that a transport says it listens on, as users write it. */
  public static HostPort listening(String endpoint) {
    int scheme = endpoint.indexOf("://");
    return HostPort.parse(scheme < 0 ? endpoint : endpoint.substring(scheme + 3));
  }

  /** Whether a counter of a messenger may also fall. */
  public static boolean isGauge(String counter) {
    return counter.endsWith(".links")
        || counter.endsWith(".up")
        || counter.endsWith(".connections");
  }
}
