package io.capsuledb.scl.sim;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.epoch.Eoe;
import io.capsuledb.core.epoch.EoeCodec;
import io.capsuledb.core.epoch.Rts;
import io.capsuledb.core.epoch.RtsCodec;
import io.capsuledb.core.epoch.Sync;
import io.capsuledb.core.epoch.SyncCodec;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.sim.Coverage;
import io.capsuledb.engine.merge.MergeOperator;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A worker's engine as far as other workers matter: all versions of all keys in memory, each commit
 * a record. It asserts what it relies on: causal order, one record once, nothing at or before the
 * stable time after it.
 */
final class SimEngine {

  /**
   * An operation: what a key is from a version on, null: it is not there; or, with an operator,
   * what is merged into it.
   */
  record Op(String key, @Nullable String value, @Nullable MergeOperator operator) {
    Op(String key, @Nullable String value) {
      this(key, value, null);
    }
  }

  /** Larger versions win. */
  record Version(long time, long writer, int index) implements Comparable<Version> {
    @Override
    public int compareTo(Version other) {
      int byTime = Long.compare(time, other.time);
      int byWriter = byTime != 0 ? byTime : Long.compare(writer, other.writer);
      return byWriter != 0 ? byWriter : Integer.compare(index, other.index);
    }
  }

  /** What the records of a run say, by hash: shared by all engines. */
  static final class Contents {
    final Map<Hash32, List<Op>> ops = new HashMap<>();

    /** What the writer of a record had merged when it made it: the positions it had reached. */
    final Map<Hash32, Map<Long, Long>> seen = new HashMap<>();

    long made;
  }

  private final SimRecords records;
  private final Contents contents;
  private final Coverage coverage;
  final long own;
  private final Map<String, NavigableMap<Version, Op>> keys = new TreeMap<>();
  private final Map<Long, ChainHead> merged = new TreeMap<>();
  private final Map<Long, Hash32> newHeads = new TreeMap<>();
  private final Set<Hash32> known = new HashSet<>();
  private final Map<Hash32, Long> lastTimes = new HashMap<>();
  long clock;
  ChainHead head = ChainHead.NONE;
  long durable;
  long stable;
  private long epoch;
  private long lastData;
  private long syncedTo;

  /** Time of the newest operation, own or merged. */
  long lastOperation;

  SimEngine(SimRecords records, Contents contents, long own, Coverage coverage) {
    this.coverage = coverage;
    this.records = records;
    this.contents = contents;
    this.own = own;
  }

  CapsuleRecord introduce(io.capsuledb.core.capsule.RosterEntry.Role role) {
    CapsuleRecord roster = records.roster(own, role, 1 + epoch, ++clock);
    appended(roster, clock);
    return roster;
  }

  /** Commits operations as one record. */
  CapsuleRecord commit(List<Op> ops) {
    CapsuleRecord record =
        records.make(
            RecordType.DATA,
            own,
            head,
            1 + epoch,
            clock + 1,
            parents(),
            ByteBuffer.allocate(8).putLong(++contents.made).array());
    contents.ops.put(record.hash(), List.copyOf(ops));
    Map<Long, Long> seen = new HashMap<>();
    merged.forEach((writer, at) -> seen.put(writer, at.sequence()));
    contents.seen.put(record.hash(), seen);
    clock += ops.size();
    appended(record, clock);
    lastData = record.header().sequence();
    apply(record);
    return record;
  }

  private List<Hash32> parents() {
    List<Hash32> parents = List.copyOf(newHeads.values());
    newHeads.clear();
    return parents;
  }

  private void appended(CapsuleRecord record, long lastTime) {
    head = new ChainHead(record.header().sequence(), record.hash());
    known.add(record.hash());
    lastTimes.put(record.hash(), lastTime);
  }

  /** How a cut came out; the EOE if one was made. */
  record CutResult(boolean idle, boolean late, @Nullable CapsuleRecord eoe) {}

