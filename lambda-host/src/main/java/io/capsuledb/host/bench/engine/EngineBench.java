package io.capsuledb.host.bench.engine;

import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.host.files.DirectoryTree;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/**
 * The engine beside RocksDB, workload by workload in one run: the same keys and values, the same
 * sizes of memtable and cache, and writes that are on stable storage when they return.
 *
 * <p>Amplification is what the process wrote or read (as {@code /proc/self/io} counts it, so on
 * Linux only) in proportion to what a workload wrote or read of keys and values; that of space,
 * what the files take in proportion to the live data, after everything was merged.
 */
public final class EngineBench {

  private static final String FILL_SEQUENTIAL = "fill-sequential";
  private static final String FILL_RANDOM = "fill-random";
  private static final String OVERWRITE = "overwrite";
  private static final String READ_COLD = "read-random-cold";
  private static final String READ_HOT = "read-random-hot";
  private static final String SEEK = "seek-random";
  private static final String READ_WRITING = "read-while-writing";
  private static final String SPACE = "space";

  /** What there is to measure, in the order in which it is. */
  public static final List<String> WORKLOADS =
      List.of(
          FILL_SEQUENTIAL, FILL_RANDOM, OVERWRITE, READ_COLD, READ_HOT, SEEK, READ_WRITING, SPACE);

  private static final int KEY_BYTES = 16;
  private static final int SCAN_KEYS = 10;
  private static final long HISTOGRAM_MAX_NANOS = 100_000_000_000L;
  private static final int HISTOGRAM_DIGITS = 3;

  /** A hot read is of one key in so many. */
  private static final int HOT_PART = 50;

  /** Coprime to every power of ten: multiplying by it visits keys in an order of no order. */
  private static final long SHUFFLE = 7_368_787;

  /** Sizes of memory that both get. */
  record Sizes(long memtableBytes, long cacheBytes) {}

  /**
   * What to measure.
   *
   * @param directory where the stores' directories are made, and deleted again
   * @param keys how many different keys
   * @param valueBytes length of values
   * @param batch keys of one durable write
   * @param threads that write, and read, at once
   * @param reads how many reads each measurement of reads makes
   * @param memtableBytes size of a memtable
   * @param cacheBytes size of the cache of blocks
   * @param only of {@link #WORKLOADS}, what is measured
   */
  public record Options(
      Path directory,
      long keys,
      int valueBytes,
      int batch,
      int threads,
      long reads,
      long memtableBytes,
      long cacheBytes,
      Set<String> only) {}

  /**
   * One workload on one store.
   *
   * @param operations done
   * @param seconds they took
   * @param p50Micros median of one call: of a batch for writes
   * @param p99Micros 99th percentile of it
   * @param writeAmplification bytes written for each byte of keys and values; 0 for reads
   * @param readAmplification bytes read for each; 0 for writes
   */
  public record Sample(
      long operations,
      double seconds,
      double p50Micros,
      double p99Micros,
      double writeAmplification,
      double readAmplification) {

    /** Operations a second. */
    public double rate() {
      return operations / seconds;
    }
  }

  /** One workload on both. */
  public record Row(String workload, Sample capsule, Sample rocksdb) {
    /** How many times as fast as RocksDB. */
    public double ratio() {
      return capsule.rate() / rocksdb.rate();
    }
  }

  /**
   * All of it.
   *
   * @param capsuleSpace space amplification of this engine after everything was merged; 0 if it was
   *     not measured
   * @param rocksdbSpace that of RocksDB; 0 if it was not measured
   */
  public record Report(List<Row> rows, double capsuleSpace, double rocksdbSpace) {}

  private final Options options;
  private final Clock clock;
  private final Consumer<String> progress;

  /** A run that has not begun. */
  public EngineBench(Options options, Clock clock, Consumer<String> progress) {
    this.options = options;
    this.clock = clock;
    this.progress = progress;
  }

  private interface Workload {
    Sample run(BenchStore store);
  }

  /** Runs what is wanted; the directories it made are gone afterwards. */
  public Report run() {
    List<Row> rows = new ArrayList<>();
    if (options.only.contains(FILL_SEQUENTIAL)) {
      pair("seq", (ours, theirs) -> fillSequential(rows, ours, theirs));
    }
    double[] space = new double[2];
    if (!Set.of(FILL_SEQUENTIAL).containsAll(options.only)) {
      pair("random", (ours, theirs) -> random(rows, space, ours, theirs));
    }
    return new Report(List.copyOf(rows), space[0], space[1]);
  }

  private void fillSequential(List<Row> rows, BenchStore ours, BenchStore theirs) {
    measured(rows, FILL_SEQUENTIAL, ours, theirs, s -> fill(s, false, 0));
  }

