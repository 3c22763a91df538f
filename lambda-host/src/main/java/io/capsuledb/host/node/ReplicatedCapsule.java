package io.capsuledb.host.node;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.metrics.PrometheusTelemetry;
import io.capsuledb.host.pair.CapsuleStores;
import io.capsuledb.host.pair.Outside;
import io.capsuledb.host.replica.CapsuleView;
import io.capsuledb.host.replica.LinkKey;
import io.capsuledb.host.replica.LinkNetwork;
import io.capsuledb.host.replica.ReplicaCaller;
import io.capsuledb.host.replica.ReplicaDialer;
import io.capsuledb.host.replica.ReplicaSurvey;
import io.capsuledb.replication.client.MessengerLinks;
import io.capsuledb.replication.client.QuorumClient;
import io.capsuledb.replication.client.QuorumClientCore;
import io.capsuledb.replication.client.QuorumOptions;
import io.capsuledb.replication.client.ReplicatedStore;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.session.Messenger;
import io.capsuledb.replication.store.RocksStorage;
import io.capsuledb.replication.store.RocksStorageOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * A node's capsule on replicas: links to them, the client that brings records to a quorum, and the
 * cache on this machine. Thread-safe once opened.
 */
final class ReplicatedCapsule implements AutoCloseable {

  /** How long a founding waits for all replicas, whose keys have to be known. */
  private static final long FOUNDING_MS = 60_000;

  private static final long CALL_MS = 5_000;
  private static final long REPORT_NANOS = TimeUnit.SECONDS.toNanos(3);

  /** How long closing waits for a quorum before it leaves the outcome of writes open. */
  private static final long CLOSE_PATIENCE_SECONDS = 10;

  private static final double NANOS = 1e-9;

  private final Deque<AutoCloseable> parts = new ArrayDeque<>();
  private final CapsuleStores cache;
  private final QuorumClient client;
  private final ReplicatedStore store;
  private final Messenger messenger;

  private ReplicatedCapsule(
      Deque<AutoCloseable> parts,
      CapsuleStores cache,
      QuorumClient client,
      ReplicatedStore store,
      Messenger messenger) {
    this.parts.addAll(parts);
    this.cache = cache;
    this.client = client;
    this.store = store;
    this.messenger = messenger;
  }

  /** What it needs from the node. */
  record Context(
      ServeOptions options,
      Outside outside,
      CapsuleDirectory directory,
      Clock clock,
      Entropy entropy,
      Telemetry telemetry) {}

  /**
   * Takes over the capsule of a directory, founds one if there is none: no other process that
   * served it can make anything durable afterwards. Waits for a quorum for as long as it takes.
   *
   * @param newOwner whether the owner key was made just now, so that no replica can hold a capsule
   *     of this owner
   */
  static ReplicatedCapsule open(Context context, KeyTree owner, boolean newOwner) {
    Deque<AutoCloseable> parts = new ArrayDeque<>();
    boolean opened = false;
    try {
      ReplicatedCapsule capsule = open(context, owner, newOwner, parts);
      opened = true;
      return capsule;
    } finally {
      if (!opened) {
        close(parts);
      }
    }
  }

  /**
   * Signed metadata of the one capsule of an owner that replicas hold, or of one that is founded
   * now.
   */
  static byte[] findOrFound(Context context, KeyTree owner) {
    CapsuleName name = existing(context, owner);
    if (name == null) {
      return found(context, owner);
    }
    try (ReplicaCaller caller = call(context)) {
      CapsuleView view = new ReplicaSurvey(caller, context.clock, 0).view(name, new ArrayList<>());
      if (view == null) {
        throw new UnavailableException("no replica describes the capsule " + name + " any more");
      }
      return view.signedMetadata().bytes();
    }
  }

  /**
   * Joins a capsule that exists, as one of several writers, without its owner's keys. Waits for a
   * quorum for as long as it takes.
   */
  static ReplicatedCapsule join(Context context, CapsuleName name) {
    if (!context.options.shared()) {
      throw new IllegalArgumentException("only a shared capsule can be joined");
    }
    context.directory.name(name);
    Deque<AutoCloseable> parts = new ArrayDeque<>();
    boolean opened = false;
    try {
      ReplicatedCapsule capsule = open(context, null, false, parts);
      opened = true;
      return capsule;
    } finally {
      if (!opened) {
        close(parts);
      }
    }
  }

