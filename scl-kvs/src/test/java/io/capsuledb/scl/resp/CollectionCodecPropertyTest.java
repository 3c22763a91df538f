package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.ValueType;
import io.capsuledb.scl.resp.CollectionCodec.Elements;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class CollectionCodecPropertyTest {

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] encode(Iterable<byte[]> elements) {
    CollectionCodec.Builder builder = new CollectionCodec.Builder(0);
    for (byte[] element : elements) {
      builder.add(element, 0, element.length);
    }
    return builder.build();
  }

  private static Decoded<Elements> decode(ValueType type, byte[] encoded) {
    byte[] padded = new byte[encoded.length + 7];
    Arrays.fill(padded, (byte) 0x55);
    System.arraycopy(encoded, 0, padded, 3, encoded.length);
    return CollectionCodec.decode(type, padded, 3, encoded.length);
  }

  private static List<byte[]> elements(Elements cursor) {
    List<byte[]> elements = new ArrayList<>();
    while (cursor.advance()) {
      elements.add(
          Arrays.copyOfRange(cursor.buffer(), cursor.start(), cursor.start() + cursor.length()));
    }
    return elements;
  }

  private static Reason rejected(Decoded<Elements> decoded) {
    assertThat(decoded).isInstanceOf(Decoded.Rejected.class);
    return ((Decoded.Rejected<Elements>) decoded).rejection().reason();
  }

  private static SortedSet<byte[]> sorted(List<byte[]> elements) {
    SortedSet<byte[]> sorted = new TreeSet<>(Arrays::compareUnsigned);
    sorted.addAll(elements);
    return sorted;
  }

  @Property
  void whatIsBuiltIsReadBack(
      @ForAll @Size(min = 1, max = 30) List<@Size(max = 300) byte[]> elements) {
    Elements list = decode(ValueType.LIST, encode(elements)).orThrow();
    assertThat(list.count()).isEqualTo(elements.size());
    assertThat(elements(list)).containsExactly(elements.toArray(byte[][]::new));

    SortedSet<byte[]> members = sorted(elements);
    Elements set = decode(ValueType.SET, encode(members)).orThrow();
    assertThat(elements(set)).containsExactly(members.toArray(byte[][]::new));
  }

  /** Splicing is how lists lose and gain elements. */
  @Property
  void splicedRunsAreTheSameElements(
      @ForAll @Size(min = 1, max = 20) List<@Size(max = 20) byte[]> elements,
      @ForAll @IntRange(max = 20) int skipped,
      @ForAll @IntRange(max = 20) int taken) {
    int from = Math.min(skipped, elements.size());
    int count = Math.min(taken, elements.size() - from);
    Elements cursor = decode(ValueType.LIST, encode(elements)).orThrow().skip(from);
    CollectionCodec.Builder builder = new CollectionCodec.Builder(0);
    builder.add(bytes("first"), 0, 5);
    builder.addNext(cursor, count);
    List<byte[]> expected = new ArrayList<>(List.of(bytes("first")));
    expected.addAll(elements.subList(from, from + count));
    assertThat(elements(decode(ValueType.LIST, builder.build()).orThrow()))
        .containsExactly(expected.toArray(byte[][]::new));
    assertThat(elements(cursor))
        .containsExactly(elements.subList(from + count, elements.size()).toArray(byte[][]::new));
  }

  @Property(tries = 200)
  void everyTruncationIsRejected(
      @ForAll @Size(min = 1, max = 10) List<@Size(max = 20) byte[]> elements) {
    byte[] encoded = encode(elements);
    for (int length = 0; length < encoded.length; length++) {
      Reason reason = rejected(decode(ValueType.LIST, Arrays.copyOf(encoded, length)));
      assertThat(reason).isIn(Reason.TRUNCATED, Reason.FIELD_OUT_OF_RANGE);
    }
    assertThat(rejected(decode(ValueType.LIST, Arrays.copyOf(encoded, encoded.length + 1))))
        .isEqualTo(Reason.TRAILING_BYTES);
  }

  /** Whatever is accepted is what its own elements encode to: there is no second encoding. */
  @Property(tries = 5000)
  void mutationsAreRejectedOrCanonical(
      @ForAll @Size(min = 1, max = 10) List<@Size(max = 20) byte[]> elements,
      @ForAll @IntRange(max = 3000) int place,
      @ForAll byte replacement) {
    byte[] encoded = encode(sorted(elements));
    encoded[place % encoded.length] = replacement;
    checkRejectedOrCanonical(ValueType.SET, encoded);
    checkRejectedOrCanonical(ValueType.LIST, encoded);
  }

  @Property(tries = 5000)
  void anyBytesAreRejectedOrCanonical(@ForAll @Size(max = 40) byte[] noise) {
    checkRejectedOrCanonical(ValueType.LIST, noise);
    byte[] begun = Arrays.copyOf(new byte[] {1, 2, 0, 0, 0}, 5 + noise.length);
    System.arraycopy(noise, 0, begun, 5, noise.length);
    checkRejectedOrCanonical(ValueType.LIST, begun);
    checkRejectedOrCanonical(ValueType.SET, begun);
  }

  private static void checkRejectedOrCanonical(ValueType type, byte[] encoded) {
    switch (decode(type, encoded)) {
      case Decoded.Accepted<Elements>(Elements cursor) -> {
        List<byte[]> elements = elements(cursor);
        assertThat(encode(type == ValueType.SET ? sorted(elements) : elements)).isEqualTo(encoded);
      }
      case Decoded.Rejected<Elements>(Rejection rejection) ->
          assertThat(rejection.detail()).isNotEmpty();
    }
  }

  @Example
  void setsOutOfOrderAreRejected() {
    assertThat(rejected(decode(ValueType.SET, encode(List.of(bytes("b"), bytes("a"))))))
        .isEqualTo(Reason.FIELD_OUT_OF_RANGE);
    assertThat(rejected(decode(ValueType.SET, encode(List.of(bytes("a"), bytes("a"))))))
        .isEqualTo(Reason.FIELD_OUT_OF_RANGE);
  }

  @Example
  void announcedSizesAreNotBelieved() {
    assertThat(rejected(decode(ValueType.LIST, new byte[] {1, 0, 0, 0, 0})))
        .isEqualTo(Reason.TOO_LARGE);
    assertThat(rejected(decode(ValueType.LIST, new byte[] {1, -1, -1, -1, -1, 0})))
        .isEqualTo(Reason.TOO_LARGE);
    assertThat(rejected(decode(ValueType.LIST, new byte[] {1, 0, 0, 16, 0, 0})))
        .isEqualTo(Reason.FIELD_OUT_OF_RANGE);
    assertThat(rejected(decode(ValueType.LIST, new byte[] {2, 1, 0, 0, 0, 0})))
        .isEqualTo(Reason.UNKNOWN_FORMAT);
    assertThat(rejected(decode(ValueType.LIST, new byte[] {1, 1, 0, 0, 0, -1, -1, -1, -1, 7, 'a'})))
        .isEqualTo(Reason.TRUNCATED);
  }

  @Example
  void collectionsStopGrowingAtTheBound() {
    byte[] half = new byte[CapsuleDb.MAX_VALUE_BYTES / 2];
    CollectionCodec.Builder large = new CollectionCodec.Builder(0);
    large.add(half, 0, half.length);
    assertThatThrownBy(() -> large.add(half, 0, half.length))
        .isInstanceOf(CommandException.class)
        .hasMessage("ERR collection exceeds maximum allowed size");

    CollectionCodec.Builder many = new CollectionCodec.Builder(0);
    for (int i = 0; i < CollectionLayout.MAX_ELEMENTS; i++) {
      many.add(half, 0, 0);
    }
    assertThat(decode(ValueType.LIST, many.build()).orThrow().count())
        .isEqualTo(CollectionLayout.MAX_ELEMENTS);
    assertThatThrownBy(() -> many.add(half, 0, 0)).isInstanceOf(CommandException.class);
  }

  @Example
  void goldenBytesStay() {
    check(
        "collection-list.hex",
        ValueType.LIST,
        bytes("one"),
        bytes(""),
        bytes("two two"),
        bytes("one"));
    check("collection-set.hex", ValueType.SET, bytes("10"), bytes("9"), bytes("\u00e9"));
    check("collection-long-element.hex", ValueType.LIST, bytes("x".repeat(200)));
  }

  private static void check(String golden, ValueType type, byte[]... elements) {
    byte[] encoded = Golden.bytes(golden);
    assertThat(encode(List.of(elements))).isEqualTo(encoded);
    assertThat(elements(decode(type, encoded).orThrow())).containsExactly(elements);
  }
}
