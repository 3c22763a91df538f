package io.capsuledb.core.bytes;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;

class VarintPropertyTest {

  @Property
  void longsComeBack(@ForAll @LongRange(min = 0) long value, @ForAll byte filler) {
    byte[] bytes = new byte[Varint.MAX_LONG_BYTES + 2];
    Arrays.fill(bytes, filler);
    int end = Varint.putLong(bytes, 1, value);
    assertThat(end - 1).isEqualTo(Varint.longBytes(value)).isLessThanOrEqualTo(9);
    assertThat(Varint.getLong(bytes, 1, bytes.length)).isEqualTo(value);
    assertThat(Varint.getLong(bytes, 1, end)).isEqualTo(value);
    assertThat(Varint.getLong(bytes, 1, end - 1)).isEqualTo(-1);
  }

  @Property
  void whatIsReadIsTheShortestEncoding(@ForAll long seed) {
    byte[] bytes = new byte[12];
    Random random = new Random(seed);
    random.nextBytes(bytes);
    for (int i = 0; i < bytes.length; i++) {
      // Long runs of continuation bytes, and zeros at their ends.
      bytes[i] = (byte) (random.nextInt(4) == 0 ? 0 : bytes[i] | 0x80);
    }
    long value = Varint.getLong(bytes, 0, bytes.length);
    if (value >= 0) {
      byte[] again = new byte[12];
      int end = Varint.putLong(again, 0, value);
      assertThat(Arrays.equals(again, 0, end, bytes, 0, end)).isTrue();
    } else {
      assertThat(value).isEqualTo(-1);
    }
    int narrow = Varint.get(bytes, 0, bytes.length);
    assertThat((long) narrow).isEqualTo(value > Integer.MAX_VALUE ? -1 : value);
  }
}
