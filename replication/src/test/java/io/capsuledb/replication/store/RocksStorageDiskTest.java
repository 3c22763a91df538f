package io.capsuledb.replication.store;

import static io.capsuledb.core.sim.RecordStoreContract.record;
import static io.capsuledb.replication.sim.ReplicaLogContract.batch;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.sim.TestChain;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a real file system does: full, losing power, refusing to run code. Each mounts a file system
 * of its own, which takes root; without it the tests are skipped and say so.
 */
class RocksStorageDiskTest {

  @TempDir Path temporary;
  private final List<Path> mounted = new ArrayList<>();

  private Path mount(String name, String... command) throws Exception {
    Path point = Files.createDirectory(temporary.resolve(name));
    List<String> full = new ArrayList<>(List.of(command));
    full.add(point.toString());
    assumeTrue(run(full) == 0, "skipped: cannot mount a file system here (root is needed)");
    mounted.add(point);
    return point;
  }

  private static int run(List<String> command) throws IOException, InterruptedException {
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      return process.waitFor(60, TimeUnit.SECONDS) ? process.exitValue() : -1;
    } catch (IOException e) {
      assumeTrue(false, "skipped: " + e.getMessage());
      throw e;
    }
  }

  private Path mountImage(Path image, String name) throws Exception {
    return mount(name, "mount", "-o", "loop", image.toString());
  }

  private Path ext4(int mebibytes) throws Exception {
    Path image = temporary.resolve("disk.img");
    try (var file = new java.io.RandomAccessFile(image.toFile(), "rw")) {
      file.setLength((long) mebibytes << 20);
    }
    assumeTrue(
        run(List.of("mkfs.ext4", "-q", "-F", image.toString())) == 0, "skipped: no mkfs.ext4");
    return image;
  }

  private void unmount(Path point) throws Exception {
    if (run(List.of("umount", point.toString())) != 0) {
      throw new AssertionError("cannot unmount " + point);
    }
    mounted.remove(point);
  }

  @AfterEach
  void unmountAll() throws Exception {
    for (Path point : List.copyOf(mounted)) {
      unmount(point);
    }
  }

  // ------------------------------------------------------------------ full

  @Test
  void aFullDiskIsSaidAndLosesNothing() throws Exception {
    Path disk = mountImage(ext4(24), "full");
    Path directory = disk.resolve("store");
    RocksStorageOptions options =
        RocksStorageOptions.builder().writeBufferBytes(4 << 20).blockCacheBytes(1 << 20).build();
    Path ballast = disk.resolve("ballast");
    Files.write(ballast, new byte[4 << 20]);
    long acknowledged = 0;
    int fillings = 0;
    while (fillings < 2) {
      try (RocksStorage storage = RocksStorage.open(directory, options)) {
        RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
        assertThat(store.newestSequence(1)).isGreaterThanOrEqualTo(acknowledged);
        long next = store.newestSequence(1);
        try {
          while (true) {
            next++;
            List<StoredRecord> batch = List.of(record(1, next, 20_000));
            store.append(batch);
            acknowledged = next;
          }
        } catch (StorageException e) {
          assertThat(e).hasMessageContaining("disk is full");
        }
        long refused = next + 1;
        assertThatThrownBy(() -> store.append(List.of(record(1, refused, 10))))
            .isInstanceOf(StorageException.class)
            .hasMessageContaining("open it again");
        // Reading goes on.
        assertThat(store.read(1, acknowledged)).isEqualTo(record(1, acknowledged, 20_000).bytes());
      }
      fillings++;
      check(directory, acknowledged);
      Files.deleteIfExists(ballast);
    }
    assertThat(acknowledged).isGreaterThan(200);
  }

  private static void check(Path directory, long acknowledged) {
    try (RocksStorage storage = RocksStorage.openReadOnly(directory, RocksMedium.SMALL)) {
      RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
      List<Long> seen = new ArrayList<>();
      store.scan(
          1,
          1,
          (w, s, bytes) -> {
            seen.add(s);
            return Arrays.equals(bytes, record(1, s, 20_000).bytes());
          });
      assertThat(seen).hasSizeGreaterThanOrEqualTo(Math.toIntExact(acknowledged));
      List<String> findings = new ArrayList<>();
      store.audit(findings::add);
      assertThat(findings).isEmpty();
    }
  }

  private static final CapsuleName NAME = TestChain.name(1);

  /** Commits records until one commit is refused; returns that refusal. */
  private static CapsuleException fill(RocksReplicaLog log, TestChain chain) {
    while (true) {
      StoredRecord next = chain.next(20_000);
      try {
        log.commit(batch(w -> w.record(NAME, next, chain.lamport())));
      } catch (CapsuleException e) {
        chain.truncate(chain.length() - 1);
        return e;
      }
    }
  }

  private static void checkHeld(RocksReplicaLog log, TestChain chain) {
    for (long s = 1; s <= chain.length(); s++) {
      assertThat(log.read(NAME, 1, s)).isEqualTo(chain.at(s).bytes());
    }
  }

  private static RocksReplicaLog openReplica(Path directory, long minFreeBytes) {
    return RocksReplicaLog.open(
        directory,
        RocksStorageOptions.builder()
            .writeBufferBytes(4 << 20)
            .blockCacheBytes(1 << 20)
            .minFreeBytes(minFreeBytes)
            .build(),
        new SimEntropy(1));
  }

  @Test
  void aReplicaOnAFullDiskGoesOnWhenItIsOpenedWithSpace() throws Exception {
    Path disk = mountImage(ext4(24), "replica");
    Path directory = disk.resolve("replica");
    Path ballast = disk.resolve("ballast");
    Files.write(ballast, new byte[6 << 20]);
    TestChain chain = new TestChain(NAME, 1);
    try (RocksReplicaLog log = openReplica(directory, 0)) {
      log.commit(
          batch(w -> w.found(NAME, Blob.of(new byte[1])), w -> w.introduce(NAME, chain.entry())));
      assertThat(fill(log, chain)).isInstanceOf(UnavailableException.class);
      assertThat(chain.length()).isGreaterThan(200);
      assertThat(fill(log, chain))
          .isInstanceOf(StorageException.class)
          .hasMessageContaining("open it again");
      checkHeld(log, chain);
    }
    Files.delete(ballast);
    try (RocksReplicaLog log = openReplica(directory, 0)) {
      ChainHead head = log.recovered().capsules().getFirst().chains().getFirst().head();
      // The refused record is there as a whole or not at all.
      assertThat(head.sequence()).isBetween(chain.length(), chain.length() + 1);
      if (head.sequence() > chain.length()) {
        log.commit(batch(w -> w.truncate(NAME, 1, chain.head(), chain.lamport())));
      }
      checkHeld(log, chain);
      for (int i = 0; i < 50; i++) {
        StoredRecord next = chain.next(20_000);
        log.commit(batch(w -> w.record(NAME, next, chain.lamport())));
      }
    }
    try (RocksReplicaLog log = openReplica(directory, 0)) {
      checkHeld(log, chain);
      assertThat(log.read(NAME, 1, chain.length() + 1)).isNull();
      assertThat(new Scrubber(log).step(Long.MAX_VALUE)).isEmpty();
    }
  }

  @Test
  void aReplicaWithAReserveGoesOnWithoutBeingOpenedAgain() throws Exception {
    Path disk = mountImage(ext4(48), "reserve");
    Path directory = disk.resolve("replica");
    Path ballast = disk.resolve("ballast");
    Files.write(ballast, new byte[8 << 20]);
    TestChain chain = new TestChain(NAME, 1);
    try (RocksReplicaLog log = openReplica(directory, 14 << 20)) {
      log.commit(
          batch(w -> w.found(NAME, Blob.of(new byte[1])), w -> w.introduce(NAME, chain.entry())));
      for (int i = 0; i < 3; i++) {
        assertThat(fill(log, chain))
            .isInstanceOf(UnavailableException.class)
            .hasMessageContaining("out of space");
        checkHeld(log, chain);
        log.commit(batch(w -> w.numberFloor(1 + chain.length())));
      }
      long full = chain.length();
      Files.delete(ballast);
      for (int i = 0; i < 50; i++) {
        StoredRecord next = chain.next(20_000);
        log.commit(batch(w -> w.record(NAME, next, chain.lamport())));
      }
      assertThat(chain.length()).isEqualTo(full + 50);
      checkHeld(log, chain);
    }
  }

  // ------------------------------------------------------------------ power

  /** A cache promises nothing, but what is left after a loss of power is a beginning. */
  @Test
  void aCacheIsOpenedAfterLossOfPower() throws Throwable {
    Path image = ext4(100);
    long there = 0;
    for (int cut = 0; cut < 3; cut++) {
      Path disk = mountImage(image, "cache" + cut);
      Path directory = disk.resolve("store");
      try (RocksStorage storage = RocksStorage.open(directory, RocksCacheTest.CACHE)) {
        RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
        for (long s = there + 1; s <= there + 1500; s++) {
          store.append(List.of(record(1, s, 3000)));
        }
        cutPower(disk);
      }
      unmount(disk);
      Path again = mountImage(image, "cacheAgain" + cut);
      try (RocksStorage storage = RocksStorage.open(again.resolve("store"), RocksCacheTest.CACHE)) {
        long left = RocksCacheTest.prefix(storage);
        assertThat(left).isBetween(there, there + 1500);
        there = left;
      } catch (IntegrityException damaged) {
        // Nothing was promised: who uses it sets it aside, and begins anew.
        assertThat(damaged.rejection().reason()).isEqualTo(Rejection.Reason.STORAGE_CHECKSUM);
        deleteAll(again.resolve("store"));
        there = 0;
      }
      unmount(again);
    }
  }

  private static void deleteAll(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Files.delete(file);
      }
    }
  }

  /** Stops an ext4 file system as a loss of power would: what was not synced is gone. */
  @SuppressWarnings("restricted") // ioctl has no other way in.
  private static void cutPower(Path mountPoint) throws Throwable {
    final int readOnly = 0;
    final long shutdown = 0x8004587dL;
    final int withoutFlushingTheJournal = 2;
    Linker linker = Linker.nativeLinker();
    MethodHandle open =
        linker.downcallHandle(
            linker.defaultLookup().find("open").orElseThrow(),
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT),
            Linker.Option.firstVariadicArg(2));
    MethodHandle ioctl =
        linker.downcallHandle(
            linker.defaultLookup().find("ioctl").orElseThrow(),
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG,
                ValueLayout.ADDRESS),
            Linker.Option.firstVariadicArg(2));
    MethodHandle close =
        linker.downcallHandle(
            linker.defaultLookup().find("close").orElseThrow(),
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment path = arena.allocateFrom(mountPoint.toString(), StandardCharsets.UTF_8);
      int descriptor = (int) open.invokeExact(path, readOnly);
      assertThat(descriptor).isGreaterThanOrEqualTo(0);
      MemorySegment argument = arena.allocateFrom(ValueLayout.JAVA_INT, withoutFlushingTheJournal);
      int result = (int) ioctl.invokeExact(descriptor, shutdown, argument);
      int _ = (int) close.invokeExact(descriptor);
      assumeTrue(result == 0, "skipped: this kernel does not shut file systems down");
    }
  }

  @Test
  @Tag("long")
  void everyAcknowledgedRecordSurvivesLossOfPower() throws Throwable {
    Path image = ext4(400);
    SplittableRandom random = new SplittableRandom(7);
    Map<Long, Long> acknowledged = new TreeMap<>();
    for (int cut = 0; cut < 10; cut++) {
      Path disk = mountImage(image, "power" + cut);
      Path directory = disk.resolve("store");
      try (ChildProcess child =
          new ChildProcess(
              List.of(),
              CrashChild.class,
              List.of(directory.toString(), Long.toString(1 + 3L * cut), "3"))) {
        child.awaitLines(5 + random.nextInt(200));
        cutPower(disk);
        assertThat(child.awaitExit()).as("the child notices").isTrue();
        assertThat(child.text()).contains("open").contains("failed");
        acknowledged.putAll(child.acknowledged());
      }
      unmount(disk);
      Path again = mountImage(image, "again" + cut);
      try (RocksStorage storage = RocksStorage.open(again.resolve("store"), RocksMedium.SMALL)) {
        RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
        List<String> findings = new ArrayList<>();
        store.audit(findings::add);
        assertThat(findings).isEmpty();
        assertThat(acknowledged).isNotEmpty();
        acknowledged.forEach(
            (writer, sequence) ->
                assertThat(store.newestSequence(writer)).isGreaterThanOrEqualTo(sequence));
      }
      unmount(again);
    }
  }

  // ------------------------------------------------------------------ no code

  @Test
  void aTemporaryDirectoryWithoutExecutionIsExplained() throws Exception {
    Path noexec = mount("noexec", "mount", "-t", "tmpfs", "-o", "noexec,size=64m", "tmpfs");
    Path directory = temporary.resolve("store");
    try (ChildProcess child =
        new ChildProcess(
            List.of("-Djava.io.tmpdir=" + noexec),
            HoldingChild.class,
            List.of(directory.toString(), "hold"))) {
      assertThat(child.awaitExit()).isTrue();
      assertThat(child.text())
          .contains("StorageException")
          .contains("noexec")
          .contains(noexec.toString())
          .contains("ROCKSDB_SHAREDLIB_DIR");
    }
    try (var left = Files.list(noexec)) {
      assertThat(left).isEmpty();
    }
  }
}