  private void random(List<Row> rows, double[] space, BenchStore ours, BenchStore theirs) {
    always(rows, FILL_RANDOM, ours, theirs, s -> fill(s, true, 0));
    if (!Set.of(FILL_SEQUENTIAL, FILL_RANDOM).containsAll(options.only)) {
      always(rows, OVERWRITE, ours, theirs, s -> fill(s, true, 1));
    }
    if (Set.of(FILL_SEQUENTIAL, FILL_RANDOM, OVERWRITE).containsAll(options.only)) {
      return;
    }
    ours.settle();
    theirs.settle();
    warmUp(ours);
    warmUp(theirs);
    ours.reopen();
    theirs.reopen();
    long hot = Math.max(1, options.keys / HOT_PART);
    measured(rows, READ_COLD, ours, theirs, s -> read(s, options.keys));
    measured(rows, READ_HOT, ours, theirs, s -> read(s, hot));
    measured(rows, SEEK, ours, theirs, this::seek);
    measured(rows, READ_WRITING, ours, theirs, this::readWhileWriting);
    if (options.only.contains(SPACE)) {
      ours.compact();
      theirs.compact();
      double live = (double) options.keys * (KEY_BYTES + options.valueBytes);
      space[0] = sizeOf(ours.directory()) / live;
      space[1] = sizeOf(theirs.directory()) / live;
    }
  }

  /**
   * Reads as will be measured, so that the JVM has compiled what does it. What this brought into
   * caches of the stores is gone when they were opened again.
   */
  private void warmUp(BenchStore store) {
    progress.accept("warming up: " + store.name());
    read(store, options.keys);
    seek(store);
  }

  /** Runs a workload that the ones after it build on, whether it is wanted or not. */
  private void always(
      List<Row> rows, String name, BenchStore capsule, BenchStore rocksdb, Workload workload) {
    Row row = both(name, capsule, rocksdb, workload);
    if (options.only.contains(name)) {
      rows.add(row);
    }
  }

  private void measured(
      List<Row> rows, String name, BenchStore capsule, BenchStore rocksdb, Workload workload) {
    if (options.only.contains(name)) {
      rows.add(both(name, capsule, rocksdb, workload));
    }
  }

  private interface Pair {
    void use(BenchStore capsule, BenchStore rocksdb);
  }

  private void pair(String name, Pair pair) {
    Path ours = options.directory.resolve("bench-engine-capsule-" + name);
    Path theirs = options.directory.resolve("bench-engine-rocksdb-" + name);
    DirectoryTree.remove(ours);
    DirectoryTree.remove(theirs);
    Sizes sizes = new Sizes(options.memtableBytes, options.cacheBytes);
    try (BenchStore capsule = new CapsuleStore(ours, sizes);
        BenchStore rocksdb = new RocksStore(theirs, sizes)) {
      pair.use(capsule, rocksdb);
    } finally {
      DirectoryTree.remove(ours);
      DirectoryTree.remove(theirs);
    }
  }

  private Row both(String name, BenchStore capsule, BenchStore rocksdb, Workload workload) {
    progress.accept(name + ": " + capsule.name());
    Sample ours = workload.run(capsule);
    progress.accept(name + ": " + rocksdb.name());
    Sample theirs = workload.run(rocksdb);
    return new Row(name, ours, theirs);
  }

  // ------------------------------------------------------------------ workloads

  private Sample fill(BenchStore store, boolean random, int round) {
    AtomicLong next = new AtomicLong();
    long userBytes = options.keys * (KEY_BYTES + (long) options.valueBytes);
    return measure(
        userBytes,
        0,
        (thread, histogram) -> {
          long done = 0;
          for (long from = next.getAndAdd(options.batch);
              from < options.keys;
              from = next.getAndAdd(options.batch)) {
            int count = (int) Math.min(options.batch, options.keys - from);
            byte[][] keys = new byte[count][];
            byte[][] values = new byte[count][];
            for (int i = 0; i < count; i++) {
              long number = random ? (from + i) * SHUFFLE % options.keys : from + i;
              keys[i] = key(number);
              values[i] = value(number, round);
            }
            long begin = clock.monotonicNanos();
            store.write(keys, values);
            histogram.recordValue(clock.monotonicNanos() - begin);
            done += count;
          }
          return done;
        });
  }

  private Sample read(BenchStore store, long keys) {
    long userBytes = options.reads * (KEY_BYTES + (long) options.valueBytes);
    return measure(
        0,
        userBytes,
        (thread, histogram) -> {
          SplittableRandom random = new SplittableRandom(thread);
          long reads = options.reads / options.threads;
          for (long i = 0; i < reads; i++) {
            long number = random.nextLong(keys);
            long begin = clock.monotonicNanos();
            byte[] found = store.get(key(number));
            histogram.recordValue(clock.monotonicNanos() - begin);
            check(store, number, found);
          }
          return reads;
        });
  }

  /** What comes back has to be what was written: a benchmark of wrong answers is worth nothing. */
  private void check(BenchStore store, long number, byte @Nullable [] found) {
    if (found == null
        || found.length != options.valueBytes
        || found[found.length - 1] != (byte) number) {
      throw new StorageException(store.name() + " does not return what was written");
    }
  }

