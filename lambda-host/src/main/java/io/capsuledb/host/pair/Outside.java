package io.capsuledb.host.pair;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.port.Transport;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.replication.session.Network;
import io.capsuledb.scl.resp.ClientStreams;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What a node has of the machine it runs on, its own process apart: a port. In one implementation
 * all of it is in this process, in the other in the untrusted one beside it.
 */
public interface Outside {

  /** Most links of one network of routers. */
  int MAX_ROUTER_LINKS = 4096;

  /**
   * What a node has to tell when it serves.
   *
   * @param clients is told what clients send; null where the server has the sockets itself
   * @param metrics all metrics in Prometheus' text format
   * @param trouble why the node does not work, or null
   */
  record Serving(
      @Nullable ClientStreams clients,
      Supplier<byte[]> metrics,
      Supplier<@Nullable CapsuleException> trouble) {}

  /**
   * The stores of this node's directory; closed by the caller.
   *
   * @param cache whether they are a cache of what replicas hold
   */
  CapsuleStores stores(boolean cache);

  /** What carries frames to replicas. */
  Function<Transport.Events, Network> links(LinkSecurity security, Telemetry telemetry);

  /**
   * What carries frames among workers and routers.
   *
   * @param maxLinks at once; 1 to {@value #MAX_ROUTER_LINKS}
   */
  Function<Transport.Events, Network> routers(
      LinkSecurity security, int maxLinks, Telemetry telemetry);

  /** Where clients' sockets are; null: the server opens them. */
  @Nullable ClientStreams door();

  /** The addresses to serve, with their ports if they are bound already. */
  List<InetSocketAddress> listen(List<InetSocketAddress> asked);

  /** What there is to know about this process, for {@code capsule enclave status}. */
  Map<String, String> info();

  /**
   * The node serves from now on.
   *
   * @return where metrics are served; null if nowhere
   */
  @Nullable InetSocketAddress serving(Serving node);
}