  CutResult beginCut(CapsuleRecord record, Rts rts) {
    if (known.contains(record.hash())) {
      // Replayed, which moved the clock; nothing was written before.
      return new CutResult(true, false, null);
    }
    take(record);
    if (lastData <= syncedTo && durable == head.sequence()) {
      clock = Math.max(clock, rts.cutTime());
      return new CutResult(true, false, null);
    }
    if (clock >= rts.cutTime() || rts.epoch() < epoch) {
      return new CutResult(false, true, null);
    }
    clock = rts.cutTime();
    epoch = rts.epoch();
    List<Hash32> parents = new ArrayList<>(parents());
    if (!parents.contains(record.hash())) {
      parents.add(record.hash());
    }
    CapsuleRecord eoe =
        records.make(
            RecordType.EOE,
            own,
            head,
            epoch,
            ++clock,
            parents,
            EoeCodec.encode(new Eoe(epoch, rts.attempt(), rts.cutTime(), record.hash())));
    appended(eoe, clock);
    return new CutResult(false, false, eoe);
  }

  /**
   * Replays what is durable when the engine is opened, causes first: epochs as the worker's core
   * would have had it.
   */
  List<CapsuleRecord> replay(Collection<List<CapsuleRecord>> chains) {
    List<CapsuleRecord> replayed = new ArrayList<>();
    for (int before = -1; before < replayed.size(); ) {
      before = replayed.size();
      for (List<CapsuleRecord> chain : chains) {
        long writer = chain.isEmpty() ? 0 : chain.getFirst().header().writer();
        while (merged.getOrDefault(writer, ChainHead.NONE).sequence() < chain.size()) {
          CapsuleRecord next =
              chain.get((int) merged.getOrDefault(writer, ChainHead.NONE).sequence());
          if (!known.containsAll(next.header().parents())) {
            break;
          }
          merge(next);
          if (next.header().type() == RecordType.RTS) {
            Rts rts = records.open(next).then(RtsCodec::decode).orThrow();
            clock = Math.max(clock, rts.cutTime());
            epoch = Math.max(epoch, rts.epoch());
          } else if (next.header().type() == RecordType.SYNC) {
            stable(records.open(next).then(SyncCodec::decode).orThrow());
          }
          replayed.add(next);
        }
      }
    }
    return replayed;
  }

  void merge(CapsuleRecord record) {
    take(record);
    apply(record);
  }

  private void take(CapsuleRecord record) {
    long writer = record.header().writer();
    ChainHead before = merged.getOrDefault(writer, ChainHead.NONE);
    check(SclSim.CHAINS, writer != own, "an own record is merged: ", record);
    check(
        SclSim.CHAINS,
        record.header().sequence() == before.sequence() + 1,
        "a gap before ",
        record);
    check(
        SclSim.CHAINS, record.header().previous().equals(before.hash()), "another chain: ", record);
    for (Hash32 parent : record.header().parents()) {
      check(SclSim.CAUSAL, known.contains(parent), record, " before its parent ", parent);
      check(
          SclSim.CAUSAL,
          lastTimes.getOrDefault(parent, 0L) < record.header().lamport(),
          record,
          " is not after its parent ",
          parent);
    }
    // Whatever the writer had merged, not only what it named.
    contents
        .seen
        .getOrDefault(record.hash(), Map.of())
        .forEach(
            (other, sequence) ->
                check(
                    SclSim.CAUSAL,
                    other == own
                        ? head.sequence() >= sequence
                        : merged.getOrDefault(other, ChainHead.NONE).sequence() >= sequence,
                    record,
                    " is merged before what its writer had seen"));
    long lastTime =
        record.header().lamport()
            + Math.max(0, contents.ops.getOrDefault(record.hash(), List.of()).size() - 1);
    known.add(record.hash());
    lastTimes.put(record.hash(), lastTime);
    merged.put(writer, new ChainHead(record.header().sequence(), record.hash()));
    newHeads.put(writer, record.hash());
    clock = Math.max(clock, lastTime);
  }