  private Sample seek(BenchStore store) {
    long seeks = Math.max(1, options.reads / SCAN_KEYS);
    long userBytes = seeks * SCAN_KEYS * (KEY_BYTES + (long) options.valueBytes);
    return measure(
        0,
        userBytes,
        (thread, histogram) -> {
          SplittableRandom random = new SplittableRandom(thread);
          long mine = Math.max(1, seeks / options.threads);
          for (long i = 0; i < mine; i++) {
            byte[] from = key(random.nextLong(options.keys));
            long begin = clock.monotonicNanos();
            store.scan(from, SCAN_KEYS);
            histogram.recordValue(clock.monotonicNanos() - begin);
          }
          return mine;
        });
  }

  /** One thread writes batches all the time, the others read. */
  private Sample readWhileWriting(BenchStore store) {
    AtomicBoolean stop = new AtomicBoolean();
    AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    Thread writer =
        Thread.ofPlatform()
            .name("bench-writer")
            .start(
                () -> {
                  try {
                    SplittableRandom random = new SplittableRandom(-1);
                    while (!stop.get()) {
                      byte[][] keys = new byte[options.batch][];
                      byte[][] values = new byte[options.batch][];
                      for (int i = 0; i < options.batch; i++) {
                        long number = random.nextLong(options.keys);
                        keys[i] = key(number);
                        values[i] = value(number, 2);
                      }
                      store.write(keys, values);
                    }
                  } catch (RuntimeException | Error e) {
                    failure.set(e);
                  }
                });
    Sample sample;
    try {
      sample = read(store, options.keys);
    } finally {
      stop.set(true);
      join(writer);
    }
    Throwable failed = failure.get();
    if (failed != null) {
      throw new StorageException("writing while reading failed", failed);
    }
    return sample;
  }

  // ------------------------------------------------------------------ measuring

  private interface Work {
    /** Does a thread's share and returns how many operations that were. */
    long run(int thread, Histogram histogram);
  }

  private Sample measure(long writtenBytes, long readBytes, Work work) {
    Histogram all = new Histogram(HISTOGRAM_MAX_NANOS, HISTOGRAM_DIGITS);
    AtomicLong operations = new AtomicLong();
    AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    CountDownLatch go = new CountDownLatch(1);
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < options.threads; i++) {
      int thread = i;
      threads.add(
          Thread.ofPlatform()
              .name("bench-" + i)
              .start(
                  () -> {
                    Histogram own = new Histogram(HISTOGRAM_MAX_NANOS, HISTOGRAM_DIGITS);
                    try {
                      go.await();
                      operations.addAndGet(work.run(thread, own));
                    } catch (RuntimeException | Error | InterruptedException e) {
                      failure.compareAndSet(null, e);
                    }
                    synchronized (all) {
                      all.add(own);
                    }
                  }));
    }
    long writtenBefore = ioCounter("write_bytes");
    long readBefore = ioCounter("rchar");
    long begin = clock.monotonicNanos();
    go.countDown();
    threads.forEach(EngineBench::join);
    double seconds = (clock.monotonicNanos() - begin) / 1e9;
    Throwable failed = failure.get();
    if (failed != null) {
      throw new StorageException("a workload failed: " + failed.getMessage(), failed);
    }
    return new Sample(
        operations.get(),
        seconds,
        all.getValueAtPercentile(50) / 1e3,
        all.getValueAtPercentile(99) / 1e3,
        writtenBytes == 0 ? 0 : (double) (ioCounter("write_bytes") - writtenBefore) / writtenBytes,
        readBytes == 0 ? 0 : (double) (ioCounter("rchar") - readBefore) / readBytes);
  }

  private static void join(Thread thread) {
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** One of the kernel's counters for this process, or 0 where there is none. */
  private static long ioCounter(String name) {
    Path io = Path.of("/proc/self/io");
    if (!Files.isReadable(io)) {
      return 0;
    }
    try {
      for (String line : Files.readAllLines(io)) {
        if (line.startsWith(name + ":")) {
          return Long.parseLong(line.substring(name.length() + 1).strip());
        }
      }
      return 0;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static double sizeOf(Path directory) {
    try (Stream<Path> files = Files.walk(directory)) {
      return files.filter(Files::isRegularFile).mapToLong(f -> f.toFile().length()).sum();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  // ------------------------------------------------------------------ data

  private static byte[] key(long number) {
    byte[] key = new byte[KEY_BYTES];
    long left = number;
    for (int i = KEY_BYTES - 1; i >= 0; i--) {
      key[i] = (byte) ('0' + left % 10);
      left /= 10;
    }
    return key;
  }

  /** Half of it random, so that it compresses by about half. */
  private byte[] value(long number, int round) {
    byte[] value = new byte[options.valueBytes];
    SplittableRandom random = new SplittableRandom(number * 31 + round);
    for (int i = 0; i < value.length / 2; i += Integer.BYTES) {
      int bits = random.nextInt();
      for (int j = i; j < Math.min(i + Integer.BYTES, value.length); j++) {
        value[j] = (byte) bits;
        bits >>>= Byte.SIZE;
      }
    }
    value[value.length - 1] = (byte) number;
    return value;
  }

  @Override
  public String toString() {
    return String.format(Locale.ROOT, "engine bench of %,d keys", options.keys);
  }
}
