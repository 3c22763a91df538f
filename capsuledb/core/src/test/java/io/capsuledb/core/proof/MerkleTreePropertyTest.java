package io.capsuledb.core.proof;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.golden.Golden;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** The tree against the definition in RFC 6962, written down as it stands there. */
class MerkleTreePropertyTest {

  private static List<Hash32> leaves(int count, Random random) {
    List<Hash32> leaves = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      byte[] leaf = new byte[Hash32.BYTES];
      random.nextBytes(leaf);
      leaves.add(Hash32.of(leaf));
    }
    return leaves;
  }

  /** Leaf i is the SHA-256 of the byte i. */
  private static List<Hash32> knownLeaves(int count) {
    List<Hash32> leaves = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      leaves.add(Hashes.sha256(new byte[] {(byte) i}));
    }
    return leaves;
  }

  private static byte[] tag(String end) {
    return ("capsuledb/v1/tree-" + end).getBytes(StandardCharsets.US_ASCII);
  }

  private static Hash32 definition(List<Hash32> leaves) {
    int size = leaves.size();
    if (size == 0) {
      return Hashes.tagged(tag("empty"));
    }
    if (size == 1) {
      return Hashes.tagged(tag("leaf"), leaves.getFirst().toBytes());
    }
    int left = Integer.highestOneBit(size - 1);
    return Hashes.tagged(
        tag("node"),
        definition(leaves.subList(0, left)).toBytes(),
        definition(leaves.subList(left, size)).toBytes());
  }

  @Property
  void theRootIsThatOfTheDefinition(@ForAll @IntRange(max = 300) int count, @ForAll long seed) {
    List<Hash32> leaves = leaves(count, new Random(seed));
    Hash32 root = definition(leaves);
    assertThat(MerkleTree.root(leaves)).isEqualTo(root);
    assertThat(MerkleTree.of(leaves).root()).isEqualTo(root);
    assertThat(MerkleTree.of(leaves).size()).isEqualTo(count);
  }

  @Test
  void everyPathOfEverySmallTreeProvesItsLeafAndNothingElse() {
    List<Hash32> all = leaves(35, new Random(7));
    for (int size = 1; size <= all.size(); size++) {
      List<Hash32> leaves = all.subList(0, size);
      MerkleTree tree = MerkleTree.of(leaves);
      for (int index = 0; index < size; index++) {
        List<Hash32> path = tree.path(index);
        for (int other = -1; other <= size; other++) {
          assertThat(MerkleTree.check(tree.root(), size, other, leaves.get(index), path))
              .as("leaf %d as %d of %d", index, other, size)
              .isEqualTo(other == index);
        }
      }
    }
  }

  @Property(tries = 300)
  void badPathsAreRefused(@ForAll @IntRange(min = 2, max = 300) int count, @ForAll long seed) {
    Random random = new Random(seed);
    List<Hash32> leaves = leaves(count, random);
    MerkleTree tree = MerkleTree.of(leaves);
    int index = random.nextInt(count);
    Hash32 leaf = leaves.get(index);
    List<Hash32> path = tree.path(index);
    assertThat(MerkleTree.check(tree.root(), count, index, leaf, path)).isTrue();

    int at = random.nextInt(path.size());
    List<Hash32> changed = new ArrayList<>(path);
    byte[] flipped = path.get(at).toBytes();
    flipped[random.nextInt(flipped.length)] ^= (byte) (1 << random.nextInt(8));
    changed.set(at, Hash32.of(flipped));
    List<Hash32> shorter = new ArrayList<>(path);
    shorter.remove(at);
    List<Hash32> longer = new ArrayList<>(path);
    longer.add(at, tree.root());
    for (List<Hash32> bad : List.of(changed, shorter, longer)) {
      assertThat(MerkleTree.check(tree.root(), count, index, leaf, bad)).isFalse();
    }
    Hash32 stranger = leaves(1, random).getFirst();
    assertThat(MerkleTree.check(tree.root(), count, index, stranger, path)).isFalse();
    assertThat(MerkleTree.check(stranger, count, index, leaf, path)).isFalse();
    assertThat(MerkleTree.check(tree.root(), 0, 0, leaf, path)).isFalse();
    assertThat(MerkleTree.check(tree.root(), -1, -2, leaf, path)).isFalse();
    assertThat(MerkleTree.check(tree.root(), Long.MAX_VALUE, index, leaf, path)).isFalse();
    List<Hash32> endless = new ArrayList<>(leaves(MerkleTree.MAX_PATH + 1, random));
    assertThat(MerkleTree.check(tree.root(), count, index, leaf, endless)).isFalse();
  }

  @Property(tries = 300)
  void anInnerNodeIsNoLeaf(@ForAll @IntRange(min = 2, max = 64) int pairs, @ForAll long seed) {
    List<Hash32> leaves = leaves(2 * pairs, new Random(seed));
    MerkleTree tree = MerkleTree.of(leaves);
    List<Hash32> path = tree.path(0);
    // The parent of the first two leaves, offered as a leaf of a tree half as large.
    Hash32 parent = definition(leaves.subList(0, 2));
    assertThat(MerkleTree.check(tree.root(), pairs, 0, parent, path.subList(1, path.size())))
        .isFalse();
  }

  @Test
  void thereIsNoPathOutsideTheTree() {
    MerkleTree tree = MerkleTree.of(knownLeaves(3));
    assertThatThrownBy(() -> tree.path(3)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> tree.path(-1)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> MerkleTree.of(List.of()).path(0))
        .isInstanceOf(IndexOutOfBoundsException.class);
  }

  @Test
  void rootsNeverChange() {
    byte[] roots = Golden.bytes("merkle-roots.hex");
    int[] sizes = {0, 1, 2, 7, 100};
    assertThat(roots).hasSize(sizes.length * Hash32.BYTES);
    for (int i = 0; i < sizes.length; i++) {
      assertThat(MerkleTree.root(knownLeaves(sizes[i])))
          .as("%d leaves", sizes[i])
          .isEqualTo(Hash32.copyOf(roots, i * Hash32.BYTES));
    }
  }
}
