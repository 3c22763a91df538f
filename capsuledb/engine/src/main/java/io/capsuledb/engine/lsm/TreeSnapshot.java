package io.capsuledb.engine.lsm;

import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Everything as of one Lamport time, held until {@link #close}. Thread-safe; its cursors are not.
 */
public final class TreeSnapshot implements AutoCloseable {

  private final Tree tree;
  private final long time;
  private final long nowMs;
  private final AtomicBoolean closed = new AtomicBoolean();

  TreeSnapshot(Tree tree, long time, long nowMs) {
    this.tree = tree;
    this.time = time;
    this.nowMs = nowMs;
  }

  /** The Lamport time. */
  public long time() {
    return time;
  }

  /** The wall clock by which it judges what has expired, in milliseconds. */
  public long nowMs() {
    return nowMs;
  }

  /** Reads a key. */
  public <T> T read(byte[] key, Tree.Visible<T> visible) {
    checkOpen();
    return tree.read(key, () -> time, visible);
  }

  /**
   * An entry that a cursor has come to, not later than the snapshot; if it is an operand the value
   * that it has made.
   */
  public Entry settled(Entry entry) {
    return entry.kind() == EntryKind.OPERAND ? tree.settled(entry) : entry;
  }

  /** What this is a snapshot of. */
  public Tree source() {
    return tree;
  }

  /** The CLEARs up to that time that still matter, ascending. */
  public List<Version> clears() {
    checkOpen();
    return tree.clears().upTo(time).versions();
  }

  /** The newest CLEAR at that time, or null. */
  public @Nullable Version cleared() {
    checkOpen();
    return tree.clears().at(time);
  }

  /** Of what was replaced before this Lamport time, not everything is there. */
  public long floorTime() {
    return tree.floorTime();
  }

  /** A cursor over all versions of all keys, those later than the snapshot included. */
  public EntryCursor cursor() {
    checkOpen();
    return new TreeCursor(tree, time);
  }

  /** The value of an entry, wherever it is. */
  public byte[] value(Entry entry) {
    checkOpen();
    return tree.value(entry);
  }

  private void checkOpen() {
    if (closed.get()) {
      throw new IllegalStateException("the snapshot is closed");
    }
  }

  /** Lets go of what only this snapshot needs. Idempotent. */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      tree.unpin(time, nowMs);
    }
  }
}
