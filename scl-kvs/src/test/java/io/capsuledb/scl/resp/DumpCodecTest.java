package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.ValueType;
import io.capsuledb.scl.resp.DumpCodec.Dumped;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;

class DumpCodecTest {

  private static byte[] encode(ValueType type, byte[] value) {
    return DumpCodec.encode(type, value, 0, value.length);
  }

  private static Reason rejected(byte[] payload) {
    Decoded<Dumped> decoded = DumpCodec.decode(payload);
    assertThat(decoded).isInstanceOf(Decoded.Rejected.class);
    return ((Decoded.Rejected<Dumped>) decoded).rejection().reason();
  }

  @Property
  void whatIsDumpedIsRestored(@ForAll @Size(max = 200) byte[] value) {
    Dumped dumped = DumpCodec.decode(encode(ValueType.STRING, value)).orThrow();
    assertThat(dumped.type()).isEqualTo(ValueType.STRING);
    assertThat(dumped.value()).isEqualTo(value);
  }

  @Property(tries = 100)
  void everyFlippedBitIsFound(@ForAll @Size(max = 40) byte[] value) {
    byte[] payload = encode(ValueType.STRING, value);
    for (int bit = 0; bit < 8 * payload.length; bit++) {
      byte[] flipped = payload.clone();
      flipped[bit / 8] ^= (byte) (1 << (bit % 8));
      assertThat(rejected(flipped)).isIn(Reason.UNKNOWN_FORMAT, Reason.STORAGE_CHECKSUM);
    }
  }

  @Property(tries = 100)
  void everyTruncationIsFound(@ForAll @Size(max = 40) byte[] value) {
    byte[] payload = encode(ValueType.STRING, value);
    for (int length = 0; length < payload.length; length++) {
      assertThat(rejected(Arrays.copyOf(payload, length)))
          .isIn(Reason.TRUNCATED, Reason.UNKNOWN_FORMAT, Reason.STORAGE_CHECKSUM);
    }
  }

  @Property
  void noiseIsRejected(@ForAll @Size(max = 60) byte[] noise) {
    assertThat(rejected(noise))
        .isIn(Reason.TRUNCATED, Reason.UNKNOWN_FORMAT, Reason.STORAGE_CHECKSUM);
  }

  /** The checksum is no secret, so its holder may still have put nonsense below it. */
  @Example
  void soundPayloadsOfNonsenseAreRejected() {
    byte[] nonsense = "not a list".getBytes(StandardCharsets.US_ASCII);
    assertThat(rejected(encode(ValueType.LIST, nonsense))).isEqualTo(Reason.PAYLOAD);
    assertThat(rejected(encode(ValueType.STRING, new byte[CapsuleDb.MAX_VALUE_BYTES + 1])))
        .isEqualTo(Reason.TOO_LARGE);
  }

  @Example
  void goldenBytesStay() {
    check("dump-string.hex", ValueType.STRING, "hello".getBytes(StandardCharsets.US_ASCII));
    check("dump-list.hex", ValueType.LIST, Golden.bytes("collection-list.hex"));
    check("dump-set.hex", ValueType.SET, Golden.bytes("collection-set.hex"));
  }

  private static void check(String golden, ValueType type, byte[] value) {
    byte[] payload = Golden.bytes(golden);
    assertThat(encode(type, value)).isEqualTo(payload);
    Dumped dumped = DumpCodec.decode(payload).orThrow();
    assertThat(dumped.type()).isEqualTo(type);
    assertThat(dumped.value()).isEqualTo(value);
  }
}
