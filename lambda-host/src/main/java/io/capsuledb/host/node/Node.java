package io.capsuledb.host.node;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.keys.Mnemonic;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.CapsuleDbOptions;
import io.capsuledb.engine.CapsuleKeys;
import io.capsuledb.engine.CapsulePorts;
import io.capsuledb.host.config.HostPort;
import io.capsuledb.host.config.ServeOptions;
import io.capsuledb.host.config.UsersFile;
import io.capsuledb.host.log.EventLog;
import io.capsuledb.host.metrics.PrometheusTelemetry;
import io.capsuledb.host.pair.CapsuleStores;
import io.capsuledb.host.pair.Outside;
import io.capsuledb.host.replica.LinkKey;
import io.capsuledb.host.replica.LinkNetwork;
import io.capsuledb.replication.client.ReplicatedStore;
import io.capsuledb.replication.router.MulticastClient;
import io.capsuledb.replication.router.RouterOptions;
import io.capsuledb.replication.router.RouterServer;
import io.capsuledb.scl.epoch.WorkerOptions;
import io.capsuledb.scl.resp.ClientStreams;
import io.capsuledb.scl.resp.RespServer;
import io.capsuledb.scl.resp.RespServerOptions;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A running node: store, engine, RESP server and metrics endpoint over one data directory.
 *
 * <p>Started from the store up and stopped from the servers down; if a part does not start, those
 * before it are stopped again. Thread-safe once started.
 */
public final class Node implements AutoCloseable {

  /** Which of the owner's applications a node is. */
  static final int APPLICATION = 0;

  private static final long POLL_MS = 1_000;
  private static final long POLL_WITHOUT_ROUTERS_MS = 50;
  private static final long READY_MS = 120_000;

  /** Links of a worker to routers, with those that are being closed. */
  private static final int WORKER_LINKS = 16;

  private static final long REPLAY_REPORT_NANOS = TimeUnit.SECONDS.toNanos(3);

  /** Where passphrases come from. */
  @FunctionalInterface
  public interface PassphraseSource {
    /**
     * The passphrase of a key file, which the node clears.
     *
     * @param isProtected whether there is a key file that needs one; if not, one may be given for a
     *     file that is to be made
     * @return null if there is none
     */
    char @Nullable [] passphrase(boolean isProtected);
  }

  /** A part that was started, with the way to stop it. */
  private record Part(String name, AutoCloseable stop) {}

  private final Clock clock = new SystemClock();
  private final Entropy entropy = new SystemEntropy();
  private final PrometheusTelemetry telemetry = new PrometheusTelemetry();

  /** Set once a failure was logged, or when the engine is closed on purpose. */
  private final AtomicBoolean failureLogged = new AtomicBoolean();

  /** Newest first. */
  private final Deque<Part> parts = new ArrayDeque<>();

  private @Nullable SharedWorker worker;
  private @Nullable InetSocketAddress address;
  private @Nullable InetSocketAddress httpAddress;

  private Node() {}

  /**
   * Starts a node; when this returns, it serves.
   *
   * @param version of the program, for logs and INFO
   * @param onShutdown what the command SHUTDOWN does, on a thread of its own: stop the process
   * @throws CapsuleException if a part does not start
   */
  public static Node start(
      ServeOptions options, PassphraseSource passphrases, String version, Runnable onShutdown) {
    LocalOutside outside = new LocalOutside(options);
    return start(options, outside, outside, passphrases, version, onShutdown);
  }

  /**
   * As {@link #start(ServeOptions, PassphraseSource, String, Runnable)}, with an outside of the
   * caller's.
   *
   * @param closes the outside, when the node is closed
   */
  public static Node start(
      ServeOptions options,
      Outside outside,
      AutoCloseable closes,
      PassphraseSource passphrases,
      String version,
      Runnable onShutdown) {
    Node node = new Node();
    node.started("outside", closes);
    boolean started = false;
    try {
      node.startParts(options, outside, passphrases, version, onShutdown);
      started = true;
      return node;
    } finally {
      if (!started) {
        node.close();
      }
    }
  }

