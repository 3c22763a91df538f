package io.capsuledb.engine.bench;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.engine.block.Compression;
import io.capsuledb.engine.block.EncodedBlock;
import io.capsuledb.engine.block.EntriesBlock;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * One entries block of 16 KiB: making, decoding, searching, walking, committing.
 *
 * <pre>mvn -q test -pl capsuledb/core,capsuledb/engine -Dtest=BenchmarkRun \
 *     -Dsurefire.failIfNoSpecifiedTests=false -Dbench=BlockBenchmark</pre>
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class BlockBenchmark {

  /** How the block is compressed. */
  @Param({"NONE", "LZ4"})
  public Compression compression = Compression.NONE;

  private List<Entry> entries = List.of();
  private byte[][] keys = {};
  private EncodedBlock encoded = Corpus.block(Corpus.entries("json"), Compression.NONE);
  private EntriesBlock block = EntriesBlock.decode(encoded.payload()).orThrow();
  private EntryCursor cursor = block.cursor();
  private int turn;

  /** Makes the block. */
  @Setup
  public void setUp() {
    entries = Corpus.entries("json");
    keys = new byte[2 * entries.size()][];
    for (int i = 0; i < keys.length; i++) {
      keys[i] = Corpus.key(i);
    }
    encoded = Corpus.block(entries, compression);
    block = EntriesBlock.decode(encoded.payload()).orThrow();
    cursor = block.cursor();
  }

  /** Another number each time, all over the range: a step that shares no factor with it. */
  private int next(int count) {
    turn = (turn + 0x9e3779b1) & Integer.MAX_VALUE;
    return turn % count;
  }

  /** Entries to payload and content root. */
  @Benchmark
  public EncodedBlock build() {
    return Corpus.block(entries, compression);
  }

  /** Payload to block, everything checked. */
  @Benchmark
  public EntriesBlock decode() {
    return EntriesBlock.decode(encoded.payload()).orThrow();
  }

  /** A key that is there. */
  @Benchmark
  public @Nullable Entry findPresent() {
    return block.find(keys[2 * next(entries.size())], Long.MAX_VALUE);
  }

  /** A key that is not there, between two that are. */
  @Benchmark
  public @Nullable Entry findAbsent() {
    return block.find(keys[2 * next(entries.size()) + 1], Long.MAX_VALUE);
  }

  /** A cursor to a key, and its entry. */
  @Benchmark
  public Entry seek() {
    cursor.seek(keys[2 * next(entries.size())]);
    return cursor.entry();
  }

  /** All entries, one after the other. */
  @Benchmark
  public int walk() {
    int bytes = 0;
    for (boolean more = cursor.seekToFirst(); more; more = cursor.next()) {
      bytes += cursor.entry().value().length;
    }
    return bytes;
  }

  /** All entries, backwards. */
  @Benchmark
  public int walkBack() {
    int bytes = 0;
    for (boolean more = cursor.seekToLast(); more; more = cursor.previous()) {
      bytes += cursor.entry().value().length;
    }
    return bytes;
  }

  /** What fsck does with a block. */
  @Benchmark
  public Hash32 contentRoot() {
    return block.contentRoot();
  }
}
