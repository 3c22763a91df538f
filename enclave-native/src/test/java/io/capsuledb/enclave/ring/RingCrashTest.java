package io.capsuledb.enclave.ring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.capsuledb.core.error.UnavailableException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Two processes: messages go there and back, and a process that is killed is noticed. */
@Timeout(120)
final class RingCrashTest {

  private static final RingOptions OPTIONS = new RingOptions(65_536, 1024);

  /** The other process: sends back whatever it gets. */
  static final class Echo {
    private Echo() {}

    /** Takes the paths of the ring there and the ring back. */
    public static void main(String[] arguments) {
      ProcessHandle parent = ProcessHandle.current().parent().orElseThrow();
      try (Ring there = Ring.open(Path.of(arguments[0]));
          Ring back = Ring.open(Path.of(arguments[1]))) {
        RingReader reader = there.reader(parent::isAlive);
        RingWriter writer = back.writer(parent::isAlive);
        byte[] into = new byte[OPTIONS.maxMessageBytes()];
        while (true) {
          int length = reader.take(into, 60_000);
          if (length != RingReader.NONE) {
            writer.send(Arrays.copyOf(into, length), 60_000);
          }
        }
      }
    }
  }

  private static Process echo(Ring there, Ring back) throws IOException {
    return new ProcessBuilder(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-Xmx64m",
                "-cp",
                System.getProperty("java.class.path"),
                Echo.class.getName(),
                there.path().toString(),
                back.path().toString()))
        .inheritIO()
        .start();
  }

  @Test
  void messagesCrossAndAKilledProcessIsNoticedWithinASecond() throws Exception {
    assumeTrue(System.getProperty("os.name", "").equals("Linux"));
    try (Ring there = Ring.create(OPTIONS);
        Ring back = Ring.create(OPTIONS)) {
      Process process = echo(there, back);
      try {
        RingWriter writer = there.writer(process::isAlive);
        RingReader reader = back.reader(process::isAlive);
        byte[] into = new byte[OPTIONS.maxMessageBytes()];
        for (int i = 0; i < 1000; i++) {
          byte[] message = new byte[1 + i % 1000];
          message[0] = (byte) i;
          assertThat(writer.send(message, 60_000)).isTrue();
          assertThat(reader.take(into, 60_000)).isEqualTo(message.length);
          assertThat(into[0]).isEqualTo(message[0]);
        }
        process.destroyForcibly().waitFor();
        long died = System.nanoTime();
        assertThatThrownBy(() -> reader.take(into, 60_000))
            .isInstanceOf(UnavailableException.class)
            .hasMessageContaining("gone");
        assertThat((System.nanoTime() - died) / 1_000_000).isLessThan(1000);
      } finally {
        process.destroyForcibly();
      }
    }
  }
}
