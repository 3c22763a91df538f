package io.capsuledb.host.bench.replication;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.CapsuleDbOptions;
import io.capsuledb.engine.CapsulePorts;
import io.capsuledb.engine.Transaction;
import io.capsuledb.engine.ValueType;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.replica.LinkKey;
import io.capsuledb.host.replica.LinkNetwork;
import io.capsuledb.host.replica.ReplicaDialer;
import io.capsuledb.replication.client.MessengerLinks;
import io.capsuledb.replication.client.QuorumClient;
import io.capsuledb.replication.client.QuorumOptions;
import io.capsuledb.replication.client.ReplicatedStore;
import io.capsuledb.replication.session.Messenger;
import io.capsuledb.replication.store.RocksStorage;
import io.capsuledb.replication.store.RocksStorageOptions;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A new capsule on replicas, through the write path of the product: the engine gathers writes into
 * signed records by load, and a write counts when a quorum has signed that its record is on disk.
 */
final class CapsuleTarget implements Target {

  private static final int SEED_BYTES = 64;
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /** A write that is not durable yet. */
  private record Pending(long fence, long began) {}

  private final Clock clock;
  private final Deque<AutoCloseable> parts = new ArrayDeque<>();
  private final CapsuleName capsule;
  private final ReplicatedStore store;
  private final CapsuleDb db;
  private volatile @Nullable Thread driver;

  /** Founds a capsule on the replicas, with its cache in the directory given. */
  CapsuleTarget(List<ReplicaAddress> replicas, Path cacheDirectory, Clock clock) {
    this.clock = clock;
    boolean opened = false;
    try {
      SystemEntropy entropy = new SystemEntropy();
      Scheduler scheduler = new ThreadScheduler();
      byte[] seed = new byte[SEED_BYTES];
      entropy.fill(seed);
      KeyTree owner = started(KeyTree.fromSeed(SecretBytes.own(seed)));
      List<PublicKey> keys =
          replicas.stream().map(replica -> Objects.requireNonNull(replica.key())).toList();
      byte[] metadata = NewCapsule.sign(owner, 0, keys, keys.size() / 2 + 1, entropy);
      capsule = MetadataCodec.nameOf(metadata);
      RocksStorage cache =
          started(
              RocksStorage.open(
                  cacheDirectory, RocksStorageOptions.builder().durable(false).build()));
      LinkKey link = started(LinkKey.draw(entropy));
      MessengerLinks links = new MessengerLinks();
      Messenger messenger =
          started(
              LinkNetwork.start(
                  link.identity(),
                  LinkSecurity.PLAIN,
                  clock,
                  entropy,
                  scheduler,
                  Telemetry.NONE,
                  links));
      QuorumClient client =
          started(
              QuorumClient.start(
                  capsule,
                  QuorumOptions.builder().build(),
                  Secp256k1.best(),
                  new QuorumClient.Ports(links, clock, entropy, scheduler),
                  QuorumClient.Listener.NONE));
      links.attach(messenger, client);
      started(
          scheduler.start(
              "replica-dialer",
              new ReplicaDialer(messenger, LinkSecurity.PLAIN, replicas, null),
              ReplicaDialer.LOOK_MS));
      store =
          started(
              ReplicatedStore.open(
                  cache.capsule(capsule.toBytes()),
                  client,
                  metadata,
                  Secp256k1.best(),
                  records -> {}));
      db =
          started(
              CapsuleDb.open(
                  CapsuleDbOptions.builder().capsule(capsule).owner(owner.ownerPublicKey()).build(),
                  new CapsulePorts(store, clock, entropy, scheduler, Telemetry.NONE),
                  owner.application(0, 0),
                  records -> {}));
      db.onDurable(() -> LockSupport.unpark(driver));
      opened = true;
    } finally {
      if (!opened) {
        closeParts();
      }
    }
  }

  private <T extends AutoCloseable> T started(T part) {
    parts.push(part);
    return part;
  }

  @Override
  public String name() {
    return "capsule";
  }

  CapsuleName capsule() {
    return capsule;
  }

  /** Bytes of the records up to these sequences of these writers. */
  long recordBytes(Map<Long, Long> heads) {
    long[] bytes = {0};
    heads.forEach(
        (writer, head) ->
            store.scan(
                writer,
                1,
                (of, sequence, record) -> {
                  bytes[0] += record.length;
                  return sequence < head;
                }));
    return bytes[0];
  }

  @Override
  public Sample run(Load load) {
    Measurement measurement = new Measurement(load, clock);
    byte[] value = measurement.value();
    ArrayDeque<Pending> pending = new ArrayDeque<>();
    driver = Thread.currentThread();
    try {
      while (true) {
        long durable = db.durableTime();
        long now = measurement.now();
        for (Pending first = pending.peek();
            first != null && first.fence <= durable;
            first = pending.peek()) {
          measurement.record(first.began, now);
          pending.remove();
        }
        CapsuleException failure = db.failure();
        if (failure != null) {
          throw failure;
        }
        boolean over = measurement.isOver(now);
        if (over && pending.isEmpty()) {
          return measurement.sample();
        }
        while (!over && pending.size() < load.outstanding()) {
          long began = measurement.now();
          try (Transaction transaction = db.begin()) {
            transaction.put(measurement.nextKey(), ValueType.STRING, value, 0);
            pending.add(new Pending(transaction.commit(), began));
          }
        }
        if (pending.getFirst().fence > db.durableTime() && db.failure() == null) {
          // Whoever makes it durable, or fails, between the look and this leaves a permit.
          LockSupport.parkNanos(this, LOOK_NANOS);
        }
      }
    } finally {
      driver = null;
    }
  }

  @Override
  public void close() {
    closeParts();
  }

  private void closeParts() {
    List<Exception> failed = new ArrayList<>();
    while (!parts.isEmpty()) {
      try {
        parts.pop().close();
      } catch (Exception e) {
        failed.add(e);
      }
    }
    if (!failed.isEmpty()) {
      throw new StorageException("the capsule does not close", failed.getFirst());
    }
  }
}
