package io.capsuledb.replication.store;

import static io.capsuledb.replication.sim.ReplicaLogContract.batch;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.replica.ReplicaLog;
import io.capsuledb.replication.sim.TestChain;
import io.capsuledb.replication.store.Scrubber.Finding;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Damage to a replica's directory is found, and healed when somebody has the records. */
class ScrubberTest {

  private static final CapsuleName ONE = TestChain.name(1);
  private static final CapsuleName TWO = TestChain.name(2);
  private static final long EVERYTHING = 1L << 40;

  @TempDir Path temporary;
  private Path directory;
  private final List<TestChain> chains = new ArrayList<>();

  @BeforeEach
  void nameDirectory() {
    directory = temporary.resolve("replica");
  }

  /** Makes a store of some chains; {@code records} of each, committed a few at a time. */
  private void fill(int records, int payload) {
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      for (CapsuleName name : List.of(ONE, TWO)) {
        log.commit(batch(w -> w.found(name, Blob.of(new byte[] {1}))));
        for (long writer = 1; writer <= 3; writer++) {
          TestChain chain = new TestChain(name, writer);
          chains.add(chain);
          log.commit(batch(w -> w.introduce(name, chain.entry())));
        }
      }
      for (int done = 0; done < records; done += 10) {
        ReplicaLog.Batch batch = new ReplicaLog.Batch();
        for (TestChain chain : chains) {
          for (int i = 0; i < 10; i++) {
            StoredRecord r = chain.next(payload);
            long lamport = chain.lamport();
            batch.add(w -> w.record(chain.capsule(), r, lamport));
          }
        }
        log.commit(batch);
      }
      // Into tables, and those where no merge moves them by itself.
      log.compact();
    }
  }

  private TestChain chainOf(Finding finding) {
    return chains.stream()
        .filter(c -> c.capsule().equals(finding.capsule()) && c.writer() == finding.writer())
        .findFirst()
        .orElseThrow();
  }

  /** One complete pass. */
  private static List<Finding> pass(RocksReplicaLog log, long stepBytes) {
    Scrubber scrubber = new Scrubber(log);
    long passes = scrubber.passes();
    List<Finding> findings = new ArrayList<>();
    while (scrubber.passes() == passes) {
      findings.addAll(scrubber.step(stepBytes));
    }
    return findings;
  }

  private void repair(RocksReplicaLog log, List<Finding> findings) {
    ReplicaLog.Batch batch = new ReplicaLog.Batch();
    for (Finding finding : findings) {
      StoredRecord good = chainOf(finding).at(finding.sequence());
      batch.add(w -> w.repair(finding.capsule(), good));
    }
    log.commit(batch);
  }

  private void assertAllHeld(RocksReplicaLog log) {
    for (TestChain chain : chains) {
      for (long s = 1; s <= chain.length(); s++) {
        assertThat(log.read(chain.capsule(), chain.writer(), s)).isEqualTo(chain.at(s).bytes());
        assertThat(log.read(chain.capsule(), chain.at(s).hash())).isEqualTo(chain.at(s).bytes());
      }
    }
  }

  // ------------------------------------------------------------------ walking

  @Test
  void aSoundStoreHasNoFindingsAndEveryRecordIsLookedAtOncePerPass() {
    fill(20, 300);
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      for (long stepBytes : List.of(1L, 3_000L, EVERYTHING)) {
        Scrubber scrubber = new Scrubber(log);
        long passes = scrubber.passes();
        int steps = 0;
        while (scrubber.passes() == passes) {
          assertThat(scrubber.step(stepBytes)).isEmpty();
          steps++;
        }
        assertThat(scrubber.records()).isEqualTo(120);
        assertThat(scrubber.bytes()).isEqualTo(120 * (112 + 300 + 64));
        assertThat(steps).isEqualTo(stepBytes == 1 ? 121 : stepBytes == 3000 ? 25 : 1);
      }
      assertThatThrownBy(() -> new Scrubber(log).step(0))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void anEmptyStoreIsPassedAtOnce() {
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      Scrubber scrubber = new Scrubber(log);
      assertThat(scrubber.step(1)).isEmpty();
      assertThat(scrubber.passes()).isEqualTo(1);
    }
  }

  @Test
  void itGoesOnWhereItWasAfterARestart() {
    fill(20, 300);
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      Scrubber scrubber = new Scrubber(log);
      scrubber.step(EVERYTHING);
      scrubber.step(50 * 476);
      assertThat(scrubber.passes()).isEqualTo(1);
      // Its place goes along with a commit.
      log.commit(batch(w -> w.numberFloor(1)));
    }
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      Scrubber scrubber = new Scrubber(log);
      assertThat(scrubber.passes()).isEqualTo(1);
      scrubber.step(EVERYTHING);
      assertThat(scrubber.passes()).isEqualTo(2);
      assertThat(scrubber.records()).isBetween(60L, 110L);
    }
  }

  // ------------------------------------------------------------------ single values

  @Test
  void everyKindOfDamageToARecordOrItsIndexEntryIsFoundThere() throws Exception {
    fill(20, 300);
    TestChain chain = chains.get(1);
    byte[] name = chain.capsule().toBytes();
    TestChain other = new TestChain(chain.capsule(), chain.writer());
    for (int i = 0; i < 20; i++) {
      other.next(200 + i);
    }
    byte[] key3 = StoreCodec.recordKey(name, 2, 3);
    byte[] key8 = StoreCodec.recordKey(name, 2, 8);
    byte[] key20 = StoreCodec.recordKey(name, 2, 20);
    try (RawDatabase raw = RawDatabase.open(directory)) {
      byte[] value = StoreCodec.seal(key3, chain.at(3).bytes());
      value[200] ^= 1;
      raw.put("records", key3, value);
      raw.delete("records", StoreCodec.recordKey(name, 2, 5));
      // Whole, but another record.
      raw.put("records", key8, StoreCodec.seal(key8, other.at(8).bytes()));
      raw.delete("hashes", StoreCodec.hashKey(name, chain.at(11).hash()));
      byte[] hashKey = StoreCodec.hashKey(name, chain.at(13).hash());
      raw.put("hashes", hashKey, StoreCodec.seal(hashKey, StoreCodec.positionBody(2, 14)));
      byte[] key15 = StoreCodec.recordKey(name, 2, 15);
      raw.put("records", key15, StoreCodec.seal(key15, chain.at(16).bytes()));
      raw.put("records", key20, StoreCodec.seal(key20, other.at(20).bytes()));
    }
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      List<Finding> findings = pass(log, 1000);
      assertThat(findings).allMatch(f -> f.capsule().equals(chain.capsule()) && f.writer() == 2);
      assertThat(findings).extracting(Finding::sequence).contains(3L, 5L, 8L, 11L, 13L, 15L, 20L);
      Map<Long, Rejection.Reason> reasons = new java.util.TreeMap<>();
      findings.forEach(f -> reasons.put(f.sequence(), f.rejection().reason()));
      assertThat(reasons)
          .containsEntry(3L, Rejection.Reason.STORAGE_CHECKSUM)
          .containsEntry(5L, Rejection.Reason.MISSING_RECORD)
          .containsEntry(8L, Rejection.Reason.PREVIOUS_HASH)
          .containsEntry(11L, Rejection.Reason.MISSING_RECORD)
          .containsEntry(15L, Rejection.Reason.MISPLACED);
      repair(log, findings);
      assertThat(pass(log, EVERYTHING)).isEmpty();
      assertAllHeld(log);
    }
  }

  @Test
  void aStepHasABoundedNumberOfFindings() throws Exception {
    fill(400, 16);
    try (RawDatabase raw = RawDatabase.open(directory)) {
      for (RawDatabase.Entry entry : raw.entries()) {
        if (entry.family().equals("records")) {
          raw.put(entry, new byte[] {1});
        }
      }
    }
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      Scrubber scrubber = new Scrubber(log);
      int found = 0;
      while (scrubber.passes() == 0) {
        List<Finding> step = scrubber.step(EVERYTHING);
        assertThat(step.size()).isLessThanOrEqualTo(Scrubber.MAX_FINDINGS);
        found += step.size();
      }
      assertThat(found).isEqualTo(2400);
    }
  }

  // ------------------------------------------------------------------ blocks of tables

  private static List<Path> tables(Path directory) throws Exception {
    try (var files = Files.list(directory)) {
      return files.filter(f -> f.toString().endsWith(".sst")).sorted().toList();
    }
  }

  private static void flip(Path file, long at) throws Exception {
    byte[] bytes = Files.readAllBytes(file);
    bytes[(int) at] ^= 0x10;
    Files.write(file, bytes);
  }

  /** Merges all tables; says whether RocksDB could. */
  private static boolean compacts(RocksReplicaLog log) {
    try {
      log.compact();
      return true;
    } catch (IntegrityException e) {
      return false;
    }
  }

  private Path largestTable() throws Exception {
    Path largest = null;
    for (Path table : tables(directory)) {
      largest = largest == null || Files.size(table) > Files.size(largest) ? table : largest;
    }
    return largest;
  }

  /**
   * A flipped bit in a block of a table: the block's records are found and repaired, and the store
   * survives RocksDB stopping at the block when it merges tables.
   */
  @Test
  void aDamagedBlockIsRepairedAndMendedAway() throws Exception {
    fill(200, 1000);
    flip(largestTable(), 50_000);
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      List<Finding> findings = pass(log, 100_000);
      assertThat(findings).isNotEmpty();
      for (Finding finding : findings) {
        assertThatThrownBy(() -> log.read(finding.capsule(), finding.writer(), finding.sequence()))
            .isInstanceOf(IntegrityException.class);
      }
      repair(log, findings);
      assertThat(pass(log, EVERYTHING)).isEmpty();
      assertAllHeld(log);
      // The block is still there, and RocksDB stumbles over it.
      assertThat(compacts(log)).isFalse();
      assertThatThrownBy(() -> log.commit(batch(w -> w.numberFloor(5))))
          .isInstanceOf(IntegrityException.class);
      assertThatThrownBy(() -> log.commit(batch(w -> w.numberFloor(5))))
          .isInstanceOf(CapsuleException.class)
          .hasMessageContaining("open it again");
      assertAllHeld(log);
    }
    assertMended(List.of());
  }

  /** What was never repaired is still known to be missing afterwards, and can be repaired then. */
  @Test
  void whatMendingCannotReadStaysDamaged() throws Exception {
    fill(200, 1000);
    flip(largestTable(), 50_000);
    List<Finding> before;
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      before = pass(log, EVERYTHING);
      assertThat(compacts(log)).isFalse();
      assertThatThrownBy(() -> log.commit(batch(w -> w.numberFloor(5))))
          .isInstanceOf(IntegrityException.class);
    }
    assertThat(before).isNotEmpty();
    assertMended(before);
  }

  /** Opens after damage: mended, {@code lost} still missing; repairs those, and all is well. */
  private void assertMended(List<Finding> lost) throws Exception {
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      assertThat(directory.resolve(StoreLayout.MEND_FILE)).doesNotExist();
      List<Finding> after = pass(log, EVERYTHING);
      assertThat(after.stream().map(f -> f.capsule() + "/" + f.writer() + "/" + f.sequence()))
          .containsExactlyInAnyOrderElementsOf(
              lost.stream().map(f -> f.capsule() + "/" + f.writer() + "/" + f.sequence()).toList());
      for (Finding finding : after) {
        assertThatThrownBy(
                () -> log.read(finding.capsule(), chainOf(finding).at(finding.sequence()).hash()))
            .isInstanceOf(IntegrityException.class);
      }
      repair(log, after);
      assertAllHeld(log);
      assertThat(compacts(log)).isTrue();
      log.commit(batch(w -> w.numberFloor(6)));
    }
    assertThat(RocksReplicaLogTest.audit(directory)).isEmpty();
    // And once more: the next generation mends as well.
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      log.mendAtNextOpening();
    }
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      assertAllHeld(log);
      assertThat(log.recovered().numberFloor()).isEqualTo(6);
      assertThat(log.database().generation()).isGreaterThanOrEqualTo(2);
    }
    assertThat(RocksReplicaLogTest.audit(directory)).isEmpty();
  }

  @Test
  void aMendingThatWasInterruptedChangesNothing() throws Exception {
    fill(30, 500);
    try (OpenDatabase database =
        new OpenDatabase(directory, RocksReplicaLogTest.SMALL, OpenDatabase.Mode.MENDING)) {
      database.beginGeneration();
    }
    assertThat(RocksReplicaLogTest.audit(directory)).isEmpty();
    for (int i = 0; i < 2; i++) {
      try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
        assertAllHeld(log);
        assertThat(log.database().generation()).isZero();
      }
    }
    try (OpenDatabase database =
        new OpenDatabase(directory, RocksReplicaLogTest.SMALL, OpenDatabase.Mode.MENDING)) {
      database.beginGeneration();
    }
    TableMending.ask(directory);
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      assertAllHeld(log);
      assertThat(log.database().generation()).isEqualTo(1);
    }
  }

  /**
   * Any flipped byte of any table: either the log is not opened, with an {@link
   * IntegrityException}, or every read gives what was written or says that it cannot; and
   * scrubbing, repairing, and opening again when RocksDB has stopped, makes all as it was.
   */
  private void damageAnywhere(int rounds, long seed) throws Exception {
    fill(60, 1000);
    List<DirectoryImage> images = new ArrayList<>();
    images.add(DirectoryImage.of(directory));
    // The same with tables in level 0 that overlap them, of records written twice.
    try (RocksReplicaLog log = RocksReplicaLogTest.openSmall(directory)) {
      for (int i = 0; i < 3; i++) {
        for (TestChain chain : chains) {
          ReplicaLog.Batch batch = new ReplicaLog.Batch();
          for (long s = 1L + i; s <= chain.length(); s += 2) {
            StoredRecord again = chain.at(s);
            batch.add(w -> w.repair(chain.capsule(), again));
          }
          log.commit(batch);
        }
      }
    }
    images.add(DirectoryImage.of(directory));
    SplittableRandom random = new SplittableRandom(seed);
    int opened = 0;
    for (int round = 0; round < rounds; round++) {
      DirectoryImage image = images.get(round % images.size());
      List<String> tables =
          image.files().keySet().stream().filter(name -> name.endsWith(".sst")).toList();
      assertThat(tables).hasSizeGreaterThan(3);
      // One in two where the records are.
      String table =
          random.nextBoolean()
              ? tables.get(random.nextInt(tables.size()))
              : tables.stream()
                  .max(Comparator.comparingInt(name -> image.files().get(name).length))
                  .orElseThrow();
      int at = random.nextInt(image.files().get(table).length);
      image.flipped(table, at, 1 << random.nextInt(8)).writeTo(directory);
      opened += isHealed(table + " at " + at) ? 1 : 0;
    }
    assertThat(opened).isGreaterThan(rounds / 2);
  }

  /** Heals the directory; false if it is refused. */
  private boolean isHealed(String where) {
    for (int attempt = 0; attempt < 4; attempt++) {
      RocksReplicaLog opened;
      try {
        opened = RocksReplicaLogTest.openSmall(directory);
      } catch (IntegrityException e) {
        // The replica cannot do without what is damaged, and says so.
        assertThat(attempt).as(where).isZero();
        return false;
      }
      try (RocksReplicaLog log = opened) {
        assertNothingWrong(log, where);
        repair(log, pass(log, EVERYTHING));
        assertThat(pass(log, EVERYTHING)).as(where).isEmpty();
        assertAllHeld(log);
        if (compacts(log)) {
          assertAllHeld(log);
          log.commit(batch(w -> w.numberFloor(9)));
          return true;
        }
      } catch (IntegrityException e) {
        // RocksDB stopped at the damage before we did; opening again mends.
        assertThat(directory.resolve(StoreLayout.MEND_FILE)).as(where).exists();
      }
    }
    throw new AssertionError("not healed: " + where);
  }

  private void assertNothingWrong(RocksReplicaLog log, String where) {
    for (TestChain chain : chains) {
      for (long s = 1; s <= chain.length(); s++) {
        byte[] read;
        try {
          read = log.read(chain.capsule(), chain.writer(), s);
        } catch (IntegrityException e) {
          assertThat(e.rejection().reason()).isEqualTo(Rejection.Reason.STORAGE_CHECKSUM);
          continue;
        }
        assertThat(read).as(where).isEqualTo(chain.at(s).bytes());
      }
    }
  }

  @Test
  void damageAnywhereInATableIsHealedOrSaid() throws Exception {
    damageAnywhere(12, 3);
  }

  @Test
  @Tag("long")
  void damageAnywhereInATableIsHealedOrSaidManyTimes() throws Exception {
    damageAnywhere(100, 4);
  }
}
