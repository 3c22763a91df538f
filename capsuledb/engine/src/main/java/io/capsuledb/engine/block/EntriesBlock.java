package io.capsuledb.engine.block;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.KeyStream;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.proof.MerkleTree;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Sorted entries out of the payload of a BLOCK record, read in place.
 *
 * <p>Invariants, established by {@link #decode} and relied on by everything after it: entries are
 * in strictly ascending {@link Entry#ENTRY_ORDER}; each shares with the key before it exactly their
 * longest common prefix, except every sixteenth, which begins with its whole key and has its offset
 * in the restart array; every writer of the dictionary is used, in the order of first use; the base
 * time is the smallest time. So two bodies never decode to the same entries and salts.
 *
 * <p>That prefixes are the longest is what makes searching cheap: an entry that shares more with
 * its predecessor than the predecessor does with the key sought is on the same side of it; one that
 * shares less is beyond it. Neither is looked at.
 *
 * <p>Immutable and thread-safe; its cursors are not.
 */
public final class EntriesBlock {

  private static final int INITIAL_KEY_BYTES = 64;

  /** Dictionaries up to this size are searched for doubles pair by pair. */
  private static final int FEW_WRITERS = 8;

  private final byte[] bytes;
  private final int start;
  private final int entriesStart;
  private final int restartsStart;
  private final int count;
  private final long baseTime;
  private final long[] writers;

  /** Found while checking. */
  private byte[] lastKey = {};

  private long maxTime;

  private EntriesBlock(
      BlockFrame frame, int entriesStart, int restartsStart, int count, long[] writers) {
    this.bytes = frame.bytes();
    this.start = frame.start();
    this.entriesStart = entriesStart;
    this.restartsStart = restartsStart;
    this.count = count;
    this.baseTime = LittleEndian.getLong(bytes, start + BlockLayout.BASE_TIME_OFFSET);
    this.writers = writers;
  }

  /**
   * What was found out about a block when it was decoded; offsets are those in the body.
   *
   * <p>Not to be modified.
   */
  static final class Shape {
    private final int entriesOffset;
    private final int restartsOffset;
    private final int count;
    private final long[] writers;
    private final byte[] lastKey;
    private final long maxTime;

    private Shape(EntriesBlock block) {
      this.entriesOffset = block.entriesStart - block.start;
      this.restartsOffset = block.restartsStart - block.start;
      this.count = block.count;
      this.writers = block.writers;
      this.lastKey = block.lastKey;
      this.maxTime = block.maxTime;
    }

    int sizeBytes() {
      return Long.BYTES * writers.length + lastKey.length;
    }
  }

  Shape shape() {
    return new Shape(this);
  }

  /** A block that was decoded and checked before, from the same body. */
  static EntriesBlock known(BlockFrame frame, Shape shape) {
    EntriesBlock block =
        new EntriesBlock(
            frame,
            frame.start() + shape.entriesOffset,
            frame.start() + shape.restartsOffset,
            shape.count,
            shape.writers);
    block.lastKey = shape.lastKey;
    block.maxTime = shape.maxTime;
    return block;
  }

  /** Decodes a payload and checks all of it. Takes any bytes, and keeps them. */
  public static Decoded<EntriesBlock> decode(byte[] payload) {
    return decodeInto(payload, BlockFrame.NO_SCRATCH);
  }

  /**
   * The same with room for what is decompressed. If that is in {@code scratch}, the block is good
   * until that is used for something else, and not to be kept.
   */
  public static Decoded<EntriesBlock> decodeInto(byte[] payload, byte[] scratch) {
    return BlockFrame.decode(payload, BlockKind.ENTRIES, scratch).then(EntriesBlock::decode);
  }

  private static Decoded<EntriesBlock> decode(BlockFrame frame) {
    byte[] bytes = frame.bytes();
    int start = frame.start();
    int length = frame.end() - start;
    if (length < BlockLayout.WRITERS_OFFSET) {
      return Decoded.reject(
          Reason.TRUNCATED,
          "entries in " + length + " bytes, at least " + BlockLayout.WRITERS_OFFSET);
    }
    long baseTime = LittleEndian.getLong(bytes, start + BlockLayout.BASE_TIME_OFFSET);
    if (baseTime < 0 || baseTime > RecordLayout.MAX_LAMPORT) {
      return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "base time " + baseTime);
    }
    int count = LittleEndian.getInt(bytes, start + BlockLayout.ENTRY_COUNT_OFFSET);
    int writerCount = LittleEndian.getInt(bytes, start + BlockLayout.WRITER_COUNT_OFFSET);
    if (count < 1 || writerCount < 1 || writerCount > count) {
      return Decoded.reject(
          Reason.FIELD_OUT_OF_RANGE, count + " entries of " + writerCount + " writers");
    }
    int restarts = restarts(count);
    long least =
        BlockLayout.WRITERS_OFFSET
            + (long) Long.BYTES * writerCount
            + (long) BlockLayout.MIN_ENTRY_BYTES * count
            + (long) Integer.BYTES * restarts;
    if (least > length) {
      return Decoded.reject(
          Reason.TRUNCATED,
          count + " entries of " + writerCount + " writers in " + length + " bytes");
    }
    long[] writers = new long[writerCount];
    int writersStart = start + BlockLayout.WRITERS_OFFSET;
    for (int i = 0; i < writerCount; i++) {
      writers[i] = LittleEndian.getLong(bytes, writersStart + Long.BYTES * i);
      if (writers[i] < 0 || writers[i] > RosterEntry.MAX_WRITER) {
        return Decoded.reject(Reason.FIELD_OUT_OF_RANGE, "writer " + Long.toHexString(writers[i]));
      }
    }
    if (hasDoubles(writers)) {
      return Decoded.reject(Reason.PAYLOAD, "a writer twice in the dictionary");
    }
    EntriesBlock block =
        new EntriesBlock(
            frame,
            writersStart + Long.BYTES * writerCount,
            frame.end() - Integer.BYTES * restarts,
            count,
            writers);
    String malformed = block.check();
    return malformed == null ? Decoded.accept(block) : Decoded.reject(Reason.PAYLOAD, malformed);
  }

  static int restarts(int count) {
    return (count - 1) / BlockLayout.RESTART_INTERVAL + 1;
  }

  private static boolean hasDoubles(long[] writers) {
    if (writers.length <= FEW_WRITERS) {
      for (int i = 1; i < writers.length; i++) {
        for (int j = 0; j < i; j++) {
          if (writers[i] == writers[j]) {
            return true;
          }
        }
      }
      return false;
    }
    long[] sorted = writers.clone();
    Arrays.sort(sorted);
    for (int i = 1; i < sorted.length; i++) {
      if (sorted[i] == sorted[i - 1]) {
        return true;
      }
    }
    return false;
  }

  /** Walks all entries once and returns what is malformed, or null. */
  private @Nullable String check() {
    EntryScan scan = scan();
    byte[] key = new byte[INITIAL_KEY_BYTES];
    int keyLength = 0;
    long time = 0;
    long writer = 0;
    int index = 0;
    int writersSeen = 0;
    long leastTime = Long.MAX_VALUE;
    int at = entriesStart;
    for (int i = 0; i < count; i++) {
      String malformed = scan.read(at);
      if (malformed != null) {
        return "entry " + i + ": " + malformed;
      }
      boolean restart = i % BlockLayout.RESTART_INTERVAL == 0;
      if (restart && (scan.shared != 0 || restart(i / BlockLayout.RESTART_INTERVAL) != at)) {
        return "entry " + i + ": its restart";
      }
      int order = i == 0 ? -1 : order(key, keyLength, scan, restart);
      if (order == 0) {
        order =
            time != scan.time
                ? Long.compare(scan.time, time)
                : writer != scan.writer()
                    ? Long.compare(scan.writer(), writer)
                    : Integer.compare(scan.index, index);
        if (order == 0) {
          return "entry " + i + ": the same version twice";
        }
      }
      if (order > 0) {
        return "entry " + i + ": its order, or the prefix it shares";
      }
      if (scan.writerSlot > writersSeen) {
        return "entry " + i + ": the order of writers";
      }
      if (scan.writerSlot == writersSeen) {
        writersSeen++;
      }
      keyLength = scan.shared + scan.suffixLength;
      key = appended(key, scan);
      time = scan.time;
      writer = scan.writer();
      index = scan.index;
      leastTime = Math.min(leastTime, time);
      maxTime = Math.max(maxTime, time);
      at = scan.end;
    }
    if (at != restartsStart) {
      return "bytes after the last entry";
    }
    if (writersSeen != writers.length) {
      return "a writer without entries";
    }
    lastKey = Arrays.copyOf(key, keyLength);
    return leastTime == baseTime ? null : "the base time is not the smallest";
  }

  /**
   * How the key before relates to the one just read: negative if smaller, as it should be, 0 if
   * they are the same, positive if larger or if they share more than they say.
   */
  private static int order(byte[] key, int keyLength, EntryScan scan, boolean restart) {
    int from = scan.suffixOffset;
    int to = from + scan.suffixLength;
    if (restart) {
      return Arrays.compareUnsigned(key, 0, keyLength, scan.bytes, from, to);
    }
    if (scan.shared == keyLength) {
      return scan.suffixLength == 0 ? 0 : -1;
    }
    // Shares less than the whole key before: then the first byte that differs has to be larger.
    return scan.shared < keyLength
            && scan.suffixLength > 0
            && Byte.compareUnsigned(key[scan.shared], scan.bytes[from]) < 0
        ? -1
        : 1;
  }

  /** Puts the suffix of the entry just read behind the prefix it shares; may return a new array. */
  private static byte[] appended(byte[] key, EntryScan scan) {
    int length = scan.shared + scan.suffixLength;
    byte[] target =
        length <= key.length
            ? key
            : Arrays.copyOf(
                key, Math.min(Math.max(length, 2 * key.length), BlockLayout.MAX_KEY_BYTES));
    System.arraycopy(scan.bytes, scan.suffixOffset, target, scan.shared, scan.suffixLength);
    return target;
  }

  private EntryScan scan() {
    return new EntryScan(bytes, restartsStart, baseTime, writers);
  }

  /** Where the entry that restart number {@code number} names begins. */
  private int restart(int number) {
    return entriesStart + LittleEndian.getInt(bytes, restartsStart + Integer.BYTES * number);
  }

  /** How many entries there are: 1 or more. */
  public int count() {
    return count;
  }

  /** About how much memory the block takes. */
  public int sizeBytes() {
    // Only a block with bytes of its own is ever kept.
    return bytes.length + Long.BYTES * writers.length + lastKey.length;
  }

  /** Whether its entries are so many, from time to time. */
  boolean spans(int entries, long leastTime, long greatestTime) {
    return entries == count && leastTime == baseTime && greatestTime == maxTime;
  }

  /** Whether the last key is that in a range of an array. */
  boolean endsWith(byte[] array, int from, int to) {
    return Arrays.equals(lastKey, 0, lastKey.length, array, from, to);
  }

  /** Whether the first key is that in a range of an array. */
  boolean beginsWith(byte[] array, int from, int to) {
    EntryScan scan = scan();
    scan.reread(entriesStart);
    return Arrays.equals(
        bytes, scan.suffixOffset, scan.suffixOffset + scan.suffixLength, array, from, to);
  }

  /**
   * The newest version of {@code key} that is not newer than {@code maxTime}, or null if the block
   * has none.
   */
  public @Nullable Entry find(byte[] key, long maxTime) {
    EntryScan scan = scan();
    return locate(scan, key, maxTime) < 0 ? null : scan.entry(key.clone());
  }

  /** The number of the entry that {@link #find} returns, or -1. */
  public int position(byte[] key, long maxTime) {
    return locate(scan(), key, maxTime);
  }

  /** Leaves {@code scan} at the entry sought and returns its number, or returns -1. */
  private int locate(EntryScan scan, byte[] key, long maxTime) {
    int first = Math.max(0, restartsBefore(scan, key, maxTime) - 1);
    int at = restart(first);
    // How many bytes of the key the entry before this one begins with; it is before what is sought.
    int matched = 0;
    for (int i = first * BlockLayout.RESTART_INTERVAL; i < count; i++) {
      scan.reread(at);
      at = scan.end;
      if (i % BlockLayout.RESTART_INTERVAL == 0) {
        matched = 0;
      }
      if (scan.shared < matched) {
        return -1;
      }
      if (scan.shared == matched) {
        int same =
            Arrays.mismatch(
                bytes,
                scan.suffixOffset,
                scan.suffixOffset + scan.suffixLength,
                key,
                matched,
                key.length);
        if (same < 0) {
          if (scan.time <= maxTime) {
            return i;
          }
          matched = key.length;
        } else {
          boolean keyEnds = same == key.length - matched;
          boolean entryEnds = same == scan.suffixLength;
          if (keyEnds
              || (!entryEnds
                  && Byte.compareUnsigned(bytes[scan.suffixOffset + same], key[matched + same])
                      > 0)) {
            return -1;
          }
          matched += same;
        }
      }
    }
    return -1;
  }

  /** How many restarts name an entry before the first version of key not newer than maxTime. */
  private int restartsBefore(EntryScan scan, byte[] key, long maxTime) {
    int low = 0;
    int high = restarts(count);
    while (low < high) {
      int middle = (low + high) >>> 1;
      scan.reread(restart(middle));
      int order =
          Arrays.compareUnsigned(
              bytes, scan.suffixOffset, scan.suffixOffset + scan.suffixLength, key, 0, key.length);
      if (order < 0 || (order == 0 && scan.time > maxTime)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** A cursor over the entries, at none of them yet. */
  public EntryCursor cursor() {
    return new Cursor();
  }

  /**
   * Entry number {@code position}.
   *
   * @throws IndexOutOfBoundsException unless 0 &lt;= position &lt; {@link #count}
   */
  public Entry entry(int position) {
    Cursor cursor = new Cursor();
    cursor.moveTo(checked(position));
    return cursor.entry();
  }

  private int checked(int position) {
    if (position < 0 || position >= count) {
      throw new IndexOutOfBoundsException("entry " + position + " of " + count);
    }
    return position;
  }

  private byte[] saltKey() {
    int from = start + BlockLayout.SALT_KEY_OFFSET;
    return Arrays.copyOfRange(bytes, from, from + KeyStream.KEY_BYTES);
  }

  /**
   * The salt that blinds the leaf of an entry: 16 bytes, to be shown with the entry and only then.
   *
   * @throws IndexOutOfBoundsException unless 0 &lt;= position &lt; {@link #count}
   */
  public byte[] saltOf(int position) {
    return KeyStream.block(saltKey(), checked(position));
  }

  /**
   * The leaf of entry number {@code position}.
   *
   * @throws IndexOutOfBoundsException unless 0 &lt;= position &lt; {@link #count}
   */
  public Hash32 leaf(int position) {
    return EntryLeaf.hash(saltOf(position), entry(position));
  }

  /** The tree over the leaves of all entries, computed anew: for proofs. */
  public MerkleTree tree() {
    return MerkleTree.of(leaves());
  }

  /** The root of {@link #tree}, computed anew. */
  public Hash32 contentRoot() {
    return MerkleTree.root(leaves());
  }

  private List<Hash32> leaves() {
    byte[] salts = KeyStream.bytes(saltKey(), count * EntryLeaf.SALT_BYTES);
    List<Hash32> leaves = new ArrayList<>(count);
    Cursor cursor = new Cursor();
    for (boolean more = cursor.seekToFirst(); more; more = cursor.next()) {
      leaves.add(EntryLeaf.hash(salts, leaves.size() * EntryLeaf.SALT_BYTES, cursor.entry()));
    }
    return leaves;
  }

  /** What a descriptor of this block has to say, computed anew from all entries. */
  public BlockSummary summary() {
    int tombstones = 0;
    int expiring = 0;
    EntryScan scan = scan();
    for (int at = entriesStart; at < restartsStart; at = scan.end) {
      scan.reread(at);
      tombstones += scan.isTombstone() ? 1 : 0;
      expiring += scan.expiryAtMs == 0 ? 0 : 1;
    }
    return new BlockSummary(
        contentRoot(), entry(0).key(), lastKey, count, tombstones, expiring, baseTime, maxTime);
  }

  /** A place among the entries: the scan is at it, and its whole key is spelled out. */
  private final class Cursor implements EntryCursor {

    private final EntryScan scan = scan();
    private byte[] key = new byte[INITIAL_KEY_BYTES];
    private int keyLength;

    /** Number of the entry, or -1. */
    private int position = -1;

    private @Nullable Entry entry;

    private void load(int number, int offset) {
      scan.reread(offset);
      key = appended(key, scan);
      keyLength = scan.shared + scan.suffixLength;
      position = number;
      entry = null;
    }

    private void loadRestart(int number) {
      load(number * BlockLayout.RESTART_INTERVAL, restart(number));
    }

    void moveTo(int number) {
      loadRestart(number / BlockLayout.RESTART_INTERVAL);
      while (position < number) {
        load(position + 1, scan.end);
      }
    }

    private boolean invalidate() {
      position = -1;
      entry = null;
      return false;
    }

    @Override
    public boolean seekToFirst() {
      loadRestart(0);
      return true;
    }

    @Override
    public boolean seekToLast() {
      moveTo(count - 1);
      return true;
    }

    @Override
    public boolean seek(byte[] sought) {
      int before = restartsBefore(scan, sought, Long.MAX_VALUE);
      loadRestart(Math.max(0, before - 1));
      while (Arrays.compareUnsigned(key, 0, keyLength, sought, 0, sought.length) < 0) {
        if (!next()) {
          return false;
        }
      }
      return true;
    }

    @Override
    public boolean next() {
      if (position < 0 || position + 1 == count) {
        return invalidate();
      }
      load(position + 1, scan.end);
      return true;
    }

    @Override
    public boolean previous() {
      if (position <= 0) {
        return invalidate();
      }
      moveTo(position - 1);
      return true;
    }

    @Override
    public boolean valid() {
      return position >= 0;
    }

    @Override
    public Entry entry() {
      if (position < 0) {
        throw new IllegalStateException("a cursor at no entry");
      }
      Entry known = entry;
      if (known == null) {
        known = scan.entry(Arrays.copyOf(key, keyLength));
        entry = known;
      }
      return known;
    }
  }
}
