package io.capsuledb.host.node;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.RouterProcessOptions;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.metrics.MetricsServer;
import io.capsuledb.host.metrics.PrometheusTelemetry;
import io.capsuledb.host.replica.LinkKey;
import io.capsuledb.host.replica.LinkNetwork;
import io.capsuledb.replication.router.RouterCore;
import io.capsuledb.replication.router.RouterOptions;
import io.capsuledb.replication.router.RouterServer;
import io.capsuledb.replication.session.Identity;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** A running router of the multicast tree, with its metrics endpoint. Thread-safe once started. */
public final class RouterNode implements AutoCloseable {

  private record Part(String name, AutoCloseable stop) {}

  private final Clock clock = new SystemClock();
  private final Entropy entropy = new SystemEntropy();
  private final Scheduler scheduler = new ThreadScheduler();
  private final PrometheusTelemetry telemetry = new PrometheusTelemetry();

  /** Newest first. */
  private final Deque<Part> parts = new ArrayDeque<>();

  private @Nullable PublicKey key;
  private @Nullable HostPort address;
  private @Nullable InetSocketAddress httpAddress;

  private RouterNode() {}

  /**
   * Starts a router; when this returns, it takes children.
   *
   * @param version of the program, for logs
   * @throws CapsuleException if a part does not start
   */
  public static RouterNode start(
      RouterProcessOptions options, Node.PassphraseSource passphrases, String version) {
    RouterNode node = new RouterNode();
    boolean started = false;
    try {
      node.startParts(options, passphrases, version);
      started = true;
      return node;
    } finally {
      if (!started) {
        node.close();
      }
    }
  }

  private void startParts(
      RouterProcessOptions options, Node.PassphraseSource passphrases, String version) {
    EventLog.info("router.starting", "version", version, "pid", ProcessHandle.current().pid());
    Identity self = identity(options, passphrases);
    RouterOptions routing =
        RouterOptions.builder()
            .fanOut(options.fanOut())
            .maxClients(options.maxClients())
            .framesPerSecond(options.maxFramesPerSecond())
            .bytesPerSecond((long) options.maxMbPerSecond() << 20)
            .allowed(options.allowed())
            .build();
    RouterServer router =
        started(
            "router",
            RouterServer.start(
                routing,
                self,
                options.listen().toString(),
                options.advertise().map(HostPort::toString).orElse(""),
                options.parents().stream().map(HostPort::toString).toList(),
                new RouterServer.Ports(clock, entropy, scheduler, telemetry),
                LinkNetwork.ofRouters(
                    options.links(), RouterServer.links(routing).maxLinks(), telemetry)));
    HostPort listening = LinkNetwork.listening(router.address());
    telemetry.counter(
        "router_events",
        "What the router did, by kind.",
        "event",
        values -> report(router, name -> !isGauge(name), values));
    telemetry.gauge(
        "router_state",
        "What the router has at present, by kind.",
        "what",
        values -> report(router, RouterNode::isGauge, values));
    if (options.http().isPresent()) {
      MetricsServer http =
          started(
              "http",
              MetricsServer.start(options.http().get().resolve(), telemetry::text, () -> null));
      httpAddress = http.address();
    }
    key = self.key();
    address = listening;
    EventLog.info(
        "router.ready",
        "key",
        self.key(),
        "listen",
        listening,
        "http",
        httpAddress == null ? "none" : text(httpAddress),
        "parents",
        options.parents().size(),
        "transport",
        options.links().isTls() ? "tls" : "plain");
  }

  private Identity identity(RouterProcessOptions options, Node.PassphraseSource passphrases) {
    Path file = options.key().orElse(null);
    return file == null
        ? started("key", LinkKey.draw(entropy)).identity()
        : started("key", ReplicaKeys.openOrMake(file, false, passphrases, entropy)).links();
  }

  private static boolean isGauge(String counter) {
    return RouterCore.isGauge(counter) || LinkNetwork.isGauge(counter);
  }

  private static void report(
      RouterServer router, Predicate<String> which, PrometheusTelemetry.LabelledValues values) {
    router
        .counters()
        .forEach(
            (name, value) -> {
              if (which.test(name)) {
                values.accept(name, value.doubleValue());
              }
            });
  }

  private <T extends AutoCloseable> T started(String name, T part) {
    parts.push(new Part(name, part));
    return part;
  }

  private static HostPort text(InetSocketAddress address) {
    return new HostPort(address.getAddress().getHostAddress(), address.getPort());
  }

  /** Who it is on its links. */
  public PublicKey key() {
    return java.util.Objects.requireNonNull(key);
  }

  /** Where children connect. */
  public HostPort address() {
    return java.util.Objects.requireNonNull(address);
  }

  /** Where metrics and health are served, or null. */
  public @Nullable InetSocketAddress httpAddress() {
    return httpAddress;
  }

  /** Stops every part, the newest first; a part that fails to stop is logged. Idempotent. */
  @Override
  public synchronized void close() {
    while (!parts.isEmpty()) {
      Part part = parts.pop();
      try {
        part.stop().close();
      } catch (Exception e) {
        EventLog.error("router.stop_failed", e, "part", part.name());
      }
    }
  }
}