  private void startParts(
      ServeOptions options,
      Outside outside,
      PassphraseSource passphrases,
      String version,
      Runnable onShutdown) {
    long begin = clock.monotonicNanos();
    CapsuleDirectory directory = new CapsuleDirectory(options.data());
    EventLog.info(
        "node.starting",
        "version",
        version,
        "pid",
        ProcessHandle.current().pid(),
        "data",
        options.data().toAbsolutePath());
    // Everything that can be wrong with what the user wrote is found before anything is opened.
    RespServerOptions.Builder resp = respOptions(options, outside, version, onShutdown);
    resp.procedures(DuktapeProcedures.open(clock, entropy));
    resp.info("enclave", outside::info);
    resp.build();
    directory.create();
    CapsuleDb db;
    boolean newOwner = !Files.exists(directory.ownerKey());
    DoubleSupplier storeBytes;
    ReplicatedCapsule replicated = null;
    SharedWorker.Appended appended = new SharedWorker.Appended();
    KeyRing workerKeys = null;
    try (KeyTree owner = ownerKey(directory, passphrases)) {
      RecordStore records;
      if (options.replicas().isEmpty()) {
        CapsuleStores storage = started("store", outside.stores(false));
        storeBytes = () -> (double) storage.sizeBytes();
        records = capsule(options, directory, storage, owner);
      } else {
        directory.requireNoLocalStore();
        ReplicatedCapsule opened =
            started(
                "replicas",
                ReplicatedCapsule.open(
                    new ReplicatedCapsule.Context(
                        options, outside, directory, clock, entropy, telemetry),
                    owner,
                    newOwner));
        storeBytes = opened::cacheBytes;
        records = opened.store();
        if (options.shared()) {
          opened.store().onAppended(appended);
          carryOutRotation(opened.store(), owner);
        }
        resp.info("replication", opened::info);
        opened.addMetrics(telemetry);
        replicated = opened;
      }
      db = started("engine", openEngine(options, records, capsuleName(directory), owner));
      if (options.shared()) {
        workerKeys = CapsuleKeys.ring(records, Secp256k1.best(), source(owner));
      }
    }
    if (replicated != null) {
      started("patience", replicated::beginClosing);
    }
    db.onDurable(() -> reportFailure(db));
    addGauges(db, storeBytes);
    if (replicated != null && workerKeys != null) {
      SharedWorker started = share(options, outside, db, replicated, workerKeys, appended);
      resp.sharing(started);
      resp.info("workers", started::info);
      worker = started;
    }
    rotating(options, directory, passphrases, db, replicated, resp);
    RespServer server =
        started("resp", RespServer.start(db, resp.build(), clock, entropy, telemetry));
    address = server.addresses().getFirst();
    addGauges(server);
    ReplicatedCapsule capsule = replicated;
    httpAddress =
        outside.serving(
            new Outside.Serving(
                outside.door() == null ? null : server.clients(),
                telemetry::text,
                () -> trouble(db, capsule)));
    EventLog.info(
        "node.ready",
        "listen",
        text(address()),
        "http",
        httpAddress == null ? "none" : text(httpAddress),
        "capsule",
        db.name(),
        "entries",
        db.approximateEntries(),
        "seconds",
        seconds(begin));
  }

