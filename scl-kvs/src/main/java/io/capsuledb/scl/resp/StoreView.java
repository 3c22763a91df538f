package io.capsuledb.scl.resp;

import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.Snapshot;
import io.capsuledb.engine.Transaction;
import io.capsuledb.engine.ValueType;
import io.capsuledb.scl.procedure.ProcedureHost;
import io.capsuledb.scl.resp.AclUsers.Permission;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The store as one run of a procedure sees it: a state that does not change, and over it what the
 * run itself has changed. Nothing leaves before {@link #publish} or {@link #stage}.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>the state below is that of one Lamport time: a snapshot, taken when the run first reads, or
 *       the transaction it runs in, which excludes all others;
 *   <li>what was read of a snapshot, keys and ranges, absent ones included, is remembered, and is
 *       the same when {@link #publish} makes the changes visible: so calls are strictly
 *       serializable, though no lock is held while a script runs;
 *   <li>a change that would not fit one record is refused when it is made.
 * </ul>
 *
 * <p>One thread.
 */
final class StoreView implements ProcedureHost, AutoCloseable {

  /** {@link #publish} found that others changed what was read. */
  static final long CONFLICT = -1;

  /** Most keys one run looks at, those it scans included. */
  private static final int MAX_LOOKED = 200_000;

  /** Most bytes of one scan's answer. */
  private static final int MAX_SCAN_BYTES = 16 << 20;

  /** Most lines one run prints: older ones are dropped. */
  private static final int MAX_LINES = FunctionLogs.MAX_LINES;

  private static final int WALK_KEYS = 128;

  /** What an operation costs in a record beyond key and value, at most. */
  private static final int OPERATION_BYTES = 64;

  /** What the run did to a key: a value, or none for a removal. */
  private static final class Change {
    private final byte @Nullable [] value;
    private final long expiryAtMs;

    Change(byte @Nullable [] value, long expiryAtMs) {
      this.value = value;
      this.expiryAtMs = expiryAtMs;
    }
  }

  /** What {@link #rollback} puts back. */
  private static final class Undo {
    private final byte[] key;
    private final @Nullable Change before;

    Undo(byte[] key, @Nullable Change before) {
      this.key = key;
      this.before = before;
    }
  }

  /** Part of the order of keys that was read from a snapshot. */
  private static final class Range {
    private final byte[] prefix;
    private final byte[] after;
    private final List<byte[]> keys;
    private final boolean toEnd;

    Range(byte[] prefix, byte[] after, List<byte[]> keys, boolean toEnd) {
      this.prefix = prefix;
      this.after = after;
      this.keys = keys;
      this.toEnd = toEnd;
    }
  }

  /** Takes steps of a walk. */
  @FunctionalInterface
  private interface Walk {
    byte @Nullable [] step(byte[] after, int count, CapsuleDb.KeyVisitor visitor);
  }

  private final CapsuleDb db;
  private final AclUser user;
  private final boolean readOnly;
  private final long nowMs;
  private final @Nullable Transaction transaction;
  private @Nullable Snapshot snapshot;

  private final NavigableMap<byte[], Change> changes = new TreeMap<>(Arrays::compareUnsigned);
  private final NavigableMap<byte[], MultiState.Watched> seen =
      new TreeMap<>(Arrays::compareUnsigned);
  private final List<Range> ranges = new ArrayList<>();
  private final List<String> lines = new ArrayList<>();
  private @Nullable List<Undo> undo;
  private long changedBytes;
  private int looked;
  private long fence;

  private StoreView(
      CapsuleDb db, AclUser user, boolean readOnly, long nowMs, @Nullable Transaction transaction) {
    this.db = db;
    this.user = user;
    this.readOnly = readOnly;
    this.nowMs = nowMs;
    this.transaction = transaction;
  }

  /** A view for a run that holds no lock. */
  static StoreView optimistic(CapsuleDb db, AclUser user, boolean readOnly, Clock clock) {
    return new StoreView(db, user, readOnly, clock.wallMs(), null);
  }

  /** A view for a run inside a transaction, with what is staged there. */
  static StoreView within(CapsuleDb db, AclUser user, boolean readOnly, Transaction transaction) {
    return new StoreView(db, user, readOnly, transaction.nowMs(), transaction);
  }

  // ------------------------------------------------------------------ the end of a run

  /** What must be durable before anything of the run may be told. */
  long fence() {
    return fence;
  }

  /** What the run printed. */
  List<String> lines() {
    return List.copyOf(lines);
  }

  /**
   * Makes the changes of an optimistic run visible, all or, if others changed what it read, none.
   *
   * @return the fence of all the run did, or {@link #CONFLICT}
   */
  long publish() {
    if (changes.isEmpty()) {
      // What it read is of one time: that is when it took place.
      return fence;
    }
    try (Transaction own = db.begin()) {
      if (!unchanged(own)) {
        return CONFLICT;
      }
      stage(own);
      return Math.max(fence, own.commit());
    }
  }

  private boolean unchanged(Transaction own) {
    Snapshot read = snapshot;
    if (read == null || read.time() == db.committedTime()) {
      return true;
    }
    for (MultiState.Watched one : seen.values()) {
      if (one.touched(own.describe(one.key()))) {
        return false;
      }
    }
    for (Range range : ranges) {
      int wanted = range.keys.size() + (range.toEnd ? 1 : 0);
      List<byte[]> now = gather(own::walk, range.prefix, range.after, wanted);
      if (!Arrays.deepEquals(now.toArray(), range.keys.toArray())) {
        return false;
      }
    }
    return true;
  }

  /** Stages the changes in a transaction, in the order of keys. */
  void stage(Transaction target) {
    changes.forEach(
        (key, change) -> {
          if (change.value == null) {
            target.delete(key);
          } else {
            target.put(key, ValueType.STRING, change.value, change.expiryAtMs);
          }
        });
  }

  @Override
  public void close() {
    if (snapshot != null) {
      snapshot.close();
    }
  }

  // ------------------------------------------------------------------ reading

  private void check(byte[] key, Permission permission) {
    if (key.length > CapsuleDb.MAX_KEY_BYTES) {
      throw new InvalidRequestException(
          "a key of " + key.length + " bytes; at most " + CapsuleDb.MAX_KEY_BYTES);
    }
    if (ReservedKeys.isReserved(key)) {
      throw new DeniedException(ReservedKeys.REFUSAL);
    }
    user.requireKey(key, permission);
  }

  private void checkWrite(byte[] key) {
    if (readOnly) {
      throw new DeniedException("Write commands are not allowed from read-only scripts.");
    }
    check(key, Permission.WRITE);
  }

  private Snapshot snapshot() {
    Snapshot taken = snapshot;
    if (taken == null) {
      taken = db.snapshot();
      snapshot = taken;
    }
    return taken;
  }

  private void count(int keys) {
    looked += keys;
    if (looked > MAX_LOOKED) {
      throw new InvalidRequestException("one call looks at " + MAX_LOOKED + " keys at most");
    }
  }

  /** What is below the run's own changes. */
  private Lookup below(byte[] key) {
    count(1);
    Lookup lookup;
    if (transaction != null) {
      lookup = transaction.get(key);
    } else {
      lookup = snapshot().get(key);
      if (!seen.containsKey(key)) {
        seen.put(key, new MultiState.Watched(key, lookup));
      }
    }
    fence = Math.max(fence, lookup.fence());
    return lookup;
  }

  private byte @Nullable [] current(byte[] key) {
    Change change = changes.get(key);
    if (change != null) {
      return change.value;
    }
    Lookup lookup = below(key);
    if (!lookup.found()) {
      return null;
    }
    if (lookup.type() != ValueType.STRING) {
      throw new InvalidRequestException("the key holds a list or a set, not a string");
    }
    return lookup.value();
  }

  @Override
  public byte @Nullable [] get(byte[] key) {
    check(key, Permission.READ);
    byte[] value = current(key);
    return value == null ? null : value.clone();
  }

  @Override
  public boolean exists(byte[] key) {
    check(key, Permission.READ);
    Change change = changes.get(key);
    return change != null ? change.value != null : below(key).found();
  }

  @Override
  public List<Entry> scan(byte[] prefix, byte @Nullable [] after, int limit) {
    user.requireKey(prefix, Permission.READ);
    List<Entry> found = new ArrayList<>();
    long bytes = 0;
    byte[] from = prefix;
    if (after != null && Arrays.compareUnsigned(after, prefix) >= 0) {
      from = after;
    } else {
      // A walk begins behind a key: the prefix itself, as a key, is looked at alone.
      bytes += take(prefix, found);
    }
    boolean more = true;
    while (more && found.size() < limit) {
      int wanted = Math.min(WALK_KEYS, limit);
      List<byte[]> below = gatherBelow(prefix, from, wanted);
      more = below.size() == wanted;
      TreeSet<byte[]> keys = new TreeSet<>(Arrays::compareUnsigned);
      keys.addAll(below);
      NavigableMap<byte[], Change> own = changes.tailMap(from, false);
      if (more) {
        own = own.headMap(below.getLast(), true);
      }
      for (byte[] key : own.keySet()) {
        if (!startsWith(key, prefix)) {
          break;
        }
        keys.add(key);
      }
      for (byte[] key : keys) {
        if (found.size() == limit) {
          break;
        }
        bytes += take(key, found);
        if (bytes > MAX_SCAN_BYTES) {
          throw new InvalidRequestException(
              "a scan gives at most " + MAX_SCAN_BYTES + " bytes: use a smaller limit");
        }
      }
      if (more) {
        from = below.getLast();
      }
    }
    return found;
  }

  /** Adds a key to what a scan found, if it is there and holds a string. */
  private long take(byte[] key, List<Entry> found) {
    if (ReservedKeys.isReserved(key) || key.length > CapsuleDb.MAX_KEY_BYTES) {
      return 0;
    }
    Change change = changes.get(key);
    byte[] value;
    if (change != null) {
      value = change.value;
    } else {
      Lookup lookup = below(key);
      value = lookup.found() && lookup.type() == ValueType.STRING ? lookup.value() : null;
    }
    if (value == null) {
      return 0;
    }
    found.add(new Entry(key.clone(), value.clone()));
    return key.length + (long) value.length;
  }

  private List<byte[]> gatherBelow(byte[] prefix, byte[] after, int most) {
    if (transaction != null) {
      fence = Math.max(fence, db.committedTime());
      return gather(transaction::walk, prefix, after, most);
    }
    Snapshot read = snapshot();
    fence = Math.max(fence, read.time());
    List<byte[]> keys = gather(read::walk, prefix, after, most);
    ranges.add(new Range(prefix, after, keys, keys.size() < most));
    return keys;
  }

  /** The first keys behind {@code after} that begin with a prefix. */
  private List<byte[]> gather(Walk walk, byte[] prefix, byte[] after, int most) {
    List<byte[]> keys = new ArrayList<>();
    boolean[] beyond = {false};
    byte[] at = after;
    while (at != null && !beyond[0] && keys.size() < most) {
      count(WALK_KEYS);
      at =
          walk.step(
              at,
              WALK_KEYS,
              (key, type) -> {
                if (!startsWith(key, prefix)) {
                  beyond[0] = true;
                } else if (keys.size() < most) {
                  keys.add(key);
                }
              });
      beyond[0] |= at != null && !startsWith(at, prefix);
    }
    return keys;
  }

  private static boolean startsWith(byte[] key, byte[] prefix) {
    return key.length >= prefix.length
        && Arrays.equals(key, 0, prefix.length, prefix, 0, prefix.length);
  }

  // ------------------------------------------------------------------ changing

  private void change(byte[] key, @Nullable Change change) {
    Change before = change == null ? changes.remove(key) : changes.put(key, change);
    changedBytes += bytes(key, change) - bytes(key, before);
    if (changedBytes > Transaction.MAX_BYTES) {
      change(key, before);
      throw new InvalidRequestException(
          "a call writes more than the " + Transaction.MAX_BYTES + " bytes that fit one record");
    }
    if (undo != null) {
      undo.add(new Undo(key, before));
    }
  }

  private static long bytes(byte[] key, @Nullable Change change) {
    if (change == null) {
      return 0;
    }
    return OPERATION_BYTES + key.length + (change.value == null ? 0L : change.value.length);
  }

  private void set(byte[] key, byte[] value, long expiryAtMs) {
    if (value.length > CapsuleDb.MAX_VALUE_BYTES) {
      throw new InvalidRequestException(
          "a value of " + value.length + " bytes; at most " + CapsuleDb.MAX_VALUE_BYTES);
    }
    change(key, new Change(value, expiryAtMs));
  }

  @Override
  public void put(byte[] key, byte[] value, long ttlMs) {
    checkWrite(key);
    set(key, value, ttlMs == 0 ? Expiry.NEVER : Math.addExact(nowMs, ttlMs));
  }

  @Override
  public boolean del(byte[] key) {
    checkWrite(key);
    boolean there = exists(key);
    if (there) {
      change(key, new Change(null, Expiry.NEVER));
    }
    return there;
  }

  @Override
  public long incr(byte[] key, long by) {
    checkWrite(key);
    check(key, Permission.READ);
    byte[] value = current(key);
    long sum;
    try {
      sum = Math.addExact(value == null ? 0 : number(value), by);
    } catch (ArithmeticException e) {
      throw new InvalidRequestException("increment or decrement would overflow", e);
    }
    set(key, Operands.decimal(sum), expiry(key));
    return sum;
  }

  private static long number(byte[] value) {
    if (!Operands.isInteger(value, 0, value.length)) {
      throw new InvalidRequestException("value is not an integer or out of range");
    }
    return Operands.integer(value, 0, value.length);
  }

  private long expiry(byte[] key) {
    Change change = changes.get(key);
    return change != null ? change.expiryAtMs : below(key).expiryAtMs();
  }

  @Override
  public boolean cas(byte[] key, byte @Nullable [] expected, byte @Nullable [] replacement) {
    checkWrite(key);
    check(key, Permission.READ);
    byte[] value = current(key);
    if (!Arrays.equals(value, expected)) {
      return false;
    }
    if (replacement != null) {
      set(key, replacement, Expiry.NEVER);
    } else if (value != null) {
      change(key, new Change(null, Expiry.NEVER));
    }
    return true;
  }

  @Override
  public byte @Nullable [] merge(byte[] key, String operator, byte[] operand) {
    throw new UnavailableException("merge is not in this server: use get and put");
  }

  @Override
  public void lock(byte[] key) {
    throw new UnavailableException(
        "lock is not in this server: every call is serializable without");
  }

  @Override
  public void begin() {
    undo = new ArrayList<>();
  }

  @Override
  public void commit() {
    undo = null;
  }

  @Override
  public void rollback() {
    List<Undo> steps = undo;
    undo = null;
    if (steps != null) {
      for (Undo step : steps.reversed()) {
        change(step.key, step.before);
      }
    }
  }

  @Override
  public void log(String line) {
    if (lines.size() == MAX_LINES) {
      lines.removeFirst();
    }
    lines.add(FunctionLogs.cut(line));
  }
}
