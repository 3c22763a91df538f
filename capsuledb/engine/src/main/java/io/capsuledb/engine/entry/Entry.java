package io.capsuledb.engine.entry;

import java.util.Arrays;
import java.util.Comparator;

/**
 * One version of one key: immutable, except that its arrays are shared, with whoever made the entry
 * and whoever asks for them, and so are never modified by anybody.
 */
public final class Entry {

  /** Types of values have four bits. */
  public static final int MAX_TYPE_NUMBER = 15;

  /** Length of the encoded pointer that a {@link EntryKind#POINTER} holds as its value. */
  public static final int POINTER_BYTES = 68;

  /** Key ascending, bytes as unsigned; of one key the newest version first. */
  public static final Comparator<Entry> ENTRY_ORDER =
      (left, right) -> {
        int order = Arrays.compareUnsigned(left.key, right.key);
        return order == 0 ? right.version.compareTo(left.version) : order;
      };

  private final byte[] key;
  private final Version version;
  private final EntryKind kind;
  private final int typeNumber;
  private final long expiryAtMs;
  private final byte[] value;

  /**
   * An entry. Keeps the arrays.
   *
   * @param typeNumber of the value's type, 0 to 15
   * @param expiryAtMs wall-clock milliseconds since 1970; 0 means never
   * @param value the value; for a POINTER the 68 encoded bytes, for a TOMBSTONE empty
   * @throws IllegalArgumentException if a number is out of its range, or the value's length is not
   *     that of its kind
   */
  public Entry(
      byte[] key, Version version, EntryKind kind, int typeNumber, long expiryAtMs, byte[] value) {
    if (typeNumber < 0 || typeNumber > MAX_TYPE_NUMBER || expiryAtMs < 0) {
      throw new IllegalArgumentException(
          "an entry of type " + typeNumber + " that expires at " + expiryAtMs);
    }
    if ((kind == EntryKind.TOMBSTONE && value.length != 0)
        || (kind == EntryKind.POINTER && value.length != POINTER_BYTES)) {
      throw new IllegalArgumentException("a " + kind + " with " + value.length + " bytes");
    }
    this.key = key;
    this.version = version;
    this.kind = kind;
    this.typeNumber = typeNumber;
    this.expiryAtMs = expiryAtMs;
    this.value = value;
  }

  /** The key, not a copy: not to be modified. */
  public byte[] key() {
    return key;
  }

  /** Which version of the key this is. */
  public Version version() {
    return version;
  }

  /** What the entry says about the key. */
  public EntryKind kind() {
    return kind;
  }

  /** Number of the value's type, 0 to 15. */
  public int typeNumber() {
    return typeNumber;
  }

  /** When the value expires, in wall-clock milliseconds since 1970; 0 means never. */
  public long expiryAtMs() {
    return expiryAtMs;
  }

  /**
   * The value, not a copy: not to be modified. Of a POINTER the 68 bytes of the encoded pointer; of
   * a TOMBSTONE empty.
   */
  public byte[] value() {
    return value;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Entry entry
        && Arrays.equals(key, entry.key)
        && version.equals(entry.version)
        && kind == entry.kind
        && typeNumber == entry.typeNumber
        && expiryAtMs == entry.expiryAtMs
        && Arrays.equals(value, entry.value);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(key) * 31 + version.hashCode();
  }

  /** Kind, version and lengths: keys and values are never printed. */
  @Override
  public String toString() {
    return kind + " " + version + ", key of " + key.length + " bytes, value of " + value.length;
  }
}
