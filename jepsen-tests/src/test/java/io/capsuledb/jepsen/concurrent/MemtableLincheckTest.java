package io.capsuledb.jepsen.concurrent;

import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.memtable.Memtable;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jetbrains.kotlinx.lincheck.LinChecker;
import org.jetbrains.kotlinx.lincheck.annotations.Operation;
import org.jetbrains.kotlinx.lincheck.annotations.Param;
import org.jetbrains.kotlinx.lincheck.paramgen.IntGen;
import org.jetbrains.kotlinx.lincheck.strategy.stress.StressOptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** One puts, the others find at the same time: as if one did after the other. */
@Timeout(180)
@Param(name = "key", gen = IntGen.class, conf = "0:3")
public class MemtableLincheckTest {

  /** One for all runs, emptied before each: its memory is not the garbage collector's. */
  private static final Memtable MEMTABLE = new Memtable(1);

  private long time;

  /** Empties the memtable. */
  public MemtableLincheckTest() {
    MEMTABLE.reset();
  }

  private static byte[] key(int number) {
    return ("key" + number).getBytes(StandardCharsets.US_ASCII);
  }

  /** Puts a value that says when. */
  @Operation(nonParallelGroup = "writer")
  public void put(@Param(name = "key") int key) {
    time++;
    byte[] value = new byte[8];
    Arrays.fill(value, (byte) time);
    MEMTABLE.put(new Entry(key(key), new Version(time, 1, 0), EntryKind.VALUE, 0, 0, value));
  }

  /** The time of the newest value, which has to be whole. */
  @Operation
  public int find(@Param(name = "key") int key) {
    Entry found = MEMTABLE.find(key(key), Long.MAX_VALUE);
    if (found == null) {
      return 0;
    }
    byte[] value = found.value();
    for (byte each : value) {
      if (each != (byte) found.time()) {
        return -1;
      }
    }
    return (int) found.time();
  }

  @Test
  void isLinearizable() {
    check(10, 50);
  }

  @Test
  @Tag("long")
  void isLinearizableForLonger() {
    check(60, 1_000);
  }

  /** Its threads spin: beside other tests on few processors that takes long. */
  private static void check(int iterations, int invocations) {
    new LinChecker(
            MemtableLincheckTest.class,
            new StressOptions()
                .iterations(iterations)
                .invocationsPerIteration(invocations)
                .threads(3)
                .actorsPerThread(4)
                .sequentialSpecification(Sequential.class))
        .check();
  }

  /** The same, slowly. */
  public static class Sequential {
    private final int[] times = new int[4];
    private int time;

    /** Puts. */
    public void put(int key) {
      times[key] = ++time;
    }

    /** Finds. */
    public int find(int key) {
      return times[key];
    }
  }
}