  private void apply(CapsuleRecord record) {
    List<Op> ops = contents.ops.getOrDefault(record.hash(), List.of());
    long time = record.header().lamport();
    if (!ops.isEmpty()) {
      check(
          SclSim.SNAPSHOTS,
          time > stable,
          record,
          " of time ",
          time,
          " after ",
          stable,
          " was stable");
    }
    for (int i = 0; i < ops.size(); i++) {
      keys.computeIfAbsent(ops.get(i).key(), k -> new TreeMap<>())
          .put(new Version(time + i, record.header().writer(), i), ops.get(i));
      lastOperation = Math.max(lastOperation, time + i);
    }
  }

  void stable(Sync sync) {
    for (Sync.Position position : sync.positions()) {
      ChainHead at =
          position.writer() == own ? head : merged.getOrDefault(position.writer(), ChainHead.NONE);
      check(
          SclSim.SNAPSHOTS,
          at.sequence() >= position.head().sequence(),
          "SYNC before its cut ",
          position);
    }
    stable = Math.max(stable, sync.cutTime());
    Sync.Position mine = sync.of(own);
    if (mine != null) {
      syncedTo = Math.max(syncedTo, mine.head().sequence());
    }
    keys.values().forEach(versions -> flush(versions, stable));
  }

  /**
   * As flush and compaction do: up to a time operands become the value that they have led to, and
   * of what is older than the newest version nothing is kept.
   */
  private static void flush(NavigableMap<Version, Op> versions, long time) {
    NavigableMap<Version, Op> old =
        versions.headMap(new Version(time, Long.MAX_VALUE, Integer.MAX_VALUE), true);
    if (old.isEmpty()) {
      return;
    }
    Map.Entry<Version, Op> newest = old.lastEntry();
    if (newest.getValue().operator() != null) {
      versions.put(newest.getKey(), new Op(newest.getValue().key(), fold(old)));
    }
    versions.headMap(newest.getKey(), false).clear();
  }

  private static @Nullable String apply(@Nullable String before, Op op) {
    MergeOperator operator = op.operator();
    String operand = op.value();
    return operator == null || operand == null
        ? operand
        : new String(
            operator.apply(
                operator.typeNumber(),
                before == null ? null : before.getBytes(StandardCharsets.ISO_8859_1),
                operand.getBytes(StandardCharsets.ISO_8859_1)),
            StandardCharsets.ISO_8859_1);
  }

  /** The newest version of a key, or null. */
  Map.@Nullable Entry<Version, Op> newest(String key) {
    NavigableMap<Version, Op> versions = keys.get(key);
    return versions == null ? null : versions.lastEntry();
  }

  @Nullable String read(String key) {
    NavigableMap<Version, Op> versions = keys.get(key);
    return versions == null ? null : fold(versions);
  }

  /** The newest value with all operands after it applied. */
  private static @Nullable String fold(NavigableMap<Version, Op> versions) {
    List<Op> operands = new ArrayList<>();
    String value = null;
    for (Op op : versions.descendingMap().values()) {
      if (op.operator() == null) {
        value = op.value();
        break;
      }
      operands.add(op);
    }
    for (Op operand : operands.reversed()) {
      value = apply(value, operand);
    }
    return value;
  }

  /** A digest of what reads as of a time give; of everything by {@link Long#MAX_VALUE}. */
  long digest(long time) {
    long digest = 1;
    Version most = new Version(time, Long.MAX_VALUE, Integer.MAX_VALUE);
    for (Map.Entry<String, NavigableMap<Version, Op>> entry : keys.entrySet()) {
      NavigableMap<Version, Op> versions = entry.getValue().headMap(most, true);
      Map.Entry<Version, Op> newest = versions.lastEntry();
      if (newest != null) {
        digest =
            digest * 31
                + entry.getKey().hashCode() * 17L
                + newest.getKey().hashCode() * 7L
                + Objects.hashCode(fold(versions));
      }
    }
    return digest;
  }

  private void check(String property, boolean holds, Object... broken) {
    coverage.checked(property, holds, broken);
  }
}
