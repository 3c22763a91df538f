package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static io.capsuledb.engine.Node.put;
import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.core.sim.SimRecordStore;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * What others see of a capsule while an engine is at work on it, its agents stepping between their
 * reads: the disk as it is at any moment, a copy, a copy of what is new, and fsck beside the
 * engine. All of it is clean, and a copy is a capsule that holds a state between the first read and
 * the last.
 */
class RunningCapsulePropertyTest {

  private static final int KEYS = 40;
  private static final int LARGE = 300;

  /** What the engine does while somebody reads all of it. */
  private static final int MOST_STEPS = 100;

  /** A store of somebody who is not the engine: between two reads, the engine goes on. */
  private static final class Shared implements RecordStore {
    private final RecordStore store;
    private final Runnable meanwhile;

    Shared(RecordStore store, Runnable meanwhile) {
      this.store = store;
      this.meanwhile = meanwhile;
    }

    @Override
    public byte[] metadata() {
      return store.metadata();
    }

    @Override
    public byte[] read(long writer, long sequence) {
      meanwhile.run();
      return store.read(writer, sequence);
    }

    @Override
    public byte[] read(Hash32 hash) {
      meanwhile.run();
      return store.read(hash);
    }

    @Override
    public long[] writers() {
      meanwhile.run();
      return store.writers();
    }

    @Override
    public long newestSequence(long writer) {
      meanwhile.run();
      return store.newestSequence(writer);
    }

    /** Of the moment it begins, as iterators of stores are. */
    @Override
    public void scan(long writer, long fromSequence, Visitor visitor) {
      List<byte[]> found = new ArrayList<>();
      List<Long> places = new ArrayList<>();
      store.scan(
          writer,
          fromSequence,
          (w, sequence, bytes) -> {
            places.add(sequence);
            found.add(bytes);
            return true;
          });
      for (int i = 0; i < found.size(); i++) {
        meanwhile.run();
        if (!visitor.visit(writer, places.get(i), found.get(i))) {
          return;
        }
      }
    }

    @Override
    public void audit(Consumer<String> findings) {
      store.audit(findings);
    }

    @Override
    public long sizeBytes() {
      return store.sizeBytes();
    }

    @Override
    public void initialize(byte[] metadata) {
      throw new UnsupportedOperationException("it is only read");
    }

    @Override
    public void append(List<StoredRecord> batch) {
      throw new UnsupportedOperationException("it is only read");
    }

    @Override
    public void release(List<StoredRecord> stubs) {
      throw new UnsupportedOperationException("it is only read");
    }

    @Override
    public void reclaim() {
      throw new UnsupportedOperationException("it is only read");
    }

    @Override
    public void close() {}
  }

  private static final class Run {
    final Random random;
    final Node node;
    CapsuleDb db;

    /** Every value a key has had, with the order in which it came. */
    final Map<String, List<String>> written = new HashMap<>();

    final SimDisk backup = new SimDisk();
    final SimRecordStore backupStore = backup.open();

    Run(long seed) {
      random = new Random(seed);
      node = Node.tiny(seed);
      node.historyMs = random.nextInt(2) * 20L;
      db = node.open();
    }

    void write() {
      String key = "k" + random.nextInt(KEYS);
      String value = written.size() + "v" + random.nextInt();
      value = random.nextInt(5) == 0 ? value + "x".repeat(LARGE) : value;
      put(db, key, value);
      written.computeIfAbsent(key, k -> new ArrayList<>()).add(value);
    }

    void step() {
      int dice = random.nextInt(40);
      if (dice < 14) {
        write();
      } else if (dice < 34) {
        node.scheduler.step();
      } else if (dice < 36) {
        db.flush();
      } else if (dice == 36) {
        db.compact();
      } else {
        node.clock.advanceMs(random.nextInt(20));
        node.scheduler.tick();
      }
    }

    /** Steps left while somebody else reads. */
    int busy;

    /** What the engine does between two reads of somebody else: mostly nothing, at times a lot. */
    void meanwhile() {
      for (int i = random.nextInt(20) == 0 ? random.nextInt(20) : 0; i > 0 && busy > 0; i--) {
        busy--;
        step();
      }
    }

    CapsuleVerifier.Report fsck(RecordStore store) {
      try (KeyRing keys =
          new KeyRing(
              MetadataCodec.nameOf(store.metadata()), List.of(node.owner.application(0, 0)))) {
        return new CapsuleVerifier(store, Secp256k1.best(), keys, (done, total) -> {})
            .verify(null, List.of());
      }
    }

    Map<String, Integer> versions() {
      Map<String, Integer> versions = new HashMap<>();
      written.forEach((key, values) -> versions.put(key, values.size()));
      return versions;
    }

    /** A disk holds a capsule that is whole, and no older than what was durable at a moment. */
    void checkCapsule(SimDisk disk, Map<String, Integer> durable) {
      Node other = Node.tiny(node.hashCode());
      other.disk = disk.copy();
      other.store = other.disk.open();
      CapsuleVerifier.Report report = fsck(other.store);
      assertThat(report.problems()).isEmpty();
      SimDisk before = node.disk;
      SimRecordStore store = node.store;
      node.disk = other.disk;
      node.store = other.store;
      CapsuleDb opened =
          CapsuleDb.open(
              CapsuleDbOptions.builder().historyMs(node.historyMs).build(),
              new CapsulePorts(
                  other.store,
                  node.clock,
                  other.entropy,
                  other.scheduler,
                  io.capsuledb.core.port.Telemetry.NONE),
              node.owner.application(0, 0),
              records -> {});
      written.forEach(
          (key, values) -> {
            Lookup found = opened.get(bytes(key));
            int at = found.found() ? values.lastIndexOf(Node.text(found.value())) : -1;
            assertThat(found.found() && at < 0).as("a value nobody wrote").isFalse();
            assertThat(at + 1).isGreaterThanOrEqualTo(durable.getOrDefault(key, 0));
          });
      opened.close();
      node.disk = before;
      node.store = store;
    }

    void checkSnapshotOfTheDisk() {
      SimDisk copy = node.disk.copy();
      if (random.nextBoolean()) {
        copy.powerCut();
      }
      checkCapsule(copy, Map.of());
    }

    void checkCopy() {
      boolean incremental = random.nextBoolean();
      SimDisk disk = incremental ? backup : new SimDisk();
      SimRecordStore target = incremental ? backupStore : disk.open();
      node.scheduler.run();
      Map<String, Integer> durable = versions();
      busy = MOST_STEPS;
      new CapsuleCopy(
              new Shared(node.store, this::meanwhile),
              target,
              Secp256k1.best(),
              (records, total, bytes) -> {})
          .run(null, false, heads -> {});
      checkCapsule(disk, durable);
    }

    void checkBeside() {
      busy = MOST_STEPS;
      CapsuleVerifier.Report report = fsck(new Shared(node.store, this::meanwhile));
      assertThat(report.problems()).isEmpty();
    }
  }

  @Property(tries = 8)
  void whatOthersSeeIsCleanAtAnyMoment(@ForAll long seed) {
    Run run = new Run(seed);
    for (int i = 0; i < 300; i++) {
      run.step();
      switch (run.random.nextInt(120)) {
        case 0 -> run.checkSnapshotOfTheDisk();
        case 1 -> run.checkCopy();
        case 2 -> run.checkBeside();
        case 3 -> {
          run.node.scheduler.run();
          run.db.close();
          run.db = run.node.open();
        }
        default -> {}
      }
      assertThat(run.db.failure()).isNull();
    }
    run.db.close();
  }
}
