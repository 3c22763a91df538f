package io.capsuledb.replication.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.core.sim.SimRecordStore;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.replication.client.FakeReplica.Lie;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Certificate;
import io.capsuledb.replication.protocol.CertificateCodec;
import io.capsuledb.replication.protocol.CertificateVerifier;
import io.capsuledb.replication.protocol.Message;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The store over replicas in memory, with the threads it has in earnest. */
class ReplicatedStoreTest {

  private static final long W = 7;
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(30);

  private final List<PublicKey> keys =
      IntStream.range(0, 3).mapToObj(i -> FakeReplica.key(500 + i)).toList();
  private final SampleCapsule capsule = new SampleCapsule(5, keys, 2);
  private final List<FakeReplica> replicas =
      IntStream.range(0, 3).mapToObj(i -> new FakeReplica(capsule, 500 + i)).toList();
  private final Net net = new Net();
  private final List<ReplicatedStore> open = new ArrayList<>();
  private SimDisk disk = new SimDisk();

  /** What others do before a replica takes a message. */
  private volatile BiConsumer<FakeReplica, Message> meanwhile = (replica, message) -> {};

  /** Delivers on a thread of its own, in order. */
  private final class Net implements ReplicaLinks, AutoCloseable {
    private final ExecutorService wire = Executors.newSingleThreadExecutor();
    private final Set<PublicKey> cut = ConcurrentHashMap.newKeySet();
    private volatile ReplicaLinks.@Nullable Events events;

    @Override
    public boolean send(PublicKey replica, Message message) {
      if (cut.contains(replica)) {
        return false;
      }
      wire.execute(
          () -> {
            FakeReplica to = replicas.get(keys.indexOf(replica));
            meanwhile.accept(to, message);
            for (Message reply : to.handle(message)) {
              if (!cut.contains(replica)) {
                events.received(replica, reply);
              }
            }
          });
      return true;
    }

    void cut(int index) {
      cut.add(keys.get(index));
      events.down(keys.get(index));
    }

    void mend(int index) {
      cut.remove(keys.get(index));
      events.up(keys.get(index));
    }

    /** Runs something where the replicas live. */
    void at(Runnable task) {
      CompletableFuture.runAsync(task, wire).join();
    }

    @Override
    public void close() {
      wire.shutdownNow();
    }
  }

  private QuorumClient client() {
    QuorumClient client =
        QuorumClient.start(
            capsule.name,
            QuorumOptions.builder()
                .requestTimeoutMs(300)
                .maxBackoffMs(50)
                .recoveryGraceMs(30)
                .refuseAfterMs(200)
                .build(),
            SampleCapsule.CURVE,
            new QuorumClient.Ports(
                net, new SystemClock(), new SystemEntropy(), new ThreadScheduler()),
            QuorumClient.Listener.NONE);
    net.events = client;
    for (PublicKey key : keys) {
      if (!net.cut.contains(key)) {
        client.up(key);
      }
    }
    return client;
  }

  private ReplicatedStore open(byte @Nullable [] founding) {
    QuorumClient client = client();
    SimRecordStore cache = disk.open();
    boolean opened = false;
    try {
      ReplicatedStore store =
          ReplicatedStore.open(cache, client, founding, SampleCapsule.CURVE, records -> {});
      open.add(store);
      opened = true;
      return store;
    } finally {
      if (!opened) {
        client.close();
        cache.close();
      }
    }
  }

  private void close(ReplicatedStore store) {
    open.remove(store);
    store.close();
  }

  @AfterEach
  void closeAll() {
    open.forEach(ReplicatedStore::close);
    net.close();
  }

  private List<StoredRecord> chain(long writer, Role role, int length) {
    List<StoredRecord> records = new ArrayList<>();
    try (SampleCapsule.Chain chain = capsule.chain(writer, role)) {
      records.add(FakeCluster.stored(chain.first()));
      while (records.size() < length) {
        records.add(FakeCluster.stored(chain.next(RecordType.DATA, new byte[64])));
      }
    }
    return records;
  }

  private void hold(int replica, List<StoredRecord> records) {
    replicas.get(replica).founded = true;
    records.forEach(r -> replicas.get(replica).put(r.bytes()));
  }

