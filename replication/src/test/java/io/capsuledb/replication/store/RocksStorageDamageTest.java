package io.capsuledb.replication.store;

import static io.capsuledb.core.sim.RecordStoreContract.hash;
import static io.capsuledb.core.sim.RecordStoreContract.record;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Whatever byte of whatever file is damaged: either somebody is told, or nothing is lost. The files
 * are real, and so is the damage.
 */
class RocksStorageDamageTest {

  private static final byte[] METADATA = {1, 2, 3, 4, 5, 6, 7, 8};

  /** Many copies are opened, and none needs to survive: in memory where the system has that. */
  private static final Path MEMORY = Path.of("/dev/shm");

  private static final int TABLE_SAMPLE = 200;

  private int checked;
  private Path temporary;
  private Path directory;
  private final Map<Long, List<StoredRecord>> written = new TreeMap<>();

  @BeforeEach
  void place() throws IOException {
    boolean inMemory = Files.isDirectory(MEMORY) && Files.isWritable(MEMORY);
    temporary =
        inMemory
            ? Files.createTempDirectory(MEMORY, "capsuledb-test")
            : Files.createTempDirectory("capsuledb-test");
    directory = temporary.resolve("store");
  }

  @AfterEach
  void clear() {
    DirectoryImage.delete(temporary);
  }

  private RocksStorage open() {
    return RocksStorage.open(directory, RocksMedium.SMALL);
  }

  private void append(RecordStore store, long writer, int records, int bytes, int perBatch) {
    List<StoredRecord> chain = written.computeIfAbsent(writer, w -> new ArrayList<>());
    List<StoredRecord> batch = new ArrayList<>();
    for (int i = 0; i < records; i++) {
      StoredRecord r = record(writer, chain.size() + 1L, bytes);
      chain.add(r);
      batch.add(r);
      if (batch.size() == perBatch || i == records - 1) {
        store.append(batch);
        batch = new ArrayList<>();
      }
    }
  }

  /** A store whose records are in the log only, as a kill leaves it. */
  private DirectoryImage killedSmall() {
    try (RocksStorage storage = open()) {
      RecordStore store = storage.capsule(RocksMedium.CAPSULE);
      store.initialize(METADATA);
      append(store, 7, 4, 40, 1);
      append(store, 8, 4, 40, 4);
      return DirectoryImage.of(directory);
    }
  }

  /** A store with tables, spent logs and recycled ones, as a kill leaves it. */
  private DirectoryImage killedLarge() {
    try (RocksStorage storage = open()) {
      storage.capsule(RocksMedium.CAPSULE).initialize(METADATA);
      append(storage.capsule(RocksMedium.CAPSULE), 7, 900, 2000, 16);
    }
    try (RocksStorage storage = open()) {
      RecordStore store = storage.capsule(RocksMedium.CAPSULE);
      append(store, 8, 900, 2000, 16);
      append(store, 9, 20, 70_000, 1);
      append(store, 9, 50, 200, 1);
      return DirectoryImage.of(directory);
    }
  }

  /** What became of a damaged copy: null if all is there, else what was said. */
  private @Nullable String complaint(Path copy, boolean readOnly) {
    List<String> findings = new ArrayList<>();
    try (RocksStorage storage =
        readOnly
            ? RocksStorage.openReadOnly(copy, RocksMedium.SMALL)
            : RocksStorage.open(copy, RocksMedium.SMALL)) {
      RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
      store.audit(findings::add);
      if (findings.isEmpty()) {
        assertThat(store.metadata()).isEqualTo(METADATA);
        assertThat(Arrays.stream(store.writers()).boxed())
            .containsExactlyElementsOf(written.keySet());
        written.forEach(
            (writer, chain) -> {
              assertThat(store.newestSequence(writer)).isEqualTo(chain.size());
              List<StoredRecord> rest = new ArrayList<>(chain);
              store.scan(
                  writer,
                  1,
                  (w, s, bytes) -> {
                    assertThat(bytes).isEqualTo(rest.removeFirst().bytes());
                    return true;
                  });
              assertThat(rest).isEmpty();
              for (int i = 0; i < chain.size(); i += 1 + chain.size() / 20) {
                assertThat(store.read(chain.get(i).hash())).isEqualTo(chain.get(i).bytes());
              }
            });
      }
    } catch (CapsuleException e) {
      return e.toString();
    }
    return findings.isEmpty() ? null : findings.toString();
  }

