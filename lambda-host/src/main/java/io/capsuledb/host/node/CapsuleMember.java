package io.capsuledb.host.node;

import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.CapsuleDbOptions;
import io.capsuledb.engine.CapsulePorts;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.ServeSetting;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.metrics.PrometheusTelemetry;
import io.capsuledb.host.replica.LinkKey;
import io.capsuledb.host.replica.LinkNetwork;
import io.capsuledb.replication.router.MulticastClient;
import io.capsuledb.replication.router.RouterOptions;
import io.capsuledb.scl.epoch.WorkerOptions;
import io.capsuledb.scl.resp.Sharing;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One of several writers of a shared capsule, without a server and without the application's key:
 * what a launched program runs on, and what a coordinator is. Thread-safe.
 */
public final class CapsuleMember implements AutoCloseable {

  private static final long POLL_MS = 1_000;
  private static final long POLL_WITHOUT_ROUTERS_MS = 50;
  private static final int MEMTABLE_BYTES = 32 << 20;
  private static final int CACHE_BYTES = 32 << 20;

  /**
   * Where its capsule is.
   *
   * @param scratch a directory of its own, for what replicas hold, encrypted; emptied by the caller
   * @param replicas HOST:PORT=KEY each
   * @param routers HOST:PORT each; empty: the replicas are asked
   * @param leaseMs as for {@link WorkerOptions}
   * @param links what carries links to both
   */
  public record Where(
      Path scratch, List<String> replicas, List<String> routers, long leaseMs, LinkSecurity links) {
    /** Copies the lists. */
    public Where {
      replicas = List.copyOf(replicas);
      routers = List.copyOf(routers);
    }
  }

  private final Deque<AutoCloseable> parts;
  private final CapsuleDb db;
  private final SharedWorker worker;

  private CapsuleMember(Deque<AutoCloseable> parts, CapsuleDb db, SharedWorker worker) {
    this.parts = parts;
    this.db = db;
    this.worker = worker;
  }

  /**
   * Joins: fetches what replicas hold and begins to write.
   *
   * @param keys granted ones; closed with the member
   * @throws CapsuleException if it cannot; the keys are closed then, too
   */
  public static CapsuleMember join(Where where, KeyRing keys, Clock clock, Entropy entropy) {
    Deque<AutoCloseable> parts = new ArrayDeque<>();
    boolean joined = false;
    KeyRing own = keys.copyOfGranted();
    try {
      CapsuleMember member = join(where, keys, own, clock, entropy, parts);
      joined = true;
      return member;
    } finally {
      if (!joined) {
        ReplicatedCapsule.close(parts);
        keys.close();
        own.close();
      }
    }
  }

  /** Sets how links are carried. */
  static void secure(ServeOptions.Builder builder, LinkSecurity links) {
    Path here = Path.of("").toAbsolutePath();
    builder.set(
        ServeSetting.REPLICA_TRANSPORT, links.transport().name().toLowerCase(Locale.ROOT), here);
    set(builder, ServeSetting.REPLICA_TLS_CERT, links.tlsCert(), here);
    set(builder, ServeSetting.REPLICA_TLS_KEY, links.tlsKey(), here);
    set(builder, ServeSetting.REPLICA_TLS_CA, links.tlsCa(), here);
  }

  private static void set(
      ServeOptions.Builder builder, ServeSetting setting, @Nullable Path file, Path here) {
    if (file != null) {
      builder.set(setting, file.toString(), here);
    }
  }

  private static CapsuleMember join(
      Where where,
      KeyRing keys,
      KeyRing workerKeys,
      Clock clock,
      Entropy entropy,
      Deque<AutoCloseable> parts) {
    PrometheusTelemetry telemetry = new PrometheusTelemetry();
    ServeOptions.Builder builder = ServeOptions.builder().shared(true);
    builder.set(ServeSetting.DATA, where.scratch().toString(), Path.of(""));
    builder.set(ServeSetting.REPLICAS, String.join(",", where.replicas()), Path.of(""));
    builder.set(ServeSetting.LEASE_MS, Long.toString(where.leaseMs()), Path.of(""));
    if (!where.routers().isEmpty()) {
      builder.set(ServeSetting.JOIN, String.join(",", where.routers()), Path.of(""));
    }
    secure(builder, where.links());
    ServeOptions options = builder.build();
    CapsuleDirectory directory = new CapsuleDirectory(where.scratch());
    directory.create();
    ReplicatedCapsule replicated =
        ReplicatedCapsule.join(
            new ReplicatedCapsule.Context(
                options, new LocalOutside(options), directory, clock, entropy, telemetry),
            keys.capsule());
    parts.push(replicated);
    SharedWorker.Appended appended = new SharedWorker.Appended();
    replicated.store().onAppended(appended);
    CapsuleDb db =
        CapsuleDb.open(
            CapsuleDbOptions.builder()
                .memtableBytes(MEMTABLE_BYTES)
                .cacheBytes(CACHE_BYTES)
                .shared(true)
                .capsule(keys.capsule())
                .build(),
            new CapsulePorts(replicated.store(), clock, entropy, new ThreadScheduler(), telemetry),
            keys,
            _ -> {});
    parts.push(db);
    parts.push(replicated::beginClosing);
    Scheduler scheduler = new ThreadScheduler();
    LinkKey linkKey = LinkKey.draw(entropy);
    parts.push(linkKey);
    SharedWorker worker =
        SharedWorker.start(
            new SharedWorker.Parts(
                db, replicated.store(), replicated.client(), clock, entropy, scheduler),
            WorkerOptions.builder()
                .epochMs(options.epochMs())
                .epochDeadlineMs(2L * options.leaseMs())
                .leaseMs(options.leaseMs())
                .pollMs(where.routers().isEmpty() ? POLL_WITHOUT_ROUTERS_MS : POLL_MS)
                .build(),
            false,
            workerKeys,
            appended,
            where.routers().isEmpty()
                ? null
                : hears ->
                    MulticastClient.start(
                        RouterOptions.defaults(),
                        linkKey.identity(),
                        where.routers(),
                        new MulticastClient.Ports(clock, entropy, scheduler, telemetry),
                        LinkNetwork.ofRouters(options.replicaLinks(), 16, telemetry),
                        hears));
    parts.push(worker);
    return new CapsuleMember(parts, db, worker);
  }

  /**
   * Waits until it has merged what the others have and may write.
   *
   * @throws UnavailableException if that takes longer
   */
  public void awaitReady(long timeoutMs) {
    if (!worker.awaitReady(timeoutMs)) {
      CapsuleException why = worker.failure();
      throw why != null
          ? why
          : new UnavailableException(
              "this worker could not merge what the others wrote within " + timeoutMs + " ms");
    }
  }

  /** The engine. */
  public CapsuleDb db() {
    return db;
  }

  /** Locks, tokens and cuts. */
  public Sharing sharing() {
    return worker;
  }

  /** Hears once that it is no member any more without having been closed. */
  public void onOver(Consumer<@Nullable CapsuleException> hears) {
    worker.onOver(hears);
  }

  /** Leaves, and clears keys and memory of the capsule. Idempotent. */
  @Override
  public void close() {
    EventLog.info("member.leaves", "capsule", db.name());
    ReplicatedCapsule.close(parts);
  }
}
