package io.capsuledb.engine;

import io.capsuledb.core.bytes.LittleEndian;
import java.util.Arrays;
import net.openhft.chronicle.map.ChronicleMap;
import net.openhft.chronicle.map.ChronicleMapBuilder;
import org.jspecify.annotations.Nullable;

/**
 * A memtable off the Java heap, in Chronicle Map.
 *
 * <p>Chronicle Map never evicts, has no order, and fails late when it is full. Hence:
 *
 * <ul>
 *   <li>bytes are counted here, against a budget the maps are sized beyond; the caller refuses
 *       writes before the budget is reached, so the maps never overflow;
 *   <li>values above {@link #INLINE_BYTES} are cut into chunks of equal size in a second map, under
 *       the version of the operation that wrote them, which is unique: entries stay small enough
 *       for any segment, and the free list of the second map cannot fragment;
 *   <li>which keys exist, and which have an expiry, is kept in {@link KeyIndex} on the heap: SCAN
 *       and expiry walk that, not the sparse hash tables.
 * </ul>
 *
 * <p>A reader that finds an entry whose chunks were just replaced reads the entry again: chunks are
 * written before the entry that names them and removed after it was replaced, so each retry means
 * that a newer version was written meanwhile.
 */
final class ChronicleMemtable implements Memtable {

  /** Longest value kept beside its key. */
  static final int INLINE_BYTES = 8 << 10;

  private static final int CHUNK_BYTES = 8 << 10;

  // An entry: time u64, writer u64, index u32, kind u8, type u8, reserved u16, expiry u64, value.
  private static final int TIME = 0;
  private static final int WRITER = 8;
  private static final int INDEX = 16;
  private static final int KIND = 20;
  private static final int TYPE = 21;
  private static final int EXPIRY = 24;
  private static final int HEADER_BYTES = 32;

  private static final int KIND_VALUE = 0;
  private static final int KIND_TOMBSTONE = 1;
  private static final int KIND_CHUNKED = 2;

  private static final int CHUNK_KEY_BYTES = 24;
  private static final int CHUNK_NUMBER = 20;

  /**
   * Allocation unit of both maps, and what an entry costs beside its bytes: slots, lengths, index.
   */
  private static final int UNIT_BYTES = 64;

  private static final int OVERHEAD_BYTES = 96;
  private static final int EXPECTED_ENTRY_BYTES = 192;

  /**
   * The maps may grow to this multiple of the budget before they fail: room for uneven segments.
   */
  private static final double SLACK = 8;

  private static final int MAX_SEGMENTS = 256;
  private static final long MIN_SEGMENT_BYTES = 1 << 20;

  /** A reader that lost this many races against writers of one key has met a defect, not a race. */
  private static final int MAX_READ_RETRIES = 10_000;

  private final ChronicleMap<byte[], byte[]> entries;
  private final ChronicleMap<byte[], byte[]> chunks;
  private final KeyIndex keys;
  private final KeyIndex expiring;
  private volatile long usedBytes;

  /**
   * An empty memtable.
   *
   * @param budgetBytes how many bytes the caller will let it hold
   * @param seed unpredictable; seeds the hash of the key index
   */
  ChronicleMemtable(long budgetBytes, long seed) {
    int segments = 1;
    while (segments < MAX_SEGMENTS && budgetBytes / (2L * segments) >= MIN_SEGMENT_BYTES) {
      segments *= 2;
    }
    entries = map("entries", budgetBytes, segments, UNIT_BYTES, EXPECTED_ENTRY_BYTES);
    chunks = map("chunks", budgetBytes, segments, CHUNK_BYTES / 8, CHUNK_BYTES);
    keys = new KeyIndex(seed);
    expiring = new KeyIndex(seed + 1);
  }

  private static ChronicleMap<byte[], byte[]> map(
      String name, long budgetBytes, int segments, int unitBytes, int expectedEntryBytes) {
    long segmentBytes = Math.max(MIN_SEGMENT_BYTES, budgetBytes / segments);
    return ChronicleMapBuilder.of(byte[].class, byte[].class)
        .name(name)
        .actualSegments(segments)
        .actualChunkSize(unitBytes)
        .actualChunksPerSegmentTier(segmentBytes / unitBytes)
        .entriesPerSegment(Math.max(64, segmentBytes / expectedEntryBytes))
        .entries(Math.max(64, budgetBytes / expectedEntryBytes))
        .maxBloatFactor(SLACK)
        .checksumEntries(false)
        .create();
  }

  static long costOf(int keyLength, int valueLength) {
    long inline = valueLength <= INLINE_BYTES ? valueLength : 8;
    long bytes =
        roundUp(HEADER_BYTES + keyLength + inline, UNIT_BYTES) + OVERHEAD_BYTES + keyLength;
    if (valueLength > INLINE_BYTES) {
      long count = (valueLength + CHUNK_BYTES - 1L) / CHUNK_BYTES;
      bytes += count * (CHUNK_BYTES + CHUNK_BYTES / 8 + OVERHEAD_BYTES);
    }
    return bytes;
  }

  private static long roundUp(long bytes, long unit) {
    return (bytes + unit - 1) / unit * unit;
  }

  @Override
  public @Nullable Entry get(byte[] key) {
    for (int i = 0; i < MAX_READ_RETRIES; i++) {
      byte[] stored = entries.get(key);
      if (stored == null) {
        return null;
      }
      if (stored[KIND] != KIND_CHUNKED) {
        return entry(stored, stored, HEADER_BYTES, stored.length - HEADER_BYTES);
      }
      byte[] value = readChunks(stored);
      if (value != null) {
        return entry(stored, value, 0, value.length);
      }
    }
    throw new IllegalStateException("the chunks of a stored value are missing");
  }

