package io.capsuledb.replication.store;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.replication.store.OpenDatabase.Cursor;
import io.capsuledb.replication.store.OpenDatabase.Family;
import io.capsuledb.replication.store.OpenDatabase.View;
import io.capsuledb.replication.store.RocksRecordStore.RecordHasher;
import io.capsuledb.replication.store.StoreCodec.Position;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One audit of one capsule: reads every value once, in key order, and compares the hash index with
 * the records.
 *
 * <p>To compare without a lookup per record, which would be a random read each, both sides are
 * summed up as multisets of positions (or of hash and position, if record hashes can be computed).
 * Equal counts and sums mean equal sets, but for a chance of 2<sup>-64</sup>. That is enough
 * against damage; against forgery there are signatures. Only if the sums differ are entries looked
 * up one by one, to name those that are wrong.
 *
 * <p>All reads see one point in time. Used once, by one thread, within a use of the database.
 */
final class CapsuleAudit {

  /** Leading bytes of a key after the capsule that tell neighbours apart. */
  private static final int RECORD_DIGITS = StoreLayout.RECORD_KEY_BYTES - StoreLayout.CAPSULE_BYTES;

  private static final int HASH_DIGITS = Long.BYTES;

  private final OpenDatabase database;
  private final byte[] capsule;
  private final Hash32 name;
  private final @Nullable RecordHasher hasher;
  private final Consumer<String> findings;

  /** Something could not be read, so that the sums differ for a reason already reported. */
  private boolean damaged;

  /** A multiset of entries, summed up. */
  private static final class Sum {
    long count;
    long total;

    void add(@Nullable Hash32 hash, long writer, long sequence) {
      count++;
      long h = mix(mix(writer) ^ sequence);
      total += hash == null ? h : mix(h ^ ByteBuffer.wrap(hash.toBytes()).getLong());
    }

    /** The finaliser of SplitMix64: every bit of the result depends on every bit given. */
    private static long mix(long value) {
      long z = value + 0x9e3779b97f4a7c15L;
      z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
      z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
      return z ^ (z >>> 31);
    }

    boolean equalTo(Sum other) {
      return count == other.count && total == other.total;
    }
  }

  CapsuleAudit(
      OpenDatabase database,
      byte[] capsule,
      @Nullable RecordHasher hasher,
      Consumer<String> findings) {
    this.database = database;
    this.capsule = capsule;
    this.name = Hash32.of(capsule);
    this.hasher = hasher;
    this.findings = findings;
  }

  void run() {
    auditMetadata();
    try (View view = database.view()) {
      Sum records = new Sum();
      Sum entries = new Sum();
      forEach(
          Family.RECORDS,
          StoreLayout.RECORD_KEY_BYTES,
          view,
          (key, value) -> sumRecord(key, value, records));
      forEach(
          Family.HASHES,
          StoreLayout.HASH_KEY_BYTES,
          view,
          (key, value) -> sumEntry(key, value, entries));
      if (!records.equalTo(entries)) {
        nameWhatDiffers(view, records, entries);
      }
    }
  }

  private void find(String finding) {
    findings.accept("capsule " + name + ": " + finding);
  }

  private void auditMetadata() {
    try {
      byte[] value = database.get(Family.CAPSULES, capsule, "the metadata");
      if (value != null && StoreCodec.open(capsule, value) == null) {
        find("storage checksum: the metadata");
      }
    } catch (IntegrityException e) {
      find(e.rejection().detail());
    }
  }

  private void sumRecord(byte[] key, byte[] value, Sum sum) {
    Position position = StoreCodec.recordPosition(key);
    byte[] record = StoreCodec.open(key, value);
    if (record == null) {
      damaged = true;
      find("storage checksum: the record of " + position);
    }
    Hash32 hash = null;
    if (hasher != null && record != null) {
      hash = hasher.hashOf(record);
      if (hash == null) {
        find("no record hash can be computed from the record of " + position);
      }
    }
    sum.add(hash, position.writer(), position.sequence());
  }

  private void sumEntry(byte[] key, byte[] value, Sum sum) {
    Hash32 hash = StoreCodec.hashOfKey(key);
    byte[] body = StoreCodec.open(key, value);
    Position position = body == null ? null : StoreCodec.position(body);
    if (position == null) {
      damaged = true;
      find("storage checksum: the index entry of record " + hash);
      sum.count++;
      return;
    }
    sum.add(hasher == null ? null : hash, position.writer(), position.sequence());
  }

  // ------------------------------------------------------------------ when they differ

  private void nameWhatDiffers(View view, Sum records, Sum entries) {
    long[] named = {0};
    forEach(
        Family.HASHES,
        StoreLayout.HASH_KEY_BYTES,
        view,
        (key, value) -> {
          byte[] body = StoreCodec.open(key, value);
          Position position = body == null ? null : StoreCodec.position(body);
          if (position != null && !present(position)) {
            named[0]++;
            find("record " + StoreCodec.hashOfKey(key) + " is missing: " + position);
          }
        });
    if (hasher != null) {
      forEach(
          Family.RECORDS,
          StoreLayout.RECORD_KEY_BYTES,
          view,
          (key, value) -> named[0] += findUnindexed(key, value, hasher));
    } else if (!damaged && (named[0] == 0 || records.count != entries.count - named[0])) {
      find(
          "there are "
              + records.count
              + " records but "
              + entries.count
              + " index entries; the index does not name every record once");
    }
  }

