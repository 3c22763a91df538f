package io.capsuledb.engine.lsm;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What of a merged sequence of entries is worth keeping.
 *
 * <p>Of each key are kept: every version later than the floor, and the newest one at or before it,
 * because a read as of the floor, or of any later time, may see that one. Everything older is
 * hidden from all reads that are still answered. The newest one at or before the floor goes too
 *
 * <ul>
 *   <li>if a CLEAR at or before the floor is later: the CLEAR itself, which the manifest remembers,
 *       hides whatever is below;
 *   <li>if it is a tombstone or has expired, and no table below the output may hold the key. Else
 *       an expired one becomes a tombstone.
 * </ul>
 *
 * <p>Pulls from a cursor that walks in {@link Entry#ENTRY_ORDER}; what comes out is in that order
 * too. A source that is not, because the tables are not what they should be, ends it with an {@link
 * IntegrityException}.
 */
final class EntrySieve {

  private final EntryCursor source;
  private final long floorTime;
  private final @Nullable Version clear;
  private final long nowMs;
  private final Predicate<byte[]> isBelow;
  private final Consumer<Entry> dropped;

  private @Nullable Entry last;
  private boolean settled;
  private boolean started;

  /**
   * A sieve.
   *
   * @param clear the newest CLEAR at or before the floor, or null
   * @param isBelow whether tables below the output may hold a key
   * @param dropped hears of every entry that is not kept, and of a value that is
   */
  EntrySieve(
      EntryCursor source,
      long floorTime,
      @Nullable Version clear,
      long nowMs,
      Predicate<byte[]> isBelow,
      Consumer<Entry> dropped) {
    this.source = source;
    this.floorTime = floorTime;
    this.clear = clear;
    this.nowMs = nowMs;
    this.isBelow = isBelow;
    this.dropped = dropped;
  }

  /** The next entry to keep, or null at the end. */
  @Nullable Entry next() {
    boolean there = started ? source.valid() && source.next() : source.seekToFirst();
    started = true;
    while (there) {
      Entry kept = judge(source.entry());
      if (kept != null) {
        return kept;
      }
      there = source.next();
    }
    return null;
  }

  private @Nullable Entry judge(Entry entry) {
    Entry before = last;
    int keys = before == null ? -1 : Arrays.compareUnsigned(before.key(), entry.key());
    if (before != null && (keys > 0 || (keys == 0 && Entry.compareVersions(before, entry) <= 0))) {
      throw new IntegrityException(
          Rejection.of(
              Rejection.Reason.PAYLOAD,
              "tables are out of order, or name a version twice: the entry "
                  + entry
                  + " comes after "
                  + before));
    }
    last = entry;
    if (keys != 0) {
      settled = false;
    }
    if (settled) {
      dropped.accept(entry);
      return null;
    }
    if (entry.time() > floorTime) {
      return entry;
    }
    settled = true;
    Version cleared = clear;
    if (cleared != null && entry.version().compareTo(cleared) < 0) {
      dropped.accept(entry);
      return null;
    }
    if (entry.kind() == EntryKind.TOMBSTONE || entry.isExpired(nowMs)) {
      if (!isBelow.test(entry.key())) {
        dropped.accept(entry);
        return null;
      }
      if (entry.kind() != EntryKind.TOMBSTONE) {
        dropped.accept(entry);
        return Entry.tombstone(entry.key(), entry.version());
      }
    }
    return entry;
  }
}
