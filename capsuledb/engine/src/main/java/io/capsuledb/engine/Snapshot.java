package io.capsuledb.engine;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.lsm.Tree;
import io.capsuledb.engine.lsm.TreeSnapshot;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Everything in a capsule as of one Lamport time. Keys whose expiry had passed when the snapshot
 * was taken are absent.
 *
 * <p>A snapshot keeps what it needs, in memory and in the store: close it. Thread-safe; its cursors
 * are not. Reads throw an {@link io.capsuledb.core.error.IntegrityException} that names the block
 * if one that is needed is damaged or missing.
 */
public final class Snapshot implements AutoCloseable {

  private final TreeSnapshot tree;
  private final long nowMs;

  Snapshot(TreeSnapshot tree) {
    this.tree = tree;
    this.nowMs = tree.nowMs();
  }

  /** The Lamport time; also the fence of all that is read here. */
  public long time() {
    return tree.time();
  }

  /** Reads a key. */
  public Lookup get(byte[] key) {
    return tree.read(
        key, (entry, cleared, source) -> CapsuleDb.visible(entry, cleared, nowMs, true, source));
  }

  /** Reads several keys; the results are in the order of the keys. */
  public List<Lookup> getAll(List<byte[]> keys) {
    return keys.stream().map(this::get).toList();
  }

  /** A cursor over all keys; to be used until the snapshot is closed. */
  public Cursor cursor() {
    return new Cursor(tree, nowMs, null, null);
  }

  /** A cursor over the keys that begin with a prefix. */
  public Cursor prefix(byte[] prefix) {
    return new Cursor(tree, nowMs, prefix, successor(prefix));
  }

  /**
   * A cursor over a range of keys.
   *
   * @param from the first key in the range; null: from the beginning
   * @param to the first key behind the range; null: to the end
   */
  public Cursor range(byte @Nullable [] from, byte @Nullable [] to) {
    return new Cursor(tree, nowMs, from, to);
  }

  /** The least key behind all that begin with a prefix, or null if there is none. */
  private static byte @Nullable [] successor(byte[] prefix) {
    for (int i = prefix.length - 1; i >= 0; i--) {
      if (prefix[i] != (byte) 0xFF) {
        byte[] next = Arrays.copyOf(prefix, i + 1);
        next[i]++;
        return next;
      }
    }
    return null;
  }

  /** One step of a walk over all live keys in their order; see {@link CapsuleDb#walk}. */
  public byte @Nullable [] walk(byte @Nullable [] after, int count, CapsuleDb.KeyVisitor visitor) {
    if (count < 1) {
      throw new InvalidRequestException("count is " + count + "; allowed is 1 or more");
    }
    EntryCursor cursor = tree.cursor();
    io.capsuledb.engine.entry.Version cleared = tree.cleared();
    boolean there = after == null ? cursor.seekToFirst() : cursor.seek(after);
    byte[] key = after;
    byte[] seen = after;
    int looked = 0;
    while (there) {
      Entry entry = cursor.entry();
      if (seen == null || !Arrays.equals(seen, entry.key())) {
        // The first version not later than the snapshot decides about its key.
        if (key == null || !Arrays.equals(key, entry.key())) {
          if (looked == count) {
            return key;
          }
          looked++;
          key = entry.key();
        }
        if (entry.time() <= tree.time()) {
          seen = entry.key();
          boolean hidden = cleared != null && entry.version().compareTo(cleared) < 0;
          entry = hidden ? entry : tree.settled(entry);
          if (!hidden && !entry.isTombstone() && !entry.isExpired(nowMs)) {
            visitor.key(entry.key(), ValueType.of(entry));
          }
        }
      }
      there = cursor.next();
    }
    return null;
  }

  /** Which tree this is a snapshot of. */
  Tree source() {
    return tree.source();
  }

  /** Lets go of what only this snapshot needs. Idempotent. */
  @Override
  public void close() {
    tree.close();
  }
}
