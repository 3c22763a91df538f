package io.capsuledb.engine.lsm;

import io.capsuledb.engine.block.Compression;

/**
 * The tree's sizes and rates, validated by whoever offers them to users.
 *
 * @param memtableBytes bytes at which a memtable is frozen
 * @param blockBytes entries of a block before compression, about
 * @param tableBytes entries of a table before compression, about
 * @param separateBytes values of at least this length are kept apart
 * @param cacheBytes blocks kept in memory
 * @param historyMs how long replaced versions are kept
 * @param compactionBytesPerSecond most that compaction writes while there is no hurry; 0: no limit
 * @param compression of blocks
 */
public record TreeOptions(
    long memtableBytes,
    int blockBytes,
    int tableBytes,
    int separateBytes,
    long cacheBytes,
    long historyMs,
    long compactionBytesPerSecond,
    Compression compression) {

  /** Each level holds this many times as much as the one above. */
  static final int FAN_OUT = 10;

  /** Level 0 is compacted when it has so many runs. */
  static final int LEVEL_0_RUNS = 4;

  /** Writers are slowed down from so many runs of level 0 on. */
  static final int SLOWDOWN_RUNS = 20;

  /** Writers wait at so many runs of level 0. */
  static final int STOP_RUNS = 48;

  /** Memtables at most: one that is written and others that are or will be flushed. */
  static final int MEMTABLES = 6;

  /** So many frozen memtables may wait until clients are less busy; the rest is for the flush. */
  static final int PATIENT_MEMTABLES = 3;

  /** Bytes that level 1 is meant to hold. */
  long level1Bytes() {
    return LEVEL_0_RUNS * memtableBytes;
  }

  /** Bytes that a level is meant to hold. */
  long levelBytes(int level) {
    long bytes = level1Bytes();
    for (int i = 1; i < level; i++) {
      bytes = bytes > Long.MAX_VALUE / FAN_OUT ? Long.MAX_VALUE : bytes * FAN_OUT;
    }
    return bytes;
  }
}