  private void rotating(
      ServeOptions options,
      CapsuleDirectory directory,
      PassphraseSource passphrases,
      CapsuleDb db,
      @Nullable ReplicatedCapsule replicated,
      RespServerOptions.Builder resp) {
    Consumer<ApplicationKey> begin;
    if (replicated == null) {
      begin = next -> db.rotate(next, key -> {});
    } else if (options.shared()) {
      begin =
          next -> {
            try (next) {
              replicated.store().announce(next, Secp256k1.best(), entropy);
            }
          };
    } else {
      begin = next -> db.rotate(next, replicated.store()::renewLeader);
    }
    KeyRotation rotation = new KeyRotation(db, directory.ownerKey(), passphrases, begin, clock);
    SharedWorker sharing = worker;
    if (sharing != null && options.rotateOnSeal()) {
      sharing.onWorkerSealed(() -> rotation.rotateFor("a worker was sealed", clock));
    }
    resp.keyRotation(rotation::rotate, options.rotateEachCall() && !options.shared());
    if (options.rotateHours() > 0) {
      started(
          "rotation",
          rotation.every(Duration.ofHours(options.rotateHours()), new ThreadScheduler(), clock));
    }
  }

  private static CapsuleKeys.KeySource source(KeyTree owner) {
    return generation -> owner.application(APPLICATION, generation);
  }

  /**
   * Ends the writers of older key generations if a rotation was announced; the engine does the
   * rest.
   */
  private void carryOutRotation(ReplicatedStore store, KeyTree owner) {
    int pending = CapsuleKeys.pendingGeneration(store, Secp256k1.best());
    if (pending > 0) {
      EventLog.info("keys.rotating", "generation", pending);
      try (ApplicationKey next = owner.application(APPLICATION, pending)) {
        store.retire(next, Secp256k1.best(), entropy, records -> {});
      }
    }
  }

  /** Waits until this worker has merged what the others have. */
  private SharedWorker share(
      ServeOptions options,
      Outside outside,
      CapsuleDb db,
      ReplicatedCapsule replicated,
      KeyRing keys,
      SharedWorker.Appended appended) {
    Scheduler scheduler = new ThreadScheduler();
    List<String> routers =
        new ArrayList<>(options.join().stream().map(HostPort::toString).toList());
    if (options.router().isPresent()) {
      routers.addFirst(
          embeddedRouter(options, outside, options.router().get(), routers, scheduler));
    }
    LinkKey linkKey = started("link-key", LinkKey.draw(entropy));
    SharedWorker joined =
        started(
            "worker",
            SharedWorker.start(
                new SharedWorker.Parts(
                    db, replicated.store(), replicated.client(), clock, entropy, scheduler),
                WorkerOptions.builder()
                    .epochMs(options.epochMs())
                    .epochDeadlineMs(2L * options.leaseMs())
                    .leaseMs(options.leaseMs())
                    .pollMs(routers.isEmpty() ? POLL_WITHOUT_ROUTERS_MS : POLL_MS)
                    .build(),
                options.linearizable(),
                keys,
                appended,
                routers.isEmpty()
                    ? null
                    : hears ->
                        MulticastClient.start(
                            RouterOptions.defaults(),
                            linkKey.identity(),
                            routers,
                            new MulticastClient.Ports(clock, entropy, scheduler, telemetry),
                            outside.routers(options.replicaLinks(), WORKER_LINKS, telemetry),
                            hears)));
    if (!joined.awaitReady(READY_MS)) {
      CapsuleException why = joined.failure();
      throw why != null
          ? why
          : new UnavailableException(
              "this worker could not merge what the others wrote within " + READY_MS / 1000 + " s");
    }
    return joined;
  }

  /** A router in this process; returns where it listens. */
  private String embeddedRouter(
      ServeOptions options,
      Outside outside,
      HostPort listen,
      List<String> parents,
      Scheduler scheduler) {
    RouterOptions routing = RouterOptions.defaults();
    RouterServer router =
        started(
            "router",
            RouterServer.start(
                routing,
                started("router-key", LinkKey.draw(entropy)).identity(),
                listen.toString(),
                "",
                List.copyOf(parents),
                new RouterServer.Ports(clock, entropy, scheduler, telemetry),
                outside.routers(
                    options.replicaLinks(), RouterServer.links(routing).maxLinks(), telemetry)));
    HostPort listening = LinkNetwork.listening(router.address());
    EventLog.info("router.ready", "listen", listening, "parents", parents.size());
    return listening.toString();
  }

