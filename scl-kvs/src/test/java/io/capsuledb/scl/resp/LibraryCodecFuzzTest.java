package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class LibraryCodecFuzzTest {

  private static final StoredLibrary GOLDEN =
      new StoredLibrary(
          "bank",
          2,
          1_700_000_000_000L,
          "default",
          "#!js name=bank\nregister_function('f', function () {})");

  @Example
  void goldenBytesStay() {
    assertThat(LibraryCodec.encode(GOLDEN)).isEqualTo(Golden.bytes("library.hex"));
    assertThat(LibraryCodec.decode(Golden.bytes("library.hex")).orThrow()).isEqualTo(GOLDEN);
    assertThat(LibraryCodec.dump(List.of(GOLDEN))).isEqualTo(Golden.bytes("functions-dump.hex"));
    assertThat(LibraryCodec.restore(Golden.bytes("functions-dump.hex")).orThrow())
        .containsExactly(GOLDEN);
  }

  @Example
  void thePrefixIsDerivedAsDocumented() throws NoSuchAlgorithmException {
    byte[] hash =
        MessageDigest.getInstance("SHA-256")
            .digest("capsuledb/functions".getBytes(StandardCharsets.US_ASCII));
    assertThat(ReservedKeys.prefix()).isEqualTo(Arrays.copyOf(hash, 16));
  }

  /** What is accepted has one encoding only; nothing throws. */
  @Property
  void anyChangeOfTheGoldenBytesIsRejectedOrMeansSomethingElse(
      @ForAll @IntRange(max = 200) int at, @ForAll byte to, @ForAll boolean cut) {
    byte[] value = Golden.bytes("library.hex");
    int place = at % value.length;
    byte[] changed = cut ? Arrays.copyOf(value, place) : value.clone();
    if (!cut) {
      changed[place] = to;
    }
    if (LibraryCodec.decode(changed)
        instanceof Decoded.Accepted<StoredLibrary>(StoredLibrary library)) {
      assertThat(LibraryCodec.encode(library)).isEqualTo(changed);
    } else {
      assertThat(changed).isNotEqualTo(value);
    }
  }

  @Property
  void noiseIsRejected(@ForAll @Size(max = 80) byte[] noise) {
    if (LibraryCodec.decode(noise)
        instanceof Decoded.Accepted<StoredLibrary>(StoredLibrary library)) {
      assertThat(LibraryCodec.encode(library)).isEqualTo(noise);
    }
    assertThat(reason(noise))
        .isIn(Reason.TRUNCATED, Reason.UNKNOWN_FORMAT, Reason.STORAGE_CHECKSUM);
  }

  @Example
  void everyFlippedBitOfADumpIsFound() {
    byte[] payload = Golden.bytes("functions-dump.hex");
    for (int bit = 0; bit < 8 * payload.length; bit++) {
      byte[] flipped = payload.clone();
      flipped[bit / 8] ^= (byte) (1 << (bit % 8));
      assertThat(reason(flipped)).isIn(Reason.UNKNOWN_FORMAT, Reason.STORAGE_CHECKSUM);
    }
  }

  @Example
  void aLibraryTwiceIsNoDump() {
    assertThat(reason(LibraryCodec.dump(List.of(GOLDEN, GOLDEN)))).isEqualTo(Reason.PAYLOAD);
  }

  private static Reason reason(byte[] payload) {
    Decoded<List<StoredLibrary>> decoded = LibraryCodec.restore(payload);
    assertThat(decoded).isInstanceOf(Decoded.Rejected.class);
    return ((Decoded.Rejected<List<StoredLibrary>>) decoded).rejection().reason();
  }
}
