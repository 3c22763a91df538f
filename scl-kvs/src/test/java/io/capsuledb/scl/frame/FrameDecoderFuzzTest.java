package io.capsuledb.scl.frame;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.error.Decoded;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Any bytes in, a message or a typed rejection out; what is accepted is what it encodes to. */
class FrameDecoderFuzzTest {

  @Test
  void bodies() {
    fuzz(40_000, 3);
  }

  @Test
  void frames() {
    SplittableRandom random = new SplittableRandom(4);
    try (FrameCodec sender =
            new FrameCodec(SampleMessages.CAPSULE.name, SampleMessages.CAPSULE.keys, 0, 1);
        FrameCodec receiver =
            new FrameCodec(SampleMessages.CAPSULE.name, SampleMessages.CAPSULE.keys, 0, 2)) {
      for (int i = 0; i < 5_000; i++) {
        byte[] frame =
            sender.seal(0, SampleMessages.of(random.nextInt(SampleMessages.KINDS), random));
        byte[] altered = alter(frame, random);
        boolean same = Arrays.equals(frame, altered);
        assertThat(receiver.open(altered) instanceof Decoded.Accepted).isEqualTo(same);
      }
    }
  }

  @Test
  @Tag("long")
  void aMillionBodies() {
    fuzz(1_000_000, 5);
  }

  private static void fuzz(int times, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int accepted = 0;
    for (int i = 0; i < times; i++) {
      byte[] body =
          MessageCodec.encode(SampleMessages.of(random.nextInt(SampleMessages.KINDS), random));
      byte[] altered = alter(body, random);
      if (MessageCodec.decode(SampleMessages.CAPSULE.name, altered, altered.length)
          instanceof Decoded.Accepted<SclMessage>(SclMessage message)) {
        accepted++;
        assertThat(MessageCodec.encode(message)).isEqualTo(altered);
      }
    }
    assertThat(accepted).isBetween(times / 100, times - times / 100);
  }

  private static byte[] alter(byte[] bytes, SplittableRandom random) {
    byte[] altered = bytes.clone();
    switch (random.nextInt(4)) {
      case 0 -> {
        for (int i = random.nextInt(4); i >= 0; i--) {
          altered[random.nextInt(altered.length)] ^= (byte) (1 << random.nextInt(8));
        }
      }
      case 1 -> altered = Arrays.copyOf(bytes, random.nextInt(bytes.length + 1));
      case 2 -> altered = Arrays.copyOf(bytes, bytes.length + 1 + random.nextInt(8));
      default -> {
        int from = random.nextInt(altered.length);
        for (int i = from; i < Math.min(altered.length, from + 8); i++) {
          altered[i] = (byte) (random.nextBoolean() ? 0xFF : random.nextInt());
        }
      }
    }
    return altered;
  }
}
