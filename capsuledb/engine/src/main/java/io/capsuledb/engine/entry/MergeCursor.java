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
  private @Nullable EntryCursor current;
  private boolean forward = true;

  /** A cursor over the entries of all sources, which nobody else moves from now on. */
  public MergeCursor(List<? extends EntryCursor> sources) {
    this.sources = sources.toArray(new EntryCursor[0]);
  }

  @Override
  public boolean seekToFirst() {
    for (EntryCursor source : sources) {
      source.seekToFirst();
    }
    return smallest();
  }

  @Override
  public boolean seekToLast() {
    for (EntryCursor source : sources) {
      source.seekToLast();
    }
    return largest();
  }

  @Override
  public boolean seek(byte[] key) {
    for (EntryCursor source : sources) {
      source.seek(key);
    }
    return smallest();
  }

  private boolean smallest() {
    forward = true;
    EntryCursor best = null;
    for (EntryCursor source : sources) {
      if (source.valid()
          && (best == null || Entry.ENTRY_ORDER.compare(source.entry(), best.entry()) < 0)) {
        best = source;
      }
    }
    current = best;
    return best != null;
  }

  private boolean largest() {
    forward = false;
    EntryCursor best = null;
    for (EntryCursor source : sources) {
      if (source.valid()
          && (best == null || Entry.ENTRY_ORDER.compare(source.entry(), best.entry()) > 0)) {
        best = source;
      }
    }
    current = best;
    return best != null;
  }

  @Override
  public boolean next() {
    EntryCursor here = positioned();
    if (!forward) {
      Entry entry = here.entry();
      for (EntryCursor source : sources) {
        if (source != here) {
          toFirstAfter(source, entry);
        }
      }
    }
    here.next();
    return smallest();
  }

  @Override
  public boolean previous() {
    EntryCursor here = positioned();
    if (forward) {
      Entry entry = here.entry();
      for (EntryCursor source : sources) {
        if (source != here) {
          toLastBefore(source, entry);
        }
      }
    }
    here.previous();
    return largest();
  }

  private static void toFirstAfter(EntryCursor source, Entry entry) {
    boolean there = source.seek(entry.key());
    while (there && Entry.ENTRY_ORDER.compare(source.entry(), entry) <= 0) {
      there = source.next();
    }
  }

  private static void toLastBefore(EntryCursor source, Entry entry) {
    boolean there = source.seek(entry.key());
    while (there && Entry.ENTRY_ORDER.compare(source.entry(), entry) < 0) {
      there = source.next();
    }
    if (there) {
      source.previous();
    } else {
      source.seekToLast();
    }
  }

  private EntryCursor positioned() {
    EntryCursor here = current;
    if (here == null) {
      throw new IllegalStateException("the cursor is not positioned");
    }
    return here;
  }

  @Override
  public boolean valid() {
    return current != null;
  }

  @Override
  public Entry entry() {
    return positioned().entry();
  }
}
