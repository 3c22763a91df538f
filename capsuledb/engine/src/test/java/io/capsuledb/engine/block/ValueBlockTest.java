package io.capsuledb.engine.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class ValueBlockTest {

  private static byte[] value(Random random) {
    byte[] value = Samples.bytes(random, random.nextInt(5000));
    // Between compressible and not, on both sides of the bound.
    Arrays.fill(value, 0, random.nextInt(value.length + 1), (byte) 'x');
    return value;
  }

  @Property
  void valuesComeBack(@ForAll long seed) {
    Random random = new Random(seed);
    byte[] value = value(random);
    ValuePointer pointer = ValuePointer.to(Samples.hash(random), value);
    byte[] payload = ValueBlock.encode(value, Samples.compression(random));
    assertThat(payload.length).isLessThanOrEqualTo(value.length + 8);
    boolean compressed = payload[2] != 0;
    if (compressed) {
      assertThat(payload.length - 8).isLessThanOrEqualTo(value.length - value.length / 8);
    }
    assertThat(ValueBlock.decode(payload, pointer).orThrow()).isEqualTo(value);
    assertThat(ValuePointer.decode(pointer.encode()).orThrow()).isEqualTo(pointer);
    byte[] other = Arrays.copyOf(value, value.length + 1);
    assertThat(ValueBlock.decode(ValueBlock.encode(other, Compression.NONE), pointer))
        .isInstanceOf(Decoded.Rejected.class);
    assertThat(EntriesBlock.decode(payload)).isInstanceOf(Decoded.Rejected.class);
    assertThat(IndexBlock.decode(payload)).isInstanceOf(Decoded.Rejected.class);
  }

  @Test
  void boundsHold() {
    byte[] largest = new byte[BlockLayout.MAX_VALUE_BYTES];
    byte[] payload = ValueBlock.encode(largest, Compression.LZ4);
    assertThat(payload.length).isLessThan(largest.length / 200);
    assertThat(ValueBlock.decode(payload).orThrow()).isEqualTo(largest);
    byte[] tooLarge = new byte[BlockLayout.MAX_VALUE_BYTES + 1];
    assertThatThrownBy(() -> ValueBlock.encode(tooLarge, Compression.NONE))
        .isInstanceOf(IllegalArgumentException.class);
    byte[] framed = BlockFrame.allocate(tooLarge.length);
    assertThat(ValueBlock.decode(BlockFrame.encode(BlockKind.VALUE, framed, Compression.LZ4)))
        .isInstanceOf(Decoded.Rejected.class);
    assertThatThrownBy(() -> new ValuePointer(Hash32.ZERO, tooLarge.length, Hash32.ZERO))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> BlockFrame.allocate(BlockLayout.MAX_BODY_BYTES + 1L))
        .isInstanceOf(IllegalStateException.class);
  }

  /** A few bytes that claim to be 31 MiB are refused before anything is allocated for them. */
  @Test
  void bombsAreRefused() {
    byte[] bomb = {1, 3, 1, 0, 0, 0, (byte) 0xF0, 1, 0x1f, 0, 1, 0, (byte) 0xff, (byte) 0xff};
    assertThat(ValueBlock.decode(bomb)).isInstanceOf(Decoded.Rejected.class);
  }
}
