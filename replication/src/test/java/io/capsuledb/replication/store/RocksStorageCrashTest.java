package io.capsuledb.replication.store;

import static io.capsuledb.core.sim.RecordStoreContract.record;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Kills a process in the middle of appending, again and again, on one directory. */
class RocksStorageCrashTest {

  private static final int KILLS = 20;
  private static final int WRITERS = 3;
  private static final int AUDIT_EVERY = 5;

  @TempDir Path temporary;

  @Test
  void everyAcknowledgedRecordSurvivesTwentyKills() throws Exception {
    Path directory = temporary.resolve("store");
    Path unpacked = Files.createDirectory(temporary.resolve("tmp"));
    SplittableRandom random = new SplittableRandom(20);
    Map<Long, Long> acknowledged = new TreeMap<>();
    for (int kill = 0; kill < KILLS; kill++) {
      // Every other round goes on with the chains of the one before.
      long firstWriter = 1L + (long) WRITERS * (kill / 2);
      try (ChildProcess child =
          new ChildProcess(
              List.of("-Djava.io.tmpdir=" + unpacked),
              CrashChild.class,
              List.of(directory.toString(), Long.toString(firstWriter), "" + WRITERS))) {
        child.awaitFirstLine();
        child.awaitLines(1 + random.nextInt(1 + random.nextInt(150)));
        // Anywhere in an append, not just after one.
        long until = System.nanoTime() + random.nextInt(2_000_000);
        while (System.nanoTime() < until) {
          Thread.onSpinWait();
        }
        child.kill();
        assertThat(child.text()).as("round %d", kill).isEqualTo("open");
        acknowledged.putAll(child.acknowledged());
      }
      try (RocksStorage storage =
          kill % 2 == 0
              ? RocksStorage.openReadOnly(directory, RocksMedium.SMALL)
              : RocksStorage.open(directory, RocksMedium.SMALL)) {
        check(storage.capsule(RocksMedium.CAPSULE), acknowledged, kill);
      }
    }
    assertThat(acknowledged).hasSize(KILLS / 2 * WRITERS);
    try (var left = Files.list(unpacked)) {
      assertThat(left).as("no native library is left behind").isEmpty();
    }
  }

  private static void check(RocksRecordStore store, Map<Long, Long> acknowledged, int kill) {
    if (kill % AUDIT_EVERY == AUDIT_EVERY - 1) {
      List<String> findings = new ArrayList<>();
      store.audit(findings::add);
      assertThat(findings).as("round %d", kill).isEmpty();
    }
    acknowledged.forEach(
        (writer, sequence) -> {
          assertThat(store.newestSequence(writer))
              .as("round %d writer %d", kill, writer)
              .isGreaterThanOrEqualTo(sequence);
          if (kill < KILLS - 1 && writer <= (long) WRITERS * (kill / 2)) {
            return;
          }
          List<Long> seen = new ArrayList<>();
          store.scan(
              writer,
              1,
              (w, s, bytes) -> {
                seen.add(s);
                assertThat(s).isEqualTo(seen.size());
                return java.util.Arrays.equals(
                    bytes, record(w, s, CrashChild.length(w, s)).bytes());
              });
          assertThat(seen).hasSizeGreaterThanOrEqualTo(Math.toIntExact(sequence));
        });
  }
}
