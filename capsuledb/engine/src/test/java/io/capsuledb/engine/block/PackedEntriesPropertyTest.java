package io.capsuledb.engine.block;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/** A block that is unpacked is the block that was decoded, wherever it is unpacked to. */
class PackedEntriesPropertyTest {

  private static List<Entry> all(EntriesBlock block) {
    List<Entry> entries = new ArrayList<>();
    EntryCursor cursor = block.cursor();
    for (boolean more = cursor.seekToFirst(); more; more = cursor.next()) {
      entries.add(cursor.entry());
    }
    return entries;
  }

  @Property(tries = 300)
  void unpackedIsAsDecoded(@ForAll long seed) {
    Random random = new Random(seed);
    List<Entry> entries = Samples.entries(random, 200);
    byte[] payload = Samples.encode(entries, random).payload();
    EntriesBlock decoded = EntriesBlock.decode(payload).orThrow();
    PackedEntries packed = PackedEntries.of(payload, decoded);
    assertThat(packed == null).isEqualTo(!BlockFrame.isCompressed(payload));
    if (packed == null) {
      return;
    }
    // Smaller than the body, larger, and with what another block left in it.
    byte[] scratch = new byte[random.nextInt(64 << 10)];
    random.nextBytes(scratch);
    for (EntriesBlock block : List.of(packed.unpack(), packed.unpackInto(scratch))) {
      assertThat(all(block)).isEqualTo(entries);
      assertThat(block.summary()).isEqualTo(decoded.summary());
      assertThat(block.sizeBytes()).isGreaterThanOrEqualTo(packed.sizeBytes());
      Entry sought = entries.get(random.nextInt(entries.size()));
      // Of several writers' at one time the newest is found, which comes first.
      Entry newest =
          entries.stream()
              .filter(e -> Arrays.equals(e.key(), sought.key()) && e.time() <= sought.time())
              .findFirst()
              .orElseThrow();
      assertThat(block.find(sought.key(), sought.time())).isEqualTo(newest);
    }
  }

  @Property(tries = 300)
  void decodingIntoScratchIsAsDecoding(@ForAll long seed) {
    Random random = new Random(seed);
    byte[] payload = Samples.encode(Samples.entries(random, 200), random).payload();
    if (random.nextBoolean()) {
      payload[random.nextInt(payload.length)] ^= (byte) (1 << random.nextInt(Byte.SIZE));
    }
    byte[] scratch = new byte[random.nextInt(64 << 10)];
    random.nextBytes(scratch);
    Decoded<EntriesBlock> expected = EntriesBlock.decode(payload.clone());
    Decoded<EntriesBlock> actual = EntriesBlock.decodeInto(payload, scratch);
    switch (expected) {
      case Decoded.Accepted<EntriesBlock>(EntriesBlock block) ->
          assertThat(all(actual.orThrow())).isEqualTo(all(block));
      case Decoded.Rejected<EntriesBlock> rejected -> assertThat(actual).isEqualTo(rejected);
    }
  }
}