  /**
   * Opens the cache. One that a loss of power has left beyond opening is set aside, for nothing is
   * lost with it: all that was ever acknowledged is on the replicas.
   */
  static RocksStorage openCache(Path directory) {
    RocksStorageOptions options = RocksStorageOptions.builder().durable(false).build();
    try {
      return RocksStorage.open(directory, options);
    } catch (IntegrityException damaged) {
      Path aside = directory.resolveSibling(directory.getFileName() + ".damaged");
      for (int i = 1; Files.exists(aside); i++) {
        aside = directory.resolveSibling(directory.getFileName() + ".damaged-" + i);
      }
      try {
        Files.move(directory, aside);
      } catch (IOException e) {
        damaged.addSuppressed(e);
        throw damaged;
      }
      EventLog.warn(
          "cache.set_aside",
          "directory",
          aside,
          "reason",
          damaged.rejection(),
          "advice",
          "delete it when nobody wants to look into it: the replicas have all that was in it");
      return RocksStorage.open(directory, options);
    }
  }

  /** With a name that is known, a shared capsule needs no owner. */
  private static ReplicatedCapsule open(
      Context context, @Nullable KeyTree owner, boolean newOwner, Deque<AutoCloseable> parts) {
    CapsuleDirectory directory = context.directory;
    CapsuleName name = directory.name();
    byte[] founding = null;
    if (name == null && owner != null && !newOwner) {
      name = existing(context, owner);
    }
    if (name == null) {
      java.util.Objects.requireNonNull(owner);
      founding = found(context, owner);
      name = MetadataCodec.nameOf(founding);
    }
    CapsuleStores cache = started(parts, context.outside.stores(true));
    LinkKey key = started(parts, LinkKey.draw(context.entropy));
    MessengerLinks links = new MessengerLinks();
    Scheduler scheduler = new ThreadScheduler();
    Messenger messenger =
        started(
            parts,
            LinkNetwork.start(
                key.identity(),
                context.outside.links(context.options.replicaLinks(), context.telemetry),
                new Messenger.Ports(context.clock, context.entropy, scheduler, context.telemetry),
                links));
    QuorumClient client =
        started(
            parts,
            QuorumClient.start(
                name,
                QuorumOptions.builder().build(),
                Secp256k1.best(),
                new QuorumClient.Ports(links, context.clock, context.entropy, scheduler),
                new Reports()));
    links.attach(messenger, client);
    ReplicaDialer dialer =
        new ReplicaDialer(
            messenger,
            context.options.replicaLinks(),
            context.options.replicas(),
            context.options.replicasFile().orElse(null));
    started(parts, scheduler.start("replica-dialer", dialer, ReplicaDialer.LOOK_MS));
    EventLog.info(
        "replicas.waiting", "capsule", name, "replicas", context.options.replicas().size());
    long[] reported = {context.clock.monotonicNanos()};
    LongConsumer progress =
        records -> {
          long now = context.clock.monotonicNanos();
          if (now - reported[0] >= REPORT_NANOS) {
            reported[0] = now;
            EventLog.info("replicas.fetching", "records", records);
          }
        };
    RecordStore cached = cache.capsule(name.toBytes());
    ReplicatedStore store;
    if (context.options.shared() || owner == null) {
      // Others write, too: they go on.
      store =
          started(
              parts, ReplicatedStore.open(cached, client, founding, Secp256k1.best(), progress));
    } else {
      List<ApplicationKey> given = new ArrayList<>();
      try {
        store =
            started(
                parts,
                ReplicatedStore.takeOver(
                    cached,
                    client,
                    founding,
                    Secp256k1.best(),
                    generation -> {
                      ApplicationKey taken = owner.application(Node.APPLICATION, generation);
                      given.add(taken);
                      return taken;
                    },
                    context.entropy,
                    progress));
      } finally {
        given.forEach(ApplicationKey::close);
      }
    }
    if (founding != null && owner != null) {
      EventLog.info("capsule.founded", "capsule", name, "owner", owner.ownerPublicKey());
    }
    directory.name(name);
    checkQuorum(context, client.membership());
    return new ReplicatedCapsule(parts, cache, client, store, messenger);
  }

  private static <T extends AutoCloseable> T started(Deque<AutoCloseable> parts, T part) {
    parts.push(part);
    return part;
  }

