package io.capsuledb.core.rotation;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.golden.Golden;
import org.junit.jupiter.api.Test;

/** A rotation and a roster of generation 1: written and read alike for ever, and as documented. */
class RotationGoldenTest {

  @Test
  void todaysCodeMakesTheSameBytes() {
    assertThat(RotationSamples.encoded()).isEqualTo(Golden.bytes("rotation.hex"));
    assertThat(RotationSamples.roster()).isEqualTo(Golden.bytes("roster-certified.hex"));
  }

  @Test
  void theBytesAreRead() {
    Rotation read =
        RotationCodec.decode(
                RotationSamples.CAPSULE.name(),
                Golden.bytes("rotation.hex"),
                RotationSamples.CAPSULE.metadata(),
                Secp256k1.best())
            .orThrow();
    assertThat(read.generation()).isEqualTo(1);
    assertThat(read.ends()).isEqualTo(RotationSamples.rotation().ends());
    assertThat(read.certificate()).isEqualTo(RotationSamples.NEXT.certificate());
    assertThat(read.wrapped()).isEqualTo(RotationSamples.wrapped());
    assertThat(
            RosterCodec.decode(
                    RotationSamples.CAPSULE.name(),
                    Golden.bytes("roster-certified.hex"),
                    RotationSamples.CAPSULE.metadata(),
                    Secp256k1.best())
                .orThrow())
        .singleElement()
        .returns(RotationSamples.WRITER, RosterEntry::writer)
        .returns(1, RosterEntry::generation);
  }

  @Test
  void theDocumentShowsThem() {
    assertThat(Golden.listed("rotate.md", "rotation.hex")).isEqualTo(Golden.bytes("rotation.hex"));
    assertThat(Golden.listed("rotate.md", "roster-certified.hex"))
        .isEqualTo(Golden.bytes("roster-certified.hex"));
  }
}