  private static void eventually(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("did not happen: " + what).isLessThan(deadline);
      Thread.onSpinWait();
    }
  }

  private static void same(ReplicatedStore store, List<StoredRecord> records) {
    long writer = records.getFirst().writer();
    assertThat(store.newestSequence(writer)).isEqualTo(records.size());
    List<byte[]> scanned = new ArrayList<>();
    store.scan(writer, 1, (w, s, bytes) -> scanned.add(bytes));
    assertThat(scanned).hasSize(records.size());
    for (int i = 0; i < records.size(); i++) {
      assertThat(scanned.get(i)).isEqualTo(records.get(i).bytes());
      assertThat(store.read(writer, i + 1L)).isEqualTo(records.get(i).bytes());
      assertThat(store.read(records.get(i).hash())).isEqualTo(records.get(i).bytes());
    }
  }

  @Test
  void whatWasAppendedIsAtAQuorumAndFoundAgainWithoutTheCache() {
    List<StoredRecord> chain = chain(W, Role.WORKER, 700);
    ReplicatedStore store = open(capsule.signedMetadata);
    assertThat(store.isReplicated()).isTrue();
    assertThat(store.metadata()).isEqualTo(capsule.signedMetadata);
    for (int i = 0; i < 700; i += 70) {
      store.append(chain.subList(i, i + 70));
    }
    same(store, chain);
    close(store);
    assertThat(replicas.stream().filter(r -> r.held(W) == 700).count()).isGreaterThanOrEqualTo(2);

    disk = new SimDisk();
    store = open(null);

    assertThat(store.metadata()).isEqualTo(capsule.signedMetadata);
    same(store, chain);
    assertThat(store.writers()).containsExactly(W);
  }

  @Test
  void appendsThatFollowEachOtherComeOutInTheirOrderAndOnceEach() {
    List<StoredRecord> chain = chain(W, Role.WORKER, 300);
    ReplicatedStore store = open(capsule.signedMetadata);
    List<Integer> told = Collections.synchronizedList(new ArrayList<>());
    for (int i = 0; i < 300; i++) {
      int number = i;
      store.append(
          chain.subList(i, i + 1),
          failed -> {
            assertThat(failed).isNull();
            assertThat(replicas.stream().filter(r -> r.held(W) > number).count())
                .isGreaterThanOrEqualTo(2);
            told.add(number);
          });
    }
    eventually("all are durable", () -> told.size() == 300);
    assertThat(told).isEqualTo(IntStream.range(0, 300).boxed().toList());
    same(store, chain);
  }

  @Test
  void anAppendWithoutAQuorumIsToldWhenTheStoreStopsWaitingOrIsClosed() {
    List<StoredRecord> chain = chain(W, Role.WORKER, 3);
    ReplicatedStore store = open(capsule.signedMetadata);
    store.append(chain.subList(0, 1));
    net.cut(0);
    net.cut(1);
    List<CapsuleException> told = Collections.synchronizedList(new ArrayList<>());
    for (int i = 1; i < 3; i++) {
      store.append(
          chain.subList(i, i + 1),
          failed -> {
            assertThat(failed).isNotNull();
            told.add(failed);
          });
    }
    assertThat(told).isEmpty();
    store.stopWaiting();
    assertThat(told).hasSize(2).allMatch(e -> e instanceof OutcomeUnknownException);
  }

  @Test
  void whatIsDurableHasACertificateThatAnybodyCanCheck() {
    List<StoredRecord> chain = chain(W, Role.WORKER, 20);
    ReplicatedStore store = open(capsule.signedMetadata);
    assertThat(store.certificateOf(W, 1)).isNull();
    for (StoredRecord record : chain) {
      store.append(List.of(record));
    }
    for (long sequence : new long[] {1, 7, 20}) {
      Certificate certificate = store.certificateOf(W, sequence);
      assertThat(certificate).isNotNull();
      assertThat(certificate.claim().hash()).isEqualTo(chain.get((int) sequence - 1).hash());
      assertThat(
              new CertificateVerifier(SampleCapsule.CURVE)
                  .verify(CertificateCodec.encode(certificate), null, capsule.name)
                  .proven())
          .isTrue();
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Lie.class,
      names = {"FORGED_RECORDS", "DENIES_RECORDS", "BEYOND", "WRONG_HASH", "OTHER_KEY", "SILENT"})
  void anyOneReplicaMayLieWhileTheCacheIsRebuilt(Lie lie) {
    List<StoredRecord> chain = chain(W, Role.WORKER, 300);
    for (int i = 0; i < 3; i++) {
      hold(i, chain);
    }
    replicas.get(1).lie = lie;
    same(open(null), chain);
  }

  @Test
  void whatOnlyOneReplicaHasIsBroughtToAQuorumBeforeItIsRead() {
    List<StoredRecord> chain = chain(W, Role.WORKER, 20);
    hold(0, chain);
    hold(1, chain.subList(0, 12));
    hold(2, chain.subList(0, 12));
    ReplicatedStore store = open(null);
    same(store, chain);
    net.at(
        () ->
            assertThat(replicas.stream().filter(r -> r.held(W) == 20).count())
                .isGreaterThanOrEqualTo(2));
  }

  /**
   * Whenever it is looked at, one replica has a record more than the other; whenever something is
   * pushed, both have more than that. The third does not answer.
   */
  @Test
  @Timeout(60)
  void aWriterThatNeverRestsKeepsNobodyFromOpening() {
    List<StoredRecord> chain = chain(W, Role.WORKER, 4_000);
    AtomicInteger written = new AtomicInteger(20);
    AtomicInteger pushed = new AtomicInteger();
    hold(1, chain.subList(0, 20));
    hold(2, chain.subList(0, 20));
    net.cut.add(keys.getFirst());
    meanwhile =
        (replica, message) -> {
          if (message instanceof Message.AskFrontier && replica == replicas.get(1)) {
            hold(1, chain.subList(20, written.incrementAndGet()));
          } else if (message instanceof Message.Append) {
            pushed.incrementAndGet();
            int newest = written.incrementAndGet();
            hold(1, chain.subList(20, newest));
            hold(2, chain.subList(20, newest));
          }
        };
    ReplicatedStore store = open(null);
    meanwhile = (replica, message) -> {};
    long newest = store.newestSequence(W);
    assertThat(newest).isGreaterThan(20);
    // Once, to each: pushed anew after each look, it would take as long as it happens to.
    assertThat(pushed.get()).isBetween(1, 4);
    same(store, chain.subList(0, (int) newest));
    net.at(
        () ->
            assertThat(replicas.stream().filter(r -> r.held(W) >= newest).count())
                .isGreaterThanOrEqualTo(2));
  }

  @Test
  void whatOnlyTheCacheHasIsBroughtToAQuorumBeforeItIsRead() {
    List<StoredRecord> chain = chain(W, Role.WORKER, 20);
    SimRecordStore cache = disk.open();
    cache.initialize(capsule.signedMetadata);
    cache.append(chain);
    cache.close();
    for (int i = 0; i < 3; i++) {
      hold(i, chain.subList(0, 5));
    }
    same(open(null), chain);
    net.at(
        () ->
            assertThat(replicas.stream().filter(r -> r.held(W) == 20).count())
                .isGreaterThanOrEqualTo(2));
  }

  @Test
  void aQuorumThatLostWhatMayBeDurableIsWaitedFor() throws Exception {
    List<StoredRecord> chain = chain(W, Role.WORKER, 20);
    for (int i = 0; i < 3; i++) {
      hold(i, chain);
    }
    // Two claim it and give nothing; the third, which would, is away.
    replicas.get(0).lie = Lie.DENIES_RECORDS;
    replicas.get(1).lie = Lie.DENIES_RECORDS;
    net.cut.add(keys.get(2));
    CompletableFuture<ReplicatedStore> opening = CompletableFuture.supplyAsync(() -> open(null));
    eventually("a client", () -> net.events != null);
    eventually("a quorum", () -> net.events instanceof QuorumClient client && client.available());
    assertThat(opening.isDone()).isFalse();

    net.mend(2);

    same(opening.get(60, TimeUnit.SECONDS), chain);
  }

  @Test
  void whatTheCacheHasDamagedIsReadFromReplicas() {
    List<StoredRecord> chain = chain(W, Role.WORKER, 20);
    ReplicatedStore store = open(capsule.signedMetadata);
    store.append(chain);
    disk.flipByte(W, 4, 90);
    disk.flipByte(W, 5, 90);
    disk.flipByte(W, 20, 90);
    same(store, chain);
    assertThat(store.counters().get("client.fetched_on_read")).isEqualTo(3);
  }

  @Test
  void anAppendWaitsForAQuorumAndGoesOnByItself() throws Exception {
    List<StoredRecord> chain = chain(W, Role.WORKER, 10);
    ReplicatedStore store = open(capsule.signedMetadata);
    store.append(chain.subList(0, 5));
    assertThat(store.unavailable()).isNull();
    net.cut(0);
    net.cut(1);
    CompletableFuture<Void> append =
        CompletableFuture.runAsync(() -> store.append(chain.subList(5, 10)));
    eventually("refusal of new writes", () -> store.unavailable() != null);
    assertThat(store.unavailable()).isInstanceOf(UnavailableException.class);
    assertThat(append.isDone()).isFalse();
    assertThat(store.read(W, 3)).isEqualTo(chain.get(2).bytes());

    net.mend(1);

    append.get(30, TimeUnit.SECONDS);
    eventually("new writes", () -> store.unavailable() == null);
    same(store, chain);
  }

  @Test
  void whoGivesUpWaitingDoesNotKnow() {
    List<StoredRecord> chain = chain(W, Role.WORKER, 3);
    ReplicatedStore store = open(capsule.signedMetadata);
    net.cut(0);
    net.cut(1);
    CompletableFuture<Void> append = CompletableFuture.runAsync(() -> store.append(chain));
    eventually("refusal of new writes", () -> store.unavailable() != null);
    store.stopWaiting();
    assertThatThrownBy(append::join).hasCauseInstanceOf(OutcomeUnknownException.class);
  }

  @Test
  void nothingIsShownBeyondAFinalHead() {
    List<StoredRecord> chain = chain(W, Role.WORKER, 10);
    List<StoredRecord> sealer = new ArrayList<>();
    ChainHead last = new ChainHead(6, chain.get(5).hash());
    try (SampleCapsule.Chain coordinator = capsule.chain(3, Role.COORDINATOR)) {
      sealer.add(FakeCluster.stored(coordinator.first()));
      sealer.add(
          FakeCluster.stored(
              coordinator.next(
                  RecordType.SEAL,
                  SealOrderCodec.encode(new SealOrder(SealOrder.Kind.FINAL, W, 1, last)))));
    }
    SimRecordStore cache = disk.open();
    cache.initialize(capsule.signedMetadata);
    cache.append(chain);
    cache.close();
    for (int i = 0; i < 3; i++) {
      hold(i, chain.subList(0, 6));
      replicas
          .get(i)
          .handle(
              new Message.Append(
                  1, capsule.name, sealer.stream().map(r -> Blob.of(r.bytes())).toList()));
    }
    ReplicatedStore store = open(null);
    same(store, chain.subList(0, 6));
    assertThat(store.read(W, 7)).isNull();
    assertThat(store.read(chain.get(8).hash())).isNull();
  }

  @Test
  void twoChainsOfOneWriterAreAFailure() {
    List<StoredRecord> chain = chain(W, Role.WORKER, 10);
    List<StoredRecord> other = chain(W, Role.WORKER, 4);
    List<StoredRecord> forked = new ArrayList<>(other);
    // A chain with other payloads from record 2 on.
    try (SampleCapsule.Chain fork = capsule.chain(W, Role.WORKER)) {
      forked.clear();
      forked.add(FakeCluster.stored(fork.first()));
      for (int i = 0; i < 11; i++) {
        forked.add(FakeCluster.stored(fork.next(RecordType.DATA, new byte[] {1, 2, 3})));
      }
    }
    hold(0, chain);
    hold(1, forked);
    hold(2, chain);
    assertThatThrownBy(() -> open(null))
        .isInstanceOfSatisfying(
            IntegrityException.class,
            e -> assertThat(e.rejection().reason()).isEqualTo(Reason.EQUIVOCATION));
  }

  @Test
  void releasesAreToldToReplicasWithTheirReason() {
    List<StoredRecord> chain = chain(W, Role.WORKER, 10);
    ReplicatedStore store = open(capsule.signedMetadata);
    store.append(chain);
    StoredRecord checkpoint;
    try (SampleCapsule.Chain compactor = capsule.chain(9, Role.COMPACTOR)) {
      StoredRecord first = FakeCluster.stored(compactor.first());
      checkpoint =
          FakeCluster.stored(
              compactor.next(
                  RecordType.CHECKPOINT,
                  CheckpointCodec.encode(
                      new Checkpoint(
                          Hash32.ZERO, Hash32.ZERO, 0, List.of(new Checkpoint.Range(W, 2, 5))))));
      store.append(List.of(first, checkpoint));
    }
    List<StoredRecord> stubs =
        chain.subList(1, 8).stream()
            .map(
                r ->
                    new StoredRecord(
                        r.writer(), r.sequence(), r.hash(), RecordCodec.stub(r.bytes())))
            .toList();
    store.release(stubs);
    eventually(
        "releases", () -> replicas.stream().allMatch(r -> List.copyOf(r.released).size() == 1));
    assertThat(replicas.getFirst().released.getFirst().ranges())
        .containsExactly(new Checkpoint.Range(W, 2, 5));
    assertThat(replicas.getFirst().released.getFirst().writer()).isEqualTo(9);
    assertThat(replicas.getFirst().released.getFirst().sequence()).isEqualTo(2);
    assertThat(RecordCodec.isStub(store.read(W, 4))).isTrue();
  }

  @Test
  void aStubThatNothingReleasesIsReplacedByTheRecord() {
    List<StoredRecord> chain = chain(W, Role.WORKER, 10);
    List<StoredRecord> bare = new ArrayList<>(chain);
    bare.set(
        4, new StoredRecord(W, 5, chain.get(4).hash(), RecordCodec.stub(chain.get(4).bytes())));
    hold(0, bare);
    hold(1, bare);
    hold(2, chain);
    same(open(null), chain);
  }

  @Test
  void aCacheOfAnotherCapsuleIsRefused() {
    SimRecordStore cache = disk.open();
    cache.initialize(new SampleCapsule(77, List.of(), 0).signedMetadata);
    cache.close();
    assertThatThrownBy(() -> open(null)).isInstanceOf(IntegrityException.class);
  }
}
