package io.capsuledb.core.proof;

import io.capsuledb.core.crypto.Hash32;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.function.Function;

/**
 * A {@link MerkleTree} of which only some leaves are shown, and of the rest no more than the nodes
 * from which, with them, the root can be computed again.
 *
 * <p>Invariants: the shown leaves are in the order of the whole tree; two of them that have nothing
 * hidden between them are neighbours in it, whatever its size: their paths to the root fix what is
 * between them, because no leaf node is an inner node. Likewise the first leaf with nothing hidden
 * before it is the tree's first, and the last with nothing hidden behind it its last. So neither
 * size nor indices have to be known, nor believed. At least one leaf is shown, and of two nodes
 * below one at least one holds a shown leaf, so that there is one form.
 *
 * <p>Immutable and thread-safe, if the leaves' contents are.
 *
 * @param <T> what a leaf shows
 */
public final class PrunedTree<T> {

  /** A node of the tree. */
  sealed interface Node<T> {}

  /** All that is below is hidden. */
  record Hidden<T>(Hash32 hash) implements Node<T> {}

  /** A node over two others. */
  record Inner<T>(Node<T> left, Node<T> right) implements Node<T> {}

  /** A leaf. */
  record Shown<T>(T content) implements Node<T> {}

  private final Node<T> top;
  private final List<T> shown = new ArrayList<>();

  /** Bit i: something is hidden between shown leaves i - 1 and i, or before or behind them all. */
  private final BitSet gaps = new BitSet();

  /** The tree below a node that is not hidden. */
  PrunedTree(Node<T> top) {
    this.top = top;
    walk(top);
  }

  private void walk(Node<T> node) {
    switch (node) {
      case Hidden<T> hidden -> gaps.set(shown.size());
      case Shown<T>(T content) -> shown.add(content);
      case Inner<T>(Node<T> left, Node<T> right) -> {
        walk(left);
        walk(right);
      }
    }
  }

  /**
   * Prunes a tree.
   *
   * @param contents by index, at least one: what to show, whose hashes are the tree's leaves
   */
  public static <T> PrunedTree<T> of(MerkleTree tree, SortedMap<Integer, T> contents) {
    if (contents.isEmpty() || contents.firstKey() < 0 || contents.lastKey() >= tree.size()) {
      throw new IllegalArgumentException(
          "leaves " + contents.keySet() + " of a tree of " + tree.size());
    }
    return new PrunedTree<>(pruned(tree, tree.height() - 1, 0, contents));
  }

  private static <T> Node<T> pruned(
      MerkleTree tree, int level, int index, SortedMap<Integer, T> contents) {
    if (contents.isEmpty()) {
      return new Hidden<>(tree.level(level).get(index));
    }
    if (level == 0) {
      return new Shown<>(Objects.requireNonNull(contents.get(contents.firstKey())));
    }
    int right = 2 * index + 1;
    if (right >= tree.level(level - 1).size()) {
      // The odd one out: it is the same node one level below.
      return pruned(tree, level - 1, 2 * index, contents);
    }
    int border = right << (level - 1);
    return new Inner<>(
        pruned(tree, level - 1, right - 1, contents.headMap(border)),
        pruned(tree, level - 1, right, contents.tailMap(border)));
  }

  /** The node at the root. */
  Node<T> top() {
    return top;
  }

  /**
   * The root of the whole tree, computed from what is shown and what hides the rest.
   *
   * @param leaf the hash of what a leaf shows
   */
  public Hash32 root(Function<T, Hash32> leaf) {
    return root(top, leaf);
  }

  private static <T> Hash32 root(Node<T> node, Function<T, Hash32> leaf) {
    return switch (node) {
      case Hidden<T>(Hash32 hash) -> hash;
      case Shown<T>(T content) -> MerkleTree.leafNode(leaf.apply(content));
      case Inner<T>(Node<T> left, Node<T> right) ->
          MerkleTree.node(root(left, leaf), root(right, leaf));
    };
  }

  /** How many leaves are shown. */
  public int size() {
    return shown.size();
  }

  /** What the shown leaf number {@code index} holds. */
  public T get(int index) {
    return shown.get(index);
  }

  /**
   * Whether nothing is hidden between the shown leaves {@code index - 1} and {@code index}; for 0,
   * before the first; for {@link #size}, behind the last.
   */
  public boolean isJoined(int index) {
    return !gaps.get(index);
  }
}
