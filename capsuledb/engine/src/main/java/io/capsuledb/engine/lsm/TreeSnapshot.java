package io.capsuledb.engine.lsm;

import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.Version;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Everything as of one Lamport time, held until {@link #close}. Thread-safe; its cursors are not.
 */
public final class TreeSnapshot implements AutoCloseable {

  private final Tree tree;
  private final ReadView view;
  private final long time;
  private final AtomicBoolean closed = new AtomicBoolean();

  TreeSnapshot(Tree tree, ReadView view, long time) {
    this.tree = tree;
    this.view = view;
    this.time = time;
  }

  /** The Lamport time. */
  public long time() {
    return time;
  }

  /** The newest version of a key at that time, whatever it says, or null. */
  public @Nullable Entry find(byte[] key) {
    checkOpen();
    return view.find(key, time);
  }

  /** Reads a key. */
  public <T> T read(byte[] key, Tree.Visible<T> visible) {
    return visible.see(find(key), cleared(), tree);
  }

  /** What this is a snapshot of. */
  public Tree source() {
    return tree;
  }

  /** The newest CLEAR at that time, or null. */
  public @Nullable Version cleared() {
    checkOpen();
    return view.clears().at(time);
  }

  /** A cursor over all versions of all keys, those later than the snapshot included. */
  public EntryCursor cursor() {
    checkOpen();
    return view.cursor();
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
      tree.unpin(time);
      view.release();
    }
  }
}