  private static Entry entry(byte[] stored, byte[] value, int offset, int length) {
    return new Entry(
        versionOf(stored),
        stored[KIND] == KIND_TOMBSTONE,
        ValueType.ofNumber(stored[TYPE]),
        LittleEndian.getLong(stored, EXPIRY),
        value,
        offset,
        length);
  }

  private static Version versionOf(byte[] stored) {
    return new Version(
        LittleEndian.getLong(stored, TIME),
        LittleEndian.getLong(stored, WRITER),
        LittleEndian.getInt(stored, INDEX));
  }

  /** Returns null if a chunk is gone because the entry was replaced. */
  private byte @Nullable [] readChunks(byte[] stored) {
    byte[] value = new byte[LittleEndian.getInt(stored, HEADER_BYTES)];
    byte[] chunkKey = chunkKey(stored);
    for (int at = 0, number = 0; at < value.length; at += CHUNK_BYTES, number++) {
      LittleEndian.putInt(chunkKey, CHUNK_NUMBER, number);
      byte[] chunk = chunks.get(chunkKey);
      if (chunk == null) {
        return null;
      }
      System.arraycopy(chunk, 0, value, at, chunk.length);
    }
    return value;
  }

  private static byte[] chunkKey(byte[] stored) {
    return Arrays.copyOf(stored, CHUNK_KEY_BYTES);
  }

  @Override
  public void put(byte[] key, Version version, ValueType type, byte[] value, long expiryAtMs) {
    byte[] stored;
    if (value.length <= INLINE_BYTES) {
      stored = header(version, KIND_VALUE, type, expiryAtMs, value.length);
      System.arraycopy(value, 0, stored, HEADER_BYTES, value.length);
    } else {
      stored = header(version, KIND_CHUNKED, type, expiryAtMs, 8);
      LittleEndian.putInt(stored, HEADER_BYTES, value.length);
      byte[] chunkKey = chunkKey(stored);
      for (int at = 0, number = 0; at < value.length; at += CHUNK_BYTES, number++) {
        LittleEndian.putInt(chunkKey, CHUNK_NUMBER, number);
        chunks.put(
            chunkKey, Arrays.copyOfRange(value, at, Math.min(value.length, at + CHUNK_BYTES)));
      }
    }
    byte[] old = entries.put(key, stored);
    boolean existed = old != null && old[KIND] != KIND_TOMBSTONE;
    boolean expired = existed && LittleEndian.getLong(old, EXPIRY) != 0;
    if (!existed) {
      keys.add(key);
    }
    if (expiryAtMs != 0 && !expired) {
      expiring.add(key);
    } else if (expiryAtMs == 0 && expired) {
      expiring.remove(key);
    }
    account(costOf(key.length, value.length));
    release(key, old);
  }

  @Override
  public void putTombstone(byte[] key, Version version) {
    byte[] old = entries.put(key, header(version, KIND_TOMBSTONE, ValueType.STRING, 0, 0));
    account(costOf(key.length, 0));
    unindex(key, old);
    release(key, old);
  }

  @Override
  public void remove(byte[] key) {
    byte[] old = entries.remove(key);
    unindex(key, old);
    release(key, old);
  }

  private void unindex(byte[] key, byte @Nullable [] old) {
    if (old != null && old[KIND] != KIND_TOMBSTONE) {
      keys.remove(key);
      if (LittleEndian.getLong(old, EXPIRY) != 0) {
        expiring.remove(key);
      }
    }
  }

  /** Gives back what a replaced entry held. */
  private void release(byte[] key, byte @Nullable [] old) {
    if (old == null) {
      return;
    }
    if (old[KIND] != KIND_CHUNKED) {
      account(-costOf(key.length, old.length - HEADER_BYTES));
      return;
    }
    int length = LittleEndian.getInt(old, HEADER_BYTES);
    byte[] chunkKey = chunkKey(old);
    for (int at = 0, number = 0; at < length; at += CHUNK_BYTES, number++) {
      LittleEndian.putInt(chunkKey, CHUNK_NUMBER, number);
      chunks.remove(chunkKey);
    }
    account(-costOf(key.length, length));
  }

  private static byte[] header(
      Version version, int kind, ValueType type, long expiryAtMs, int valueBytes) {
    byte[] stored = new byte[HEADER_BYTES + valueBytes];
    LittleEndian.putLong(stored, TIME, version.time());
    LittleEndian.putLong(stored, WRITER, version.writer());
    LittleEndian.putInt(stored, INDEX, version.index());
    stored[KIND] = (byte) kind;
    stored[TYPE] = (byte) type.number();
    LittleEndian.putLong(stored, EXPIRY, expiryAtMs);
    return stored;
  }

  @SuppressWarnings("NonAtomicVolatileUpdate") // one writer; readers only watch
  private void account(long bytes) {
    usedBytes += bytes;
  }

  @Override
  public void clear() {
    if (usedBytes != 0) {
      entries.clear();
      if (!chunks.isEmpty()) {
        chunks.clear();
      }
    }
    keys.clear();
    expiring.clear();
    usedBytes = 0;
  }

  @Override
  public long size() {
    return keys.size();
  }

  @Override
  public long expiring() {
    return expiring.size();
  }

  @Override
  public long usedBytes() {
    return usedBytes;
  }

  @Override
  public long scan(long cursor, int count, Visitor visitor) {
    return keys.scan(cursor, count, visitor);
  }

  @Override
  public long scanExpiring(long cursor, int count, Visitor visitor) {
    return expiring.scan(cursor, count, visitor);
  }

  @Override
  public byte @Nullable [] anyKey(long random) {
    return keys.any(random);
  }

  @Override
  public void close() {
    entries.close();
    chunks.close();
  }
}
