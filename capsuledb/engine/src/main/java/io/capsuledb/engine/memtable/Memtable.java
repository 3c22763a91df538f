package io.capsuledb.engine.memtable;

import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Entries in memory, off the Java heap: every version of every key that was put.
 *
 * <p>An append-only {@linkplain EntryArena arena} holds a <i>node</i> for each key and, from there,
 * a chain of its versions, newest first. A hash table of addresses finds the node of a key. Nothing
 * is removed: a deletion is an entry like any other. Order by key is made when somebody asks for
 * it: nodes are kept in the order of their insertion, and {@link #cursors} sorts those that came
 * since it was called last into another run; runs are merged as they grow, so that there are few
 * and each node is merged a logarithmic number of times.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>the versions of a chain descend; no two are equal;
 *   <li>a node or an entry is complete before anything links to it, and never changes after that,
 *       links excepted;
 *   <li>a node is linked from the table before its key's first entry is.
 * </ul>
 *
 * <p>Threads: one puts, under its owner's lock. Any others {@link #find} and walk at the same time,
 * without a lock, and see each entry whole. Who calls {@link #reset} or {@link #close} makes sure
 * that nobody is inside.
 */
public final class Memtable implements AutoCloseable {

  // A node: newest entry u64, hash u64, key length u64, key.
  private static final int NODE_NEWEST = 0;
  private static final int NODE_HASH = 8;
  private static final int NODE_KEY_LENGTH = 16;
  private static final int NODE_KEY = 24;

  // An entry: next older u64, time u64, writer u64, index u32 and kind u8 and type u8, expiry u64,
  // value length u64, value.
  private static final int ENTRY_OLDER = 0;
  private static final int ENTRY_TIME = 8;
  private static final int ENTRY_WRITER = 16;
  private static final int ENTRY_FLAGS = 24;
  private static final int ENTRY_EXPIRY = 32;
  private static final int ENTRY_VALUE_LENGTH = 40;
  private static final int ENTRY_VALUE = 48;

  private static final int KIND_SHIFT = 32;
  private static final int TYPE_SHIFT = 40;

  private static final int MIN_TABLE = 1 << 10;

  /** Top bits of a slot hold bits of the hash, so that few other keys are looked at. */
  private static final int TAG_BITS = 12;

  private static final int TAG_SHIFT = Long.SIZE - TAG_BITS;
  private static final long ADDRESS_MASK = (1L << TAG_SHIFT) - 1;

  private static final VarHandle SLOTS = MethodHandles.arrayElementVarHandle(long[].class);

  private final EntryArena arena = new EntryArena();
  private final long seed;
  private final SortedNodes.Keys keys = new NodeKeys();

  private volatile long[] table = new long[MIN_TABLE];

  /** Nodes in the order of insertion; published by {@link #nodeCount}. */
  private volatile long[] nodes = new long[MIN_TABLE];

  private volatile int nodeCount;

  private volatile long entryCount;
  private volatile long expiringCount;
  private volatile long usedBytes;
  private volatile long maxTime;
  private volatile long minTime = Long.MAX_VALUE;

  private final Object sorting = new Object();
  // Guarded by sorting:
  private final List<long[]> runs = new ArrayList<>();
  private int sortedNodes;

  /**
   * An empty memtable.
   *
   * @param seed unpredictable, so that nobody can make keys that collide
   */
  public Memtable(long seed) {
    this.seed = seed;
  }

  /** About how many bytes an entry takes: with a node and table space of its own. */
  public static long costOf(int keyLength, int valueLength) {
    return NODE_KEY + ENTRY_VALUE + 4L * Long.BYTES + keyLength + valueLength;
  }

  /** Adds an entry. A version is added once. */
  @SuppressWarnings("NonAtomicVolatileUpdate") // one writer; readers only watch
  public void put(Entry entry) {
    byte[] key = entry.key();
    long hash = KeyHash.of(key, seed);
    long node = lookup(key, hash);
    if (node == 0) {
      node = addNode(key, hash);
    }
    link(node, addEntry(entry), entry);
    entryCount = entryCount + 1;
    if (entry.expiryAtMs() != 0) {
      expiringCount = expiringCount + 1;
    }
    maxTime = Math.max(maxTime, entry.time());
    minTime = Math.min(minTime, entry.time());
    usedBytes = arena.allocatedBytes() + (long) table.length * Long.BYTES;
  }

  private long addNode(byte[] key, long hash) {
    long node = arena.allocate(NODE_KEY + (long) key.length);
    arena.putLong(node, NODE_NEWEST, 0);
    arena.putLong(node, NODE_HASH, hash);
    arena.putLong(node, NODE_KEY_LENGTH, key.length);
    arena.putBytes(node, NODE_KEY, key);
    int count = nodeCount;
    long[] all = nodes;
    if (count == all.length) {
      all = Arrays.copyOf(all, 2 * count);
      nodes = all;
    }
    all[count] = node;
    if (2 * (count + 1) > table.length) {
      growTable(count);
    }
    insert(table, node, hash);
    nodeCount = count + 1;
    return node;
  }

  private void growTable(int count) {
    long[] larger = new long[2 * table.length];
    for (int i = 0; i < count; i++) {
      insert(larger, nodes[i], arena.getLong(nodes[i], NODE_HASH));
    }
    table = larger;
  }

  private static void insert(long[] slots, long node, long hash) {
    int mask = slots.length - 1;
    int at = (int) hash & mask;
    while (slots[at] != 0) {
      at = (at + 1) & mask;
    }
    SLOTS.setRelease(slots, at, tag(hash) | node);
  }

  private static long tag(long hash) {
    return hash >>> TAG_SHIFT << TAG_SHIFT;
  }

  private long lookup(byte[] key, long hash) {
    long[] slots = table;
    int mask = slots.length - 1;
    for (int at = (int) hash & mask; ; at = (at + 1) & mask) {
      long slot = (long) SLOTS.getAcquire(slots, at);
      if (slot == 0) {
        return 0;
      }
      if ((slot ^ hash) >>> TAG_SHIFT == 0) {
        long node = slot & ADDRESS_MASK;
        if (arena.getLong(node, NODE_KEY_LENGTH) == key.length
            && arena.equal(node, NODE_KEY, key)) {
          return node;
        }
      }
    }
  }

  private long addEntry(Entry entry) {
    byte[] value = entry.value();
    long address = arena.allocate(ENTRY_VALUE + (long) value.length);
    arena.putLong(address, ENTRY_TIME, entry.time());
    arena.putLong(address, ENTRY_WRITER, entry.writer());
    arena.putLong(
        address,
        ENTRY_FLAGS,
        entry.index()
            | (long) entry.kind().number() << KIND_SHIFT
            | (long) entry.typeNumber() << TYPE_SHIFT);
    arena.putLong(address, ENTRY_EXPIRY, entry.expiryAtMs());
    arena.putLong(address, ENTRY_VALUE_LENGTH, value.length);
    arena.putBytes(address, ENTRY_VALUE, value);
    return address;
  }

  /** Links a complete entry where its version belongs: nearly always at the front. */
  private void link(long node, long address, Entry entry) {
    long holder = node;
    int linkAt = NODE_NEWEST;
    long older = arena.getLong(node, NODE_NEWEST);
    while (older != 0) {
      int order = Entry.compareVersions(entry, read(NO_KEY, older, false));
      if (order == 0) {
        throw new IllegalStateException("a version is put twice: " + entry);
      }
      if (order > 0) {
        break;
      }
      holder = older;
      linkAt = ENTRY_OLDER;
      older = arena.getLong(older, ENTRY_OLDER);
    }
    arena.putLong(address, ENTRY_OLDER, older);
    arena.setRelease(holder, linkAt, address);
  }

  private static final byte[] NO_KEY = {};

  /** The newest version of a key not later than a Lamport time, or null. */
  public @Nullable Entry find(byte[] key, long time) {
    long node = lookup(key, KeyHash.of(key, seed));
    if (node == 0) {
      return null;
    }
    long address = arena.getAcquire(node, NODE_NEWEST);
    while (address != 0 && arena.getLong(address, ENTRY_TIME) > time) {
      address = arena.getAcquire(address, ENTRY_OLDER);
    }
    return address == 0 ? null : read(key, address, true);
  }

  /**
   * The versions of a key up to one of them, newest first, down to the first that is no operand,
   * that one included.
   */
  public List<Entry> operands(byte[] key, Version upTo) {
    List<Entry> found = new ArrayList<>();
    long node = lookup(key, KeyHash.of(key, seed));
    long address = node == 0 ? 0 : arena.getAcquire(node, NODE_NEWEST);
    while (address != 0) {
      if (arena.getLong(address, ENTRY_TIME) <= upTo.time()) {
        Entry entry = read(key, address, true);
        // Of one time there may be a larger version, by another writer.
        if (entry.version().compareTo(upTo) <= 0) {
          found.add(entry);
          if (entry.kind() != EntryKind.OPERAND) {
            break;
          }
        }
      }
      address = arena.getAcquire(address, ENTRY_OLDER);
    }
    return found;
  }

  private Entry read(byte[] key, long address, boolean withValue) {
    long flags = arena.getLong(address, ENTRY_FLAGS);
    EntryKind kind = EntryKind.ofNumber((int) (flags >>> KIND_SHIFT) & 0xFF);
    if (kind == null) {
      throw new IllegalStateException("an entry of no kind in the memtable");
    }
    int length = (int) arena.getLong(address, ENTRY_VALUE_LENGTH);
    return new Entry(
        key,
        arena.getLong(address, ENTRY_TIME),
        arena.getLong(address, ENTRY_WRITER),
        (int) flags,
        kind,
        (int) (flags >>> TYPE_SHIFT) & 0xFF,
        arena.getLong(address, ENTRY_EXPIRY),
        withValue ? arena.getBytes(address, ENTRY_VALUE, length) : NO_KEY);
  }

  /**
   * Cursors that together walk every entry that was put before this call, each key in one of them.
   * Entries put later may show or not: who wants a moment passes over those later than it.
   */
  public List<EntryCursor> cursors() {
    long[][] sorted;
    synchronized (sorting) {
      int count = nodeCount;
      if (count > sortedNodes) {
        addRun(SortedNodes.sort(SortedNodes.copy(nodes, sortedNodes, count), keys));
        sortedNodes = count;
      }
      sorted = runs.toArray(new long[0][]);
    }
    List<EntryCursor> cursors = new ArrayList<>(sorted.length);
    for (long[] run : sorted) {
      cursors.add(new RunCursor(run));
    }
    return cursors;
  }

  /** Each run is at least twice as long as the next, which bounds their number. */
  private void addRun(long[] run) {
    long[] last = run;
    while (!runs.isEmpty() && runs.getLast().length < 2 * last.length) {
      last = SortedNodes.merge(runs.removeLast(), last, keys);
    }
    runs.add(last);
  }

  /** Keys, deleted ones included. */
  public int keys() {
    return nodeCount;
  }

  /** The key that was put as the n-th, from 0. */
  public byte[] keyAt(int n) {
    long node = nodes[n];
    return arena.getBytes(node, NODE_KEY, keys.length(node));
  }

  /** Versions of keys. */
  public long entries() {
    return entryCount;
  }

  /** Versions with an expiry. */
  public long expiring() {
    return expiringCount;
  }

  /** Bytes in use off and on the heap. */
  public long usedBytes() {
    return usedBytes;
  }

  /** The largest Lamport time put; 0 if empty. */
  public long maxTime() {
    return maxTime;
  }

  /** The least Lamport time put; {@link Long#MAX_VALUE} if empty. */
  public long minTime() {
    return minTime;
  }

  /** Whether nothing was put. */
  public boolean isEmpty() {
    return entryCount == 0;
  }

  /** Empties the memtable for another use; its memory is kept. Nobody may be inside. */
  public void reset() {
    arena.reset();
    table = new long[MIN_TABLE];
    nodes = new long[MIN_TABLE];
    nodeCount = 0;
    entryCount = 0;
    expiringCount = 0;
    usedBytes = 0;
    maxTime = 0;
    minTime = Long.MAX_VALUE;
    synchronized (sorting) {
      runs.clear();
      sortedNodes = 0;
    }
  }

  @Override
  public void close() {
    arena.close();
  }

  private final class NodeKeys implements SortedNodes.Keys {
    @Override
    public int length(long node) {
      return (int) arena.getLong(node, NODE_KEY_LENGTH);
    }

    @Override
    public long eightBytes(long node, int offset) {
      int left = length(node) - offset;
      if (left >= Long.BYTES) {
        return Long.reverseBytes(arena.getUnaligned(node, NODE_KEY + offset));
      }
      long bytes = 0;
      for (int i = 0; i < Long.BYTES; i++) {
        bytes =
            bytes << Byte.SIZE | (i < left ? arena.getByte(node, NODE_KEY + offset + i) & 0xFF : 0);
      }
      return bytes;
    }

    @Override
    public int compare(long a, long b) {
      return arena.compare(a, NODE_KEY, length(a), b, NODE_KEY, length(b));
    }
  }

  /** Walks a sorted run of nodes and the versions of each. */
  private final class RunCursor implements EntryCursor {
    private final long[] run;
    private int at = -1;
    private long address;
    private byte[] key = NO_KEY;
    private @Nullable Entry current;

    RunCursor(long[] run) {
      this.run = run;
    }

    @Override
    public boolean seekToFirst() {
      return newestOf(0);
    }

    @Override
    public boolean seekToLast() {
      return oldestOf(run.length - 1);
    }

    @Override
    public boolean seek(byte[] sought) {
      int low = 0;
      int high = run.length;
      while (low < high) {
        int middle = (low + high) >>> 1;
        if (arena.compare(run[middle], NODE_KEY, keys.length(run[middle]), sought) < 0) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      return newestOf(low);
    }

    private boolean newestOf(int index) {
      // A node is there a moment before its first entry is.
      for (at = index; at < run.length; at++) {
        address = arena.getAcquire(run[at], NODE_NEWEST);
        if (address != 0) {
          takeKey();
          return here();
        }
      }
      return nowhere();
    }

    private boolean oldestOf(int index) {
      for (at = index; at >= 0; at--) {
        address = arena.getAcquire(run[at], NODE_NEWEST);
        if (address != 0) {
          long older = arena.getAcquire(address, ENTRY_OLDER);
          while (older != 0) {
            address = older;
            older = arena.getAcquire(address, ENTRY_OLDER);
          }
          takeKey();
          return here();
        }
      }
      return nowhere();
    }

    private void takeKey() {
      key = arena.getBytes(run[at], NODE_KEY, keys.length(run[at]));
    }

    private boolean here() {
      current = null;
      return true;
    }

    private boolean nowhere() {
      at = -1;
      address = 0;
      current = null;
      return false;
    }

    private void checkValid() {
      if (address == 0) {
        throw new IllegalStateException("the cursor is not positioned");
      }
    }

    @Override
    public boolean next() {
      checkValid();
      long older = arena.getAcquire(address, ENTRY_OLDER);
      if (older == 0) {
        return newestOf(at + 1);
      }
      address = older;
      return here();
    }

    @Override
    public boolean previous() {
      checkValid();
      long newer = arena.getAcquire(run[at], NODE_NEWEST);
      if (newer == address) {
        return oldestOf(at - 1);
      }
      long older = arena.getAcquire(newer, ENTRY_OLDER);
      while (older != address) {
        newer = older;
        older = arena.getAcquire(newer, ENTRY_OLDER);
      }
      address = newer;
      return here();
    }

    @Override
    public boolean valid() {
      return address != 0;
    }

    @Override
    public Entry entry() {
      Entry entry = current;
      if (entry == null) {
        checkValid();
        entry = read(key, address, true);
        current = entry;
      }
      return entry;
    }
  }
}
