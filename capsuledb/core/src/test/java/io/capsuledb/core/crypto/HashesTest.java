package io.capsuledb.core.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class HashesTest {

  @Test
  void answersLikeFips180() {
    assertThat(Hashes.sha256("abc".getBytes(StandardCharsets.US_ASCII)))
        .hasToString("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  }

  @Property(tries = 200)
  void aTagAndPartsHashLikeTheirConcatenation(
      @ForAll byte[] tag, @ForAll byte[] first, @ForAll byte[] second) {
    byte[] joined = Arrays.copyOf(tag, tag.length + first.length + second.length);
    System.arraycopy(first, 0, joined, tag.length, first.length);
    System.arraycopy(second, 0, joined, tag.length + first.length, second.length);
    Hash32 whole = Hashes.sha256(joined);
    assertThat(Hashes.tagged(tag, first, second)).isEqualTo(whole);
    assertThat(Hashes.sha256(joined, tag.length, first.length + second.length))
        .isEqualTo(Hashes.tagged(first, second));
  }

  @Test
  void aRangeOutsideTheArrayLeavesNothingBehindInTheDigest() {
    assertThatThrownBy(() -> Hashes.sha256(new byte[4], 2, 3))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThat(Hashes.sha256("abc".getBytes(StandardCharsets.US_ASCII)).toString())
        .startsWith("ba7816bf");
  }
}
