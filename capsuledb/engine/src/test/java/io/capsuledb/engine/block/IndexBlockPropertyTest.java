package io.capsuledb.engine.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.proof.MerkleTree;
import io.capsuledb.engine.entry.Entry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/** An index against the blocks it was made of. */
class IndexBlockPropertyTest {

  @Property(tries = 500)
  void whatWasAddedIsThere(@ForAll long seed) {
    Random random = new Random(seed);
    List<Entry> entries = Samples.entries(random, 200);
    List<EncodedBlock> blocks = new ArrayList<>();
    IndexBlock index = IndexBlock.decode(Samples.index(entries, random, blocks)).orThrow();
    assertThat(index.count()).isEqualTo(blocks.size());
    List<Hash32> leaves = new ArrayList<>();
    long bytes = 0;
    for (int i = 0; i < blocks.size(); i++) {
      BlockDescriptor descriptor = index.descriptor(i);
      assertThat(descriptor.summary()).isEqualTo(blocks.get(i).summary());
      assertThat(descriptor.record()).isEqualTo(index.record(i));
      bytes += blocks.get(i).payload().length;
      leaves.add(descriptor.summary().leaf());
    }
    assertThat(index.storedBytes()).isEqualTo(bytes);
    assertThat(index.entries()).isEqualTo(entries.size());
    assertThat(index.firstKey()).isEqualTo(entries.getFirst().key());
    assertThat(index.lastKey()).isEqualTo(entries.getLast().key());
    assertThat(index.tableRoot()).isEqualTo(MerkleTree.root(leaves));
    int proved = random.nextInt(blocks.size());
    assertThat(
            MerkleTree.check(
                index.tableRoot(),
                blocks.size(),
                proved,
                leaves.get(proved),
                index.tree().path(proved)))
        .isTrue();
    for (Entry entry : entries) {
      assertThat(index.mayContain(entry.key())).isTrue();
    }
  }

  @Property(tries = 500)
  void blockForLeadsToWhatIsSought(@ForAll long seed) {
    Random random = new Random(seed);
    List<Entry> entries = Samples.entries(random, 200);
    List<EncodedBlock> blocks = new ArrayList<>();
    IndexBlock index = IndexBlock.decode(Samples.index(entries, random, blocks)).orThrow();
    for (int i = 0; i < 100; i++) {
      byte[] key =
          random.nextBoolean()
              ? Samples.key(random)
              : entries.get(random.nextInt(entries.size())).key();
      int expected = 0;
      while (expected < blocks.size()
          && Arrays.compareUnsigned(blocks.get(expected).summary().lastKey(), key) < 0) {
        expected++;
      }
      int found = index.blockFor(key);
      assertThat(found).isEqualTo(expected == blocks.size() ? -1 : expected);
      // Every version of the key, newest first, by the walk that readers make.
      List<Entry> versions = new ArrayList<>();
      for (int b = found; b >= 0 && b < blocks.size() && index.covers(b, key); b++) {
        EntriesBlock block = EntriesBlock.decode(blocks.get(b).payload()).orThrow();
        var cursor = block.cursor();
        boolean more = cursor.seek(key);
        while (more && Arrays.equals(cursor.entry().key(), key)) {
          versions.add(cursor.entry());
          more = cursor.next();
        }
      }
      assertThat(versions)
          .isEqualTo(entries.stream().filter(e -> Arrays.equals(e.key(), key)).toList());
    }
  }

  @Test
  void builderRefusesWhatIsOutOfOrderOrBounds() {
    Random random = new Random(5);
    IndexBlockBuilder builder = new IndexBlockBuilder(new byte[16], Compression.NONE);
    assertThatThrownBy(builder::finish).isInstanceOf(IllegalStateException.class);
    Hash32 root = Samples.hash(random);
    byte[] a = {1};
    byte[] b = {2};
    builder.addBlock(new BlockDescriptor(root, 1, new BlockSummary(root, b, b, 1, 0, 0, 1, 1)));
    assertThatThrownBy(builder::finish).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(
            () ->
                builder.addBlock(
                    new BlockDescriptor(root, 1, new BlockSummary(root, a, b, 1, 0, 0, 1, 1))))
        .isInstanceOf(IllegalStateException.class);
    for (BlockSummary wrong :
        List.of(
            new BlockSummary(root, b, a, 1, 0, 0, 1, 1),
            new BlockSummary(root, b, b, 0, 0, 0, 1, 1),
            new BlockSummary(root, b, b, 1, 2, 0, 1, 1),
            new BlockSummary(root, b, b, 1, 0, 2, 1, 1),
            new BlockSummary(root, b, b, 1, 0, 0, 2, 1))) {
      assertThatThrownBy(() -> builder.addBlock(new BlockDescriptor(root, 1, wrong)))
          .isInstanceOf(IllegalArgumentException.class);
    }
    assertThatThrownBy(() -> new IndexBlockBuilder(new byte[15], Compression.NONE))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
