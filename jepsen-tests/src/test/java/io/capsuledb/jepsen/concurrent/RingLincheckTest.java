package io.capsuledb.jepsen.concurrent;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.capsuledb.enclave.ring.Ring;
import io.capsuledb.enclave.ring.RingOptions;
import io.capsuledb.enclave.ring.RingReader;
import io.capsuledb.enclave.ring.RingWriter;
import java.util.ArrayDeque;
import java.util.Arrays;
import org.jetbrains.kotlinx.lincheck.LinChecker;
import org.jetbrains.kotlinx.lincheck.annotations.Operation;
import org.jetbrains.kotlinx.lincheck.annotations.Param;
import org.jetbrains.kotlinx.lincheck.paramgen.IntGen;
import org.jetbrains.kotlinx.lincheck.strategy.stress.StressOptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** One sends, one receives: a queue whose messages are whole. */
@Timeout(180)
@Param(name = "message", gen = IntGen.class, conf = "1:100")
public class RingLincheckTest {

  private static final int MAX_BYTES = 1024;

  /**
   * One ring for all runs: each begins by emptying it. So its ends are met in the middle of runs.
   */
  private static final class Shared {
    static final Ring RING = Ring.create(new RingOptions(4096, MAX_BYTES));
    static final RingWriter WRITER = RING.writer(() -> true);
    static final RingReader READER = RING.reader(() -> true);
  }

  private final byte[] into = new byte[MAX_BYTES];

  /** Empties the ring. */
  public RingLincheckTest() {
    if (System.getProperty("os.name", "").equals("Linux")) {
      while (Shared.READER.poll(into) != RingReader.NONE) {
        Arrays.fill(into, (byte) 0);
      }
    }
  }

  /** Sends as many bytes as the number says, each that number. */
  @Operation(nonParallelGroup = "writer")
  public boolean offer(@Param(name = "message") int message) {
    byte[] bytes = new byte[message];
    Arrays.fill(bytes, (byte) message);
    return Shared.WRITER.offer(bytes, 0, message);
  }

  /** Receives one, 0: there is none, -1: one that is not whole. */
  @Operation(nonParallelGroup = "reader")
  public int poll() {
    int length = Shared.READER.poll(into);
    if (length == RingReader.NONE) {
      return 0;
    }
    for (int i = 0; i < length; i++) {
      if (into[i] != (byte) length) {
        return -1;
      }
    }
    return length;
  }

  @Test
  void isAQueue() {
    check(10, 50);
  }

  @Test
  @Tag("long")
  void isAQueueForLonger() {
    check(60, 1_000);
  }

  /** Its threads spin: beside other tests on few processors that takes long. */
  private static void check(int iterations, int invocations) {
    assumeTrue(System.getProperty("os.name", "").equals("Linux"));
    new LinChecker(
            RingLincheckTest.class,
            new StressOptions()
                .iterations(iterations)
                .invocationsPerIteration(invocations)
                .threads(2)
                .actorsPerThread(6)
                .sequentialSpecification(Sequential.class))
        .check();
  }

  /** The same, slowly. */
  public static class Sequential {
    private final ArrayDeque<Integer> messages = new ArrayDeque<>();

    /** Sends. */
    public boolean offer(int message) {
      return messages.add(message);
    }

    /** Receives. */
    public int poll() {
      Integer first = messages.poll();
      return first == null ? 0 : first;
    }
  }
}
