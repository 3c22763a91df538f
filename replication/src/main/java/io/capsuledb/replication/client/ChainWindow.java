package io.capsuledb.replication.client;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.seal.ChainHead;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The newest records of a chain: those that are not durable, and durable ones that some replica may
 * still want.
 *
 * <p>Invariants, asserted: the records are {@code base + 1} to {@code newest} without a gap, {@code
 * base <= durable <= newest}; {@code retainedBytes} is what they take, {@code pendingBytes} what
 * those beyond {@code durable} take.
 */
final class ChainWindow {

  private final long writer;
  private final Map<Long, StoredRecord> records = new HashMap<>();
  private boolean own;
  private long base;
  private Hash32 baseHash;
  private long newest;
  private Hash32 newestHash;
  private long durable;
  private long retainedBytes;
  private long pendingBytes;

  /**
   * An empty window behind a record.
   *
   * @param own whether nobody else writes this chain
   */
  ChainWindow(long writer, boolean own, long base, Hash32 baseHash) {
    this.writer = writer;
    this.own = own;
    this.base = base;
    this.baseHash = baseHash;
    this.newest = base;
    this.newestHash = baseHash;
    this.durable = base;
  }

  long writer() {
    return writer;
  }

  boolean isOwn() {
    return own;
  }

  void becomesOwn() {
    own = true;
  }

  long base() {
    return base;
  }

  long newest() {
    return newest;
  }

  long durable() {
    return durable;
  }

  long pendingBytes() {
    return pendingBytes;
  }

  long retainedBytes() {
    return retainedBytes;
  }

  ChainHead durableHead() {
    Hash32 hash = hashAt(durable);
    return durable == 0 || hash == null ? ChainHead.NONE : new ChainHead(durable, hash);
  }

  void add(StoredRecord record) {
    if (record.writer() != writer || record.sequence() != newest + 1) {
      throw new IllegalArgumentException(
          record + " at " + record.sequence() + " does not follow " + newest);
    }
    records.put(record.sequence(), record);
    newest = record.sequence();
    newestHash = record.hash();
    retainedBytes += record.bytes().length;
    pendingBytes += record.bytes().length;
  }

  /** The record at a position, or null if it is not kept. */
  @Nullable StoredRecord at(long sequence) {
    return records.get(sequence);
  }

  /** The hash at a position, or null if it is not known here. */
  @Nullable Hash32 hashAt(long sequence) {
    if (sequence == newest) {
      return newestHash;
    }
    if (sequence == base) {
      return baseHash;
    }
    StoredRecord record = records.get(sequence);
    return record == null ? null : record.hash();
  }

  /** Everything up to here is durable; returns how many bytes became so. */
  long advance(long sequence) {
    check(sequence <= newest, "durable beyond the newest record");
    long bytes = 0;
    for (long s = durable + 1; s <= sequence; s++) {
      bytes += java.util.Objects.requireNonNull(records.get(s)).bytes().length;
    }
    durable = Math.max(durable, sequence);
    pendingBytes -= bytes;
    check(pendingBytes >= 0, "fewer than no bytes are pending");
    return bytes;
  }

  /** Lets go of durable records up to a position; returns how many bytes that frees. */
  long trim(long upTo) {
    long limit = Math.min(upTo, durable);
    long bytes = 0;
    while (base < limit) {
      StoredRecord record = java.util.Objects.requireNonNull(records.remove(base + 1));
      base++;
      baseHash = record.hash();
      bytes += record.bytes().length;
    }
    retainedBytes -= bytes;
    return bytes;
  }

  private static void check(boolean invariant, String broken) {
    if (!invariant) {
      throw new IllegalStateException(broken);
    }
  }
}
