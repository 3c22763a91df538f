package io.capsuledb.host.node;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.config.ReplicaProcessOptions;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.metrics.MetricsServer;
import io.capsuledb.host.metrics.PrometheusTelemetry;
import io.capsuledb.host.replica.LinkNetwork;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.replica.ReplicaOptions;
import io.capsuledb.replication.replica.ReplicaServer;
import io.capsuledb.replication.session.Messenger;
import io.capsuledb.replication.store.RocksReplicaLog;
import io.capsuledb.replication.store.RocksStorageOptions;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/**
 * A running replica: store, server, links, scrubber and metrics endpoint over one data directory.
 *
 * <p>Started from the store up and stopped from the links down; if a part does not start, those
 * before it are stopped again. Thread-safe once started.
 */
public final class ReplicaNode implements AutoCloseable {

  /** What a replica counts that may also fall; the rest of its status only grows. */
  private static final Set<String> GAUGES =
      Set.of(
          "capsules",
          "chains",
          "records_behind",
          "records_parked",
          "capsules_rebuilding",
          "evidence",
          "links",
          "store_bytes",
          "failed");

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

  private ReplicaNode() {}

  /**
   * Starts a replica; when this returns, it takes and gives records.
   *
   * @param version of the program, for logs
   * @throws CapsuleException if a part does not start
   */
  public static ReplicaNode start(
      ReplicaProcessOptions options, Node.PassphraseSource passphrases, String version) {
    ReplicaNode node = new ReplicaNode();
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
      ReplicaProcessOptions options, Node.PassphraseSource passphrases, String version) {
    long begin = clock.monotonicNanos();
    CapsuleDirectory directory = new CapsuleDirectory(options.data());
    EventLog.info(
        "replica.starting",
        "version",
        version,
        "pid",
        ProcessHandle.current().pid(),
        "data",
        options.data().toAbsolutePath());
    directory.create();
    ReplicaKeys keys =
        started(
            "key",
            ReplicaKeys.openOrMake(
                options.key(), Files.exists(directory.store()), passphrases, entropy));
    directory.markReplica(keys.links().key());
    long minFreeBytes = (long) options.minFreeMb() << 20;
    RocksStorageOptions storage = RocksStorageOptions.builder().minFreeBytes(minFreeBytes).build();
    ReplicaServer server =
        started(
            "replica",
            ReplicaServer.start(
                ReplicaOptions.builder()
                    .owners(options.owners())
                    .maxCapsules(options.maxCapsules())
                    .healBytesPerSecond((long) options.healMbPerSecond() << 20)
                    .build(),
                keys.statements(),
                Secp256k1.best(),
                () -> open(directory.store(), storage),
                new ReplicaServer.Ports(clock, entropy, scheduler, telemetry)));
    Messenger messenger =
        started(
            "links",
            LinkNetwork.start(
                keys.links(), options.links(), clock, entropy, scheduler, telemetry, server));
    server.attach(messenger);
    HostPort listening = LinkNetwork.listening(messenger.listen(options.listen().toString()));
    for (ReplicaAddress peer : options.peers()) {
      messenger.connect(peer.address().toString(), peer.key());
    }
    ScrubAgent scrub = null;
    if (options.scrubMbPerSecond() > 0) {
      scrub = new ScrubAgent(server, (long) options.scrubMbPerSecond() << 20, clock);
      started("scrub", scheduler.start("replica-scrub", scrub, ScrubAgent.STEP_MS));
    }
    ReclaimAgent reclaim = new ReclaimAgent(server, clock);
    started("reclaim", scheduler.start("replica-reclaim", reclaim, ReclaimAgent.LOOK_MS));
    telemetry.gauge(
        "replica_reclaimed_bytes",
        "Bytes of released payloads whose room was given back.",
        () -> (double) reclaim.reclaimedBytes());
    addMetrics(server, messenger, scrub);
    Health health = new Health(server, store(directory.store()), minFreeBytes);
    telemetry.gauge(
        "replica_storing",
        "1 while records are taken; 0 while they are refused because the disk is full or fails.",
        () -> health.trouble() == null ? 1 : 0);
    if (options.http().isPresent()) {
      MetricsServer http =
          started(
              "http",
              MetricsServer.start(
                  options.http().get().resolve(), telemetry::text, health::trouble));
      httpAddress = http.address();
    }
    key = server.key();
    address = listening;
    EventLog.info(
        "replica.ready",
        "key",
        server.key(),
        "listen",
        listening,
        "http",
        httpAddress == null ? "none" : text(httpAddress),
        "peers",
        options.peers().size(),
        "owners",
        options.owners().isEmpty() ? "any" : options.owners().size(),
        "transport",
        options.links().isTls() ? "tls" : "plain",
        "seconds",
        TimeUnit.NANOSECONDS.toMillis(clock.monotonicNanos() - begin) / 1e3);
  }

