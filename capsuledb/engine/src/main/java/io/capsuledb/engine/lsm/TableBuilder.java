package io.capsuledb.engine.lsm;

import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.engine.block.BlockDescriptor;
import io.capsuledb.engine.block.BlockSummary;
import io.capsuledb.engine.block.EncodedBlock;
import io.capsuledb.engine.block.EntriesBlockBuilder;
import io.capsuledb.engine.block.IndexBlockBuilder;
import io.capsuledb.engine.block.ValueBlock;
import io.capsuledb.engine.block.ValuePointer;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Makes one table of entries that come in order.
 *
 * <p>Blocks are kept in memory until the table is complete; then they and the index are appended to
 * the tree's chain as consecutive records, in one durable write. Values to be kept apart are
 * appended at once, before. A table ends between two keys, never between versions of one.
 */
final class TableBuilder {

  private static final int SALT_BYTES = 32;

  private final TreeChain chain;
  private final TreeChain.Work work;
  private final TreeOptions options;
  private final Entropy entropy;

  private EntriesBlockBuilder block;
  private final List<EncodedBlock> blocks = new ArrayList<>();
  private final IndexBlockBuilder index;
  private byte @Nullable [] lastKey;
  private long rawBytes;
  private long separateBytes;
  private long entries;

  /**
   * A builder of one table.
   *
   * @param work what the table is part of
   */
  TableBuilder(TreeChain chain, TreeChain.Work work, TreeOptions options, Entropy entropy) {
    this.chain = chain;
    this.work = work;
    this.options = options;
    this.entropy = entropy;
    this.block = new EntriesBlockBuilder(options.compression());
    byte[] filterSeed = new byte[IndexBlockBuilder.FILTER_SEED_BYTES];
    entropy.fill(filterSeed);
    this.index = new IndexBlockBuilder(filterSeed, options.compression());
  }

  boolean isEmpty() {
    return entries == 0;
  }

  /** Whether the table is large enough to end before an entry. */
  boolean endsBefore(Entry entry) {
    return rawBytes + block.sizeBytes() >= options.tableBytes()
        && lastKey != null
        && !Arrays.equals(lastKey, entry.key());
  }

  void add(Entry entry) {
    Entry kept = entry;
    if (entry.kind() == EntryKind.VALUE && entry.value().length >= options.separateBytes()) {
      kept = separate(entry);
    }
    if (kept.kind() == EntryKind.POINTER) {
      separateBytes += ValuePointer.decode(kept.value()).orThrow().length();
    }
    if (!block.fits(kept)) {
      endBlock();
    }
    block.add(kept);
    index.addKey(kept.key());
    entries++;
    lastKey = kept.key();
    if (block.sizeBytes() >= options.blockBytes()) {
      endBlock();
    }
  }

  private Entry separate(Entry entry) {
    byte[] payload = ValueBlock.encode(entry.value(), options.compression());
    try (TreeChain.Appender appender = chain.begin(work)) {
      TreeChain.Ref ref = appender.append(RecordType.BLOCK, List.of(), payload);
      appender.flush();
      return entry.withValue(
          EntryKind.POINTER, ValuePointer.to(ref.hash(), entry.value()).encode());
    }
  }

  private void endBlock() {
    byte[] salt = new byte[SALT_BYTES];
    entropy.fill(salt);
    rawBytes += block.sizeBytes();
    blocks.add(block.finish(salt));
    block = new EntriesBlockBuilder(options.compression());
  }

  /** Appends the table; it is durable when this returns. */
  TableDescriptor finish() {
    if (block.count() > 0) {
      endBlock();
    }
    if (blocks.isEmpty()) {
      throw new IllegalStateException("a table without entries");
    }
    long bytes = 0;
    long tombstones = 0;
    long expiring = 0;
    long minTime = Long.MAX_VALUE;
    long maxTime = 0;
    try (TreeChain.Appender appender = chain.begin(work)) {
      TreeChain.Ref first = null;
      for (EncodedBlock built : blocks) {
        TreeChain.Ref ref = appender.append(RecordType.BLOCK, List.of(), built.payload());
        first = first == null ? ref : first;
        BlockSummary summary = built.summary();
        index.addBlock(new BlockDescriptor(ref.hash(), ref.bytes(), summary));
        bytes += ref.bytes();
        tombstones += summary.tombstones();
        expiring += summary.expiring();
        minTime = Math.min(minTime, summary.minTime());
        maxTime = Math.max(maxTime, summary.maxTime());
      }
      TreeChain.Ref last = appender.append(RecordType.BLOCK, List.of(), index.finish());
      appender.flush();
      return new TableDescriptor(
          last.hash(),
          last.writer(),
          java.util.Objects.requireNonNull(first).sequence(),
          blocks.size() + 1,
          blocks.getFirst().summary().firstKey(),
          blocks.getLast().summary().lastKey(),
          entries,
          tombstones,
          expiring,
          minTime,
          maxTime,
          bytes + last.bytes(),
          separateBytes,
          index.tableRoot());
    }
  }
}