  private boolean present(Position position) {
    byte[] key = StoreCodec.recordKey(capsule, position.writer(), position.sequence());
    try {
      return database.get(Family.RECORDS, key, position) != null;
    } catch (IntegrityException e) {
      // Unreadable is not missing; the pass over the records reported it.
      return true;
    }
  }

  private int findUnindexed(byte[] key, byte[] value, RecordHasher hashOf) {
    byte[] record = StoreCodec.open(key, value);
    Hash32 hash = record == null ? null : hashOf.hashOf(record);
    if (hash == null) {
      return 0;
    }
    Position position = StoreCodec.recordPosition(key);
    byte[] hashKey = StoreCodec.hashKey(capsule, hash);
    byte[] entry;
    try {
      entry = database.get(Family.HASHES, hashKey, "the index entry of record " + hash);
    } catch (IntegrityException e) {
      return 0;
    }
    byte[] body = entry == null ? null : StoreCodec.open(hashKey, entry);
    if (entry == null) {
      find("record " + hash + " is not in the index: " + position);
      return 1;
    }
    if (body != null && !position.equals(StoreCodec.position(body))) {
      find(
          "record " + hash + " is indexed at " + StoreCodec.position(body) + " but is " + position);
      return 1;
    }
    return 0;
  }

  // ------------------------------------------------------------------ reading past damage

  private interface Entry {
    void take(byte[] key, byte[] value);
  }

  /** Takes every entry of the capsule in a family that can be read; reports those that cannot. */
  private void forEach(Family family, int keyBytes, View view, Entry entry) {
    byte[] from = Arrays.copyOf(capsule, keyBytes);
    try (Cursor cursor = database.cursor(family, capsule, view)) {
      while (from != null) {
        byte[] damagedAt = from;
        try {
          cursor.seek(from);
          while (cursor.valid(family)) {
            byte[] key = cursor.key();
            if (key.length == keyBytes) {
              entry.take(key, cursor.value());
            } else {
              find("a key of " + key.length + " bytes among those of " + keyBytes);
            }
            damagedAt = after(key, keyBytes);
            if (damagedAt == null) {
              return;
            }
            cursor.next();
          }
          return;
        } catch (IntegrityException e) {
          damaged = true;
          from = readableFrom(family, damagedAt);
          find(unreadable(family, damagedAt, from) + ": " + e.rejection().detail());
        }
      }
    }
  }

  /**
   * About the first key from which on can be read again after {@code damaged}, from which cannot:
   * by doubling the distance, then by halving it. Distance is counted in the leading bytes of a key
   * that tell neighbours apart, so this takes at most two steps for each of their bits.
   */
  private byte @Nullable [] readableFrom(Family family, byte[] damaged) {
    int digits = family == Family.RECORDS ? RECORD_DIGITS : HASH_DIGITS;
    BigInteger unreadable =
        new BigInteger(1, Arrays.copyOfRange(damaged, capsule.length, capsule.length + digits));
    BigInteger end = BigInteger.ONE.shiftLeft(Byte.SIZE * digits);
    try (Cursor cursor = database.cursor(family, capsule)) {
      BigInteger step = BigInteger.ONE;
      BigInteger readable = unreadable.add(step);
      while (readable.compareTo(end) < 0
          && !canSeek(cursor, family, key(readable, digits, damaged.length))) {
        unreadable = readable;
        step = step.shiftLeft(1);
        readable = readable.add(step);
      }
      readable = readable.min(end);
      while (readable.subtract(unreadable).compareTo(BigInteger.ONE) > 0) {
        BigInteger middle = readable.add(unreadable).shiftRight(1);
        if (canSeek(cursor, family, key(middle, digits, damaged.length))) {
          readable = middle;
        } else {
          unreadable = middle;
        }
      }
      return readable.equals(end) ? null : key(readable, digits, damaged.length);
    }
  }

  private static boolean canSeek(Cursor cursor, Family family, byte[] key) {
    try {
      cursor.seek(key);
      boolean _ = cursor.valid(family);
      return true;
    } catch (IntegrityException e) {
      return false;
    }
  }

  /**
   * The key whose leading {@code digits} bytes after the capsule are {@code number}, then zeros.
   */
  private byte[] key(BigInteger number, int digits, int keyBytes) {
    byte[] key = Arrays.copyOf(capsule, keyBytes);
    byte[] bytes = number.toByteArray();
    int length = Math.min(bytes.length, digits);
    System.arraycopy(bytes, bytes.length - length, key, capsule.length + digits - length, length);
    return key;
  }

  private byte @Nullable [] after(byte[] key, int keyBytes) {
    byte[] next = StoreCodec.successor(Arrays.copyOf(key, keyBytes));
    return next == null || !Arrays.equals(next, 0, capsule.length, capsule, 0, capsule.length)
        ? null
        : next;
  }

  private static String unreadable(Family family, byte[] from, byte @Nullable [] to) {
    if (family == Family.RECORDS) {
      return "unreadable: records from "
          + StoreCodec.recordPosition(from)
          + (to == null ? " to the end" : " to before " + StoreCodec.recordPosition(to));
    }
    return "unreadable: index entries of records from "
        + StoreCodec.hashOfKey(from)
        + (to == null ? " to the end" : " to before " + StoreCodec.hashOfKey(to));
  }
}