  private void assertNothingSilent(DirectoryImage image, String what) {
    Path copy = image.writeTo(temporary.resolve("copy"));
    try {
      List<String> before = DirectoryImage.fingerprint(copy);
      String reading = complaint(copy, true);
      assertThat(DirectoryImage.fingerprint(copy)).isEqualTo(before);
      // RocksDB sleeps for a second when its background work meets a damaged table: a sample will
      // do.
      if (reading == null || !what.contains(".sst") || checked % TABLE_SAMPLE == 0) {
        String serving = complaint(copy, false);
        if (reading != null) {
          // Refusing must not destroy the evidence.
          assertThat(serving).isNotNull();
          assertThat(complaint(copy, false)).isNotNull();
        }
      }
      checked++;
    } catch (AssertionError e) {
      throw new AssertionError("silent damage: " + what, e);
    }
  }

  private void flipEveryByte(DirectoryImage image, int mask) {
    image
        .files()
        .forEach(
            (name, bytes) -> {
              if (name.matches("LOG.*|LOCK|IDENTITY|OPTIONS.*|CAPSULEDB.lock")) {
                return;
              }
              for (int at = 0; at < bytes.length; at++) {
                int bit = mask != 0 ? mask : 1 << (at % 8);
                assertNothingSilent(
                    image.flipped(name, at, bit), name + " byte " + at + " ^ " + bit);
              }
            });
  }

  @Test
  void theUndamagedCopyIsComplete() {
    DirectoryImage small = killedSmall();
    assertThat(complaint(small.writeTo(temporary.resolve("copy")), true)).isNull();
    assertThat(complaint(temporary.resolve("copy"), false)).isNull();
  }

  @Test
  void oneFlippedBitInEveryByteOfASmallStore() {
    flipEveryByte(killedSmall(), 0);
  }

  @Test
  @Tag("long")
  void everyByteOfASmallStoreInverted() {
    flipEveryByte(killedSmall(), 0xff);
  }

  @Test
  void anEntryOfADescriptorThatSaysItIsOfAnotherKind() {
    try (RocksStorage storage = open()) {
      storage.capsule(RocksMedium.CAPSULE).initialize(METADATA);
      append(storage.capsule(RocksMedium.CAPSULE), 7, 3, 20, 1);
    }
    DirectoryImage image = DirectoryImage.of(directory);
    image.files().keySet().removeIf(name -> name.matches("OPTIONS.*"));
    image
        .files()
        .forEach(
            (name, bytes) -> {
              for (int at = 0; name.startsWith("MANIFEST") && at < bytes.length; at++) {
                // A full entry becomes a recyclable one; so do other bytes that happen to be 1.
                if (bytes[at] == 1) {
                  assertNothingSilent(image.flipped(name, at, 4), name + " " + at);
                }
              }
            });
  }

  @Test
  void oneFlippedBitInEveryByteOfASmallClosedAndReopenedStore() {
    try (RocksStorage storage = open()) {
      storage.capsule(RocksMedium.CAPSULE).initialize(METADATA);
      append(storage.capsule(RocksMedium.CAPSULE), 7, 3, 20, 1);
    }
    DirectoryImage image;
    try (RocksStorage storage = open()) {
      append(storage.capsule(RocksMedium.CAPSULE), 7, 2, 20, 1);
      image = DirectoryImage.of(directory);
    }
    image.files().keySet().removeIf(name -> name.matches("OPTIONS.*"));
    SplittableRandom random = new SplittableRandom(42);
    image
        .files()
        .forEach(
            (name, bytes) -> {
              if (!name.matches("LOG.*|LOCK|IDENTITY|CAPSULEDB.lock")) {
                for (int at = 0; at < bytes.length; at += 1 + random.nextInt(4)) {
                  assertNothingSilent(
                      image.flipped(name, at, 1 << random.nextInt(8)), name + " " + at);
                }
              }
            });
  }

