package io.capsuledb.replication.client;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.core.system.SystemEntropy;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Taking a capsule over from processes that may still run, on real replica cores. */
@Timeout(120)
class FencingTest {

  private static final AtomicInteger WRITERS = new AtomicInteger(100);

  /** The common pool may have one thread only, and these wait for each other. */
  private static final java.util.concurrent.Executor THREADS =
      task -> Thread.ofPlatform().daemon().start(task);

  private static final long FOR_EVER = Long.MAX_VALUE / 2;

  /** A process that took the capsule over, with a writer of its own that appends without end. */
  private static final class Life implements AutoCloseable {
    final LiveReplicas world;
    final LiveReplicas.Client client;
    final SimDisk disk;
    final long writer = WRITERS.incrementAndGet();
    final SampleCapsule.Chain chain;

    /** What was acknowledged. */
    final AtomicInteger acknowledged = new AtomicInteger();

    private final List<StoredRecord> written = new ArrayList<>();
    private @Nullable ReplicatedStore store;

    Life(LiveReplicas world, long messages, SimDisk disk) {
      this.world = world;
      this.disk = disk;
      this.client = world.new Client(messages);
      this.chain = world.capsule.chain(writer, Role.WORKER);
    }

    void open() {
      store =
          ReplicatedStore.takeOver(
              disk.open(),
              client.client,
              world.capsule.signedMetadata,
              SampleCapsule.CURVE,
              world.capsule.application,
              new SystemEntropy(),
              records -> {});
    }

    void append() {
      StoredRecord record =
          FakeCluster.stored(
              written.isEmpty() ? chain.first() : chain.next(RecordType.DATA, new byte[20]));
      written.add(record);
      java.util.Objects.requireNonNull(store).append(List.of(record));
      acknowledged.incrementAndGet();
    }

    /** Takes over and writes until that fails. */
    CompletableFuture<CapsuleException> run() {
      return CompletableFuture.supplyAsync(
          () -> {
            try {
              open();
              while (written.size() < 20_000) {
                append();
              }
              throw new AssertionError("nobody stopped it");
            } catch (CapsuleException e) {
              return e;
            }
          },
          THREADS);
    }

    @Override
    public void close() {
      client.close();
      ReplicatedStore opened = store;
      if (opened != null) {
        opened.close();
      }
      chain.close();
    }
  }