  /** A quorum that was asked for must be the one in force: it cannot be changed by starting. */
  private static void checkQuorum(Context context, @Nullable Membership membership) {
    int asked = context.options.quorum();
    if (asked != 0 && membership != null && membership.current().quorum() != asked) {
      throw new InvalidRequestException(
          "quorum is '"
              + asked
              + "', and that of the capsule is "
              + membership.current().quorum()
              + ": leave it out, or change it with 'capsule replicas'");
    }
  }

  /** The one capsule of this owner that replicas hold already; null if they hold none. */
  private static @Nullable CapsuleName existing(Context context, KeyTree owner) {
    try (ReplicaCaller caller = call(context)) {
      ReplicaSurvey survey = new ReplicaSurvey(caller, context.clock, 0);
      List<CapsuleName> names = new ArrayList<>();
      for (CapsuleName name : survey.names()) {
        CapsuleView view = survey.view(name, new ArrayList<>());
        if (view != null && view.metadata().ownerKey().equals(owner.ownerPublicKey())) {
          names.add(name);
        }
      }
      if (names.size() > 1) {
        throw new InvalidRequestException(
            "the replicas hold "
                + names.size()
                + " capsules of this owner: write the name of the one to serve into "
                + context.directory.path().resolve("capsule"));
      }
      return names.isEmpty() ? null : names.getFirst();
    }
  }

  private static ReplicaCaller call(Context context) {
    return ReplicaCaller.open(
        context.options.replicas(),
        context.outside.links(context.options.replicaLinks(), Telemetry.NONE),
        CALL_MS);
  }

  /**
   * Signed metadata of a new capsule that names the replicas' keys and that a quorum of them took.
   *
   * @throws DeniedException if too many refuse it
   */
  private static byte[] found(Context context, KeyTree owner) {
    List<PublicKey> keys = keys(context);
    int quorum = context.options.quorum() == 0 ? keys.size() / 2 + 1 : context.options.quorum();
    byte[] metadata =
        NewCapsule.sign(
            owner,
            Node.APPLICATION,
            keys,
            quorum,
            Node.directory(context.options),
            context.entropy);
    CapsuleName name = MetadataCodec.nameOf(metadata);
    List<String> refusals = new ArrayList<>();
    try (ReplicaCaller caller = call(context)) {
      caller
          .askAll(caller.replicas(), number -> new Message.Found(number, name, Blob.of(metadata)))
          .forEach(
              (replica, reply) -> {
                if (reply instanceof Message.Refused refused) {
                  refusals.add(replica.address() + ": " + refused.code());
                }
              });
    }
    if (refusals.size() > keys.size() - quorum) {
      throw new DeniedException(
          "the replicas do not take data of this owner ("
              + String.join(", ", refusals)
              + "): allow "
              + owner.ownerPublicKey()
              + " there with --owner, or put the owner's key file into "
              + context.directory.path());
    }
    return metadata;
  }

  private static List<PublicKey> keys(Context context) {
    long deadline = context.clock.monotonicNanos() + TimeUnit.MILLISECONDS.toNanos(FOUNDING_MS);
    while (true) {
      List<PublicKey> keys = new ArrayList<>();
      List<ReplicaAddress> missing = new ArrayList<>();
      Map<String, Long> troubles;
      try (ReplicaCaller caller = call(context)) {
        for (ReplicaAddress replica : context.options.replicas()) {
          PublicKey key = caller.keyOf(replica);
          if (key == null) {
            missing.add(replica);
          } else if (keys.contains(key)) {
            throw new InvalidRequestException(
                "the same replica answers at two addresses, one of them "
                    + replica.address()
                    + ": it would count once only");
          } else {
            keys.add(key);
          }
        }
        troubles = caller.troubles();
      }
      if (missing.isEmpty()) {
        return keys;
      }
      EventLog.info("replicas.awaited", "missing", missing, "links", troubles);
      if (context.clock.monotonicNanos() - deadline >= 0) {
        throw new UnavailableException(
            "new data need all their replicas once, and these do not answer: "
                + missing
                + (troubles.isEmpty() ? "" : "; what became of links: " + troubles));
      }
    }
  }

  /** Logs what the client finds. */
  private static final class Reports implements QuorumClient.Listener {
    @Override
    public void membership(Membership membership) {
      EventLog.info(
          "replicas.membership",
          "version",
          membership.version(),
          "replicas",
          membership.everybody().size(),
          "quorum",
          membership.current().quorum(),
          "joint",
          membership.isJoint());
    }