  @Test
  void randomDamageInALargeStore() {
    damageLarge(60, 1);
  }

  @Test
  @Tag("long")
  void muchRandomDamageInALargeStore() {
    damageLarge(3000, 2);
  }

  private void damageLarge(int flips, long seed) {
    DirectoryImage image = killedLarge();
    assertThat(image.files().keySet()).anyMatch(n -> n.endsWith(".sst"));
    assertThat(complaint(image.writeTo(temporary.resolve("copy")), true)).isNull();
    SplittableRandom random = new SplittableRandom(seed);
    List<String> names =
        image.files().keySet().stream()
            .filter(n -> n.matches(".*\\.(sst|log)|MANIFEST.*|CURRENT|CAPSULEDB.mark"))
            .toList();
    for (int i = 0; i < flips; i++) {
      String name = names.get(random.nextInt(names.size()));
      int at = random.nextInt(image.files().get(name).length);
      assertNothingSilent(image.flipped(name, at, 1 << random.nextInt(8)), name + " byte " + at);
    }
  }

  // ------------------------------------------------------------------ the log, case by case

  /** Where in the log a record's bytes are. */
  private static int find(byte[] file, byte[] bytes) {
    for (int at = 0; at + bytes.length <= file.length; at++) {
      if (Arrays.equals(file, at, at + bytes.length, bytes, 0, bytes.length)) {
        return at;
      }
    }
    return fail("not found");
  }

  private String log(DirectoryImage image) {
    return image.only("[0-9]+\\.log");
  }

  @Test
  void aFlippedByteInTheMiddleOfTheLogNamesTheRecordAlsoWithoutTheMark() {
    DirectoryImage image = killedSmall().without("CAPSULEDB.mark");
    int at = find(image.files().get(log(image)), written.get(7L).get(1).bytes());
    Path copy = image.flipped(log(image), at, 1).writeTo(temporary.resolve("copy"));
    for (boolean readOnly : new boolean[] {true, false, true}) {
      assertThat(complaint(copy, readOnly))
          .contains("STORAGE_CHECKSUM")
          .contains("writer 0000000000000007 sequence 2")
          .contains(log(image));
    }
  }

  @Test
  void aTornEndIsForgottenIfItWasNeverAcknowledged() {
    DirectoryImage image = killedSmall().without("CAPSULEDB.mark");
    String log = log(image);
    int length = image.files().get(log).length;
    int begin = find(image.files().get(log), written.get(7L).get(3).bytes()) + 40;
    written.get(8L).clear();
    written.remove(8L);
    // The last entry holds four records of writer 8; cut anywhere, all of them are gone.
    for (int cut = length - 1; cut > begin + 150; cut -= 13) {
      Path copy = image.truncated(log, cut).writeTo(temporary.resolve("copy"));
      assertThat(complaint(copy, true)).isNull();
      assertThat(complaint(copy, false)).isNull();
    }
  }

  @Test
  void aTornEndIsRefusedIfItWasAcknowledged() {
    DirectoryImage image = killedSmall();
    String log = log(image);
    int length = image.files().get(log).length;
    for (int cut = length - 1; cut > 0; cut -= 97) {
      Path copy = image.truncated(log, cut).writeTo(temporary.resolve("copy"));
      assertThat(complaint(copy, true)).contains("was acknowledged");
      assertThat(complaint(copy, false)).contains("was acknowledged");
      assertThat(complaint(copy, false)).contains("was acknowledged");
    }
  }

