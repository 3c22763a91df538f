package io.capsuledb.engine;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.lsm.Tree;
import io.capsuledb.engine.merge.MergeOperator;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * One atomic group of reads and writes. Between {@link CapsuleDb#begin()} and {@link #close()} no
 * other transaction runs; reads see this transaction's own writes. Writes are staged and take
 * effect together in {@link #commit()}, as one record of the capsule; closing without a commit
 * drops them.
 *
 * <p>Belongs to the thread that began it. The object is reused after {@link #close()}: keep no
 * reference.
 */
public final class Transaction implements AutoCloseable {

  /** Most bytes one transaction writes: they have to fit one record. */
  public static final int MAX_BYTES = RecordLayout.MAX_PLAINTEXT_BYTES - 1024;

  /** From so many staged operations on, own writes are found by a map instead of a walk. */
  private static final int WALK_LIMIT = 8;

  /** Staging arrays that grew beyond this are not kept for the next transaction. */
  private static final int KEPT_OPERATIONS = 4096;

  private static final byte[] NONE = {};

  private final CapsuleDb db;
  private final Staged staged = new Staged();
  private long nowMs;
  private boolean active;
  private boolean readOnly;

  Transaction(CapsuleDb db) {
    this.db = db;
  }

  /** Staged operations in order. */
  static final class Staged {
    private int[] kinds = new int[16];
    private ValueType[] types = new ValueType[16];
    private byte[][] keys = new byte[16][];

    /** Of the operations that merge. */
    private @Nullable MergeOperator[] operators = new MergeOperator[16];

    private byte[][] values = new byte[16][];
    private long[] expiries = new long[16];
    private int count;
    private int lastClear = -1;
    private long encodedBound;
    private @Nullable Map<ByteBuffer, Integer> newest;

    /**
     * Newest operation on each key since the last CLEAR, in the order of keys; made when walked.
     */
    private @Nullable NavigableMap<byte[], Integer> ordered;

    int count() {
      return count;
    }

    boolean hasClear() {
      return lastClear >= 0;
    }

    void add(int kind, byte[] key, ValueType type, byte[] value, long expiryAtMs) {
      long bound = BatchCodec.bound(key.length, value.length);
      if (encodedBound + bound > MAX_BYTES) {
        throw new InvalidRequestException(
            "a transaction writes more than the " + MAX_BYTES + " bytes that fit one record");
      }
      if (count == kinds.length) {
        int size = 2 * count;
        kinds = Arrays.copyOf(kinds, size);
        types = Arrays.copyOf(types, size);
        keys = Arrays.copyOf(keys, size);
        values = Arrays.copyOf(values, size);
        expiries = Arrays.copyOf(expiries, size);
      }
      kinds[count] = kind;
      types[count] = type;
      keys[count] = key;
      values[count] = value;
      expiries[count] = expiryAtMs;
      if (kind == BatchLayout.CLEAR) {
        lastClear = count;
        ordered = null;
      } else {
        if (newest != null) {
          newest.put(ByteBuffer.wrap(key), count);
        }
        if (ordered != null) {
          ordered.put(key, count);
        }
      }
      count++;
      encodedBound += bound;
    }

    /** Index of the newest staged operation that decides about a key, or -1. */
    int find(byte[] key) {
      if (count <= WALK_LIMIT) {
        for (int i = count - 1; i > lastClear; i--) {
          if (Arrays.equals(keys[i], key)) {
            return i;
          }
        }
        return lastClear;
      }
      Map<ByteBuffer, Integer> map = newest;
      if (map == null) {
        map = new HashMap<>();
        for (int i = 0; i < count; i++) {
          if (kinds[i] != BatchLayout.CLEAR) {
            map.put(ByteBuffer.wrap(keys[i]), i);
          }
        }
        newest = map;
      }
      Integer index = map.get(ByteBuffer.wrap(key));
      return index == null ? lastClear : Math.max(index, lastClear);
    }

    /** The newest operation on each key behind {@code after}, ascending; none before a CLEAR. */
    NavigableMap<byte[], Integer> behind(byte @Nullable [] after) {
      NavigableMap<byte[], Integer> map = ordered;
      if (map == null) {
        map = new TreeMap<>(Arrays::compareUnsigned);
        for (int i = lastClear + 1; i < count; i++) {
          map.put(keys[i], i);
        }
        ordered = map;
      }
      return after == null ? map : map.tailMap(after, false);
    }

    void merge(byte[] key, MergeOperator operator, byte[] operand, long expiryAtMs) {
      add(BatchLayout.MERGE, key, ValueType.STRING, operand, expiryAtMs);
      if (operators.length < kinds.length) {
        operators = Arrays.copyOf(operators, kinds.length);
      }
      operators[count - 1] = operator;
    }

    /** The operator of a MERGE. */
    MergeOperator operator(int index) {
      MergeOperator operator = operators[index];
      if (operator == null) {
        throw new IllegalStateException("a staged operation merges nothing");
      }
      return operator;
    }

    /** The operation that decided about a key before one of its MERGEs, or -1. */
    int before(int index) {
      for (int i = index - 1; i > lastClear; i--) {
        if (Arrays.equals(keys[i], keys[index])) {
          return i;
        }
      }
      return lastClear;
    }

    void encode(BatchCodec target) {
      for (int i = 0; i < count; i++) {
        switch (kinds[i]) {
          case BatchLayout.PUT -> target.put(keys[i], types[i], values[i], expiries[i]);
          case BatchLayout.MERGE -> target.merge(keys[i], operator(i), values[i], expiries[i]);
          case BatchLayout.DELETE -> target.delete(keys[i]);
          case BatchLayout.CLEAR -> target.clear();
          default -> throw new IllegalStateException("staged operation of kind " + kinds[i]);
        }
      }
    }

    void reset() {
      if (count > KEPT_OPERATIONS) {
        kinds = new int[16];
        types = new ValueType[16];
        keys = new byte[16][];
        values = new byte[16][];
        expiries = new long[16];
      } else {
        Arrays.fill(keys, 0, count, NONE);
        Arrays.fill(values, 0, count, NONE);
      }
      count = 0;
      lastClear = -1;
      encodedBound = 0;
      newest = null;
      ordered = null;
    }
  }

  void open(long nowMs, boolean readOnly) {
    if (active) {
      throw new IllegalStateException("a transaction is begun inside a transaction");
    }
    this.active = true;
    this.nowMs = nowMs;
    this.readOnly = readOnly;
  }

  private void checkActive() {
    if (!active) {
      throw new IllegalStateException("the transaction has ended");
    }
  }

  private void checkWritable() {
    checkActive();
    if (readOnly) {
      throw new IllegalStateException("the transaction was begun for reading only");
    }
  }

  /** Reads a key, own staged writes included. */
  public Lookup get(byte[] key) {
    checkActive();
    if (staged.count > 0) {
      int index = staged.find(key);
      if (index >= 0) {
        return staged(index);
      }
    }
    return db.lookup(key, nowMs, true);
  }

  /** What there is to know about a key but its value; see {@link CapsuleDb#describe}. */
  public Lookup describe(byte[] key) {
    checkActive();
    int index = staged.count > 0 ? staged.find(key) : -1;
    return index >= 0 ? staged(index) : db.lookup(key, nowMs, false);
  }

  /**
   * One step of a walk over all live keys in their order, own staged writes included; see {@link
   * CapsuleDb#walk}. Staging between steps is allowed: what is staged behind the key that the walk
   * has come to is seen.
   *
   * @param after begin behind this key; null: at the first
   * @param count look at this many keys at most, at least 1
   * @return the last key looked at, to go on behind, or null at the end
   */
  public byte @Nullable [] walk(byte @Nullable [] after, int count, CapsuleDb.KeyVisitor visitor) {
    checkActive();
    if (count < 1) {
      throw new InvalidRequestException("count is " + count + "; allowed is 1 or more");
    }
    List<Found> committed = new ArrayList<>();
    byte[] reached = null;
    if (!staged.hasClear()) {
      try (Snapshot snapshot = db.snapshotNow(nowMs)) {
        if (staged.count == 0) {
          return snapshot.walk(after, count, visitor);
        }
        reached = snapshot.walk(after, count, (key, type) -> committed.add(new Found(key, type)));
      }
    }
    // The step covers what the tree's step covered, or less if staged keys use up the count.
    Map<byte[], Integer> own = staged.behind(after);
    if (reached != null) {
      own = staged.behind(after).headMap(reached, true);
    }
    return merge(committed, own, reached, count, visitor);
  }

  /** A committed key that a walk has come to. */
  private static final class Found {
    private final byte[] key;
    private final ValueType type;

    Found(byte[] key, ValueType type) {
      this.key = key;
      this.type = type;
    }
  }

  private byte @Nullable [] merge(
      List<Found> committed,
      Map<byte[], Integer> own,
      byte @Nullable [] reached,
      int count,
      CapsuleDb.KeyVisitor visitor) {
    int next = 0;
    int looked = 0;
    byte[] last = null;
    for (Map.Entry<byte[], Integer> operation : own.entrySet()) {
      byte[] key = operation.getKey();
      while (next < committed.size() && Arrays.compareUnsigned(committed.get(next).key, key) < 0) {
        if (looked++ == count) {
          return last;
        }
        Found found = committed.get(next++);
        last = found.key;
        visitor.key(found.key, found.type);
      }
      if (looked++ == count) {
        return last;
      }
      if (next < committed.size() && Arrays.equals(committed.get(next).key, key)) {
        next++;
      }
      last = key;
      Lookup mine = staged(operation.getValue());
      if (mine.found()) {
        visitor.key(key, mine.type());
      }
    }
    while (next < committed.size()) {
      if (looked++ == count) {
        return last;
      }
      Found found = committed.get(next++);
      last = found.key;
      visitor.key(found.key, found.type);
    }
    return reached;
  }

  private Lookup staged(int index) {
    if (staged.kinds[index] == BatchLayout.MERGE) {
      return merged(index);
    }
    // The fence is that of the commit to come, which its caller waits for anyway.
    if (staged.kinds[index] != BatchLayout.PUT) {
      return Lookup.absent(0);
    }
    long expiryAtMs = staged.expiries[index];
    if (expiryAtMs != 0 && expiryAtMs <= nowMs) {
      return Lookup.absent(0);
    }
    byte[] value = staged.values[index];
    return Lookup.found(value, 0, value.length, staged.types[index], expiryAtMs, 0);
  }

  /** What a staged MERGE makes of what is before it. */
  private Lookup merged(int index) {
    byte[] key = staged.keys[index];
    int before = staged.before(index);
    Lookup base = before >= 0 ? staged(before) : db.lookup(key, nowMs, true);
    MergeOperator operator = staged.operator(index);
    byte[] value =
        operator.apply(
            base.type().number(), base.found() ? base.value() : null, staged.values[index]);
    // As it is read, an expiry of what is before it is its own.
    long expiryAtMs = base.found() ? base.expiryAtMs() : 0;
    return Lookup.found(
        value,
        0,
        value.length,
        ValueType.ofNumber(operator.typeNumber()),
        expiryAtMs,
        base.fence());
  }

  /**
   * Stages a change of a value by what it will be: whatever other workers merge into the key at the
   * same time counts too. The key keeps its expiry.
   *
   * @param key 0 to {@link CapsuleDb#MAX_KEY_BYTES} bytes; not to be modified afterwards
   * @param operand as the operator has it, at most {@link MergeOperator#MAX_OPERAND_BYTES}
   * @return what the key has now, as far as is known here
   * @throws InvalidRequestException if the operand is none, or the key has a value of another kind:
   *     the message begins with WRONGTYPE
   */
  public Lookup merge(byte[] key, MergeOperator operator, byte[] operand) {
    checkWritable();
    checkKey(key);
    byte[] canonical =
        operand.length > MergeOperator.MAX_OPERAND_BYTES ? null : operator.canonical(operand);
    if (canonical == null) {
      throw new InvalidRequestException(operand.length + " bytes are no operand of " + operator);
    }
    Lookup before = get(key);
    if (before.found()
        && (before.type().number() != operator.typeNumber()
            || operator.canonical(before.value()) == null)) {
      throw new InvalidRequestException(
          "WRONGTYPE the key has a value that " + operator + " does not apply to");
    }
    if (before.length() + (long) canonical.length > CapsuleDb.MAX_VALUE_BYTES) {
      throw new InvalidRequestException(
          "a value of more than " + CapsuleDb.MAX_VALUE_BYTES + " bytes");
    }
    if (!before.found() && isExpired(key)) {
      // What is merged now begins anew.
      staged.add(BatchLayout.DELETE, key, ValueType.STRING, NONE, 0);
    }
    staged.merge(key, operator, canonical, before.found() ? before.expiryAtMs() : 0);
    return staged(staged.count - 1);
  }

  /** Whether a key is absent because it has expired. */
  private boolean isExpired(byte[] key) {
    int index = staged.count > 0 ? staged.find(key) : -1;
    return index >= 0 ? staged.kinds[index] == BatchLayout.PUT : db.isExpired(key, nowMs);
  }

  /**
   * Stages a write.
   *
   * @param key 0 to {@link CapsuleDb#MAX_KEY_BYTES} bytes; not to be modified afterwards
   * @param type what the value is
   * @param value 0 to {@link CapsuleDb#MAX_VALUE_BYTES} bytes; not to be modified afterwards
   * @param expiryAtMs wall-clock milliseconds at which the key ceases to exist; 0 means never
   * @throws InvalidRequestException if a bound is exceeded
   */
  public void put(byte[] key, ValueType type, byte[] value, long expiryAtMs) {
    checkWritable();
    checkKey(key);
    if (value.length > CapsuleDb.MAX_VALUE_BYTES) {
      throw new InvalidRequestException(
          "a value of " + value.length + " bytes; at most " + CapsuleDb.MAX_VALUE_BYTES);
    }
    if (expiryAtMs < 0) {
      throw new InvalidRequestException("an expiry before 1970");
    }
    staged.add(BatchLayout.PUT, key, type, value, expiryAtMs);
  }

  /** Stages the removal of a key; staging the removal of an absent key is allowed and recorded. */
  public void delete(byte[] key) {
    checkWritable();
    checkKey(key);
    staged.add(BatchLayout.DELETE, key, ValueType.STRING, NONE, 0);
  }

  private static void checkKey(byte[] key) {
    if (key.length > CapsuleDb.MAX_KEY_BYTES) {
      throw new InvalidRequestException(
          "a key of " + key.length + " bytes; at most " + CapsuleDb.MAX_KEY_BYTES);
    }
  }

  /** Stages the removal of every key, those staged before included. */
  public void clear() {
    checkWritable();
    staged.add(BatchLayout.CLEAR, NONE, ValueType.STRING, NONE, 0);
  }

  /** Whether anything is staged: whether reads may see what others do not. */
  public boolean hasStaged() {
    checkActive();
    return staged.count > 0;
  }

  /** The wall clock this transaction sees, in milliseconds; the same at each call. */
  public long nowMs() {
    return nowMs;
  }

  /**
   * Makes the staged writes visible and hands them to the write path.
   *
   * @return the fence: the Lamport time of the last operation, durable when {@link
   *     CapsuleDb#durableTime()} reaches it; 0 if nothing was staged
   * @throws io.capsuledb.core.error.StorageException if the engine has failed
   */
  public long commit() {
    checkActive();
    if (staged.count == 0) {
      return 0;
    }
    long fence = db.commit(staged, staged.encodedBound);
    staged.reset();
    return fence;
  }

  /** Tells the tree what was staged. */
  static void apply(Staged staged, Tree tree, long firstTime, long writer, int firstPlace) {
    for (int i = 0; i < staged.count; i++) {
      byte[] key = staged.keys[i];
      switch (staged.kinds[i]) {
        case BatchLayout.PUT ->
            tree.put(
                new Entry(
                    key,
                    firstTime + i,
                    writer,
                    firstPlace + i,
                    EntryKind.VALUE,
                    staged.types[i].number(),
                    staged.expiries[i],
                    staged.values[i]));
        case BatchLayout.MERGE ->
            tree.put(
                new Entry(
                    key,
                    firstTime + i,
                    writer,
                    firstPlace + i,
                    EntryKind.OPERAND,
                    staged.operator(i).number(),
                    staged.expiries[i],
                    staged.values[i]));
        case BatchLayout.DELETE ->
            tree.put(Entry.tombstone(key, new Version(firstTime + i, writer, firstPlace + i)));
        case BatchLayout.CLEAR -> tree.clear(new Version(firstTime + i, writer, firstPlace + i));
        default -> throw new IllegalStateException("staged operation of kind " + staged.kinds[i]);
      }
    }
  }

  /** Ends the transaction; staged writes that were not committed are dropped. */
  @Override
  public void close() {
    checkActive();
    active = false;
    if (staged.count > 0) {
      staged.reset();
    }
    db.end();
  }
}
