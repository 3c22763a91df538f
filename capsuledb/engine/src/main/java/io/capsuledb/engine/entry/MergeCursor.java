package io.capsuledb.engine.entry;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Walks several cursors as one, in {@link Entry#ENTRY_ORDER}.
 *
 * <p>Going forward, every source stands at its first entry after or at the current one, and the
 * smallest of them is current; going back it is the other way round. Turning round moves every
 * other source to the far side of the current entry. There are few sources, so the smallest is
 * found by looking at each.
 */
public final class MergeCursor implements EntryCursor {

  private final EntryCursor[] sources;

  /** The entry each source stands at, or null: to make one costs more than to compare two. */
  private final @Nullable Entry[] heads;

  /** Which source is current; -1 if the cursor is not positioned. */
  private int current = -1;

  private boolean forward = true;

  /** A cursor over the entries of all sources, which nobody else moves from now on. */
  public MergeCursor(List<? extends EntryCursor> sources) {
    this.sources = sources.toArray(new EntryCursor[0]);
    this.heads = new Entry[this.sources.length];
  }

  @Override
  public boolean seekToFirst() {
    for (int i = 0; i < sources.length; i++) {
      take(i, sources[i].seekToFirst());
    }
    return choose(true);
  }

  @Override
  public boolean seekToLast() {
    for (int i = 0; i < sources.length; i++) {
      take(i, sources[i].seekToLast());
    }
    return choose(false);
  }

  @Override
  public boolean seek(byte[] key) {
    for (int i = 0; i < sources.length; i++) {
      take(i, sources[i].seek(key));
    }
    return choose(true);
  }

  private void take(int source, boolean there) {
    heads[source] = there ? sources[source].entry() : null;
  }

  private boolean choose(boolean smallest) {
    forward = smallest;
    current = -1;
    Entry best = null;
    for (int i = 0; i < heads.length; i++) {
      Entry head = heads[i];
      if (head != null) {
        int order = best == null ? 0 : Entry.ENTRY_ORDER.compare(head, best);
        if (best == null || (smallest ? order < 0 : order > 0)) {
          best = head;
          current = i;
        }
      }
    }
    return best != null;
  }

  @Override
  public boolean next() {
    Entry here = entry();
    if (!forward) {
      for (int i = 0; i < sources.length; i++) {
        if (i != current) {
          toFirstAfter(i, here);
        }
      }
    }
    take(current, sources[current].next());
    return choose(true);
  }

  @Override
  public boolean previous() {
    Entry here = entry();
    if (forward) {
      for (int i = 0; i < sources.length; i++) {
        if (i != current) {
          toLastBefore(i, here);
        }
      }
    }
    take(current, sources[current].previous());
    return choose(false);
  }

  private void toFirstAfter(int i, Entry entry) {
    EntryCursor source = sources[i];
    boolean there = source.seek(entry.key());
    while (there && Entry.ENTRY_ORDER.compare(source.entry(), entry) <= 0) {
      there = source.next();
    }
    take(i, there);
  }

  private void toLastBefore(int i, Entry entry) {
    EntryCursor source = sources[i];
    boolean there = source.seek(entry.key());
    while (there && Entry.ENTRY_ORDER.compare(source.entry(), entry) < 0) {
      there = source.next();
    }
    take(i, there ? source.previous() : source.seekToLast());
  }

  @Override
  public boolean valid() {
    return current >= 0;
  }

  @Override
  public Entry entry() {
    Entry here = current < 0 ? null : heads[current];
    if (here == null) {
      throw new IllegalStateException("the cursor is not positioned");
    }
    return here;
  }
}