  @Test
  void aMissingLogOrDescriptorIsRefused() {
    DirectoryImage image = killedSmall();
    for (String missing : List.of("[0-9]+\\.log", "MANIFEST.*", "CURRENT")) {
      Path copy = image.without(missing).writeTo(temporary.resolve("copy"));
      assertThat(complaint(copy, true)).as(missing).contains("STORAGE_CHECKSUM");
      assertThat(complaint(copy, false)).as(missing).contains("STORAGE_CHECKSUM");
    }
  }

  @Test
  void aMissingTableIsRefused() {
    DirectoryImage image = killedLarge();
    for (String table : image.files().keySet().stream().filter(n -> n.endsWith(".sst")).toList()) {
      Path copy = image.without(table).writeTo(temporary.resolve("copy"));
      assertThat(complaint(copy, true)).as(table).isNotNull();
      assertThat(complaint(copy, false)).as(table).isNotNull();
    }
  }

  // ------------------------------------------------------------------ tables

  @Test
  void aFlippedByteInATableNamesTheRecordAndTheAuditGoesOn() {
    killedLarge();
    // Recovery wrote the rest of the log to tables.
    open().close();
    DirectoryImage image = DirectoryImage.of(directory);
    StoredRecord victim = written.get(8L).get(450);
    for (String table : image.files().keySet().stream().filter(n -> n.endsWith(".sst")).toList()) {
      byte[] bytes = image.files().get(table);
      int at = indexOf(bytes, victim.bytes());
      if (at < 0) {
        continue;
      }
      Path copy = image.flipped(table, at + 5, 4).writeTo(temporary.resolve("copy"));
      try (RocksStorage storage = RocksStorage.open(copy, RocksMedium.SMALL)) {
        RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
        String position = "writer 0000000000000008 sequence 451";
        assertThatThrownBy(() -> store.read(8, 451))
            .isInstanceOf(IntegrityException.class)
            .hasMessageContaining(position);
        assertThatThrownBy(() -> store.read(victim.hash()))
            .isInstanceOf(IntegrityException.class)
            .hasMessageContaining(position);
        List<Long> seen = new ArrayList<>();
        assertThatThrownBy(() -> store.scan(8, 1, (w, s, b) -> seen.add(s)))
            .isInstanceOf(IntegrityException.class)
            .hasMessageContaining("sequence " + (seen.size() + 1));
        assertThat(seen).hasSizeBetween(430, 450);
        List<String> findings = new ArrayList<>();
        store.audit(findings::add);
        assertThat(findings).hasSize(1);
        assertThat(findings.getFirst())
            .contains(
                "unreadable: records from writer 0000000000000008 sequence " + (seen.size() + 1));
        // Every record the audit does not name can still be read.
        long end =
            Long.parseLong(
                findings
                    .getFirst()
                    .replaceAll(".*to before writer [0-9a-f]+ sequence ([0-9]+).*", "$1"));
        assertThat(end).isBetween(452L, 475L);
        assertThat(store.read(8, end)).isEqualTo(written.get(8L).get((int) end - 1).bytes());
      }
      return;
    }
    fail("the record is in no table");
  }

  private static int indexOf(byte[] file, byte[] bytes) {
    for (int at = 0; at + bytes.length <= file.length; at++) {
      if (file[at] == bytes[0]
          && Arrays.equals(file, at, at + bytes.length, bytes, 0, bytes.length)) {
        return at;
      }
    }
    return -1;
  }

  // ------------------------------------------------------------------ values, through RocksDB

  private static @Nullable Hash32 hashOf(Map<String, Hash32> known, byte[] record) {
    return known.get(Arrays.toString(record));
  }

