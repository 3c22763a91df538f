package io.capsuledb.engine.lsm;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.engine.block.BlockSummary;
import java.util.List;

/** What only a compactor makes, for tests of one that lies. */
public final class Forgery {

  private Forgery() {}

  /** The state root that a checkpoint of a manifest has to have. */
  public static Hash32 stateRoot(Manifest manifest) {
    return StateRoot.of(manifest);
  }

  /**
   * A table's descriptor that agrees with its blocks'.
   *
   * @param first sequence number of the first record
   * @param bytes of all records
   */
  public static TableDescriptor table(
      Hash32 index,
      long writer,
      long first,
      List<BlockSummary> blocks,
      long bytes,
      long separateBytes,
      Hash32 root) {
    long entries = 0;
    long tombstones = 0;
    long expiring = 0;
    long minTime = Long.MAX_VALUE;
    long maxTime = 0;
    for (BlockSummary block : blocks) {
      entries += block.entries();
      tombstones += block.tombstones();
      expiring += block.expiring();
      minTime = Math.min(minTime, block.minTime());
      maxTime = Math.max(maxTime, block.maxTime());
    }
    return new TableDescriptor(
        index,
        writer,
        first,
        blocks.size() + 1,
        blocks.getFirst().firstKey(),
        blocks.getLast().lastKey(),
        entries,
        tombstones,
        expiring,
        minTime,
        maxTime,
        bytes,
        separateBytes,
        root);
  }

  /** The same table with another range of keys. */
  public static TableDescriptor inRange(TableDescriptor table, byte[] firstKey, byte[] lastKey) {
    return new TableDescriptor(
        table.index(),
        table.writer(),
        table.firstSequence(),
        table.records(),
        firstKey,
        lastKey,
        table.entries(),
        table.tombstones(),
        table.expiring(),
        table.minTime(),
        table.maxTime(),
        table.bytes(),
        table.separateBytes(),
        table.root());
  }

  /** The same table with another number of entries. */
  public static TableDescriptor withEntries(TableDescriptor table, long entries) {
    return new TableDescriptor(
        table.index(),
        table.writer(),
        table.firstSequence(),
        table.records(),
        table.firstKey(),
        table.lastKey(),
        entries,
        table.tombstones(),
        table.expiring(),
        table.minTime(),
        table.maxTime(),
        table.bytes(),
        table.separateBytes(),
        table.root());
  }
}
