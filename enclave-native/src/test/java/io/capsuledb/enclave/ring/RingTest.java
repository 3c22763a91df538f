package io.capsuledb.enclave.ring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HexFormat;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Messages arrive once, whole and in order; a peer that lies, closes or dies is noticed. */
@Timeout(120)
final class RingTest {

  private static final RingOptions SMALL = new RingOptions(4096, 1024);

  @BeforeEach
  void onlyOnLinux() {
    assumeTrue(System.getProperty("os.name", "").equals("Linux"));
  }

  @Test
  void anyUseIsThatOfABoundedQueue() {
    for (long seed = 0; seed < 50; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      try (Ring ring = Ring.create(SMALL);
          RingWriter writer = ring.writer(() -> true);
          RingReader reader = ring.reader(() -> true)) {
        Deque<byte[]> model = new ArrayDeque<>();
        byte[] into = new byte[1024];
        for (int step = 0; step < 2000; step++) {
          if (random.nextBoolean()) {
            byte[] message = new byte[random.nextInt(random.nextInt(8) == 0 ? 1025 : 100)];
            random.nextBytes(message);
            if (writer.offer(message, 0, message.length)) {
              model.add(message);
            } else {
              // Full: no more than a message and the rest before the end can be free.
              assertThat(model.stream().mapToLong(m -> RingLayout.slotBytes(m.length)).sum())
                  .as("seed " + seed)
                  .isGreaterThan(4096 - 2 * (1024 + 16));
            }
          } else {
            int length = reader.poll(into);
            byte[] expected = model.poll();
            if (expected == null) {
              assertThat(length).isEqualTo(RingReader.NONE);
            } else {
              assertThat(Arrays.copyOf(into, length)).as("seed " + seed).isEqualTo(expected);
            }
          }
        }
      }
    }
  }

  @Test
  void theBytesAreThoseOfTheDocument() throws IOException {
    try (Ring ring = Ring.create(SMALL);
        RingWriter writer = ring.writer(() -> true);
        RingReader reader = ring.reader(() -> true)) {
      writer.send("hello".getBytes(StandardCharsets.US_ASCII), 0);
      writer.send(new byte[0], 0);
      writer.send(new byte[] {1, 2, 3, 4, 5, 6, 7, 8}, 0);
      assertThat(reader.poll(new byte[1024])).isEqualTo(5);
      MemorySegment memory = ring.memory();
      String bytes =
          HexFormat.of().formatHex(memory.asSlice(0, 32).toArray(ValueLayout.JAVA_BYTE))
              + "\n"
              + HexFormat.of().formatHex(memory.asSlice(128, 8).toArray(ValueLayout.JAVA_BYTE))
              + "\n"
              + HexFormat.of().formatHex(memory.asSlice(256, 8).toArray(ValueLayout.JAVA_BYTE))
              + "\n"
              + HexFormat.of().formatHex(memory.asSlice(4096, 48).toArray(ValueLayout.JAVA_BYTE))
              + "\n";
      try (InputStream golden = RingTest.class.getResourceAsStream("/golden/v1/ring.hex")) {
        assertThat(bytes).isEqualTo(new String(golden.readAllBytes(), StandardCharsets.US_ASCII));
      }
    }
  }

  @Test
  void theOtherProcessOpensItByItsPath() {
    try (Ring ring = Ring.create(SMALL);
        Ring opened = Ring.open(ring.path())) {
      assertThat(opened.options()).isEqualTo(SMALL);
      RingWriter writer = ring.writer(() -> true);
      RingReader reader = opened.reader(() -> true);
      assertThat(writer.offer(new byte[] {42}, 0, 1)).isTrue();
      byte[] into = new byte[1024];
      assertThat(reader.poll(into)).isEqualTo(1);
      assertThat(into[0]).isEqualTo((byte) 42);
    }
  }

  @Test
  void memoryThatCouldBeCutOffOrIsNoRingIsRefused() throws IOException {
    Path file = Files.createTempFile("ring", ".bin");
    try {
      Files.write(file, new byte[8192]);
      assertThatThrownBy(() -> Ring.open(file)).isInstanceOf(UnavailableException.class);
    } finally {
      Files.delete(file);
    }
    try (SharedMemory zeros = SharedMemory.create(8192)) {
      assertThatThrownBy(() -> Ring.open(zeros.path())).isInstanceOf(IntegrityException.class);
    }
    SplittableRandom random = new SplittableRandom(5);
    for (int i = 0; i < 2000; i++) {
      try (Ring ring = Ring.create(SMALL)) {
        int at = random.nextInt(32);
        byte was = ring.memory().get(ValueLayout.JAVA_BYTE, at);
        byte is = (byte) random.nextInt();
        ring.memory().set(ValueLayout.JAVA_BYTE, at, is);
        boolean harmless = is == was || (at >= 12 && at < 16);
        if (!harmless) {
          assertThatThrownBy(() -> Ring.open(ring.path()))
              .as("byte " + at + " is " + is)
              .isInstanceOf(IntegrityException.class);
        }
      }
    }
  }

  @Test
  void optionsAreChecked() {
    assertThatThrownBy(() -> new RingOptions(5000, 10)).isInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(() -> new RingOptions(4096, 1025))
        .isInstanceOf(InvalidRequestException.class);
    try (Ring ring = Ring.create(SMALL);
        RingWriter writer = ring.writer(() -> true);
        RingReader reader = ring.reader(() -> true)) {
      assertThatThrownBy(() -> writer.offer(new byte[2000], 0, 1025))
          .isInstanceOf(InvalidRequestException.class);
      assertThatThrownBy(() -> reader.poll(new byte[1023]))
          .isInstanceOf(InvalidRequestException.class);
    }
  }

