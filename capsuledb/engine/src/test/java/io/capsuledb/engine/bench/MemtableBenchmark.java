package io.capsuledb.engine.bench;

import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.memtable.Memtable;
import java.util.List;
import java.util.concurrent.TimeUnit;
import net.openhft.chronicle.map.ChronicleMap;
import net.openhft.chronicle.map.ChronicleMapBuilder;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * The memtable, and Chronicle Map beside it, at 200,000 keys of 16 bytes and values of 100.
 *
 * <pre>mvn -q test -pl capsuledb/core,capsuledb/engine -Dtest=BenchmarkRun \
 *     -Dsurefire.failIfNoSpecifiedTests=false -Dbench=MemtableBenchmark</pre>
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class MemtableBenchmark {

  private static final int KEYS = 200_000;
  private static final int VALUE_BYTES = 100;

  private final byte[][] keys = new byte[KEYS][];
  private final byte[] value = new byte[VALUE_BYTES];
  private final Memtable filled = new Memtable(1);
  private final Memtable filling = new Memtable(2);
  private final ChronicleMap<byte[], byte[]> chronicle =
      ChronicleMapBuilder.of(byte[].class, byte[].class)
          .averageKeySize(16)
          .averageValueSize(VALUE_BYTES)
          .entries(2L * KEYS)
          .create();
  private long time;
  private int turn;

  /** Fills both. */
  @Setup
  public void setUp() {
    for (int i = 0; i < KEYS; i++) {
      keys[i] = Corpus.key((int) (i * 7_919L % KEYS));
      filled.put(entry(keys[i]));
      chronicle.put(keys[i], value);
    }
  }

  /** Frees what is off the heap. */
  @TearDown
  public void tearDown() {
    filled.close();
    filling.close();
    chronicle.close();
  }

  private Entry entry(byte[] key) {
    return new Entry(key, ++time, 1, 0, EntryKind.VALUE, 0, 0, value);
  }

  private int next() {
    turn = (turn + 0x9e3779b1) & Integer.MAX_VALUE;
    return turn % KEYS;
  }

  /** A key that is there. */
  @Benchmark
  public Entry find() {
    return filled.find(keys[next()], Long.MAX_VALUE);
  }

  /** The next entry, of a key that is there or not, into a memtable that is emptied when full. */
  @Benchmark
  public long put() {
    if (filling.entries() == 2L * KEYS) {
      filling.reset();
    }
    filling.put(entry(keys[next()]));
    return filling.usedBytes();
  }

  /** Puts every key into order, as a flush does: for each of them. */
  @Benchmark
  @org.openjdk.jmh.annotations.OperationsPerInvocation(KEYS)
  public List<EntryCursor> sort() {
    filling.reset();
    for (int i = 0; i < KEYS; i++) {
      filling.put(entry(keys[i]));
    }
    return filling.cursors();
  }

  /** A key that is there, in Chronicle Map. */
  @Benchmark
  public byte[] chronicleGet() {
    return chronicle.get(keys[next()]);
  }

  /** An overwrite in Chronicle Map, which keeps no older version and no order. */
  @Benchmark
  public byte[] chroniclePut() {
    return chronicle.put(keys[next()], value);
  }
}
