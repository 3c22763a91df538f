package io.capsuledb.engine.memtable;

import java.util.Arrays;

/** Sorts nodes by key: a merge sort over eight bytes of each key, which decide nearly always. */
final class SortedNodes {

  /** Below this many, insertion is faster than merging. */
  private static final int SMALL = 16;

  private SortedNodes() {}

  /** What is asked of the keys. */
  interface Keys {
    int length(long node);

    /**
     * Eight bytes of a key from an offset on, the first one most significant, zero beyond the end.
     */
    long eightBytes(long node, int offset);

    int compare(long a, long b);
  }

  /** Sorts distinct keys. */
  static long[] sort(long[] nodes, Keys keys) {
    int skip = sharedPrefix(nodes, keys);
    long[] prefixes = new long[nodes.length];
    for (int i = 0; i < nodes.length; i++) {
      // Flipped so that signed comparison orders as unsigned.
      prefixes[i] = keys.eightBytes(nodes[i], skip) ^ Long.MIN_VALUE;
    }
    new Sort(nodes, prefixes, keys).run(0, nodes.length);
    return nodes;
  }

  /** Merges two sorted arrays. */
  static long[] merge(long[] a, long[] b, Keys keys) {
    long[] merged = new long[a.length + b.length];
    int i = 0;
    int j = 0;
    for (int at = 0; at < merged.length; at++) {
      if (j == b.length || (i < a.length && keys.compare(a[i], b[j]) < 0)) {
        merged[at] = a[i++];
      } else {
        merged[at] = b[j++];
      }
    }
    return merged;
  }

  /** How many leading bytes all keys have in common, in steps of eight. */
  private static int sharedPrefix(long[] nodes, Keys keys) {
    if (nodes.length < 2) {
      return 0;
    }
    int shortest = Integer.MAX_VALUE;
    for (long node : nodes) {
      shortest = Math.min(shortest, keys.length(node));
    }
    int shared = 0;
    while (shared + Long.BYTES <= shortest) {
      long first = keys.eightBytes(nodes[0], shared);
      long differing = 0;
      for (long node : nodes) {
        differing |= keys.eightBytes(node, shared) ^ first;
      }
      if (differing != 0) {
        return shared + Long.numberOfLeadingZeros(differing) / Byte.SIZE;
      }
      shared += Long.BYTES;
    }
    return shared;
  }

  private static final class Sort {
    private final long[] nodes;
    private final long[] prefixes;
    private final Keys keys;
    private final long[] spareNodes;
    private final long[] sparePrefixes;

    Sort(long[] nodes, long[] prefixes, Keys keys) {
      this.nodes = nodes;
      this.prefixes = prefixes;
      this.keys = keys;
      int half = (nodes.length + 1) / 2;
      this.spareNodes = new long[half];
      this.sparePrefixes = new long[half];
    }

    private boolean less(long aPrefix, long a, long bPrefix, long b) {
      return aPrefix != bPrefix ? aPrefix < bPrefix : keys.compare(a, b) < 0;
    }

    void run(int from, int to) {
      if (to - from <= SMALL) {
        insert(from, to);
        return;
      }
      int middle = (from + to) >>> 1;
      run(from, middle);
      run(middle, to);
      if (less(prefixes[middle - 1], nodes[middle - 1], prefixes[middle], nodes[middle])) {
        return;
      }
      int left = middle - from;
      System.arraycopy(nodes, from, spareNodes, 0, left);
      System.arraycopy(prefixes, from, sparePrefixes, 0, left);
      int i = 0;
      int j = middle;
      int at = from;
      while (i < left && j < to) {
        if (less(prefixes[j], nodes[j], sparePrefixes[i], spareNodes[i])) {
          nodes[at] = nodes[j];
          prefixes[at++] = prefixes[j++];
        } else {
          nodes[at] = spareNodes[i];
          prefixes[at++] = sparePrefixes[i++];
        }
      }
      System.arraycopy(spareNodes, i, nodes, at, left - i);
      System.arraycopy(sparePrefixes, i, prefixes, at, left - i);
    }

    private void insert(int from, int to) {
      for (int i = from + 1; i < to; i++) {
        long node = nodes[i];
        long prefix = prefixes[i];
        int at = i;
        while (at > from && less(prefix, node, prefixes[at - 1], nodes[at - 1])) {
          nodes[at] = nodes[at - 1];
          prefixes[at] = prefixes[at - 1];
          at--;
        }
        nodes[at] = node;
        prefixes[at] = prefix;
      }
    }
  }

  /** A copy of the part of an array. */
  static long[] copy(long[] nodes, int from, int to) {
    return Arrays.copyOfRange(nodes, from, to);
  }
}
