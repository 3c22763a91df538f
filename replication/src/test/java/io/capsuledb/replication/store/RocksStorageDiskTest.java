package io.capsuledb.replication.store;

import static io.capsuledb.core.sim.RecordStoreContract.record;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
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

  // ------------------------------------------------------------------ power

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
