package io.capsuledb.engine.entry;

import java.util.Arrays;
import java.util.Comparator;

/**
 * One version of one key. Immutable: the arrays are shared by everybody who holds the entry, and
 * nobody writes to them.
 */
public final class Entry {

  /** Types of values have four bits. */
  public static final int MAX_TYPE_NUMBER = 15;

  /** Length of the encoded pointer that a {@link EntryKind#POINTER} holds as its value. */
  public static final int POINTER_BYTES = 68;

  /** The order of entries everywhere: by key, as unsigned bytes; newest version first. */
  public static final Comparator<Entry> ENTRY_ORDER =
      (a, b) -> {
        int order = Arrays.compareUnsigned(a.key, b.key);
        return order == 0 ? compareVersions(b, a) : order;
      };

  private static final byte[] NOTHING = {};

  private final byte[] key;
  private final long time;
  private final long writer;
  private final int index;
  private final EntryKind kind;
  private final int typeNumber;
  private final long expiryAtMs;
  private final byte[] value;

  /**
   * An entry.
   *
   * @param time Lamport time of the operation
   * @param writer who made it
   * @param index its place in its record
   * @param typeNumber number of the value's type, 0 to 15
   * @param expiryAtMs wall-clock milliseconds at which the key ceases to exist; 0: never
   * @param value the value, the encoded pointer to it, or nothing for a tombstone
   */
  public Entry(
      byte[] key,
      long time,
      long writer,
      int index,
      EntryKind kind,
      int typeNumber,
      long expiryAtMs,
      byte[] value) {
    this.key = key;
    this.time = time;
    this.writer = writer;
    this.index = index;
    this.kind = kind;
    this.typeNumber = typeNumber;
    this.expiryAtMs = expiryAtMs;
    this.value = value;
  }

  /**
   * An entry.
   *
   * @throws IllegalArgumentException if a number is out of its range, or the value's length is not
   *     that of its kind
   */
  public Entry(
      byte[] key, Version version, EntryKind kind, int typeNumber, long expiryAtMs, byte[] value) {
    this(
        key,
        version.time(),
        version.writer(),
        version.index(),
        kind,
        typeNumber,
        expiryAtMs,
        value);
    if (typeNumber < 0 || typeNumber > MAX_TYPE_NUMBER || expiryAtMs < 0) {
      throw new IllegalArgumentException(
          "an entry of type " + typeNumber + " that expires at " + expiryAtMs);
    }
    if ((kind == EntryKind.TOMBSTONE && value.length != 0)
        || (kind == EntryKind.POINTER && value.length != POINTER_BYTES)) {
      throw new IllegalArgumentException("a " + kind + " with " + value.length + " bytes");
    }
  }

  /** A deletion. */
  public static Entry tombstone(byte[] key, Version version) {
    return new Entry(
        key, version.time(), version.writer(), version.index(), EntryKind.TOMBSTONE, 0, 0, NOTHING);
  }

  /** Compares who wrote later; positive if {@code a} did. */
  public static int compareVersions(Entry a, Entry b) {
    int order = Long.compare(a.time, b.time);
    if (order == 0) {
      order = Long.compareUnsigned(a.writer, b.writer);
    }
    return order == 0 ? Integer.compare(a.index, b.index) : order;
  }

  /** The key; not to be modified. */
  public byte[] key() {
    return key;
  }

  /** Lamport time of the operation. */
  public long time() {
    return time;
  }

  /** Writer index of who made it. */
  public long writer() {
    return writer;
  }

  /** Place of the operation in its record, from 0. */
  public int index() {
    return index;
  }

  public Version version() {
    return new Version(time, writer, index);
  }

  public EntryKind kind() {
    return kind;
  }

  public boolean isTombstone() {
    return kind == EntryKind.TOMBSTONE;
  }

  /** Number of the value's type, 0 to 15. */
  public int typeNumber() {
    return typeNumber;
  }

  /** When the key ceases to exist, in wall-clock milliseconds; 0: never. */
  public long expiryAtMs() {
    return expiryAtMs;
  }

  /** Whether the key has ceased to exist at a wall-clock time. */
  public boolean isExpired(long nowMs) {
    return expiryAtMs != 0 && expiryAtMs <= nowMs;
  }

  /** The value, the encoded pointer to it, or nothing for a tombstone; not to be modified. */
  public byte[] value() {
    return value;
  }

  /** The same version of the same key with its value elsewhere, or back again. */
  public Entry withValue(EntryKind newKind, byte[] newValue) {
    return new Entry(key, time, writer, index, newKind, typeNumber, expiryAtMs, newValue);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Entry that
        && Arrays.equals(key, that.key)
        && time == that.time
        && writer == that.writer
        && index == that.index
        && kind == that.kind
        && typeNumber == that.typeNumber
        && expiryAtMs == that.expiryAtMs
        && Arrays.equals(value, that.value);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(key) * 31 + Long.hashCode(time);
  }

  /** Without key and value, which must not get into logs. */
  @Override
  public String toString() {
    return kind + " of time " + time + " by writer " + Long.toHexString(writer) + " at " + index;
  }
}
