package io.capsuledb.replication.store;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.sim.RecordStoreContract;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/**
 * What big records and their release cost: appends records of 16 KiB in chains, releases most of
 * them in mixed order meanwhile, then measures disk space and reads by hash.
 */
final class ReleaseBench {

  private static final int RECORD_BYTES = 16 << 10;
  private static final int WRITERS = 4;
  private static final int BATCH = 16;
  private static final int RELEASE_BATCH = 512;
  private static final double RELEASED = 0.8;
  private static final int READS = 50_000;
  private static final long SETTLED_MS = 4_000;
  private static final long SETTLE_LIMIT_MS = 300_000;

  private final Path directory;
  private final RocksStorageOptions options;
  private final PrintStream out;
  private final SplittableRandom random = new SplittableRandom(1);

  /** Where a live record is, and its hash. */
  private record Place(long writer, long sequence, Hash32 hash) {}

  ReleaseBench(Path directory, RocksStorageOptions options, PrintStream out) {
    this.directory = directory;
    this.options = options;
    this.out = out;
  }

  /** What the disk holds for each byte that is live, after {@code compact}. */
  double run(String name, long totalBytes) throws IOException, InterruptedException {
    long count = totalBytes / RECORD_BYTES;
    List<Place> whole = new ArrayList<>();
    long released = 0;
    long appendNs = 0;
    long releaseNs = 0;
    long[] appendTimes = new long[Math.toIntExact(count / BATCH)];
    try (RocksStorage storage = RocksStorage.open(directory, options)) {
      RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
      long[] sequences = new long[WRITERS];
      for (int i = 0; i < appendTimes.length; i++) {
        int writer = i % WRITERS;
        List<StoredRecord> batch = new ArrayList<>();
        for (int k = 0; k < BATCH; k++) {
          StoredRecord r =
              RecordStoreContract.releasable(writer + 1, ++sequences[writer], RECORD_BYTES - 176);
          batch.add(r);
          whole.add(new Place(r.writer(), r.sequence(), r.hash()));
        }
        long begin = System.nanoTime();
        store.append(batch);
        appendTimes[i] = System.nanoTime() - begin;
        appendNs += appendTimes[i];
        while (released + RELEASE_BATCH <= (i + 1L) * BATCH * RELEASED) {
          List<StoredRecord> stubs = new ArrayList<>();
          for (int k = 0; k < RELEASE_BATCH; k++) {
            stubs.add(stub(take(whole)));
          }
          begin = System.nanoTime();
          store.release(stubs);
          releaseNs += System.nanoTime() - begin;
          released += stubs.size();
        }
      }
      double seconds = appendNs / 1e9;
      Arrays.sort(appendTimes);
      out.printf(
          "%s: appended %d records of 16 KiB in batches of %d: %.0f MB/s, batch p50 %.2f ms,"
              + " p99 %.2f ms, max %.0f ms%n",
          name,
          count,
          BATCH,
          count * RECORD_BYTES / 1e6 / seconds,
          appendTimes[appendTimes.length / 2] / 1e6,
          appendTimes[appendTimes.length * 99 / 100] / 1e6,
          appendTimes[appendTimes.length - 1] / 1e6);
      out.printf(
          "%s: released %d of them in batches of %d: %.0f/s%n",
          name, released, RELEASE_BATCH, released / (releaseNs / 1e9));
      double live = (double) whole.size() * RECORD_BYTES + released * 176.0;
      long begin = System.nanoTime();
      settle(storage);
      report(name, "settled after " + seconds(begin) + " s", live);
      reads(name + ", settled", store, whole);
      begin = System.nanoTime();
      storage.compact();
      settle(storage);
      report(name, "compacted in " + seconds(begin) + " s", live);
      reads(name + ", compacted", store, whole);
      List<String> findings = new ArrayList<>();
      store.audit(findings::add);
      if (!findings.isEmpty()) {
        throw new AssertionError(findings);
      }
      return bytes(".sst", ".blob") / live;
    }
  }

  private static String seconds(long sinceNs) {
    return String.format("%.1f", (System.nanoTime() - sinceNs) / 1e9);
  }

  private Place take(List<Place> whole) {
    int at = random.nextInt(whole.size());
    Place taken = whole.get(at);
    Place last = whole.removeLast();
    if (at < whole.size()) {
      whole.set(at, last);
    }
    return taken;
  }

  private static StoredRecord stub(Place place) {
    byte[] record =
        RecordStoreContract.releasable(place.writer(), place.sequence(), RECORD_BYTES - 176)
            .bytes();
    return new StoredRecord(
        place.writer(), place.sequence(), place.hash(), RecordCodec.stub(record));
  }

  private void settle(RocksStorage storage) throws IOException, InterruptedException {
    long limit = System.nanoTime() + SETTLE_LIMIT_MS * 1_000_000;
    long quietSince = System.nanoTime();
    long before = -1;
    while (System.nanoTime() < limit && System.nanoTime() - quietSince < SETTLED_MS * 1_000_000) {
      Thread.sleep(100);
      long now = bytes("");
      if (storage.isBusy() || now != before) {
        quietSince = System.nanoTime();
      }
      before = now;
    }
  }

  private void report(String name, String when, double live) throws IOException {
    long tables = bytes(".sst");
    long blobs = bytes(".blob");
    out.printf(
        "%s, %s: live %.0f MB, tables %.0f MB, blobs %.0f MB: %.2f of live; logs %.0f MB%n",
        name,
        when,
        live / 1e6,
        tables / 1e6,
        blobs / 1e6,
        (tables + blobs) / live,
        bytes(".log") / 1e6);
  }

  private long bytes(String... suffixes) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .filter(file -> Stream.of(suffixes).anyMatch(file.toString()::endsWith))
          .mapToLong(file -> file.toFile().length())
          .sum();
    }
  }

  private void reads(String name, RocksRecordStore store, List<Place> whole) {
    long[] times = new long[READS];
    for (int round = 0; round < 2; round++) {
      for (int i = 0; i < READS; i++) {
        Hash32 hash = whole.get(random.nextInt(whole.size())).hash();
        long begin = System.nanoTime();
        byte[] found = store.read(hash);
        times[i] = System.nanoTime() - begin;
        if (found == null || found.length != RECORD_BYTES) {
          throw new AssertionError("a live record was lost");
        }
      }
    }
    Arrays.sort(times);
    out.printf(
        "%s: reads of 16 KiB by hash: mean %.1f us, p50 %.1f us, p99 %.1f us%n",
        name,
        Arrays.stream(times).average().orElse(0) / 1e3,
        times[READS / 2] / 1e3,
        times[READS * 99 / 100] / 1e3);
  }

  /** Arguments: directory, which is deleted; "plain" or "blobs"; MiB to append. */
  public static void main(String[] arguments) throws Exception {
    Path directory = Path.of(arguments[0]);
    DirectoryImage.delete(directory);
    RocksStorageOptions.Builder builder = RocksStorageOptions.builder();
    if (arguments[1].equals("blobs")) {
      builder.largeRecordBytes(4 << 10);
    }
    new ReleaseBench(directory, builder.build(), System.out)
        .run(arguments[1], Long.parseLong(arguments[2]) << 20);
    DirectoryImage.delete(directory);
  }
}