  /** Hears once that this node's worker is over, and it has to be started anew. */
  public void onWorkerOver(Consumer<@Nullable CapsuleException> hears) {
    SharedWorker known = worker;
    if (known != null) {
      known.onOver(hears);
    }
  }

  private static @Nullable CapsuleException trouble(
      CapsuleDb db, @Nullable ReplicatedCapsule capsule) {
    CapsuleException failure = db.failure();
    return failure != null || capsule == null ? failure : capsule.unavailable();
  }

  private <T extends AutoCloseable> T started(String name, T part) {
    parts.push(new Part(name, part));
    return part;
  }

  private static RespServerOptions.Builder respOptions(
      ServeOptions options, Outside outside, String version, Runnable onShutdown) {
    List<InetSocketAddress> listen = outside.listen(List.of(options.listen().resolve()));
    RespServerOptions.Builder resp =
        RespServerOptions.builder()
            .listen(listen.toArray(InetSocketAddress[]::new))
            .ioThreads(options.ioThreads())
            .maxClients(options.maxClients())
            .version(version)
            .onShutdown(onShutdown);
    ClientStreams door = outside.door();
    if (door != null) {
      resp.door(door);
    }
    options.users().ifPresent(file -> resp.users(UsersFile.read(file).toAclUsers()));
    if (options.tlsCert().isPresent() && options.tlsKey().isPresent()) {
      resp.tls(
          new RespServerOptions.Tls(
              options.tlsCert().get(), options.tlsKey().get(), options.tlsCa().orElse(null)));
    }
    return resp;
  }

  /** The owner's keys: those of the directory, or new ones for a new directory. */
  private KeyTree ownerKey(CapsuleDirectory directory, PassphraseSource passphrases) {
    Path path = directory.ownerKey();
    OwnerKeyFile file;
    char[] passphrase;
    if (Files.exists(path)) {
      file = OwnerKeyFile.read(path);
      passphrase = passphrases.passphrase(file.isProtected());
    } else {
      if (directory.name() != null) {
        throw new DeniedException(
            "the owner key "
                + path
                + " is gone and without it nobody reads the capsule: restore a copy, or make it"
                + " from its words with 'capsule keys new'");
      }
      passphrase = passphrases.passphrase(false);
      char[] kept = passphrase == null ? null : passphrase.clone();
      try (Mnemonic words = Mnemonic.generate(entropy)) {
        file = OwnerKeyFile.write(path, words.entropy(), kept, false, entropy);
      } finally {
        if (kept != null) {
          java.util.Arrays.fill(kept, '\0');
        }
      }
      EventLog.info("owner_key.made", "file", path, "owner", file.file().ownerPublicKey());
    }
    if (!file.isProtected()) {
      EventLog.warn(
          "owner_key.unprotected",
          "mode",
          "DEVELOPMENT",
          "file",
          path,
          "advice",
          "whoever reads this file reads all data; protect it with: capsule keys protect " + path);
    }
    try (SecretBytes opened = file.open(passphrase);
        Mnemonic words = Mnemonic.fromEntropy(opened)) {
      return KeyTree.fromMnemonic(words, "");
    }
  }

  /** The name written beside the store: what the store is held to. */
  private static CapsuleName capsuleName(CapsuleDirectory directory) {
    return java.util.Objects.requireNonNull(directory.name());
  }

  /** The key directory of a capsule that is founded. */
  static CapsuleMetadata.DirectoryMode directory(ServeOptions options) {
    return options.derivedKeys()
        ? CapsuleMetadata.DirectoryMode.DERIVED
        : CapsuleMetadata.DirectoryMode.ROSTER;
  }

