package io.capsuledb.engine;

import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.lsm.Tree;
import io.capsuledb.engine.lsm.TreeSnapshot;
import java.util.Arrays;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/**
 * Walks the live keys of a {@link Snapshot}, or of a range of it, in both directions, in the order
 * of their bytes as unsigned numbers. Not positioned at first; beyond either end it is not
 * positioned either, and a seek brings it back.
 *
 * <p>One thread at a time. To be used while its snapshot is open.
 */
public final class Cursor {

  private final TreeSnapshot tree;
  private final EntryCursor entries;
  private final long nowMs;
  private final byte @Nullable [] from;
  private final byte @Nullable [] to;
  private final @Nullable Version cleared;
  private @Nullable Entry current;

  Cursor(TreeSnapshot tree, long nowMs, byte @Nullable [] from, byte @Nullable [] to) {
    this.tree = tree;
    this.entries = tree.cursor();
    this.nowMs = nowMs;
    this.from = from;
    this.to = to;
    this.cleared = tree.cleared();
  }

  /** Goes to the first key. */
  public boolean seekToFirst() {
    return forward(from == null ? entries.seekToFirst() : entries.seek(from));
  }

  /** Goes to the last key. */
  public boolean seekToLast() {
    if (to == null) {
      return backward(entries.seekToLast());
    }
    return backward(entries.seek(to) ? entries.previous() : entries.seekToLast());
  }

  /** Goes to the first key at or after a key. */
  public boolean seek(byte[] key) {
    byte[] start = from != null && Arrays.compareUnsigned(from, key) > 0 ? from : key;
    return forward(entries.seek(start));
  }

  /** Goes to the last key at or before a key. */
  public boolean seekBack(byte[] key) {
    if (to != null && Arrays.compareUnsigned(to, key) <= 0) {
      return seekToLast();
    }
    boolean there = entries.seek(key);
    while (there && Arrays.equals(entries.entry().key(), key)) {
      there = entries.next();
    }
    return backward(there ? entries.previous() : entries.seekToLast());
  }

  /** Goes to the next key; only where {@link #valid}. */
  public boolean next() {
    byte[] here = entry().key();
    // The cursor below stands at some version of this key: pass over the others.
    boolean there = entries.next();
    while (there && Arrays.equals(entries.entry().key(), here)) {
      there = entries.next();
    }
    return forward(there);
  }

  /** Goes to the key before; only where {@link #valid}. */
  public boolean previous() {
    byte[] here = entry().key();
    boolean there = entries.valid() ? entries.previous() : entries.seekToLast();
    while (there && Arrays.compareUnsigned(entries.entry().key(), here) >= 0) {
      there = entries.previous();
    }
    return backward(there);
  }

  /** From the newest version of some key on: finds the first key that is live. */
  private boolean forward(boolean positioned) {
    boolean there = positioned;
    while (there) {
      Entry entry = entries.entry();
      if (to != null && Arrays.compareUnsigned(entry.key(), to) >= 0) {
        break;
      }
      if (entry.time() > tree.time()) {
        there = entries.next();
        continue;
      }
      entry = settled(entry);
      if (isLive(entry)) {
        current = entry;
        return true;
      }
      byte[] dead = entry.key();
      do {
        there = entries.next();
      } while (there && Arrays.equals(entries.entry().key(), dead));
    }
    current = null;
    return false;
  }

  /** From the oldest version of some key back: finds the last key that is live. */
  private boolean backward(boolean positioned) {
    boolean there = positioned;
    while (there) {
      byte[] key = entries.entry().key();
      if (from != null && Arrays.compareUnsigned(key, from) < 0) {
        break;
      }
      Entry decides = null;
      while (there && Arrays.equals(entries.entry().key(), key)) {
        if (entries.entry().time() <= tree.time()) {
          decides = entries.entry();
        }
        there = entries.previous();
      }
      decides = decides == null ? null : settled(decides);
      if (decides != null && isLive(decides)) {
        // A merge may have dropped a deletion together with what it hides after that was passed
        // and before the deletion was. Going forward the newest comes first, which cannot happen.
        there = entries.seek(key);
        while (there && isAt(key) && entries.entry().time() > tree.time()) {
          there = entries.next();
        }
        Entry newest = there && isAt(key) ? settled(entries.entry()) : null;
        if (newest != null && isLive(newest)) {
          current = newest;
          return true;
        }
        there = there ? entries.previous() : entries.seekToLast();
        while (there && Arrays.compareUnsigned(entries.entry().key(), key) >= 0) {
          there = entries.previous();
        }
      }
    }
    current = null;
    return false;
  }

  private boolean isAt(byte[] key) {
    return Arrays.equals(entries.entry().key(), key);
  }

  private Entry settled(Entry entry) {
    Version clear = cleared;
    return clear != null && entry.version().compareTo(clear) < 0 ? entry : tree.settled(entry);
  }

  private boolean isLive(Entry entry) {
    Version clear = cleared;
    return (clear == null || entry.version().compareTo(clear) >= 0)
        && !entry.isTombstone()
        && !entry.isExpired(nowMs);
  }

  /** Whether there is a key here. */
  public boolean valid() {
    return current != null;
  }

  private Entry entry() {
    Entry entry = current;
    if (entry == null) {
      throw new NoSuchElementException("the cursor is not positioned");
    }
    return entry;
  }

  /** The key here, a copy. */
  public byte[] key() {
    return entry().key().clone();
  }

  /** The value here, a copy. */
  public byte[] value() {
    return tree.value(entry()).clone();
  }

  /** Length of the value here, which is not read for it. */
  public int valueLength() {
    return Tree.valueLength(entry());
  }

  /** The type of the value here. */
  public ValueType type() {
    return ValueType.of(entry());
  }

  /** When the key here expires, in wall-clock milliseconds since 1970; 0 means never. */
  public long expiryAtMs() {
    return entry().expiryAtMs();
  }

  /** The Lamport time of the operation that wrote the value here. */
  public long time() {
    return entry().time();
  }
}