  @Test
  void everyFlippedByteOfEveryStoredValueIsFound() throws Exception {
    try (RocksStorage storage = open()) {
      RecordStore store = storage.capsule(RocksMedium.CAPSULE);
      store.initialize(METADATA);
      append(store, 0xabcdL, 2, 30, 1);
    }
    StoredRecord second = written.get(0xabcdL).get(1);
    int values = 0;
    try (RawDatabase raw = RawDatabase.open(directory)) {
      values = raw.entries().size();
    }
    // The format, the metadata, two records, two index entries.
    assertThat(values).isEqualTo(6);
    for (int i = 0; i < values; i++) {
      int length = 1;
      for (int at = 0; at < length; at++) {
        RawDatabase.Entry entry;
        try (RawDatabase raw = RawDatabase.open(directory)) {
          entry = raw.entries().get(i);
          length = entry.value().length;
          byte[] flipped = entry.value().clone();
          flipped[at] ^= (byte) (1 << (at % 8));
          raw.put(entry, flipped);
        }
        String complaint = complaint(directory, true);
        assertThat(complaint).as("%s byte %d", entry.family(), at).isNotNull();
        switch (entry.family()) {
          case "records" -> assertThat(complaint).contains("writer 000000000000abcd sequence ");
          case "hashes" ->
              assertThat(complaint)
                  .containsAnyOf(
                      second.hash().toString(), written.get(0xabcdL).get(0).hash().toString());
          case "capsules" -> assertThat(complaint).contains("metadata");
          default -> assertThat(complaint).contains("format");
        }
        try (RawDatabase raw = RawDatabase.open(directory)) {
          raw.put(entry, entry.value());
        }
      }
    }
    assertThat(complaint(directory, true)).isNull();
  }

  @Test
  void readsNameWhatIsDamaged() throws Exception {
    try (RocksStorage storage = open()) {
      RecordStore store = storage.capsule(RocksMedium.CAPSULE);
      append(store, 5, 3, 30, 3);
    }
    StoredRecord second = written.get(5L).get(1);
    try (RawDatabase raw = RawDatabase.open(directory)) {
      byte[] key = StoreCodec.recordKey(RocksMedium.CAPSULE, 5, 2);
      byte[] value = StoreCodec.seal(key, second.bytes());
      value[3] ^= 1;
      raw.put("records", key, value);
    }
    try (RocksStorage storage = open()) {
      RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
      assertThat(store.read(5, 1)).isEqualTo(written.get(5L).getFirst().bytes());
      assertChecksum(() -> store.read(5, 2), "writer 0000000000000005 sequence 2");
      assertChecksum(() -> store.read(second.hash()), "writer 0000000000000005 sequence 2");
      assertChecksum(
          () -> store.scan(5, 1, (w, s, b) -> true), "writer 0000000000000005 sequence 2");
      assertThat(store.newestSequence(5)).isEqualTo(3);
    }
  }

  private static void assertChecksum(Runnable read, String naming) {
    assertThatThrownBy(read::run)
        .isInstanceOfSatisfying(
            IntegrityException.class,
            e -> assertThat(e.rejection().reason()).isEqualTo(Rejection.Reason.STORAGE_CHECKSUM))
        .hasMessageContaining(naming);
  }

