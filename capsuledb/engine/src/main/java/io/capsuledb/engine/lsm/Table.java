package io.capsuledb.engine.lsm;

import io.capsuledb.core.error.Rejection;
import io.capsuledb.engine.block.EntriesBlock;
import io.capsuledb.engine.block.IndexBlock;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import java.lang.ref.WeakReference;
import org.jspecify.annotations.Nullable;

/** A table that can be read. Immutable; its blocks come from the cache or the store when needed. */
final class Table {

  private final TableDescriptor descriptor;
  private final BlockStore blocks;
  private final BlockStore.Place indexPlace;

  /** Whether the index was compared with the descriptor. */
  private volatile boolean indexChecked;

  /**
   * The index, as long as anybody holds it; asking the cache each time costs more than the search.
   */
  private volatile WeakReference<@Nullable IndexBlock> nearIndex = new WeakReference<>(null);

  /** Not exact: threads may count over each other. */
  private int uses;

  Table(TableDescriptor descriptor, BlockStore blocks) {
    this.descriptor = descriptor;
    this.blocks = blocks;
    this.indexPlace =
        blocks.new Place(descriptor.writer(), descriptor.lastSequence(), "the manifest");
  }

  TableDescriptor descriptor() {
    return descriptor;
  }

  IndexBlock index() {
    IndexBlock near = nearIndex.get();
    if (near != null && ++uses % NearBlocks.TOLD != 0) {
      return near;
    }
    IndexBlock index = blocks.index(descriptor.index(), indexPlace);
    if (!indexChecked) {
      String wrong = descriptor.disagreement(index);
      if (wrong != null) {
        throw blocks.refuse(
            descriptor.index(), indexPlace, Rejection.of(Rejection.Reason.PAYLOAD, wrong));
      }
      indexChecked = true;
    }
    if (index != near) {
      nearIndex = new WeakReference<>(index);
    }
    return index;
  }

  /** A block of the table; {@code keep}: others are likely to ask for it soon. */
  EntriesBlock block(IndexBlock index, int number, boolean keep) {
    return blocks.entries(index, number, place(number), keep);
  }

  private BlockStore.Place place(int number) {
    // A table's blocks follow each other in the chain, and its index follows them.
    return blocks.new Place(descriptor.writer(), descriptor.firstSequence() + number, descriptor);
  }

  /** The same where the order of blocks matters: one from the cache may be there as another's. */
  private EntriesBlock blockInOrder(IndexBlock index, int number, boolean keep) {
    EntriesBlock block = block(index, number, keep);
    blocks.check(index, number, block, descriptor);
    return block;
  }

  /** The newest version of a key not later than a Lamport time, or null. */
  @Nullable Entry find(byte[] key, long time) {
    IndexBlock index = index();
    if (!index.mayContain(key)) {
      return null;
    }
    // The versions of one key may go on in the next block.
    Entry found = null;
    for (int number = index.blockFor(key);
        found == null && number < index.count() && index.covers(number, key);
        number++) {
      found = blocks.find(index, number, place(number), key, time);
    }
    return found;
  }

  /** The key of an entry, counted from 0. */
  byte[] keyAt(long position) {
    IndexBlock index = index();
    long left = position;
    for (int number = 0; number < index.count(); number++) {
      EntriesBlock block = blockInOrder(index, number, true);
      if (left < block.count()) {
        return block.entry((int) left).key();
      }
      left -= block.count();
    }
    throw new IllegalStateException("a table has fewer entries than its descriptor says");
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
      return open(index.count() - 1) && here().seekToLast();
    }

    @Override
    public boolean seek(byte[] key) {
      return open(index.blockFor(key)) && here().seek(key);
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
      if (wanted < 0 || wanted >= index.count()) {
        current = null;
        return false;
      }
      current = blockInOrder(index, wanted, keep).cursor();
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
