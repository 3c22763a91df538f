package io.capsuledb.replication.store;

import static io.capsuledb.core.sim.RecordStoreContract.record;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RocksStorageTest {

  private static final byte[] CAPSULE = RocksMedium.CAPSULE;

  @TempDir Path temporary;
  private Path directory;

  @BeforeEach
  void place() {
    directory = temporary.resolve("store");
  }

  private RocksStorage open() {
    return RocksStorage.open(directory, RocksMedium.SMALL);
  }

  private RocksStorage openReadOnly() {
    return RocksStorage.openReadOnly(directory, RocksMedium.SMALL);
  }

  private static byte[] name(int fill) {
    byte[] name = new byte[32];
    Arrays.fill(name, (byte) fill);
    return name;
  }

  // ------------------------------------------------------------------ capsules

  @Test
  void capsulesDoNotSeeEachOther() {
    int[] fills = {0, 1, 0x7f, 0x80, 0xfe, 0xff};
    for (int round = 0; round < 2; round++) {
      try (RocksStorage storage = open()) {
        for (int fill : fills) {
          RocksRecordStore store = storage.capsule(name(fill));
          if (round == 0) {
            store.initialize(new byte[] {(byte) fill});
            store.append(
                List.of(record(0, 1, 10 + fill), record(-1, 1, 10), record(-1, -1, 11 + fill)));
          }
          assertThat(store.metadata()).containsExactly(fill);
          assertThat(store.writers()).containsExactly(0, -1);
          assertThat(store.newestSequence(0)).isEqualTo(1);
          assertThat(store.newestSequence(-1)).isEqualTo(-1);
          assertThat(store.newestSequence(1)).isZero();
          assertThat(store.read(0, 1)).hasSize(10 + fill);
          assertThat(store.read(record(0, 1, 10 + fill).hash())).hasSize(10 + fill);
          List<Integer> lengths = new ArrayList<>();
          store.scan(-1, 0, (w, s, bytes) -> lengths.add(bytes.length));
          assertThat(lengths).containsExactly(10, 11 + fill);
          List<String> findings = new ArrayList<>();
          store.audit(findings::add);
          assertThat(findings).isEmpty();
        }
        assertThat(storage.capsule(name(3)).writers()).isEmpty();
        assertThat(storage.capsules())
            .containsExactly(name(0), name(1), name(0x7f), name(0x80), name(0xfe), name(0xff));
        assertThat(storage.sizeBytes()).isPositive();
        assertThat(storage.directory()).isEqualTo(directory);
      }
    }
  }

  @Test
  void namesAndSizesAreChecked() {
    try (RocksStorage storage = open()) {
      assertThatThrownBy(() -> storage.capsule(new byte[31]))
          .isInstanceOf(InvalidRequestException.class);
      RocksRecordStore store = storage.capsule(CAPSULE);
      assertThatThrownBy(
              () -> store.append(List.of(record(1, 1, new byte[StoreLayout.MAX_RECORD_BYTES + 1]))))
          .isInstanceOf(InvalidRequestException.class);
      byte[] large = new byte[StoreLayout.MAX_RECORD_BYTES];
      assertThatThrownBy(() -> store.append(List.of(record(1, 1, large), record(1, 2, large))))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("batch");
      store.append(List.of(record(1, 1, large)));
      assertThat(store.read(1, 1)).isEqualTo(large);
    }
  }

  @Test
  void optionsAreCheckedAndNamed() {
    assertThatThrownBy(() -> RocksStorageOptions.builder().blockCacheBytes(1).build())
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("blockCacheBytes is 1");
    assertThatThrownBy(() -> RocksStorageOptions.builder().writeBufferBytes(-1).build())
        .hasMessageContaining("writeBufferBytes");
    assertThatThrownBy(() -> RocksStorageOptions.builder().maxOpenFiles(0).build())
        .hasMessageContaining("maxOpenFiles");
    assertThatThrownBy(() -> RocksStorageOptions.builder().backgroundThreads(0).build())
        .hasMessageContaining("backgroundThreads");
    assertThatThrownBy(() -> RocksStorageOptions.builder().recycledLogs(17).build())
        .hasMessageContaining("recycledLogs");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 16})
  void logsMayBeRecycledOrNotAndTheSettingMayChange(int recycledLogs) {
    RocksStorageOptions options =
        RocksStorageOptions.builder().writeBufferBytes(1 << 20).recycledLogs(recycledLogs).build();
    long sequence = 0;
    for (int round = 0; round < 4; round++) {
      try (RocksStorage storage =
          RocksStorage.open(directory, round % 2 == 0 ? options : RocksMedium.SMALL)) {
        RocksRecordStore store = storage.capsule(CAPSULE);
        assertThat(store.newestSequence(1)).isEqualTo(sequence);
        for (int i = 0; i < 300; i++) {
          store.append(List.of(record(1, ++sequence, 3000)));
        }
      }
    }
    try (RocksStorage storage = openReadOnly()) {
      List<Long> seen = new ArrayList<>();
      storage.capsule(CAPSULE).scan(1, 1, (w, s, b) -> seen.add(s));
      assertThat(seen).hasSize(1200);
    }
  }

  // ------------------------------------------------------------------ who has it open

  @Test
  void thisProcessOpensADirectoryOnce() throws Exception {
    try (RocksStorage storage = open()) {
      storage.capsule(CAPSULE).append(List.of(record(1, 1, 10)));
      assertThatThrownBy(this::open).isInstanceOf(UnavailableException.class);
      assertThatThrownBy(this::openReadOnly)
          .isInstanceOf(UnavailableException.class)
          .hasMessageContaining(directory.toRealPath().toString());
      Path alias = Files.createSymbolicLink(temporary.resolve("alias"), directory);
      assertThatThrownBy(() -> RocksStorage.open(alias, RocksMedium.SMALL))
          .isInstanceOf(UnavailableException.class);
      // A refused attempt must not have freed the lock.
      try (ChildProcess child = child("hold")) {
        assertThat(child.awaitExit()).isTrue();
        assertThat(child.text())
            .contains("UnavailableException")
            .contains("process " + ProcessHandle.current().pid());
      }
    }
    open().close();
  }

  private ChildProcess child(String what) throws Exception {
    return new ChildProcess(List.of(), HoldingChild.class, List.of(directory.toString(), what));
  }

  @Test
  void anotherProcessWithTheDirectoryIsNamed() throws Exception {
    open().close();
    try (ChildProcess child = child("hold")) {
      child.awaitFirstLine();
      assertThat(child.text()).isEqualTo("open");
      assertThatThrownBy(this::open)
          .isInstanceOf(UnavailableException.class)
          .hasMessageContaining("process " + child.pid())
          .hasMessageContaining(directory.toRealPath().toString());
      assertThatThrownBy(this::openReadOnly)
          .isInstanceOf(UnavailableException.class)
          .hasMessageContaining("process " + child.pid());
      child.kill();
    }
    openReadOnly().close();
    open().close();
  }

  @Test
  void readersShareTheDirectoryAndKeepWritersOut() throws Exception {
    open().close();
    try (ChildProcess child = child("read")) {
      child.awaitFirstLine();
      assertThat(child.text()).isEqualTo("open");
      openReadOnly().close();
      assertThatThrownBy(this::open).isInstanceOf(UnavailableException.class);
      child.kill();
    }
    open().close();
  }

  // ------------------------------------------------------------------ reading only

  @Test
  void readingOnlySeesTheLogAndChangesNothing() throws Exception {
    DirectoryImage killed;
    try (RocksStorage storage = open()) {
      storage.capsule(CAPSULE).initialize(new byte[] {1});
      storage.capsule(CAPSULE).append(List.of(record(1, 1, 100)));
      killed = DirectoryImage.of(directory);
    }
    assertThat(killed.files().keySet()).noneMatch(n -> n.endsWith(".sst"));
    killed.writeTo(directory);
    List<String> before = DirectoryImage.fingerprint(directory);
    try (RocksStorage storage = openReadOnly()) {
      assertThat(storage.readOnly()).isTrue();
      RocksRecordStore store = storage.capsule(CAPSULE);
      assertThat(store.metadata()).containsExactly(1);
      assertThat(store.read(1, 1)).isEqualTo(record(1, 1, 100).bytes());
      assertThat(store.newestSequence(1)).isEqualTo(1);
      assertThat(store.sizeBytes()).isGreaterThanOrEqualTo(0);
      assertThat(storage.capsules()).containsExactly(CAPSULE);
      assertThatThrownBy(() -> store.append(List.of(record(1, 2, 10))))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("reading only");
      assertThatThrownBy(() -> storage.capsule(name(1)).initialize(new byte[1]))
          .isInstanceOf(InvalidRequestException.class);
    }
    assertThat(DirectoryImage.fingerprint(directory)).isEqualTo(before);
  }

  @Test
  void thereMustBeAStoreToRead() throws Exception {
    assertThatThrownBy(this::openReadOnly).isInstanceOf(InvalidRequestException.class);
    Files.createDirectory(directory);
    assertThatThrownBy(this::openReadOnly).isInstanceOf(InvalidRequestException.class);
    assertThat(directory).isEmptyDirectory();
  }

  @Test
  void theDirectoryIsForItsOwnerOnly() throws Exception {
    open().close();
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(directory)))
        .isEqualTo("rwx------");
  }

  @Test
  void aPathThatCannotBeADirectoryIsAStorageFailure() throws Exception {
    Files.write(directory, new byte[] {1});
    assertThatThrownBy(this::open)
        .isInstanceOf(StorageException.class)
        .hasMessageContaining(directory.toString());
  }

  @Test
  void diagnosticLogsStayFewAndSmall() throws Exception {
    for (int i = 0; i < 8; i++) {
      open().close();
    }
    try (Stream<Path> files = Files.list(directory)) {
      List<Path> logs = files.filter(f -> f.getFileName().toString().startsWith("LOG")).toList();
      assertThat(logs).hasSizeLessThanOrEqualTo(4);
      for (Path log : logs) {
        assertThat(Files.size(log)).isLessThan(1 << 20);
      }
    }
  }

  // ------------------------------------------------------------------ threads

  @Test
  void appendsOfSeveralThreadsShareSyncs() throws Exception {
    int threads = 16;
    int appends = 40;
    DirectoryImage image;
    try (RocksStorage storage =
        RocksStorage.open(
            directory, RocksStorageOptions.builder().writeBufferBytes(64 << 20).build())) {
      RocksRecordStore store = storage.capsule(CAPSULE);
      ExecutorService pool = Executors.newFixedThreadPool(threads);
      CyclicBarrier start = new CyclicBarrier(threads);
      List<Future<?>> futures = new ArrayList<>();
      for (int t = 0; t < threads; t++) {
        long writer = t;
        futures.add(
            pool.submit(
                () -> {
                  start.await();
                  for (int i = 1; i <= appends; i++) {
                    store.append(List.of(record(writer, i, 100)));
                    assertThat(store.newestSequence(writer)).isEqualTo(i);
                  }
                  return null;
                }));
      }
      for (Future<?> future : futures) {
        future.get();
      }
      pool.shutdown();
      assertThat(store.writers()).hasSize(threads);
      image = DirectoryImage.of(directory);
    }
    image.writeTo(directory);
    RocksLogCheck logs = RocksLogCheck.of(directory);
    assertThat(logs.intactEntries()).isLessThan((long) threads * appends * 2 / 3);
    assertThat(logs.highestSequence()).isEqualTo(AcknowledgedMark.read(directory));
  }

  @Test
  void racingAppendsAtOnePositionLeaveOneRecord() throws Exception {
    int threads = 8;
    try (RocksStorage storage = open()) {
      RocksRecordStore store = storage.capsule(CAPSULE);
      ExecutorService pool = Executors.newFixedThreadPool(threads);
      for (int round = 1; round <= 30; round++) {
        long sequence = round;
        CyclicBarrier start = new CyclicBarrier(threads);
        List<Future<Boolean>> futures = new ArrayList<>();
        for (int t = 0; t < threads; t++) {
          StoredRecord r = record(1, sequence, new byte[] {(byte) round, (byte) t});
          futures.add(
              pool.submit(
                  () -> {
                    start.await();
                    try {
                      store.append(List.of(r));
                      return true;
                    } catch (IntegrityException e) {
                      return false;
                    }
                  }));
        }
        List<Integer> winners = new ArrayList<>();
        for (int t = 0; t < threads; t++) {
          if (futures.get(t).get()) {
            winners.add(t);
          }
        }
        assertThat(winners).hasSize(1);
        assertThat(store.read(1, sequence)).containsExactly(round, winners.getFirst());
      }
      pool.shutdown();
      List<String> findings = new ArrayList<>();
      store.audit(findings::add);
      assertThat(findings).isEmpty();
    }
  }

  @Test
  void closingUnderUseEndsUsesOrderly() throws Exception {
    for (int round = 0; round < 5; round++) {
      RocksStorage storage = open();
      RocksRecordStore store = storage.capsule(CAPSULE);
      long first = store.newestSequence(1);
      store.append(List.of(record(1, first + 1, 500), record(1, first + 2, 500)));
      int threads = 6;
      CountDownLatch running = new CountDownLatch(threads);
      AtomicInteger refused = new AtomicInteger();
      ExecutorService pool = Executors.newFixedThreadPool(threads);
      List<Future<?>> futures = new ArrayList<>();
      for (int t = 0; t < threads; t++) {
        int kind = t;
        futures.add(
            pool.submit(
                () -> {
                  long next = 1;
                  running.countDown();
                  try {
                    while (true) {
                      switch (kind) {
                        case 0 -> store.append(List.of(record(100 + first, next++, 2000)));
                        case 1 -> store.scan(1, 1, (w, s, b) -> true);
                        case 2 -> store.writers();
                        case 3 -> store.audit(f -> {});
                        case 4 -> storage.capsules();
                        default -> assertThat(store.read(1, 1)).hasSize(500);
                      }
                    }
                  } catch (IllegalStateException e) {
                    refused.incrementAndGet();
                  }
                }));
      }
      running.await();
      storage.close();
      storage.close();
      for (Future<?> future : futures) {
        future.get();
      }
      pool.shutdown();
      assertThat(refused).hasValue(threads);
      assertThatThrownBy(() -> storage.capsule(CAPSULE)).isInstanceOf(IllegalStateException.class);
      assertThatThrownBy(storage::capsules).isInstanceOf(IllegalStateException.class);
      assertThatThrownBy(storage::sizeBytes).isInstanceOf(IllegalStateException.class);
      assertThatThrownBy(() -> store.read(1, 1)).isInstanceOf(IllegalStateException.class);
    }
  }

  @Test
  void aVisitorMayReadButNotClose() {
    try (RocksStorage storage = open()) {
      RocksRecordStore store = storage.capsule(CAPSULE);
      store.append(List.of(record(1, 1, 10)));
      Runnable close = storage::close;
      assertThatThrownBy(
              () ->
                  store.scan(
                      1,
                      1,
                      (w, s, b) -> {
                        assertThat(store.read(w, s)).isEqualTo(b);
                        close.run();
                        return true;
                      }))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("within a scan");
      assertThat(store.newestSequence(1)).isEqualTo(1);
    }
  }

  @Test
  void anInterruptedThreadAppendsAndReadsAsAnyOther() {
    try (RocksStorage storage = open()) {
      RocksRecordStore store = storage.capsule(CAPSULE);
      Thread.currentThread().interrupt();
      store.append(List.of(record(1, 1, 10)));
      store.append(List.of(record(1, 2, 10)));
      assertThat(Thread.interrupted()).isTrue();
      assertThat(store.newestSequence(1)).isEqualTo(2);
    }
    assertThat(AcknowledgedMark.read(directory)).isPositive();
    Thread.currentThread().interrupt();
    open().close();
    assertThat(Thread.interrupted()).isTrue();
  }
}
