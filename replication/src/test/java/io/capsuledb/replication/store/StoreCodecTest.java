package io.capsuledb.replication.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.Hash32;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class StoreCodecTest {

  private static byte[] counting(int from, int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (from + i);
    }
    return bytes;
  }

  /** The bytes of format 1, which never change; docs/format/store.md shows the same ones. */
  @Test
  void golden() throws IOException {
    byte[] capsule = counting(0, 32);
    byte[] recordKey = StoreCodec.recordKey(capsule, 0x1122334455667788L, 9);
    byte[] record = "a record".getBytes(StandardCharsets.US_ASCII);
    Hash32 hash = Hash32.of(counting(0x80, 32));
    byte[] hashKey = StoreCodec.hashKey(capsule, hash);
    byte[] metadata = "metadata".getBytes(StandardCharsets.US_ASCII);

    Map<String, byte[]> actual = new TreeMap<>();
    actual.put("record.key", recordKey);
    actual.put("record.value", StoreCodec.seal(recordKey, record));
    actual.put("hash.key", hashKey);
    actual.put(
        "hash.value", StoreCodec.seal(hashKey, StoreCodec.positionBody(0x1122334455667788L, 9)));
    actual.put("capsule.key", capsule);
    actual.put("capsule.value", StoreCodec.seal(capsule, metadata));
    actual.put("format.key", StoreLayout.formatKey());
    actual.put("format.value", StoreCodec.seal(StoreLayout.formatKey(), StoreCodec.formatBody(1)));
    StringBuilder lines = new StringBuilder();
    actual.forEach(
        (name, bytes) ->
            lines.append(name).append(' ').append(HexFormat.of().formatHex(bytes)).append('\n'));
    try (InputStream in = StoreCodecTest.class.getResourceAsStream("/golden/v1/store.txt")) {
      assertThat(lines.toString())
          .isEqualTo(new String(in.readAllBytes(), StandardCharsets.US_ASCII));
    }

    assertThat(StoreCodec.recordPosition(recordKey))
        .isEqualTo(new StoreCodec.Position(0x1122334455667788L, 9));
    assertThat(StoreCodec.hashOfKey(hashKey)).isEqualTo(hash);
  }

  @Property
  void everyFlippedBitOfKeyOrValueIsSeen(
      @ForAll @Size(max = 60) byte[] key, @ForAll @Size(max = 60) byte[] body) {
    byte[] value = StoreCodec.seal(key, body);
    assertThat(StoreCodec.open(key, value)).isEqualTo(body);
    for (int bit = 0; bit < 8 * value.length; bit++) {
      byte[] flipped = value.clone();
      flipped[bit / 8] ^= (byte) (1 << (bit % 8));
      assertThat(StoreCodec.open(key, flipped)).isNull();
    }
    for (int bit = 0; bit < 8 * key.length; bit++) {
      byte[] flipped = key.clone();
      flipped[bit / 8] ^= (byte) (1 << (bit % 8));
      assertThat(StoreCodec.open(flipped, value)).isNull();
    }
  }

  @Property
  void anyBytesAreNotAValueAndNeverAFault(@ForAll @Size(max = 40) byte[] bytes) {
    byte[] opened = StoreCodec.open(new byte[] {1}, bytes);
    assertThat(opened == null || opened.length == bytes.length - 4).isTrue();
    if (bytes.length != 16) {
      assertThat(StoreCodec.position(bytes)).isNull();
    }
    if (bytes.length != 4) {
      assertThat(StoreCodec.format(bytes)).isEqualTo(-1);
    }
  }

  @Property
  void keysSortAsTheirNumbersDo(
      @ForAll long writer, @ForAll long sequence, @ForAll long writer2, @ForAll long sequence2) {
    byte[] capsule = new byte[32];
    int byNumber = Long.compareUnsigned(writer, writer2);
    if (byNumber == 0) {
      byNumber = Long.compareUnsigned(sequence, sequence2);
    }
    int byKey =
        Arrays.compareUnsigned(
            StoreCodec.recordKey(capsule, writer, sequence),
            StoreCodec.recordKey(capsule, writer2, sequence2));
    assertThat(Integer.signum(byKey)).isEqualTo(Integer.signum(byNumber));
  }

  @Property
  void aSuccessorIsAfterEveryKeyWithThePrefix(@ForAll @Size(min = 1, max = 5) byte[] prefix) {
    byte[] successor = StoreCodec.successor(prefix);
    byte[] last = Arrays.copyOf(prefix, prefix.length + 3);
    Arrays.fill(last, prefix.length, last.length, (byte) 0xff);
    if (successor == null) {
      assertThat(prefix).containsOnly(0xff);
    } else {
      assertThat(Arrays.compareUnsigned(successor, last)).isPositive();
      assertThat(Arrays.compareUnsigned(successor, prefix)).isPositive();
    }
  }
}
