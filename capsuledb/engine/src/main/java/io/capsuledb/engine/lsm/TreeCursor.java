package io.capsuledb.engine.lsm;

import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import org.jspecify.annotations.Nullable;

/**
 * Walks all versions of all keys. Holds the newest view during each call and none in between: so a
 * cursor that somebody forgets keeps nothing alive, and memtables can be reused. When the view has
 * changed since the last call, the cursor finds its entry again in the new one: it is there, as
 * long as a snapshot pins its moment and it is what the snapshot shows of its key. What is hidden
 * may go between two calls, and with it a deletion that hid it.
 */
final class TreeCursor implements EntryCursor {

  private final Tree tree;
  private final long time;
  private @Nullable ReadView view;
  private @Nullable EntryCursor cursor;
  private @Nullable Entry current;

  /**
   * A cursor.
   *
   * @param time what its reader wants to see: a moment at which something was dropped is refused
   */
  TreeCursor(Tree tree, long time) {
    this.tree = tree;
    this.time = time;
  }

  private interface Move {
    boolean move(EntryCursor cursor);
  }

  private boolean seek(Move move) {
    ReadView held = tree.acquire();
    try {
      EntryCursor fresh = here(held);
      return take(fresh, move.move(fresh));
    } finally {
      held.release();
    }
  }

  private EntryCursor here(ReadView held) {
    tree.checkInReach(time);
    EntryCursor known = cursor;
    if (known == null || !held.equals(view)) {
      known = held.cursor();
      cursor = known;
      view = held;
    }
    return known;
  }

  private boolean step(boolean forward) {
    Entry at = entry();
    ReadView held = tree.acquire();
    try {
      boolean moved = !held.equals(view);
      EntryCursor fresh = here(held);
      if (moved && !find(fresh, at)) {
        // It was dropped: later than the snapshot, or hidden. Its place is between two others.
        if (forward) {
          return take(fresh, fresh.valid());
        }
        return take(fresh, fresh.valid() ? fresh.previous() : fresh.seekToLast());
      }
      return take(fresh, forward ? fresh.next() : fresh.previous());
    } finally {
      held.release();
    }
  }

  /** Goes to an entry, or to the first behind where it would be. */
  private static boolean find(EntryCursor fresh, Entry sought) {
    boolean there = fresh.seek(sought.key());
    while (there) {
      int order = Entry.ENTRY_ORDER.compare(fresh.entry(), sought);
      if (order >= 0) {
        return order == 0;
      }
      there = fresh.next();
    }
    return false;
  }

  private boolean take(EntryCursor from, boolean there) {
    current = there ? from.entry() : null;
    return there;
  }

  @Override
  public boolean seekToFirst() {
    return seek(EntryCursor::seekToFirst);
  }

  @Override
  public boolean seekToLast() {
    return seek(EntryCursor::seekToLast);
  }

  @Override
  public boolean seek(byte[] key) {
    return seek(c -> c.seek(key));
  }

  @Override
  public boolean next() {
    return step(true);
  }

  @Override
  public boolean previous() {
    return step(false);
  }

  @Override
  public boolean valid() {
    return current != null;
  }

  @Override
  public Entry entry() {
    Entry entry = current;
    if (entry == null) {
      throw new IllegalStateException("the cursor is not positioned");
    }
    return entry;
  }
}
