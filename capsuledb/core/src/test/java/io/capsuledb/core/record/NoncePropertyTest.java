package io.capsuledb.core.record;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.constraints.UniqueElements;

class NoncePropertyTest {

  private static final Capsules CAPSULE = new Capsules(45);

  /** A pair of data key and nonce belongs to one pair of writer and sequence number. */
  @Property(tries = 100)
  void keyAndNonceTogetherAreInjective(
      @ForAll @Size(min = 2, max = 20) @UniqueElements
          Set<@LongRange(min = 1, max = (1L << 62) - 1) Long> writers,
      @ForAll @Size(min = 2, max = 20) @UniqueElements Set<@LongRange(min = 1) Long> sequences) {
    Set<ByteBuffer> seen = new HashSet<>();
    for (long writer : writers) {
      try (var key = CAPSULE.keys.dataKey(0, writer)) {
        for (long sequence : sequences) {
          byte[] nonce = RecordCodec.nonce(writer, sequence);
          ByteBuffer pair = ByteBuffer.allocate(key.length() + nonce.length);
          pair.put(key.expose()).put(nonce).flip();
          assertThat(seen.add(pair)).as("writer %x sequence %d", writer, sequence).isTrue();
        }
      }
    }
  }
}
