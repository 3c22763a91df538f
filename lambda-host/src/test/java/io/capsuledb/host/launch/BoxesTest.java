package io.capsuledb.host.launch;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.host.attest.encoding.Octets;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import org.junit.jupiter.api.Test;

class BoxesTest {

  private static final Octets JOB = Octets.ofHex("0a".repeat(16));
  private static final Octets OTHER = Octets.ofHex("0b".repeat(16));
  private static final CapsuleName CAPSULE = new CapsuleName(Hash32.ZERO);

  private static SecretBytes text(String text) {
    return SecretBytes.own(text.getBytes(StandardCharsets.UTF_8));
  }

  private static Octets flipped(Octets box) {
    byte[] bytes = box.toArray();
    bytes[bytes.length / 2] ^= 1;
    return Octets.own(bytes);
  }

  @Test
  void aResultOpensWithItsKeyInItsPlaceOnly() {
    KeyPair key = ResultBox.newKey();
    ResultBox.Context context = new ResultBox.Context(CAPSULE, JOB, 3, true);
    Octets box = ResultBox.seal(key.getPublic(), context, text("{\"a\":1}"));
    assertThat(ResultBox.open(key.getPrivate(), context, box).orThrow())
        .isEqualTo(text("{\"a\":1}"));
    assertThat(ResultBox.open(ResultBox.newKey().getPrivate(), context, box))
        .isInstanceOf(Decoded.Rejected.class);
    for (ResultBox.Context other :
        new ResultBox.Context[] {
          new ResultBox.Context(CAPSULE, OTHER, 3, true),
          new ResultBox.Context(CAPSULE, JOB, 4, true),
          new ResultBox.Context(CAPSULE, JOB, 3, false)
        }) {
      assertThat(ResultBox.open(key.getPrivate(), other, box)).isInstanceOf(Decoded.Rejected.class);
    }
    assertThat(ResultBox.open(key.getPrivate(), context, flipped(box)))
        .isInstanceOf(Decoded.Rejected.class);
    assertThat(ResultBox.open(key.getPrivate(), context, Octets.EMPTY))
        .isInstanceOf(Decoded.Rejected.class);
    assertThat(ResultBox.open(key.getPrivate(), context, Octets.own(new byte[64])))
        .isInstanceOf(Decoded.Rejected.class);
  }

  @Test
  void aProgramOpensForItsJobOnly() {
    SecretBytes key = SecretBytes.own(new byte[32]);
    Octets box = ProgramBox.seal(key, JOB, text("psl_return(1)"));
    Octets hash = ProgramBox.hash(box);
    assertThat(ProgramBox.open(key, JOB, hash, box).orThrow()).isEqualTo(text("psl_return(1)"));
    assertThat(ProgramBox.open(key, OTHER, hash, box)).isInstanceOf(Decoded.Rejected.class);
    assertThat(ProgramBox.open(key, JOB, hash, flipped(box))).isInstanceOf(Decoded.Rejected.class);
    assertThat(ProgramBox.open(key, JOB, ProgramBox.hash(flipped(box)), flipped(box)))
        .isInstanceOf(Decoded.Rejected.class);
  }
}
