package io.capsuledb.core.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

class KeyStreamTest {

  /** FIPS 197 and NIST CAVS: AES-256 of a zero block under a zero key. */
  private static final String ZERO_KEY_FIRST_BLOCK = "dc95c078a2408989ad48a21492842087";

  private static byte[] key() {
    byte[] key = new byte[KeyStream.KEY_BYTES];
    for (int i = 0; i < key.length; i++) {
      key[i] = (byte) i;
    }
    return key;
  }

  @Test
  void aKnownAnswer() {
    assertThat(HexFormat.of().formatHex(KeyStream.bytes(new byte[KeyStream.KEY_BYTES], 16)))
        .isEqualTo(ZERO_KEY_FIRST_BLOCK);
  }

  @Test
  void anyBlockAloneIsThatOfTheStream() {
    byte[] stream = KeyStream.bytes(key(), 16 * 700);
    for (int i : new int[] {0, 1, 2, 255, 256, 257, 699}) {
      assertThat(KeyStream.block(key(), i))
          .as("block %d", i)
          .isEqualTo(Arrays.copyOfRange(stream, 16 * i, 16 * i + 16));
    }
    assertThat(KeyStream.bytes(key(), 33)).isEqualTo(Arrays.copyOf(stream, 33));
  }

  @Test
  void misuseIsRefused() {
    assertThatThrownBy(() -> KeyStream.bytes(new byte[16], 16))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> KeyStream.block(key(), -1))
        .isInstanceOf(IndexOutOfBoundsException.class);
  }
}
