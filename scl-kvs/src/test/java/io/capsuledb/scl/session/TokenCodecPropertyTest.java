package io.capsuledb.scl.session;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.error.Decoded;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/** Tokens as text, and joined. */
class TokenCodecPropertyTest {

  private static final CapsuleName CAPSULE = new CapsuleName(Hashes.sha256(new byte[] {1}));
  private static final CapsuleName OTHER = new CapsuleName(Hashes.sha256(new byte[] {2}));

  private static Map<Long, Long> positions(SplittableRandom random, int size) {
    Map<Long, Long> positions = new TreeMap<>();
    for (int i = 0; i < size; i++) {
      positions.put(
          1 + random.nextLong((1L << random.nextInt(3, 62)) - 1),
          1 + random.nextLong(1L << random.nextInt(1, 62)));
    }
    return positions;
  }

  private static SessionToken token(Map<Long, Long> positions) {
    List<Position> list = new ArrayList<>();
    positions.forEach((writer, sequence) -> list.add(new Position(writer, sequence)));
    return new SessionToken(list);
  }

  @Property(tries = 300)
  void aTokenIsItsText(@ForAll long seed, @ForAll @IntRange(max = 200) int size) {
    SessionToken token = token(positions(new SplittableRandom(seed), size));
    String text = TokenCodec.encode(CAPSULE, token);
    assertThat(text.length()).isLessThanOrEqualTo(TokenCodec.MAX_CHARACTERS);
    assertThat(TokenCodec.decode(CAPSULE, text).orThrow()).isEqualTo(token);
    assertThat(TokenCodec.decode(OTHER, text)).isInstanceOf(Decoded.Rejected.class);
  }

  @Property(tries = 300)
  void anyOtherTextIsRefused(@ForAll long seed, @ForAll @IntRange(max = 20) int size) {
    SplittableRandom random = new SplittableRandom(seed);
    String text = TokenCodec.encode(CAPSULE, token(positions(random, size)));
    char[] altered = text.toCharArray();
    altered[random.nextInt(altered.length)] = (char) random.nextInt(33, 127);
    String other = new String(altered);
    assertThat(TokenCodec.decode(CAPSULE, other) instanceof Decoded.Accepted)
        .isEqualTo(other.equals(text));
  }

  @Property(tries = 300)
  void joiningTakesTheLargerOfEach(
      @ForAll long seed, @ForAll @IntRange(max = 50) int a, @ForAll @IntRange(max = 50) int b) {
    SplittableRandom random = new SplittableRandom(seed);
    Map<Long, Long> one = positions(random, a);
    Map<Long, Long> two = positions(random, b);
    one.keySet().stream().limit(10).forEach(w -> two.put(w, 1 + random.nextLong(1L << 40)));
    Map<Long, Long> both = new TreeMap<>(one);
    two.forEach((writer, sequence) -> both.merge(writer, sequence, Math::max));
    assertThat(token(one).join(token(two))).isEqualTo(token(both));
  }
}
