package io.capsuledb.engine.block;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.bytes.Varint;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.KeyStream;
import io.capsuledb.core.proof.MerkleTree;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Makes entries blocks: add entries in their order until {@link #sizeBytes} says enough, finish,
 * and begin anew. Without compression, the same entries and salt key always give the same bytes.
 * One thread at a time.
 */
public final class EntriesBlockBuilder {

  /** Two lengths of the key, flags, writer, place and the value's length, a byte each. */
  private static final int ESTIMATED_OVERHEAD_BYTES = 6;

  private final Compression compression;
  private final List<Entry> entries = new ArrayList<>();
  private final Map<Long, Integer> writers = new HashMap<>();
  private long minTime = Long.MAX_VALUE;
  private long estimate;

  /** A builder of blocks that are compressed if that makes them smaller. */
  public EntriesBlockBuilder(Compression compression) {
    this.compression = compression;
  }

  /**
   * Appends an entry, and keeps it until the block is finished.
   *
   * @throws IllegalStateException if it does not come after the entry before, or would make the
   *     block larger than a record can be
   * @throws IllegalArgumentException if a number or length in it is beyond the format's bounds
   */
  public void add(Entry entry) {
    checkBounds(entry);
    int shared = 0;
    if (!entries.isEmpty()) {
      Entry before = entries.getLast();
      if (Entry.ENTRY_ORDER.compare(before, entry) >= 0) {
        throw new IllegalStateException("entries out of order: " + before + ", then " + entry);
      }
      shared = sharedAt(entries.size(), entry);
    }
    int keyAndValue = entry.key().length - shared + entry.value().length;
    if (!fits(entry)) {
      throw new IllegalStateException("an entry too many for one block: " + entry);
    }
    minTime = Math.min(minTime, entry.version().time());
    estimate +=
        ESTIMATED_OVERHEAD_BYTES
            + keyAndValue
            + Varint.longBytes(entry.version().time() - minTime)
            + (entry.expiryAtMs() == 0 ? 0 : Varint.longBytes(entry.expiryAtMs()));
    if (writers.putIfAbsent(entry.version().writer(), writers.size()) == null) {
      estimate += Long.BYTES;
    }
    entries.add(entry);
  }

  private static void checkBounds(Entry entry) {
    long time = entry.version().time();
    long writer = entry.version().writer();
    if (time < 0
        || time > RecordLayout.MAX_LAMPORT
        || writer < 0
        || writer > RosterEntry.MAX_WRITER
        || entry.version().index() < 0
        || entry.key().length > BlockLayout.MAX_KEY_BYTES
        || entry.value().length > BlockLayout.MAX_VALUE_BYTES
        || entry.kind() == EntryKind.OPERAND
        || (entry.kind() == EntryKind.POINTER && ValuePointer.lengthAt(entry.value(), 0) < 0)) {
      throw new IllegalArgumentException("an entry beyond the bounds of blocks: " + entry);
    }
  }

  /** How much of its key an entry at {@code position} shares with the one before. */
  private int sharedAt(int position, Entry entry) {
    if (position % BlockLayout.RESTART_INTERVAL == 0) {
      return 0;
    }
    byte[] before = entries.get(position - 1).key();
    int mismatch = Arrays.mismatch(before, entry.key());
    return mismatch < 0 ? before.length : mismatch;
  }

  /** Whether one more entry is sure to fit: false only near the bound of a record. */
  public boolean fits(Entry entry) {
    // What the estimate may fall short by: times, indexes and lengths that are long after all.
    long slack = (long) (entries.size() + 1) * (2 * Varint.MAX_LONG_BYTES + 4 * Varint.MAX_BYTES);
    return sizeBytes() + slack + entry.key().length + entry.value().length
        <= BlockLayout.MAX_BODY_BYTES;
  }

  /** Entries added since the last block. */
  public int count() {
    return entries.size();
  }

  /** About how many bytes the block has before compression; a per cent or two off. */
  public int sizeBytes() {
    long restarts = entries.isEmpty() ? 0 : EntriesBlock.restarts(entries.size());
    return (int)
        (BlockLayout.BODY_OFFSET
            + BlockLayout.WRITERS_OFFSET
            + estimate
            + restarts * Integer.BYTES);
  }

  /**
   * The block of the entries added; the builder is then empty.
   *
   * @param saltKey 32 random bytes that are used for nothing else
   * @throws IllegalStateException if no entry was added
   */
  public EncodedBlock finish(byte[] saltKey) {
    if (entries.isEmpty()) {
      throw new IllegalStateException("a block without entries");
    }
    byte[] salts = KeyStream.bytes(saltKey, entries.size() * EntryLeaf.SALT_BYTES);
    List<Hash32> leaves = new ArrayList<>(entries.size());
    int tombstones = 0;
    int expiring = 0;
    long maxTime = 0;
    for (Entry entry : entries) {
      leaves.add(EntryLeaf.hash(salts, leaves.size() * EntryLeaf.SALT_BYTES, entry));
      tombstones += entry.kind() == EntryKind.TOMBSTONE ? 1 : 0;
      expiring += entry.expiryAtMs() == 0 ? 0 : 1;
      maxTime = Math.max(maxTime, entry.version().time());
    }
    BlockSummary summary =
        new BlockSummary(
            MerkleTree.root(leaves),
            entries.getFirst().key(),
            entries.getLast().key(),
            entries.size(),
            tombstones,
            expiring,
            minTime,
            maxTime);
    byte[] payload = BlockFrame.encode(BlockKind.ENTRIES, body(saltKey), compression);
    entries.clear();
    writers.clear();
    minTime = Long.MAX_VALUE;
    estimate = 0;
    return new EncodedBlock(payload, summary);
  }

  private byte[] body(byte[] saltKey) {
    int count = entries.size();
    int[] shared = new int[count];
    int entryBytes = 0;
    for (int i = 0; i < count; i++) {
      shared[i] = sharedAt(i, entries.get(i));
      entryBytes += encodedBytes(entries.get(i), shared[i]);
    }
    int header = BlockLayout.WRITERS_OFFSET + Long.BYTES * writers.size();
    int restarts = Integer.BYTES * EntriesBlock.restarts(count);
    byte[] framed = BlockFrame.allocate(header + entryBytes + restarts);
    int start = BlockLayout.BODY_OFFSET;
    System.arraycopy(saltKey, 0, framed, start, saltKey.length);
    LittleEndian.putLong(framed, start + BlockLayout.BASE_TIME_OFFSET, minTime);
    LittleEndian.putInt(framed, start + BlockLayout.ENTRY_COUNT_OFFSET, count);
    LittleEndian.putInt(framed, start + BlockLayout.WRITER_COUNT_OFFSET, writers.size());
    writers.forEach(
        (writer, slot) ->
            LittleEndian.putLong(
                framed, start + BlockLayout.WRITERS_OFFSET + Long.BYTES * slot, writer));
    int entriesStart = start + header;
    int restartsStart = entriesStart + entryBytes;
    int at = entriesStart;
    for (int i = 0; i < count; i++) {
      if (i % BlockLayout.RESTART_INTERVAL == 0) {
        LittleEndian.putInt(
            framed,
            restartsStart + Integer.BYTES * (i / BlockLayout.RESTART_INTERVAL),
            at - entriesStart);
      }
      at = put(entries.get(i), shared[i], framed, at);
    }
    if (at != restartsStart) {
      throw new IllegalStateException("entries took " + (at - restartsStart) + " bytes too many");
    }
    return framed;
  }

  private int slot(Entry entry) {
    Integer slot = writers.get(entry.version().writer());
    if (slot == null) {
      throw new IllegalStateException("an entry of a writer that was not added");
    }
    return slot;
  }

  private int encodedBytes(Entry entry, int shared) {
    int suffix = entry.key().length - shared;
    int bytes =
        Varint.bytes(shared)
            + Varint.bytes(suffix)
            + suffix
            + 1
            + Varint.longBytes(entry.version().time() - minTime)
            + Varint.bytes(slot(entry))
            + Varint.bytes(entry.version().index())
            + entry.value().length;
    if (entry.expiryAtMs() != 0) {
      bytes += Varint.longBytes(entry.expiryAtMs());
    }
    return entry.kind() == EntryKind.VALUE ? bytes + Varint.bytes(entry.value().length) : bytes;
  }

  private int put(Entry entry, int shared, byte[] target, int offset) {
    byte[] key = entry.key();
    byte[] value = entry.value();
    int suffix = key.length - shared;
    int at = Varint.put(target, offset, shared);
    at = Varint.put(target, at, suffix);
    System.arraycopy(key, shared, target, at, suffix);
    at += suffix;
    target[at++] =
        (byte)
            (entry.kind().number()
                | (entry.expiryAtMs() == 0 ? 0 : BlockLayout.FLAG_EXPIRING)
                | entry.typeNumber() << BlockLayout.FLAG_TYPE_SHIFT);
    at = Varint.putLong(target, at, entry.version().time() - minTime);
    at = Varint.put(target, at, slot(entry));
    at = Varint.put(target, at, entry.version().index());
    if (entry.expiryAtMs() != 0) {
      at = Varint.putLong(target, at, entry.expiryAtMs());
    }
    if (entry.kind() == EntryKind.VALUE) {
      at = Varint.put(target, at, value.length);
    }
    System.arraycopy(value, 0, target, at, value.length);
    return at + value.length;
  }
}
