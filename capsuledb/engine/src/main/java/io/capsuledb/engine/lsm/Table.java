package io.capsuledb.engine.lsm;

import io.capsuledb.engine.block.EntriesBlock;
import io.capsuledb.engine.block.IndexBlock;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import org.jspecify.annotations.Nullable;

/** A table that can be read. Immutable; its blocks come from the cache or the store when needed. */
final class Table {

  private final TableDescriptor descriptor;
  private final BlockStore blocks;

  Table(TableDescriptor descriptor, BlockStore blocks) {
    this.descriptor = descriptor;
    this.blocks = blocks;
  }

  TableDescriptor descriptor() {
    return descriptor;
  }

  IndexBlock index() {
    return blocks.index(descriptor.index(), "the manifest");
  }

  private EntriesBlock block(IndexBlock index, int number, boolean keep) {
    return blocks.entries(index.record(number), descriptor, keep);
  }

  /** The newest version of a key not later than a Lamport time, or null. */
  @Nullable Entry find(byte[] key, long time) {
    IndexBlock index = index();
    if (!index.mayContain(key)) {
      return null;
    }
    int number = index.blockFor(key);
    if (number < 0) {
      return null;
    }
    Entry found = block(index, number, true).find(key, time);
    // The versions of one key may go on in the next block.
    while (found == null
        && ++number < index.blocks()
        && java.util.Arrays.equals(index.firstKey(number), key)) {
      found = block(index, number, true).find(key, time);
    }
    return found;
  }

  EntryCursor cursor() {
    return new TableCursor(index(), true);
  }

  /** A cursor for reading everything once: it leaves the cache to others. */
  EntryCursor scan() {
    return new TableCursor(index(), false);
  }

  /** One block's cursor after the other. */
  private final class TableCursor implements EntryCursor {
    private final IndexBlock index;
    private final boolean keep;
    private int number = -1;
    private @Nullable EntryCursor current;

    TableCursor(IndexBlock index, boolean keep) {
      this.index = index;
      this.keep = keep;
    }

    @Override
    public boolean seekToFirst() {
      return open(0) && here().seekToFirst();
    }

    @Override
    public boolean seekToLast() {
      return open(index.blocks() - 1) && here().seekToLast();
    }

    @Override
    public boolean seek(byte[] key) {
      int low = 0;
      int high = index.blocks();
      while (low < high) {
        int middle = (low + high) >>> 1;
        if (java.util.Arrays.compareUnsigned(index.lastKey(middle), key) < 0) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      return open(low) && here().seek(key);
    }

    @Override
    public boolean next() {
      return here().next() || (open(number + 1) && here().seekToFirst());
    }

    @Override
    public boolean previous() {
      return here().previous() || (open(number - 1) && here().seekToLast());
    }

    private boolean open(int wanted) {
      number = wanted;
      if (wanted < 0 || wanted >= index.blocks()) {
        current = null;
        return false;
      }
      current = block(index, wanted, keep).cursor();
      return true;
    }

    private EntryCursor here() {
      EntryCursor cursor = current;
      if (cursor == null) {
        throw new IllegalStateException("the cursor is not positioned");
      }
      return cursor;
    }

    @Override
    public boolean valid() {
      EntryCursor cursor = current;
      return cursor != null && cursor.valid();
    }

    @Override
    public Entry entry() {
      return here().entry();
    }
  }
}
