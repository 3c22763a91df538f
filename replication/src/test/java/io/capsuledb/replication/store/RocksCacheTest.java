package io.capsuledb.replication.store;

import static io.capsuledb.core.sim.RecordStoreContract.record;
import static io.capsuledb.core.sim.RecordStoreContract.releasable;
import static io.capsuledb.core.sim.RecordStoreContract.stubOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A store that is a cache: not durable, and repaired from elsewhere. */
class RocksCacheTest {

  static final RocksStorageOptions CACHE =
      RocksStorageOptions.builder()
          .writeBufferBytes(1 << 20)
          .blockCacheBytes(1 << 20)
          .durable(false)
          .build();

  @TempDir Path temporary;

  private static void append(RocksRecordStore store, long from, long to) {
    for (long s = from; s <= to; s++) {
      store.append(List.of(record(1, s, 3000)));
    }
  }

  /** How many records of writer 1 there are, all of them in order and whole. */
  static long prefix(RocksStorage storage) {
    RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
    List<Long> seen = new ArrayList<>();
    store.scan(
        1,
        1,
        (w, s, bytes) -> {
          seen.add(s);
          assertThat(s).isEqualTo(seen.size());
          assertThat(bytes).isEqualTo(record(1, s, 3000).bytes());
          return true;
        });
    assertThat(store.newestSequence(1)).isEqualTo(seen.size());
    List<String> findings = new ArrayList<>();
    store.audit(findings::add);
    assertThat(findings).isEmpty();
    return seen.size();
  }

  @Test
  void whatAKilledProcessLeavesIsOpenedWhereverItsLogEnds() {
    Path directory = temporary.resolve("cache");
    DirectoryImage image;
    try (RocksStorage storage = RocksStorage.open(directory, CACHE)) {
      append(storage.capsule(RocksMedium.CAPSULE), 1, 700);
      image = DirectoryImage.of(directory);
    }
    try (RocksStorage storage = RocksStorage.open(directory, CACHE)) {
      assertThat(prefix(storage)).isEqualTo(700);
    }
    assertThat(directory.resolve(StoreLayout.MARK_FILE)).doesNotExist();
    String log =
        image.files().keySet().stream()
            .filter(name -> name.endsWith(".log"))
            .reduce((a, b) -> b)
            .orElseThrow();
    int length = image.files().get(log).length;
    long last = Long.MAX_VALUE;
    for (int part = 10; part >= 0; part--) {
      // A lost end, as after a loss of power; and a damaged place in the middle of the log, which
      // a durable store refuses to open.
      image.truncated(log, length / 10 * part).writeTo(directory);
      try (RocksStorage storage = RocksStorage.open(directory, CACHE)) {
        long there = prefix(storage);
        assertThat(there).isLessThanOrEqualTo(last);
        last = there;
        append(storage.capsule(RocksMedium.CAPSULE), there + 1, there + 5);
      }
      try (RocksStorage storage = RocksStorage.open(directory, CACHE)) {
        assertThat(prefix(storage)).isEqualTo(last + 5);
      }
    }
    assertThat(last).isLessThan(700);
    image.flipped(log, length / 3, 4).writeTo(directory);
    try (RocksStorage storage = RocksStorage.open(directory, CACHE)) {
      assertThat(prefix(storage)).isLessThan(700);
    }
    image.flipped(log, length / 3, 4).writeTo(directory);
    assertThatThrownBy(() -> RocksStorage.open(directory, RocksMedium.SMALL))
        .isInstanceOf(IntegrityException.class);
    image.flipped(log, length / 3, 4).writeTo(directory);
    try (RocksStorage storage = RocksStorage.openReadOnly(directory, CACHE)) {
      assertThat(prefix(storage)).isLessThan(700);
    }
  }

  @Test
  void aCacheClosedInOrderIsADurableStoreAndBack() throws Exception {
    Path directory = temporary.resolve("cache");
    try (RocksStorage storage = RocksStorage.open(directory, RocksMedium.SMALL)) {
      append(storage.capsule(RocksMedium.CAPSULE), 1, 10);
    }
    try (RocksStorage storage = RocksStorage.open(directory, CACHE)) {
      append(storage.capsule(RocksMedium.CAPSULE), 11, 20);
    }
    try (RocksStorage storage = RocksStorage.open(directory, RocksMedium.SMALL)) {
      assertThat(prefix(storage)).isEqualTo(20);
    }
    try (var files = Files.list(directory)) {
      assertThat(files.map(f -> f.getFileName().toString())).contains(StoreLayout.MARK_FILE);
    }
  }

  // ------------------------------------------------------------------ repair

  @Test
  void repairWritesWhatIsDamagedMissingOrAStub() throws Exception {
    Path directory = temporary.resolve("cache");
    List<StoredRecord> records = new ArrayList<>();
    for (long s = 1; s <= 5; s++) {
      records.add(releasable(1, s, 500));
    }
    try (RocksStorage storage = RocksStorage.open(directory, CACHE)) {
      RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
      store.append(records);
      store.release(List.of(stubOf(records.get(2))));
    }
    try (RawDatabase raw = RawDatabase.open(directory)) {
      byte[] damaged = StoreCodec.recordKey(RocksMedium.CAPSULE, 1, 1);
      byte[] value = StoreCodec.seal(damaged, records.get(0).bytes());
      value[100] ^= 2;
      raw.put("records", damaged, value);
      raw.delete("records", StoreCodec.recordKey(RocksMedium.CAPSULE, 1, 2));
      raw.delete("hashes", StoreCodec.hashKey(RocksMedium.CAPSULE, records.get(3).hash()));
    }
    try (RocksStorage storage = RocksStorage.open(directory, CACHE)) {
      RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
      assertThatThrownBy(() -> store.read(1, 1)).isInstanceOf(IntegrityException.class);
      assertThatThrownBy(() -> store.read(records.get(1).hash()))
          .isInstanceOf(IntegrityException.class);
      records.forEach(store::repair);
      for (StoredRecord r : records) {
        assertThat(store.read(1, r.sequence())).isEqualTo(r.bytes());
        assertThat(store.read(r.hash())).isEqualTo(r.bytes());
      }
      // A stub repairs what is missing, and leaves a whole record as it is.
      store.repair(stubOf(records.get(4)));
      assertThat(store.read(1, 5)).isEqualTo(records.get(4).bytes());
      StoredRecord beyond = releasable(1, 7, 500);
      store.repair(stubOf(beyond));
      assertThat(store.read(1, 7)).isEqualTo(stubOf(beyond).bytes());
      StoredRecord other = record(1, 3, 700);
      assertThatThrownBy(() -> store.repair(other))
          .isInstanceOf(IntegrityException.class)
          .hasMessageContaining("another record");
      assertThat(store.read(1, 3)).isEqualTo(records.get(2).bytes());
      // What was repaired beyond the newest is there for appends, too.
      StoredRecord conflicting = record(1, 7, 700);
      assertThatThrownBy(() -> store.append(List.of(conflicting)))
          .isInstanceOf(IntegrityException.class);
      assertThat(Arrays.stream(store.writers()).toArray()).containsExactly(1);
      store.repair(record(1, 6, 100));
      List<String> findings = new ArrayList<>();
      store.audit(findings::add);
      assertThat(findings).isEmpty();
    }
  }
}