  private <T extends AutoCloseable> T started(String name, T part) {
    parts.push(new Part(name, part));
    return part;
  }

  private RocksReplicaLog open(Path store, RocksStorageOptions options) {
    try {
      return RocksReplicaLog.open(store, options, entropy);
    } catch (IntegrityException damaged) {
      Rejection rejection = damaged.rejection();
      throw new IntegrityException(
          Rejection.of(
              rejection.reason(),
              "the replica's store is damaged beyond what can be repaired in place ("
                  + rejection.detail()
                  + "): move "
                  + store
                  + " away and start again, and it is rebuilt from the other replicas"));
    }
  }

  private static FileStore store(Path directory) {
    try {
      return Files.getFileStore(directory);
    } catch (IOException e) {
      throw new StorageException("cannot ask for the free space of " + directory, e);
    }
  }

  /** Says why nothing can be stored. */
  private record Health(ReplicaServer server, FileStore disk, long minFreeBytes) {

    @Nullable CapsuleException trouble() {
      String trouble = server.trouble();
      if (trouble != null) {
        return new UnavailableException("nothing is stored at present: " + trouble);
      }
      if (minFreeBytes == 0) {
        return null;
      }
      try {
        long free = disk.getUsableSpace();
        return free >= minFreeBytes
            ? null
            : new UnavailableException(
                "out of space: " + free + " bytes are free, and " + minFreeBytes + " stay free");
      } catch (IOException e) {
        return new StorageException("the disk does not say how much of it is free", e);
      }
    }
  }

  private void addMetrics(ReplicaServer server, Messenger messenger, @Nullable ScrubAgent scrub) {
    gauge(server, "capsules", "Capsules held.");
    gauge(server, "chains", "Chains of records held.");
    gauge(server, "records_behind", "Records that other replicas have and this one lacks.");
    gauge(server, "records_parked", "Records that came before those they follow.");
    gauge(server, "capsules_rebuilding", "Capsules that are not whole here yet.");
    gauge(server, "evidence", "Proofs that a writer or a replica lied.");
    gauge(server, "store_bytes", "Bytes of all files of the store.");
    telemetry.counter(
        "replica_events",
        "What the replica did, by kind.",
        "event",
        values -> {
          for (Message.Counter counter : server.status()) {
            if (!GAUGES.contains(counter.name())) {
              values.accept(counter.name(), (double) counter.value());
            }
          }
          values.accept("refused_by_full_inbox", (double) server.refusedBusy());
        });
    telemetry.counter(
        "link_events",
        "What happened on links, by kind.",
        "event",
        values ->
            messenger
                .counters()
                .forEach(
                    (name, value) -> {
                      if (!LinkNetwork.isGauge(name)) {
                        values.accept(name, value.doubleValue());
                      }
                    }));
    telemetry.gauge(
        "links",
        "Links, by what they are.",
        "state",
        values ->
            messenger
                .counters()
                .forEach(
                    (name, value) -> {
                      if (LinkNetwork.isGauge(name)) {
                        values.accept(name, value.doubleValue());
                      }
                    }));
    if (scrub != null) {
      scrubbed(scrub, "scrub_passes", "Complete walks of the scrubber.", ScrubAgent::passes);
      scrubbed(scrub, "scrub_records", "Records the scrubber looked at.", ScrubAgent::records);
      scrubbed(scrub, "scrub_findings", "Records it found damaged.", ScrubAgent::findings);
    }
  }

  private void scrubbed(
      ScrubAgent scrub, String name, String help, ToLongFunction<ScrubAgent> value) {
    telemetry.gauge("replica_" + name, help, () -> (double) value.applyAsLong(scrub));
  }

  private void gauge(ReplicaServer server, String name, String help) {
    telemetry.gauge("replica_" + name, help, () -> value(server, name));
  }

  private static double value(ReplicaServer server, String name) {
    for (Message.Counter counter : server.status()) {
      if (counter.name().equals(name)) {
        return (double) counter.value();
      }
    }
    return 0;
  }

  private static HostPort text(InetSocketAddress address) {
    return new HostPort(address.getAddress().getHostAddress(), address.getPort());
  }

  /** Who it is. */
  public PublicKey key() {
    return java.util.Objects.requireNonNull(key);
  }

  /** Where clients and peers connect. */
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
        EventLog.error("replica.stop_failed", e, "part", part.name());
      }
    }
  }
}