  /** The directory's capsule, founded if the directory is new. */
  private RecordStore capsule(
      ServeOptions options, CapsuleDirectory directory, CapsuleStores storage, KeyTree owner) {
    CapsuleName known = directory.name();
    if (known != null) {
      RecordStore records = storage.capsule(known.toBytes());
      if (records.metadata() == null) {
        throw new IntegrityException(
            Rejection.of(
                Rejection.Reason.MISSING_RECORD,
                "the store in "
                    + directory.store()
                    + " does not hold capsule "
                    + known
                    + ", which belongs there: restore a copy"));
      }
      requireLocal(known, records);
      return records;
    }
    List<byte[]> names = storage.capsules();
    if (names.size() > 1) {
      throw new InvalidRequestException(
          "the store in "
              + directory.store()
              + " holds "
              + names.size()
              + " capsules: write the name of the one to serve into "
              + directory.path().resolve("capsule"));
    }
    CapsuleName name;
    RecordStore records;
    if (names.isEmpty()) {
      byte[] metadata =
          NewCapsule.sign(owner, APPLICATION, List.of(), 0, directory(options), entropy);
      name = MetadataCodec.nameOf(metadata);
      records = storage.capsule(name.toBytes());
      records.initialize(metadata);
      EventLog.info("capsule.founded", "capsule", name, "owner", owner.ownerPublicKey());
    } else {
      name = new CapsuleName(Hash32.of(names.getFirst()));
      records = storage.capsule(name.toBytes());
      requireLocal(name, records);
    }
    directory.name(name);
    return records;
  }

  /** A copy of what replicas hold, such as a restored one, is not served by itself. */
  private static void requireLocal(CapsuleName name, RecordStore records) {
    byte[] metadata = records.metadata();
    int replicas =
        metadata == null
            ? 0
            : MetadataCodec.decode(metadata, Secp256k1.best()).orThrow().replicas().size();
    if (replicas > 0) {
      throw new InvalidRequestException(
          "capsule "
              + name
              + " is served with its "
              + replicas
              + " replicas only: name them with --replicas, over a directory of their own; of a"
              + " backup that is what capsule restore --for-replicas makes");
    }
  }

  private CapsuleDb openEngine(
      ServeOptions options, RecordStore records, CapsuleName name, KeyTree owner) {
    CapsuleDbOptions engine =
        CapsuleDbOptions.builder()
            .memtableBytes((long) options.memtableMb() << 20)
            .cacheBytes((long) options.cacheMb() << 20)
            .historyMs(TimeUnit.MINUTES.toMillis(options.historyMinutes()))
            .shared(options.shared())
            .compactionBytesPerSecond((long) options.compactionMbPerSecond() << 20)
            .capsule(name)
            .owner(owner.ownerPublicKey())
            .build();
    CapsulePorts ports =
        new CapsulePorts(records, clock, entropy, new ThreadScheduler(), telemetry);
    long begin = clock.monotonicNanos();
    long[] reported = {begin};
    return CapsuleDb.open(
        engine,
        ports,
        source(owner),
        replayed -> {
          long now = clock.monotonicNanos();
          if (now - reported[0] >= REPLAY_REPORT_NANOS) {
            reported[0] = now;
            EventLog.info("replay.progress", "records", replayed, "seconds", seconds(begin));
          }
        });
  }

  /** Runs on an engine thread, which must not wait for the log. */
  private void reportFailure(CapsuleDb db) {
    CapsuleException failure = db.failure();
    if (failure != null && failureLogged.compareAndSet(false, true)) {
      Thread.ofVirtual()
          .start(() -> EventLog.error("engine.failed", failure, "code", failure.code()));
    }
  }

