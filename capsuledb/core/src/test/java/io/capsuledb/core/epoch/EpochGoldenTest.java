package io.capsuledb.core.epoch;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.golden.Golden;
import org.junit.jupiter.api.Test;

/** RTS, EOE and SYNC of format 1: written and read alike for ever, and as documented. */
class EpochGoldenTest {

  @Test
  void todaysCodeMakesTheSameBytes() {
    assertThat(RtsCodec.encode(EpochSamples.RTS)).isEqualTo(Golden.bytes("rts.hex"));
    assertThat(EoeCodec.encode(EpochSamples.EOE)).isEqualTo(Golden.bytes("eoe.hex"));
    assertThat(SyncCodec.encode(EpochSamples.SYNC)).isEqualTo(Golden.bytes("sync.hex"));
  }

  @Test
  void theBytesAreRead() {
    assertThat(RtsCodec.decode(Golden.bytes("rts.hex")).orThrow()).isEqualTo(EpochSamples.RTS);
    assertThat(EoeCodec.decode(Golden.bytes("eoe.hex")).orThrow()).isEqualTo(EpochSamples.EOE);
    assertThat(SyncCodec.decode(Golden.bytes("sync.hex")).orThrow()).isEqualTo(EpochSamples.SYNC);
  }

  @Test
  void theDocumentShowsThem() {
    for (String file : new String[] {"rts.hex", "eoe.hex", "sync.hex"}) {
      assertThat(Golden.listed("epoch.md", file)).as(file).isEqualTo(Golden.bytes(file));
    }
  }
}
