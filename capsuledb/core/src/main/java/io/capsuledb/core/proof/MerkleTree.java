package io.capsuledb.core.proof;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * A Merkle tree over a list of hashes, in the shape of RFC 6962, section 2.1: the left subtree of
 * {@code n} leaves holds the largest power of two below {@code n}. One root commits to every leaf,
 * its place and, through the shape, to how many there are; a path of about log2(n) hashes proves
 * one leaf.
 *
 * <pre>
 * no leaves    SHA-256("capsuledb/v1/tree-empty")
 * leaf node    SHA-256("capsuledb/v1/tree-leaf" ‖ leaf)
 * inner node   SHA-256("capsuledb/v1/tree-node" ‖ left ‖ right)
 * </pre>
 *
 * <p>Invariants: a leaf node is never an inner node, whatever the caller's leaves are, because the
 * tags differ; levels are built bottom up, and the last node of a level with an odd number of them
 * moves up unchanged, which gives the RFC's shape.
 *
 * <p>Immutable and thread-safe.
 */
public final class MerkleTree {

  /** Most hashes of a path: trees have fewer than 2^31 leaves. */
  public static final int MAX_PATH = 31;

  private static final byte[] EMPTY_TAG =
      "capsuledb/v1/tree-empty".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] LEAF_TAG =
      "capsuledb/v1/tree-leaf".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] NODE_TAG =
      "capsuledb/v1/tree-node".getBytes(StandardCharsets.US_ASCII);

  private static final Hash32 EMPTY = Hashes.sha256(EMPTY_TAG);

  /** Bottom up: the leaf nodes first, the root alone last. Empty for a tree without leaves. */
  private final List<List<Hash32>> levels;

  private MerkleTree(List<List<Hash32>> levels) {
    this.levels = levels;
  }

  /** The tree over {@code leaves}, in their order. Keeps every node, for paths. */
  public static MerkleTree of(List<Hash32> leaves) {
    List<List<Hash32>> levels = new ArrayList<>();
    if (!leaves.isEmpty()) {
      List<Hash32> level = leafNodes(leaves);
      levels.add(level);
      while (level.size() > 1) {
        level = parents(level);
        levels.add(level);
      }
    }
    return new MerkleTree(levels);
  }

  /** The root of the tree over {@code leaves}, in their order. */
  public static Hash32 root(List<Hash32> leaves) {
    if (leaves.isEmpty()) {
      return EMPTY;
    }
    List<Hash32> level = leafNodes(leaves);
    while (level.size() > 1) {
      level = parents(level);
    }
    return level.getFirst();
  }

  private static List<Hash32> leafNodes(List<Hash32> leaves) {
    List<Hash32> nodes = new ArrayList<>(leaves.size());
    for (Hash32 leaf : leaves) {
      nodes.add(leafNode(leaf));
    }
    return nodes;
  }

  private static List<Hash32> parents(List<Hash32> level) {
    int size = level.size();
    List<Hash32> parents = new ArrayList<>((size + 1) / 2);
    for (int i = 0; i + 1 < size; i += 2) {
      parents.add(node(level.get(i), level.get(i + 1)));
    }
    if (size % 2 == 1) {
      parents.add(level.getLast());
    }
    return parents;
  }

  /** The node over a leaf. */
  static Hash32 leafNode(Hash32 leaf) {
    return Hashes.tagged(LEAF_TAG, leaf);
  }

  /** The node over two nodes. */
  static Hash32 node(Hash32 left, Hash32 right) {
    return Hashes.tagged(NODE_TAG, left, right);
  }

  /** The nodes of a level, 0 being that of the leaf nodes; the last level holds the root alone. */
  List<Hash32> level(int number) {
    return levels.get(number);
  }

  /** How many levels there are. */
  int height() {
    return levels.size();
  }

  /** How many leaves there are. */
  public int size() {
    return levels.isEmpty() ? 0 : levels.getFirst().size();
  }

  /** What commits to all leaves. */
  public Hash32 root() {
    return levels.isEmpty() ? EMPTY : levels.getLast().getFirst();
  }

  /**
   * What {@link #check} needs to prove a leaf: the siblings on the way up, the lowest first.
   *
   * @throws IndexOutOfBoundsException unless 0 &lt;= index &lt; {@link #size}
   */
  public List<Hash32> path(int index) {
    if (index < 0 || index >= size()) {
      throw new IndexOutOfBoundsException("leaf " + index + " of " + size());
    }
    List<Hash32> path = new ArrayList<>();
    int at = index;
    for (List<Hash32> level : levels) {
      int sibling = at ^ 1;
      if (sibling < level.size()) {
        path.add(level.get(sibling));
      }
      at >>= 1;
    }
    return List.copyOf(path);
  }

  /**
   * Whether {@code path} proves that {@code leaf} is leaf number {@code index} of the {@code size}
   * leaves that {@code root} commits to. Takes anything; at most one path is right (RFC 9162,
   * section 2.1.3.2).
   */
  public static boolean check(Hash32 root, long size, long index, Hash32 leaf, List<Hash32> path) {
    if (index < 0 || index >= size || size > Integer.MAX_VALUE || path.size() > MAX_PATH) {
      return false;
    }
    long at = index;
    long last = size - 1;
    Hash32 node = leafNode(leaf);
    for (Hash32 sibling : path) {
      if (last == 0) {
        return false;
      }
      if (at % 2 == 1 || at == last) {
        node = node(sibling, node);
        // Levels where this node was the odd one out and moved up unchanged.
        while (at % 2 == 0 && at != 0) {
          at >>= 1;
          last >>= 1;
        }
      } else {
        node = node(node, sibling);
      }
      at >>= 1;
      last >>= 1;
    }
    return last == 0 && node.equals(root);
  }
}