    @Override
    public void accused(@Nullable PublicKey replica, Blob evidence) {
      EventLog.warn(
          "replicas.evidence", "against", replica == null ? "a writer" : replica.toString());
    }

    @Override
    public void struck(PublicKey replica, String reason) {
      EventLog.warn("replicas.wrong", "replica", replica, "reason", reason);
    }
  }

  /** The client of the replicas; closed with this. */
  QuorumClient client() {
    return client;
  }

  /** The store for the engine; closed with this. */
  ReplicatedStore store() {
    return store;
  }

  /** Why writes are refused for now, or null. */
  @Nullable CapsuleException unavailable() {
    return client.unavailable();
  }

  /** Bytes of the cache on this machine. */
  double cacheBytes() {
    return (double) cache.sizeBytes();
  }

  /** Fields of INFO. */
  Map<String, String> info() {
    Map<String, String> fields = new LinkedHashMap<>();
    Membership membership = client.membership();
    List<QuorumClientCore.ReplicaStatus> replicas = client.replicas();
    fields.put("capsule_replicas", Integer.toString(replicas.size()));
    fields.put(
        "capsule_replicas_usable",
        Long.toString(replicas.stream().filter(QuorumClientCore.ReplicaStatus::usable).count()));
    fields.put(
        "capsule_quorum",
        membership == null ? "0" : Integer.toString(membership.current().quorum()));
    fields.put("capsule_quorum_available", client.available() ? "1" : "0");
    fields.put(
        "capsule_membership",
        membership == null
            ? "none"
            : membership.version() + (membership.isJoint() ? " (joint)" : ""));
    int number = 0;
    for (QuorumClientCore.ReplicaStatus replica : replicas) {
      fields.put(
          "capsule_replica" + number++,
          "key="
              + replica.replica()
              + ",state="
              + state(replica)
              + ",answer_ms="
              + String.format(Locale.ROOT, "%.3f", (double) replica.meanNanos() / 1e6));
    }
    return fields;
  }

  private static String state(QuorumClientCore.ReplicaStatus replica) {
    return replica.convicted()
        ? "convicted"
        : !replica.connected()
            ? "unreachable"
            : replica.full()
                ? "full"
                : !replica.usable() ? "not_ready" : replica.lagging() ? "lagging" : "ok";
  }

  void addMetrics(PrometheusTelemetry telemetry) {
    telemetry.gauge(
        "quorum_available",
        "1 while a quorum of replicas takes writes.",
        () -> client.available() ? 1 : 0);
    perReplica(
        telemetry,
        "replica_up",
        "1 while the replica answers and takes writes.",
        replica -> replica.usable() ? 1 : 0);
    perReplica(
        telemetry,
        "replica_lagging",
        "1 while the replica lacks records that it has to get from others.",
        replica -> replica.lagging() ? 1 : 0);
    perReplica(
        telemetry,
        "replica_answer_seconds",
        "How long the replica takes to answer, smoothed.",
        replica -> (double) replica.meanNanos() * NANOS);
    telemetry.gauge(
        "replication_client",
        "What the client of the replicas counted.",
        "event",
        values ->
            store.counters().forEach((name, value) -> values.accept(name, value.doubleValue())));
    telemetry.counter(
        "link_events",
        "What happened on links to replicas, by kind.",
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
  }

  private void perReplica(
      PrometheusTelemetry telemetry,
      String name,
      String help,
      ToDoubleFunction<QuorumClientCore.ReplicaStatus> value) {
    telemetry.gauge(
        name,
        help,
        "replica",
        values ->
            client
                .replicas()
                .forEach(
                    replica ->
                        values.accept(replica.replica().toString(), value.applyAsDouble(replica))));
  }

  /**
   * To be called before the engine is closed, which waits until its writes are durable: if no
   * quorum comes for long, they are left, their outcome unknown.
   */
  void beginClosing() {
    Thread.ofPlatform()
        .daemon()
        .name("capsule-close-patience")
        .start(
            () -> {
              try {
                TimeUnit.SECONDS.sleep(CLOSE_PATIENCE_SECONDS);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
              }
              store.stopWaiting();
            });
  }

  @Override
  public void close() {
    close(parts);
  }

  static void close(Deque<AutoCloseable> parts) {
    while (!parts.isEmpty()) {
      try {
        parts.pop().close();
      } catch (Exception e) {
        EventLog.error("node.stop_failed", e, "part", "replicas");
      }
    }
  }
}
