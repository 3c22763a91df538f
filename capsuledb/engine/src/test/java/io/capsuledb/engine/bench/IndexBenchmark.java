package io.capsuledb.engine.bench;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.engine.block.BlockDescriptor;
import io.capsuledb.engine.block.BlockSummary;
import io.capsuledb.engine.block.Compression;
import io.capsuledb.engine.block.IndexBlock;
import io.capsuledb.engine.block.IndexBlockBuilder;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * The index of one table of 4 MiB, 256 blocks of 140 entries: making it and its filter, asking it.
 *
 * <pre>mvn -q test -pl capsuledb/core,capsuledb/engine -Dtest=BenchmarkRun \
 *     -Dsurefire.failIfNoSpecifiedTests=false -Dbench=IndexBenchmark</pre>
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class IndexBenchmark {

  private static final int BLOCKS = 256;
  private static final int ENTRIES = 140;
  private static final int KEYS = BLOCKS * ENTRIES;

  private static final Hash32 HASH = Hashes.sha256(new byte[0]);

  private byte[][] keys = {};
  private byte[] payload = {};
  private IndexBlock index = IndexBlock.decode(payload(new byte[][] {{1}}, 1)).orThrow();
  private int turn;

  /** Makes the index. */
  @Setup
  public void setUp() {
    keys = new byte[2 * KEYS][];
    for (int i = 0; i < keys.length; i++) {
      keys[i] = Corpus.key(i);
    }
    byte[][] held = new byte[KEYS][];
    for (int i = 0; i < KEYS; i++) {
      held[i] = keys[2 * i];
    }
    payload = payload(held, ENTRIES);
    index = IndexBlock.decode(payload).orThrow();
    System.out.printf("index of %d keys: %d bytes%n", KEYS, payload.length);
  }

  private static byte[] payload(byte[][] keys, int entries) {
    IndexBlockBuilder builder = new IndexBlockBuilder(new byte[16], Compression.LZ4);
    for (byte[] key : keys) {
      builder.addKey(key);
    }
    for (int i = 0; i < keys.length; i += entries) {
      byte[] last = keys[i + entries - 1];
      builder.addBlock(
          new BlockDescriptor(
              HASH, 16_000, new BlockSummary(HASH, keys[i], last, entries, 0, 0, 1, 2)));
    }
    return builder.finish();
  }

  private int next() {
    turn = (turn + 0x9e3779b1) & Integer.MAX_VALUE;
    return turn % KEYS;
  }

  /** Filter and index of a table. */
  @Benchmark
  public byte[] build() {
    byte[][] held = new byte[KEYS][];
    for (int i = 0; i < KEYS; i++) {
      held[i] = keys[2 * i];
    }
    return payload(held, ENTRIES);
  }

  /** Payload to index, everything checked. */
  @Benchmark
  public IndexBlock decode() {
    return IndexBlock.decode(payload).orThrow();
  }

  /** The filter asked for a key of the table. */
  @Benchmark
  public boolean probePresent() {
    return index.mayContain(keys[2 * next()]);
  }

  /** The filter asked for a key that is not in the table. */
  @Benchmark
  public boolean probeAbsent() {
    return index.mayContain(keys[2 * next() + 1]);
  }

  /** The block that holds a key. */
  @Benchmark
  public int blockFor() {
    return index.blockFor(keys[2 * next()]);
  }
}
