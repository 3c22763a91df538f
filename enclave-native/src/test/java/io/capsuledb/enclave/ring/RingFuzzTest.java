package io.capsuledb.enclave.ring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.UnavailableException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A peer that writes anything anywhere into the shared memory while messages flow: the honest side
 * gets messages no longer than agreed or a typed failure, and always comes back.
 */
@Timeout(120)
final class RingFuzzTest {

  private static final RingOptions OPTIONS = new RingOptions(4096, 512);
  private static final int ROUNDS = 150;
  private static final int MESSAGES = 3000;

  /** How one honest side ended. */
  private enum End {
    DONE,
    REJECTED,
    CLOSED
  }

  @Test
  void anHonestReaderSurvivesAnyWriter() throws Exception {
    int rejected = 0;
    for (int round = 0; round < ROUNDS; round++) {
      rejected += attack(round, true) == End.DONE ? 0 : 1;
    }
    assertThat(rejected).isPositive();
  }

  @Test
  void anHonestWriterSurvivesAnyReader() throws Exception {
    int rejected = 0;
    for (int round = 0; round < ROUNDS; round++) {
      rejected += attack(round, false) == End.DONE ? 0 : 1;
    }
    assertThat(rejected).isPositive();
  }

  private static End attack(int seed, boolean readerIsHonest) throws Exception {
    assumeTrue(System.getProperty("os.name", "").equals("Linux"));
    try (Ring ring = Ring.create(OPTIONS)) {
      AtomicBoolean running = new AtomicBoolean(true);
      CompletableFuture<Void> attackers =
          CompletableFuture.allOf(
              async(() -> scribble(ring.memory(), seed, running, readerIsHonest)),
              async(() -> traffic(ring, !readerIsHonest, running)));
      End end = readerIsHonest ? read(ring) : write(ring);
      running.set(false);
      attackers.get();
      return end;
    }
  }

  private static CompletableFuture<Void> async(Runnable task) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    Thread.ofPlatform()
        .start(
            () -> {
              try {
                task.run();
                done.complete(null);
              } catch (Throwable e) {
                done.completeExceptionally(e);
              }
            });
    return done;
  }

  private static End read(Ring ring) {
    RingReader reader = ring.reader(() -> true);
    byte[] into = new byte[512];
    try {
      for (int i = 0; i < MESSAGES; i++) {
        // What it says can be anything; that it comes back is what counts.
        int length = reader.take(into, 2);
        assertThat(length).isBetween(RingReader.NONE, 512);
      }
      return End.DONE;
    } catch (IntegrityException _) {
      return End.REJECTED;
    } catch (UnavailableException _) {
      return End.CLOSED;
    }
  }

  private static End write(Ring ring) {
    RingWriter writer = ring.writer(() -> true);
    SplittableRandom random = new SplittableRandom(9);
    try {
      for (int i = 0; i < MESSAGES; i++) {
        boolean sent = writer.send(new byte[random.nextInt(512)], 2);
        assertThat(sent || i > 0).isTrue();
      }
      return End.DONE;
    } catch (IntegrityException _) {
      return End.REJECTED;
    } catch (UnavailableException _) {
      return End.CLOSED;
    }
  }

  /** The other half of the traffic; it is disturbed as well, and may give up. */
  private static void traffic(Ring ring, boolean reads, AtomicBoolean running) {
    try {
      if (reads) {
        RingReader reader = ring.reader(() -> true);
        byte[] into = new byte[512];
        while (running.get()) {
          reader.take(into, 1);
        }
      } else {
        RingWriter writer = ring.writer(() -> true);
        while (running.get()) {
          writer.send(new byte[100], 1);
        }
      }
    } catch (IntegrityException | UnavailableException e) {
      // Disturbed as well: the honest side then waits for what never comes, and must come back.
      assertThat(e.getMessage()).contains("ring");
    }
  }

  private static void scribble(
      MemorySegment memory, int seed, AtomicBoolean running, boolean asWriter) {
    SplittableRandom random = new SplittableRandom(seed);
    // Rarely in some rounds, so that traffic gets far; all the time in others.
    int pauses = seed % 3 == 0 ? 0 : 1 << (seed % 12);
    while (running.get()) {
      switch (random.nextInt(asWriter ? 5 : 4)) {
        case 0 ->
            memory.set(
                RingLayout.U64,
                (asWriter ? RingLayout.TAIL_OFFSET : RingLayout.HEAD_OFFSET),
                near(random));
        case 1 ->
            memory.set(
                ValueLayout.JAVA_BYTE, random.nextLong(memory.byteSize()), (byte) random.nextInt());
        case 2 ->
            memory.set(
                RingLayout.U32,
                asWriter ? RingLayout.READER_SLEEPS_OFFSET : RingLayout.WRITER_SLEEPS_OFFSET,
                random.nextInt());
        case 3 ->
            memory.set(
                RingLayout.U64,
                RingLayout.DATA_OFFSET + 8 * random.nextLong(OPTIONS.capacityBytes() / 8),
                near(random));
        default ->
            memory.set(
                RingLayout.U32, RingLayout.WRITER_CLOSED_OFFSET, random.nextInt(1000) == 0 ? 1 : 0);
      }
      for (int i = 0; i < pauses && running.get(); i++) {
        Thread.onSpinWait();
      }
    }
  }

  /** Numbers that have broken parsers before. */
  private static long near(SplittableRandom random) {
    return switch (random.nextInt(8)) {
      case 0 -> random.nextLong();
      case 1 -> -random.nextLong(10);
      case 2 -> Long.MAX_VALUE - random.nextLong(10);
      case 3 -> 0xffffffffL;
      case 4 -> 512 + random.nextLong(3) - 1;
      case 5 -> 8 * random.nextLong(1024);
      case 6 -> 0x80000000L + random.nextLong(10);
      default -> random.nextLong(600);
    };
  }
}