  @Test
  void theAuditComparesIndexAndRecordsInBothDirections() throws Exception {
    try (RocksStorage storage = open()) {
      append(storage.capsule(RocksMedium.CAPSULE), 5, 4, 30, 4);
    }
    List<StoredRecord> chain = written.get(5L);
    byte[] lost = StoreCodec.recordKey(RocksMedium.CAPSULE, 5, 2);
    byte[] unindexed = StoreCodec.hashKey(RocksMedium.CAPSULE, chain.get(2).hash());
    byte[] misdirected = StoreCodec.hashKey(RocksMedium.CAPSULE, chain.get(3).hash());
    Map<String, Hash32> known = new TreeMap<>();
    chain.forEach(r -> known.put(Arrays.toString(r.bytes()), r.hash()));

    try (RawDatabase raw = RawDatabase.open(directory)) {
      raw.delete("records", lost);
    }
    assertThat(audits(known)).allMatch(f -> f.contains(chain.get(1).hash().toString()));
    try (RawDatabase raw = RawDatabase.open(directory)) {
      raw.put("records", lost, StoreCodec.seal(lost, chain.get(1).bytes()));
      raw.delete("hashes", unindexed);
    }
    List<String> withoutEntry = audits(known);
    assertThat(withoutEntry).hasSize(2);
    assertThat(withoutEntry.get(0)).contains("4 records but 3 index entries");
    assertThat(withoutEntry.get(1)).contains(chain.get(2).hash().toString(), "sequence 3");
    try (RawDatabase raw = RawDatabase.open(directory)) {
      raw.put("hashes", unindexed, StoreCodec.seal(unindexed, StoreCodec.positionBody(5, 3)));
      raw.put("hashes", misdirected, StoreCodec.seal(misdirected, StoreCodec.positionBody(5, 1)));
    }
    List<String> twice = audits(known);
    assertThat(twice).hasSize(2);
    assertThat(twice.get(0)).contains("does not name every record once");
    assertThat(twice.get(1)).contains(chain.get(3).hash().toString(), "sequence 4");
  }

  /** The findings without and then with record hashes. */
  private List<String> audits(Map<String, Hash32> known) {
    List<String> findings = new ArrayList<>();
    try (RocksStorage storage = RocksStorage.openReadOnly(directory, RocksMedium.SMALL)) {
      RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
      store.audit(findings::add);
      assertThat(findings).isNotEmpty();
      store.auditHashes(bytes -> hashOf(known, bytes), findings::add);
    }
    return findings;
  }

  @Test
  void theAuditSeesASwappedPairOnlyWithHashes() throws Exception {
    try (RocksStorage storage = open()) {
      append(storage.capsule(RocksMedium.CAPSULE), 5, 2, 30, 2);
    }
    List<StoredRecord> chain = written.get(5L);
    try (RawDatabase raw = RawDatabase.open(directory)) {
      for (int i = 0; i < 2; i++) {
        byte[] key = StoreCodec.hashKey(RocksMedium.CAPSULE, chain.get(i).hash());
        raw.put("hashes", key, StoreCodec.seal(key, StoreCodec.positionBody(5, 2 - i)));
      }
    }
    try (RocksStorage storage = open()) {
      RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
      List<String> findings = new ArrayList<>();
      store.audit(findings::add);
      assertThat(findings).isEmpty();
      store.auditHashes(
          bytes -> {
            for (StoredRecord r : chain) {
              if (Arrays.equals(r.bytes(), bytes)) {
                return hash(r.writer(), r.sequence(), bytes);
              }
            }
            return null;
          },
          findings::add);
      assertThat(findings).hasSize(2);
    }
  }

  // ------------------------------------------------------------------ the format

  @Test
  void anotherFormatIsRefused() throws Exception {
    open().close();
    byte[] key = StoreLayout.formatKey();
    try (RawDatabase raw = RawDatabase.open(directory)) {
      raw.put("default", key, StoreCodec.seal(key, StoreCodec.formatBody(2)));
    }
    assertThatThrownBy(this::open)
        .isInstanceOfSatisfying(
            IntegrityException.class,
            e -> assertThat(e.rejection().reason()).isEqualTo(Rejection.Reason.UNKNOWN_FORMAT));
    try (RawDatabase raw = RawDatabase.open(directory)) {
      raw.delete("default", key);
    }
    // Empty but for its missing format, it counts as never finished.
    assertThatThrownBy(() -> RocksStorage.openReadOnly(directory, RocksMedium.SMALL))
        .isInstanceOf(InvalidRequestException.class);
    open().close();
  }

  @Test
  void someoneElsesDatabaseIsRefused() throws Exception {
    RawDatabase.createForeign(directory);
    for (boolean readOnly : new boolean[] {true, false}) {
      assertThat(complaint(directory, readOnly)).isNotNull();
    }
  }
}