  @Test
  void whatWasSentBeforeClosingStillArrives() {
    try (Ring ring = Ring.create(SMALL)) {
      RingWriter writer = ring.writer(() -> true);
      RingReader reader = ring.reader(() -> true);
      writer.send(new byte[3], 0);
      writer.close();
      byte[] into = new byte[1024];
      assertThat(reader.take(into, 1000)).isEqualTo(3);
      assertThatThrownBy(() -> reader.take(into, 1000)).isInstanceOf(UnavailableException.class);
    }
    try (Ring ring = Ring.create(SMALL)) {
      RingWriter writer = ring.writer(() -> true);
      ring.reader(() -> true).close();
      while (writerHasRoom(writer)) {
        // until it has to look at the reader
      }
      assertThatThrownBy(() -> writer.send(new byte[1000], 1000))
          .isInstanceOf(UnavailableException.class);
    }
  }

  private static boolean writerHasRoom(RingWriter writer) {
    try {
      return writer.offer(new byte[1000], 0, 1000);
    } catch (UnavailableException _) {
      return false;
    }
  }

  @Test
  void aDeadPeerIsNoticedWithinASecond() {
    try (Ring ring = Ring.create(SMALL)) {
      AtomicBoolean lives = new AtomicBoolean(true);
      RingReader reader = ring.reader(lives::get);
      RingWriter writer = ring.writer(lives::get);
      assertThat(reader.take(new byte[1024], 10)).isEqualTo(RingReader.NONE);
      lives.set(false);
      long began = System.nanoTime();
      assertThatThrownBy(() -> reader.take(new byte[1024], 60_000))
          .isInstanceOf(UnavailableException.class);
      while (writer.offer(new byte[1000], 0, 1000)) {
        // until it is full
      }
      assertThatThrownBy(() -> writer.send(new byte[1000], 60_000))
          .isInstanceOf(UnavailableException.class);
      assertThat((System.nanoTime() - began) / 1_000_000).isLessThan(2000);
    }
  }

  @Test
  void aWaitingReaderUsesNoProcessor() throws Exception {
    try (Ring ring = Ring.create(SMALL)) {
      AtomicLong cpuNs = new AtomicLong();
      Thread waiting =
          Thread.ofPlatform()
              .start(
                  () -> {
                    RingReader reader = ring.reader(() -> true);
                    byte[] into = new byte[1024];
                    reader.take(into, 500); // warm
                    long before = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
                    reader.take(into, 2000);
                    cpuNs.set(
                        ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - before);
                  });
      waiting.join();
      assertThat(cpuNs.get() / 1e6).as("ms of 2000").isPositive().isLessThan(20);
    }
  }

  /** Two threads that wait for each other, with pauses of every length around those of the wait. */
  @Test
  void noWakeUpIsLost() throws Exception {
    int rounds = 20_000;
    try (Ring there = Ring.create(SMALL);
        Ring back = Ring.create(SMALL)) {
      CompletableFuture<Long> echo = new CompletableFuture<>();
      Thread.ofPlatform()
          .start(
              () -> {
                try {
                  RingReader reader = there.reader(() -> true);
                  RingWriter writer = back.writer(() -> true);
                  byte[] into = new byte[1024];
                  SplittableRandom random = new SplittableRandom(1);
                  for (int i = 0; i < rounds; i++) {
                    int length = reader.take(into, 30_000);
                    pause(random);
                    writer.send(Arrays.copyOf(into, length), 30_000);
                  }
                  echo.complete(reader.unwoken() + writer.unwoken());
                } catch (Throwable e) {
                  echo.completeExceptionally(e);
                }
              });
      RingWriter writer = there.writer(() -> true);
      RingReader reader = back.reader(() -> true);
      byte[] into = new byte[1024];
      SplittableRandom random = new SplittableRandom(2);
      for (int i = 0; i < rounds; i++) {
        byte[] message = {(byte) i, (byte) (i >> 8)};
        assertThat(writer.send(message, 30_000)).isTrue();
        pause(random);
        assertThat(reader.take(into, 30_000)).isEqualTo(2);
        assertThat(into[0]).isEqualTo((byte) i);
      }
      assertThat(echo.get()).isZero();
      assertThat(writer.unwoken() + reader.unwoken()).isZero();
    }
  }

  private static void pause(SplittableRandom random) {
    if (random.nextInt(4) == 0) {
      long until = System.nanoTime() + random.nextInt(150_000);
      while (System.nanoTime() < until) {
        Thread.onSpinWait();
      }
    }
  }

  /** A small ring that is full most of the time: the writer has to wait as well. */
  @Test
  void aSlowReaderHoldsTheWriterBack() throws Exception {
    int messages = 50_000;
    try (Ring ring = Ring.create(SMALL)) {
      CompletableFuture<Long> sum = new CompletableFuture<>();
      Thread.ofPlatform()
          .start(
              () -> {
                try {
                  RingReader reader = ring.reader(() -> true);
                  byte[] into = new byte[1024];
                  long hash = 0;
                  for (int i = 0; i < messages; i++) {
                    int length = reader.take(into, 30_000);
                    hash = 31 * hash + length + into[0];
                  }
                  sum.complete(hash);
                } catch (Throwable e) {
                  sum.completeExceptionally(e);
                }
              });
      RingWriter writer = ring.writer(() -> true);
      SplittableRandom random = new SplittableRandom(3);
      long hash = 0;
      for (int i = 0; i < messages; i++) {
        byte[] message = new byte[1 + random.nextInt(1000)];
        message[0] = (byte) i;
        hash = 31 * hash + message.length + message[0];
        assertThat(writer.send(message, 30_000)).isTrue();
      }
      assertThat(sum.get()).isEqualTo(hash);
    }
  }
}