  private void addGauges(CapsuleDb db, DoubleSupplier storeBytes) {
    telemetry.gauge(
        "entries",
        "Versions of keys in memory and in tables: not much more than keys, once compacted.",
        db::approximateEntries);
    telemetry.gauge(
        "expiring_entries", "Versions of keys with an expiry.", () -> db.stats().expiring());
    telemetry.gauge(
        "tombstone_entries",
        "Deletions in tables that compaction has not dropped yet.",
        () -> db.stats().tombstones());
    telemetry.gauge(
        "memtable_bytes",
        "Bytes off the heap for what is not in tables yet.",
        () -> db.stats().memtableBytes());
    telemetry.gauge(
        "memtable_limit_bytes",
        "Bytes at which a memtable is frozen and flushed.",
        () -> db.stats().memtableLimitBytes());
    telemetry.gauge(
        "level_bytes",
        "Bytes of the tables of a level.",
        "level",
        values -> levels(db.stats().levelBytes(), values));
    telemetry.gauge(
        "level_tables",
        "Tables of a level.",
        "level",
        values -> levels(db.stats().levelTables(), values));
    telemetry.gauge(
        "level0_runs",
        "Flushed memtables that were not merged yet.",
        () -> db.stats().level0Runs());
    telemetry.gauge(
        "separate_bytes",
        "Bytes of values that are kept apart from their keys.",
        () -> db.stats().separateBytes());
    telemetry.gauge(
        "block_cache_bytes", "Bytes of blocks in memory.", () -> db.stats().cachedBytes());
    telemetry.gauge(
        "write_pressure_ratio",
        "From 0, writes go on freely, to 1, they wait for flush and compaction.",
        () -> db.stats().pressure());
    telemetry.gauge(
        "write_queue_bytes",
        "Bytes committed and not yet durable.",
        () -> db.stats().pendingBytes());
    telemetry.gauge(
        "engine_up",
        "1 while the engine runs, 0 once it has failed.",
        () -> db.failure() == null ? 1 : 0);
    telemetry.gauge(
        "store_bytes",
        "Bytes of all files of the store, or of the cache if replicas hold the data.",
        storeBytes);
  }

  private static void levels(
      List<? extends Number> levels, PrometheusTelemetry.LabelledValues values) {
    for (int level = 0; level < levels.size(); level++) {
      values.accept(Integer.toString(level), levels.get(level).doubleValue());
    }
  }

  private void addGauges(RespServer server) {
    telemetry.gauge("connections", "Open client connections.", () -> server.stats().connections());
    telemetry.gauge(
        "reply_queue_length",
        "Replies that wait for durability.",
        () -> server.stats().pendingReplies());
    telemetry.gauge(
        "reply_queue_bytes",
        "Bytes of replies that wait for durability.",
        () -> server.stats().pendingBytes());
    telemetry.gauge(
        "input_buffer_bytes",
        "Bytes of commands that have not arrived whole.",
        () -> server.stats().bufferedInputBytes());
    telemetry.gauge(
        "output_buffer_bytes",
        "Bytes of replies that clients have not taken.",
        () -> server.stats().bufferedOutputBytes());
    telemetry.counter(
        "commands",
        "Commands that ran.",
        "command",
        values -> server.stats().commands().forEach(values::accept));
    telemetry.counter(
        "refusals",
        "Connections refused or closed by the server.",
        "reason",
        values -> server.stats().refused().forEach(values::accept));
  }

  private double seconds(long begin) {
    long millis = TimeUnit.NANOSECONDS.toMillis(clock.monotonicNanos() - begin);
    return millis / 1e3;
  }

  private static String text(InetSocketAddress address) {
    return new HostPort(address.getAddress().getHostAddress(), address.getPort()).toString();
  }

  /** Where Redis clients connect. */
  public InetSocketAddress address() {
    return java.util.Objects.requireNonNull(address);
  }

  /** Where metrics and health are served, or null. */
  public @Nullable InetSocketAddress httpAddress() {
    return httpAddress;
  }

  /** Stops every part, the newest first; a part that fails to stop is logged. Idempotent. */
  @Override
  public synchronized void close() {
    failureLogged.set(true);
    while (!parts.isEmpty()) {
      Part part = parts.pop();
      try {
        part.stop().close();
      } catch (Exception e) {
        EventLog.error("node.stop_failed", e, "part", part.name());
      }
    }
  }
}
