package io.capsuledb.scl.resp;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.Snapshot;
import io.capsuledb.engine.Transaction;
import io.capsuledb.engine.ValueType;
import io.capsuledb.engine.merge.MergeOperator;
import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.lock.LockMode;
import io.capsuledb.scl.procedure.ProcedureHost;
import io.capsuledb.scl.resp.AclUsers.Permission;
import java.nio.charset.StandardCharsets;
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

  /** The same for a run on an event loop. */
  private static final int QUICK_LOOKED = 256;

  private static final int WALK_KEYS = 128;

  /** What an operation costs in a record beyond key and value, at most. */
  private static final int OPERATION_BYTES = 64;

  /** Most keys one call locks by name. */
  private static final int MAX_LOCKED = 64;

  /** An operand that {@link #merge} was given, in the form it is stored in. */
  private static final class Operand {
    private final MergeOperator operator;
    private final byte[] bytes;

    Operand(MergeOperator operator, byte[] bytes) {
      this.operator = operator;
      this.bytes = bytes;
    }
  }

  /** What the run did to a key. Immutable. */
  private static final class Change {
    /** Whether the key has a value of the run's own, or none; else what there was before. */
    private final boolean decided;

    /** Null for a removal. */
    private final byte @Nullable [] value;

    private final long expiryAtMs;

    /** Merged after that, in this order. */
    private final List<Operand> operands;

    private Change(
        boolean decided, byte @Nullable [] value, long expiryAtMs, List<Operand> operands) {
      this.decided = decided;
      this.value = value;
      this.expiryAtMs = expiryAtMs;
      this.operands = List.copyOf(operands);
    }

    static Change to(byte @Nullable [] value, long expiryAtMs) {
      return new Change(true, value, expiryAtMs, List.of());
    }

    /** Nothing yet, on top of what there is. */
    static Change ofNothing() {
      return new Change(false, null, Expiry.NEVER, List.of());
    }

    boolean decided() {
      return decided;
    }

    /** With one operand more; one that can be told together with the last is. */
    Change and(MergeOperator operator, byte[] operand) {
      List<Operand> all = new ArrayList<>(operands);
      if (!all.isEmpty() && all.getLast().operator == operator) {
        byte[] both = operator.apply(operator.typeNumber(), all.getLast().bytes, operand);
        if (both.length <= MergeOperator.MAX_OPERAND_BYTES) {
          all.removeLast();
          all.add(new Operand(operator, both));
          return new Change(decided, value, expiryAtMs, all);
        }
      }
      all.add(new Operand(operator, operand));
      return new Change(decided, value, expiryAtMs, all);
    }

    long bytes(int keyLength) {
      long bytes = OPERATION_BYTES + keyLength + (value == null ? 0L : value.length);
      for (Operand operand : operands) {
        bytes += OPERATION_BYTES + keyLength + operand.bytes.length;
      }
      return bytes;
    }
  }

  /** A value, or none, with its type. */
  private static final class Typed {
    private final int typeNumber;
    private final byte @Nullable [] value;

    Typed(int typeNumber, byte @Nullable [] value) {
      this.typeNumber = typeNumber;
      this.value = value;
    }
  }

  /** What was read of a key. */
  private static final class Seen {
    private static final byte[] SEEN_TAG =
        "capsuledb/v1/call/seen".getBytes(StandardCharsets.US_ASCII);

    private final MultiState.Watched watched;
    private final @Nullable Hash32 digest;

    Seen(byte[] key, Lookup lookup, boolean shared) {
      watched = new MultiState.Watched(key, lookup);
      // Two workers' changes may be of one Lamport time, and operands come below other changes.
      digest = shared ? digest(lookup) : null;
    }

    boolean touched(Transaction now) {
      return digest == null
          ? watched.touched(now.describe(watched.key()))
          : !digest.equals(digest(now.get(watched.key())));
    }

    private static Hash32 digest(Lookup lookup) {
      byte[] head = new byte[2 + Long.BYTES];
      head[0] = (byte) (lookup.found() ? 1 : 0);
      head[1] = (byte) lookup.type().number();
      LittleEndian.putLong(head, 2, lookup.expiryAtMs());
      return Hashes.tagged(SEEN_TAG, head, lookup.value());
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
  private final @Nullable Clock clock;
  private boolean nowKnown;
  private long nowMs;
  private final @Nullable Transaction transaction;
  private final @Nullable CallLocks locks;
  private @Nullable Snapshot snapshot;

  private final NavigableMap<byte[], Change> changes = new TreeMap<>(Arrays::compareUnsigned);
  private final NavigableMap<byte[], Seen> seen = new TreeMap<>(Arrays::compareUnsigned);
  private final List<byte[]> locked = new ArrayList<>();
  private byte @Nullable [] wanted;
  private boolean asksForOrder;
  private final List<Range> ranges = new ArrayList<>();
  private final List<String> lines = new ArrayList<>();
  private @Nullable List<Undo> undo;
  private long changedBytes;
  private int looked;
  private int mostLooked = MAX_LOOKED;
  private long fence;

  private StoreView(
      CapsuleDb db,
      AclUser user,
      boolean readOnly,
      @Nullable Clock clock,
      @Nullable Transaction transaction,
      @Nullable CallLocks locks) {
    this.db = db;
    this.locks = locks;
    this.user = user;
    this.readOnly = readOnly;
    this.clock = clock;
    this.transaction = transaction;
  }

  /** A view for a run that must be short: what looks at much is given up. */
  static StoreView quick(
      CapsuleDb db, AclUser user, boolean readOnly, Clock clock, CallLocks locks) {
    StoreView view = optimistic(db, user, readOnly, clock, locks);
    view.mostLooked = QUICK_LOOKED;
    return view;
  }

  /** A view for a run that keeps nobody waiting but those who want one of its locks. */
  static StoreView optimistic(
      CapsuleDb db, AclUser user, boolean readOnly, Clock clock, CallLocks locks) {
    return new StoreView(db, user, readOnly, clock, null, locks);
  }

  /** A view for a run inside a transaction, which is alone, with what is staged there. */
  static StoreView within(CapsuleDb db, AclUser user, boolean readOnly, Transaction transaction) {
    return new StoreView(db, user, readOnly, null, transaction, null);
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

  /** Whether the run lacked a lock, or looked at more than a quick one may. */
  boolean gaveUp() {
    return wanted != null || looked > mostLooked;
  }

  /** The key whose lock the run lacks: it is to be run again with it. Null if it lacks none. */
  byte @Nullable [] wanted() {
    return wanted;
  }

  /**
   * The locks under which the changes are to be published, in a shared capsule: of what was read,
   * and of what was written. None where nothing was read, and so nothing can be out of date.
   */
  NavigableMap<Long, LockMode> wishes() {
    NavigableMap<Long, LockMode> wishes = new TreeMap<>(Long::compareUnsigned);
    CallLocks own = locks;
    if (own == null || !own.shared() || !ordered(own)) {
      return wishes;
    }
    if (!ranges.isEmpty()) {
      // Keys that are not there yet have no lock.
      wishes.put(LockGrant.ALL, LockMode.EXCLUSIVE);
      return wishes;
    }
    wishes.put(LockGrant.ALL, LockMode.SHARED);
    seen.keySet().forEach(key -> wishes.put(own.lockOf(key), LockMode.SHARED));
    changes.keySet().forEach(key -> wishes.put(own.lockOf(key), LockMode.EXCLUSIVE));
    locked.forEach(key -> wishes.put(own.lockOf(key), LockMode.EXCLUSIVE));
    return wishes;
  }

  /** Whether the run has its place among the transactions of all workers. */
  private boolean ordered(CallLocks own) {
    if (own.linearizable() || asksForOrder) {
      return true;
    }
    boolean merges = changes.values().stream().noneMatch(Change::decided);
    return !changes.isEmpty() && !(merges && seen.isEmpty() && ranges.isEmpty());
  }

  /**
   * Makes the changes of an optimistic run visible, all or, if others changed what it read, none.
   *
   * @return the fence of all the run did, or {@link #CONFLICT}
   */
  long publish() {
    boolean shared = locks != null && locks.shared();
    if (changes.isEmpty() && !shared) {
      // What it read is of one time: that is when it took place.
      return fence;
    }
    try (Transaction own = changes.isEmpty() ? db.beginReading() : db.begin()) {
      if (!unchanged(own)) {
        return CONFLICT;
      }
      if (changes.isEmpty()) {
        return fence;
      }
      stage(own);
      if (locks != null) {
        locks.wrote();
      }
      return Math.max(fence, own.commit());
    }
  }

  /**
   * Whether what was read is what is there. A snapshot of a shared capsule is not frozen: what
   * another worker wrote may belong into it and come later.
   */
  boolean unchanged() {
    try (Transaction own = db.beginReading()) {
      return unchanged(own);
    }
  }

  private boolean unchanged(Transaction own) {
    Snapshot read = snapshot;
    if (read == null) {
      return true;
    }
    boolean shared = locks != null && locks.shared();
    if (!shared && read.time() == db.committedTime()) {
      return true;
    }
    // What was looked at is bounded, and is looked at once more.
    mostLooked = Integer.MAX_VALUE;
    for (Seen one : seen.values()) {
      if (one.touched(own)) {
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
          if (!change.decided) {
            change.operands.forEach(operand -> target.merge(key, operand.operator, operand.bytes));
            return;
          }
          Typed settled = settle(change, null);
          if (settled.value == null) {
            target.delete(key);
          } else {
            ValueType type =
                settled.typeNumber == ValueType.SET.number() ? ValueType.SET : ValueType.STRING;
            target.put(key, type, settled.value, change.expiryAtMs);
          }
        });
  }

  /** What a key has after a change of what was below. */
  private static Typed settle(Change change, @Nullable Lookup below) {
    int type = ValueType.STRING.number();
    byte[] value = change.value;
    if (!change.decided && below != null && below.found()) {
      type = below.type().number();
      value = below.value();
    }
    for (Operand operand : change.operands) {
      value = operand.operator.apply(type, value, operand.bytes);
      type = operand.operator.typeNumber();
    }
    return new Typed(type, value);
  }

  @Override
  public void close() {
    if (snapshot != null) {
      snapshot.close();
    }
  }

  // ------------------------------------------------------------------ reading

  private void check(byte[] key, Permission permission) {
    if (wanted != null) {
      throw again();
    }
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
    if (looked > mostLooked) {
      throw new InvalidRequestException("one call looks at " + mostLooked + " keys at most");
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
        seen.put(key, new Seen(key, lookup, locks != null && locks.shared()));
      }
    }
    fence = Math.max(fence, lookup.fence());
    return lookup;
  }

  /** What a key has now, the run's own changes included. */
  private Typed typed(byte[] key) {
    Change change = changes.get(key);
    if (change != null) {
      return settle(change, change.decided ? null : below(key));
    }
    Lookup lookup = below(key);
    return lookup.found()
        ? new Typed(lookup.type().number(), lookup.value())
        : new Typed(ValueType.STRING.number(), null);
  }

  private byte @Nullable [] current(byte[] key) {
    Typed typed = typed(key);
    if (typed.value != null && typed.typeNumber != ValueType.STRING.number()) {
      throw new InvalidRequestException("the key holds a list or a set, not a string");
    }
    return typed.value;
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
    if (change == null) {
      return below(key).found();
    }
    return !change.operands.isEmpty() || change.value != null;
  }

  @Override
  public List<Entry> scan(byte[] prefix, byte @Nullable [] after, int limit) {
    if (wanted != null) {
      throw again();
    }
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
    Typed typed = typed(key);
    byte[] value = typed.typeNumber == ValueType.STRING.number() ? typed.value : null;
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
    return change == null ? 0 : change.bytes(key.length);
  }

  /** One time for all of the run, asked for by few. */
  private long nowMs() {
    if (!nowKnown) {
      nowMs =
          transaction != null
              ? transaction.nowMs()
              : java.util.Objects.requireNonNull(clock).wallMs();
      nowKnown = true;
    }
    return nowMs;
  }

  private void set(byte[] key, byte[] value, long expiryAtMs) {
    if (value.length > CapsuleDb.MAX_VALUE_BYTES) {
      throw new InvalidRequestException(
          "a value of " + value.length + " bytes; at most " + CapsuleDb.MAX_VALUE_BYTES);
    }
    change(key, Change.to(value, expiryAtMs));
  }

  @Override
  public void put(byte[] key, byte[] value, long ttlMs) {
    checkWrite(key);
    set(key, value, ttlMs == 0 ? Expiry.NEVER : Math.addExact(nowMs(), ttlMs));
  }

  @Override
  public boolean del(byte[] key) {
    checkWrite(key);
    boolean there = exists(key);
    if (there) {
      change(key, Change.to(null, Expiry.NEVER));
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
    return change != null && change.decided ? change.expiryAtMs : below(key).expiryAtMs();
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
      change(key, Change.to(null, Expiry.NEVER));
    }
    return true;
  }

  /**
   * Does not read: what others merge meanwhile counts too, and spoils nothing. So it does not say
   * what the key has now.
   */
  @Override
  public byte @Nullable [] merge(byte[] key, String operator, byte[] operand) {
    checkWrite(key);
    MergeOperator known = operator(operator);
    byte[] canonical =
        operand.length > MergeOperator.MAX_OPERAND_BYTES
            ? null
            : known.canonical(known == MergeOperator.UNION ? setOf(operand) : operand);
    if (canonical == null || canonical.length > MergeOperator.MAX_OPERAND_BYTES) {
      throw new InvalidRequestException(operand.length + " bytes are no operand of " + known);
    }
    Change before = changes.get(key);
    if (before == null || !before.decided) {
      Lookup lookup = transaction != null ? transaction.get(key) : snapshot().get(key);
      count(1);
      requireFits(known, lookup.type().number(), lookup.found() ? lookup.value() : null);
    }
    if (before != null) {
      Typed now = settle(before, null);
      requireFits(known, now.typeNumber, now.value);
    }
    Change base = before == null ? Change.ofNothing() : before;
    change(key, base.and(known, canonical));
    return null;
  }

  private static MergeOperator operator(String name) {
    for (MergeOperator one : MergeOperator.values()) {
      if (one.name().equalsIgnoreCase(name)) {
        return one;
      }
    }
    throw new InvalidRequestException(
        "there is no such operator of merge: allowed are MIN, MAX, COUNTER and UNION");
  }

  private static void requireFits(MergeOperator operator, int typeNumber, byte @Nullable [] value) {
    if (value != null
        && (typeNumber != operator.typeNumber() || operator.canonical(value) == null)) {
      throw new InvalidRequestException(
          "the key has a value that " + operator + " does not apply to");
    }
  }

  /** What is merged into a set: one element. */
  private static byte[] setOf(byte[] element) {
    CollectionCodec.Builder set = new CollectionCodec.Builder(element.length);
    set.add(element, 0, element.length);
    return set.build();
  }

  @Override
  public void lock(byte[] key) {
    check(key, Permission.READ);
    asksForOrder = true;
    CallLocks own = locks;
    if (own == null || own.holds(key)) {
      // Within a transaction that is alone everything is locked.
      locked.add(key);
      return;
    }
    if (locked.size() >= MAX_LOCKED) {
      throw new InvalidRequestException("one call locks " + MAX_LOCKED + " keys at most");
    }
    wanted = key;
    throw again();
  }

  private static UnavailableException again() {
    return new UnavailableException("the call is run again, with the lock");
  }

  @Override
  public void begin() {
    asksForOrder = true;
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
