package io.capsuledb.engine.block;

import io.capsuledb.core.bytes.Varint;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Reads encoded entries one at a time, in place: after {@link #read} the fields say what the entry
 * is and where its bytes are. Every length is checked against the bytes that are there, on every
 * read. What an entry has to be in relation to the one before it is not seen here.
 */
final class EntryScan {

  private static final EntryKind[] KINDS = {
    EntryKind.VALUE, EntryKind.TOMBSTONE, EntryKind.POINTER
  };

  final byte[] bytes;
  private final int limit;
  private final long baseTime;
  private final long[] writers;

  int shared;
  int suffixOffset;
  int suffixLength;
  int kind;
  int writerSlot;
  long time;
  int index;
  long expiryAtMs;

  /** Where the next entry begins. */
  int end;

  private int typeNumber;
  private int valueOffset;
  private int at;

  /** Over entries that end at or before {@code limit}. */
  EntryScan(byte[] bytes, int limit, long baseTime, long[] writers) {
    this.bytes = bytes;
    this.limit = limit;
    this.baseTime = baseTime;
    this.writers = writers;
  }

  /**
   * Reads the entry at {@code offset}.
   *
   * @return what is malformed, or null
   */
  @Nullable String read(int offset) {
    at = offset;
    shared = number();
    suffixLength = number();
    if (shared < 0
        || suffixLength < 0
        || (long) shared + suffixLength > BlockLayout.MAX_KEY_BYTES
        || suffixLength >= limit - at) {
      return "its key's length";
    }
    suffixOffset = at;
    at += suffixLength;
    int flags = bytes[at++];
    kind = flags & BlockLayout.FLAG_KIND_MASK;
    typeNumber = (flags & 0xFF) >>> BlockLayout.FLAG_TYPE_SHIFT;
    if (kind >= KINDS.length || (flags & BlockLayout.FLAG_RESERVED) != 0) {
      return "its flags";
    }
    long delta = longNumber();
    if (delta < 0 || delta > RecordLayout.MAX_LAMPORT - baseTime) {
      return "its time";
    }
    time = baseTime + delta;
    writerSlot = number();
    if (writerSlot < 0 || writerSlot >= writers.length) {
      return "its writer";
    }
    index = number();
    if (index < 0) {
      return "its place in its record";
    }
    expiryAtMs = 0;
    if ((flags & BlockLayout.FLAG_EXPIRING) != 0) {
      expiryAtMs = longNumber();
      if (expiryAtMs <= 0) {
        return "its expiry";
      }
    }
    int valueLength =
        switch (kind) {
          case 0 -> number();
          case 1 -> 0;
          default -> ValuePointer.BYTES;
        };
    if (valueLength < 0 || valueLength > BlockLayout.MAX_VALUE_BYTES || valueLength > limit - at) {
      return "its value's length";
    }
    valueOffset = at;
    end = at + valueLength;
    return kind == EntryKind.POINTER.number() && ValuePointer.lengthAt(bytes, at) < 0
        ? "its pointer"
        : null;
  }

  /** Reads an entry that was read without complaint before. */
  void reread(int offset) {
    String malformed = read(offset);
    if (malformed != null) {
      throw new IllegalStateException("a decoded block changed: " + malformed);
    }
  }

  long writer() {
    return writers[writerSlot];
  }

  boolean isTombstone() {
    return kind == EntryKind.TOMBSTONE.number();
  }

  /** The entry just read; {@code key} is its whole key, and is kept. */
  Entry entry(byte[] key) {
    return new Entry(
        key,
        new Version(time, writer(), index),
        KINDS[kind],
        typeNumber,
        expiryAtMs,
        Arrays.copyOfRange(bytes, valueOffset, end));
  }

  /** The varint here, or -1. */
  private int number() {
    if (at < limit && bytes[at] >= 0) {
      return bytes[at++];
    }
    int value = Varint.get(bytes, at, limit);
    if (value >= 0) {
      at += Varint.bytes(value);
    }
    return value;
  }

  /** The long varint here, or -1. */
  private long longNumber() {
    if (at < limit && bytes[at] >= 0) {
      return bytes[at++];
    }
    long value = Varint.getLong(bytes, at, limit);
    if (value >= 0) {
      at += Varint.longBytes(value);
    }
    return value;
  }
}