  private static void eventually(String what, java.util.function.BooleanSupplier condition) {
    long deadline = System.nanoTime() + 60_000_000_000L;
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("did not happen: " + what).isLessThan(deadline);
      Thread.onSpinWait();
    }
  }

  private static void assertReplaced(CapsuleException failure) {
    assertThat(failure)
        .isInstanceOfSatisfying(
            IntegrityException.class,
            e -> assertThat(e.rejection().reason()).isEqualTo(Reason.SEALED_WRITER))
        .hasMessageContaining("replaced by another");
  }

  /** What the new process reads of a writer is what was acknowledged, and stays that for ever. */
  private static void assertEnded(LiveReplicas world, Life old, Life now) {
    long last = java.util.Objects.requireNonNull(now.store).newestSequence(old.writer);
    assertThat(last)
        .as("nothing acknowledged is lost")
        .isGreaterThanOrEqualTo(old.acknowledged.get());
    eventually(
        "every replica drops what is beyond",
        () ->
            world.at(
                () ->
                    world.replicas.stream()
                        .allMatch(r -> !r.running || r.held(old.writer) == last)));
  }

  @Test
  void theOldProcessEndsWhenANewOneTakesOver() {
    try (LiveReplicas world = new LiveReplicas(1, 3);
        Life old = new Life(world, FOR_EVER, new SimDisk());
        Life now = new Life(world, FOR_EVER, new SimDisk())) {
      CompletableFuture<CapsuleException> ended = old.run();
      eventually("it writes", () -> old.acknowledged.get() > 20);
      now.open();
      now.append();
      assertReplaced(ended.join());
      assertEnded(world, old, now);
      now.append();
    }
  }

  @Test
  void whatIsSealedCostsNothingAtTheNextStart() {
    try (LiveReplicas world = new LiveReplicas(2, 3)) {
      SimDisk disk = new SimDisk();
      long[] leaders = new long[5];
      for (int life = 0; life < 5; life++) {
        try (Life process = new Life(world, FOR_EVER, disk)) {
          process.open();
          process.append();
          process.append();
          ReplicatedStore cache = java.util.Objects.requireNonNull(process.store);
          long newest = 0;
          for (long writer : cache.writers()) {
            // Two steps for the worker and two for the leader before it, never more; and whom it
            // lets write.
            newest = Math.max(newest, writer > 1_000_000 ? cache.newestSequence(writer) : 0);
          }
          leaders[life] = newest;
          assertThat(cache.writers()).hasSize(2 * (life + 1));
        }
      }
      assertThat(leaders).containsExactly(2, 6, 6, 6, 6);
    }
  }

  /** The new process stops after any number of messages; the one after it takes over from both. */
  @ParameterizedTest
  @ValueSource(
      ints = {1, 5, 8, 11, 14, 15, 16, 17, 17, 17, 17, 18, 19, 20, 24, 28, 32, 36, 40, 45, 50, 60})
  void aSealerMayStopAnywhere(int messages) {
    try (LiveReplicas world = new LiveReplicas(3, 3);
        Life old = new Life(world, FOR_EVER, new SimDisk());
        Life dying = new Life(world, messages, new SimDisk());
        Life now = new Life(world, FOR_EVER, new SimDisk())) {
      CompletableFuture<CapsuleException> ended = old.run();
      eventually("it writes", () -> old.acknowledged.get() > 5);
      CompletableFuture<CapsuleException> died = dying.run();
      eventually("it stopped", dying.client::isGone);
      dying.client.close();
      assertThat(died.join()).isInstanceOf(OutcomeUnknownException.class);
      if (messages % 2 == 0) {
        world.at(
            () -> {
              world.replicas.get(messages % 3).restart();
              return true;
            });
      }
      now.open();
      now.append();
      assertReplaced(ended.join());
      assertEnded(world, old, now);
      assertEnded(world, dying, now);
      now.append();
    }
  }

  /**
   * Whoever starts at the same time: in the end one writes, and the others know that they do not.
   */
  @ParameterizedTest
  @ValueSource(ints = {3, 4, 5, 6, 7, 8})
  void ofProcessesThatStartAtOnceOneWrites(int seed) {
    try (LiveReplicas world = new LiveReplicas(seed, seed % 2 == 0 ? 5 : 3);
        Life one = new Life(world, FOR_EVER, new SimDisk());
        Life two = new Life(world, FOR_EVER, new SimDisk())) {
      if (seed > 5) {
        // So few are left that each of them may hold one half of a quorum.
        world.at(
            () -> {
              world.replicas.getLast().stop();
              return true;
            });
      }
      CompletableFuture<CapsuleException> first = one.run();
      CompletableFuture<CapsuleException> second = two.run();
      CompletableFuture.anyOf(first, second).join();
      Life winner = first.isDone() ? two : one;
      Life loser = first.isDone() ? one : two;
      assertReplaced((first.isDone() ? first : second).join());
      int before = winner.acknowledged.get();
      eventually("the other one writes", () -> winner.acknowledged.get() > before + 5);
      assertThat(first.isDone() && second.isDone()).isFalse();
      eventually(
          "the loser's records end",
          () ->
              java.util.Objects.requireNonNull(winner.store).newestSequence(loser.writer)
                  >= loser.acknowledged.get());
    }
  }

  /**
   * A writer signs two records at one sequence number, for different replicas: all of them come to
   * hold the proof and take nothing more from it, and who takes over seals it with what is durable.
   */
  @Test
  void aWriterThatEquivocatesIsConvictedEverywhereAndSealed() {
    try (LiveReplicas world = new LiveReplicas(10, 3);
        Life now = new Life(world, FOR_EVER, new SimDisk());
        LiveReplicas.Client one = world.new Client(FOR_EVER);
        LiveReplicas.Client two = world.new Client(FOR_EVER);
        SampleCapsule.Chain here = world.capsule.chain(77, Role.WORKER);
        SampleCapsule.Chain there = world.capsule.chain(77, Role.WORKER)) {
      StoredRecord first = FakeCluster.stored(here.first());
      assertThat(FakeCluster.stored(there.first()).hash()).isEqualTo(first.hash());
      StoredRecord minor = FakeCluster.stored(here.next(RecordType.DATA, new byte[10]));
      StoredRecord major = FakeCluster.stored(there.next(RecordType.DATA, new byte[20]));
      one.client.know(world.capsule.signedMetadata);
      two.client.know(world.capsule.signedMetadata);
      one.client.await(one.client.append(true, List.of(first)));
      eventually(
          "all have the first",
          () -> world.at(() -> world.replicas.stream().allMatch(r -> r.held(77) == 1)));
      one.cut(1);
      one.cut(2);
      two.cut(0);
      QuorumClient.Answer<QuorumClient.Stored> lost = one.client.append(true, List.of(minor));
      two.client.await(two.client.append(true, List.of(first, major)));
      eventually(
          "all have the proof",
          () -> world.at(() -> world.replicas.stream().allMatch(r -> r.counter("evidence") == 1)));
      assertThat(
              org.assertj.core.api.Assertions.catchThrowable(
                  () ->
                      two.client.await(
                          two.client.append(
                              true,
                              List.of(
                                  FakeCluster.stored(there.next(RecordType.DATA, new byte[20])))))))
          .isInstanceOfSatisfying(
              IntegrityException.class,
              e -> assertThat(e.rejection().reason()).isEqualTo(Reason.EQUIVOCATION));
      assertThat(lost.isDone()).isFalse();
      now.open();
      ReplicatedStore store = java.util.Objects.requireNonNull(now.store);
      assertThat(store.newestSequence(77)).isEqualTo(2);
      assertThat(store.read(77, 2)).isEqualTo(major.bytes());
      eventually(
          "the other branch is dropped",
          () ->
              world.at(
                  () ->
                      world.replicas.stream()
                          .allMatch(r -> r.log.read(world.capsule.name, minor.hash()) == null)));
      now.append();
    }
  }

  /** A record that one replica alone has, which is away, does not come back with it. */
  @Test
  void whatOnlyAnAbsentReplicaHoldsDoesNotReappear() {
    try (LiveReplicas world = new LiveReplicas(9, 3);
        Life old = new Life(world, FOR_EVER, new SimDisk());
        Life now = new Life(world, FOR_EVER, new SimDisk())) {
      old.open();
      old.append();
      old.append();
      old.client.cut(0);
      old.client.cut(1);
      now.client.cut(2);
      // Replicas do not tell each other: the one that has it stops at once.
      CompletableFuture<Void> lost = CompletableFuture.runAsync(old::append, THREADS);
      eventually("one holds it", () -> world.at(() -> world.replicas.get(2).held(old.writer) == 3));
      world.at(
          () -> {
            world.replicas.get(2).stop();
            return true;
          });
      old.client.close();
      now.open();
      long last = java.util.Objects.requireNonNull(now.store).newestSequence(old.writer);
      world.at(
          () -> {
            world.replicas.get(2).restart();
            return true;
          });
      now.client.mend(2);
      assertEnded(world, old, now);
      assertThat(last).isIn(2L, 3L);
      assertThat(lost).isCompletedExceptionally();
    }
  }

  /**
   * A final head that was ordered since, of a record that nobody shows now, is waited for: an
   * engine that read the order would miss the record.
   */
  @Test
  void aStoreIsOpenOnlyWithAllThatFinalHeadsName() {
    try (LiveReplicas world = new LiveReplicas(11, 3);
        LiveReplicas.Client writing = world.new Client(FOR_EVER);
        LiveReplicas.Client reading = world.new Client(FOR_EVER);
        SampleCapsule.Chain sealed = world.capsule.chain(77, Role.WORKER);
        SampleCapsule.Chain sealer = world.capsule.chain(78, Role.LEADER)) {
      writing.client.know(world.capsule.signedMetadata);
      writing.client.await(
          writing.client.append(
              true,
              List.of(FakeCluster.stored(sealed.first()), FakeCluster.stored(sealer.first()))));
      eventually(
          "all have both",
          () ->
              world.at(
                  () -> world.replicas.stream().allMatch(r -> r.held(77) == 1 && r.held(78) == 1)));
      StoredRecord last = FakeCluster.stored(sealed.next(RecordType.DATA, new byte[10]));
      writing.cut(0);
      writing.cut(1);
      QuorumClient.Answer<QuorumClient.Stored> lost = writing.client.append(true, List.of(last));
      // Before the others hear of it.
      eventually(
          "one alone has it",
          () ->
              world.at(
                  () -> {
                    LiveReplicas.Replica one = world.replicas.get(2);
                    if (one.held(77) == 2) {
                      one.stop();
                    }
                    return !one.running;
                  }));
      SealOrder order = new SealOrder(SealOrder.Kind.FINAL, 77, 1, new ChainHead(2, last.hash()));
      try (LiveReplicas.Client sealing = world.new Client(FOR_EVER)) {
        sealing.client.know(world.capsule.signedMetadata);
        sealing.client.await(
            sealing.client.append(
                true,
                List.of(
                    FakeCluster.stored(
                        sealer.next(RecordType.SEAL, SealOrderCodec.encode(order))))));
      }
      long before = reading.left.get();
      CompletableFuture<ReplicatedStore> opening =
          CompletableFuture.supplyAsync(
              () ->
                  ReplicatedStore.open(
                      new SimDisk().open(),
                      reading.client,
                      null,
                      SampleCapsule.CURVE,
                      records -> {}),
              THREADS);
      eventually("it tries", () -> opening.isDone() || before - reading.left.get() > 40);
      assertThat(opening).isNotDone();
      assertThat(lost.isDone()).isFalse();
      world.at(
          () -> {
            world.replicas.get(2).restart();
            return true;
          });
      ReplicatedStore store = opening.join();
      assertThat(store.read(77, 2)).isEqualTo(last.bytes());
    }
  }
}
