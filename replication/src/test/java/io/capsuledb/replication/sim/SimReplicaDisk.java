package io.capsuledb.replication.sim;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.replica.ReplicaLog;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The medium under {@link SimReplicaLog}: it outlives the log, so that a test can cut the power,
 * fill it, damage it, roll it back or lose it, and open it again. Deterministic: what happens
 * follows from the seed and the calls.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>at most one log is open on a disk; a power cut kills it, and everything it is asked
 *       afterwards fails;
 *   <li>a commit leaves all of its batch or nothing, whatever fault strikes;
 *   <li>a truthful disk has nothing unsynced. {@link #lieAboutSync} makes it a lying one: then a
 *       power cut loses every commit since.
 * </ul>
 *
 * <p>Faults are programmed by the number of the commit they hit, from 1, counted over the life of
 * the disk; {@link #commits} is the number of the last one. Each is used once. Thread-safe.
 */
public final class SimReplicaDisk {

  /** What goes wrong in a commit, and whether its batch is on the medium nevertheless. */
  public enum Fault {
    /** An I/O error; nothing of the batch is there. The log must be opened again. */
    ERROR_BEFORE,
    /** An I/O error after everything was written. The log must be opened again. */
    ERROR_AFTER,
    /** The disk is full in the middle; nothing is there. The log must be opened again. */
    OUT_OF_SPACE,
    /** The power goes before anything was written. */
    POWER_CUT_BEFORE,
    /** The power goes when everything is written and before the commit returns. */
    POWER_CUT_AFTER
  }

  /** Where a record is stored. */
  public record Place(CapsuleName capsule, long writer, long sequence)
      implements Comparable<Place> {
    private static final Comparator<Place> ORDER =
        Comparator.comparing((Place p) -> p.capsule.hash())
            .thenComparingLong(Place::writer)
            .thenComparingLong(Place::sequence);

    @Override
    public int compareTo(Place other) {
      return ORDER.compare(this, other);
    }

    @Override
    public String toString() {
      return "writer " + Long.toHexString(writer) + " sequence " + sequence + " of " + capsule;
    }
  }

  /** A stored record; damaged means that the store's checksum no longer fits. */
  private record Slot(Hash32 hash, Blob bytes, boolean damaged) {}

  private static final class SimChain {
    final RosterEntry entry;
    ChainHead head = ChainHead.NONE;
    long lamport;
    SealState seal = SealState.OPEN;

    SimChain(RosterEntry entry) {
      this.entry = entry;
    }

    SimChain copy() {
      SimChain copy = new SimChain(entry);
      copy.head = head;
      copy.lamport = lamport;
      copy.seal = seal;
      return copy;
    }
  }

  private static final class SimCapsule {
    final Blob metadata;
    final List<Blob> memberships = new ArrayList<>();
    final NavigableMap<Long, SimChain> chains = new TreeMap<>();
    final NavigableMap<Hash32, Blob> evidence = new TreeMap<>();
    final Map<Hash32, Place> index = new HashMap<>();
    ReplicaLog.Rebuilding rebuilding = ReplicaLog.Rebuilding.NONE;

    SimCapsule(Blob metadata) {
      this.metadata = metadata;
    }

    SimCapsule copy() {
      SimCapsule copy = new SimCapsule(metadata);
      copy.memberships.addAll(memberships);
      chains.forEach((writer, chain) -> copy.chains.put(writer, chain.copy()));
      copy.evidence.putAll(evidence);
      copy.index.putAll(index);
      copy.rebuilding = rebuilding;
      return copy;
    }
  }

  /** Everything on the medium. */
  private static final class Content {
    final long incarnation;
    long numberFloor;
    final NavigableMap<Hash32, SimCapsule> capsules = new TreeMap<>();
    final NavigableMap<Place, Slot> records = new TreeMap<>();
    long recordBytes;

    Content(long incarnation) {
      this.incarnation = incarnation;
    }

    Content copy() {
      Content copy = new Content(incarnation);
      copy.numberFloor = numberFloor;
      capsules.forEach((name, capsule) -> copy.capsules.put(name, capsule.copy()));
      copy.records.putAll(records);
      copy.recordBytes = recordBytes;
      return copy;
    }

    @Nullable Slot put(Place place, @Nullable Slot slot) {
      Slot before = slot == null ? records.remove(place) : records.put(place, slot);
      recordBytes += (slot == null ? 0 : slot.bytes.length());
      recordBytes -= (before == null ? 0 : before.bytes.length());
      return before;
    }
  }

  private final SplittableRandom incarnations;

  // Everything below is guarded by this.
  private Content content;
  private @Nullable Content synced;
  private final Map<Long, Fault> faults = new HashMap<>();
  private long capacityBytes = Long.MAX_VALUE;
  private long generation;
  private boolean open;
  private @Nullable String failure;
  private long commits;
  private long reads;

  /** An empty disk. */
  public SimReplicaDisk(long seed) {
    incarnations = new SplittableRandom(seed);
    content = new Content(incarnations.nextLong());
  }

  // ------------------------------------------------------------------ life of a log

  /**
   * Opens the disk.
   *
   * @throws UnavailableException if a log is open on it
   * @throws IntegrityException if a chain does not end where its head says
   */
  public synchronized SimReplicaLog open() {
    if (open) {
      throw new UnavailableException("the simulated disk is open already; close it, or powerCut");
    }
    ReplicaLog.Recovered recovered = recover();
    open = true;
    failure = null;
    generation++;
    return new SimReplicaLog(this, generation, recovered);
  }

  private ReplicaLog.Recovered recover() {
    List<ReplicaLog.Capsule> capsules = new ArrayList<>();
    content.capsules.forEach(
        (hash, capsule) -> {
          CapsuleName name = new CapsuleName(hash);
          List<ReplicaLog.Chain> chains = new ArrayList<>();
          capsule.chains.forEach(
              (writer, chain) -> {
                Place newest = content.records.floorKey(new Place(name, writer, Long.MAX_VALUE));
                boolean has =
                    newest != null && newest.capsule.equals(name) && newest.writer == writer;
                if ((has ? newest.sequence : 0) != chain.head.sequence()) {
                  throw missing(new Place(name, writer, chain.head.sequence()));
                }
                chains.add(
                    new ReplicaLog.Chain(chain.entry, chain.head, chain.lamport, chain.seal));
              });
          capsules.add(
              new ReplicaLog.Capsule(
                  name,
                  capsule.metadata,
                  capsule.memberships,
                  chains,
                  List.copyOf(capsule.evidence.values()),
                  capsule.rebuilding));
        });
    return new ReplicaLog.Recovered(content.incarnation, content.numberFloor, capsules);
  }

  /** Cuts the power: the open log is dead, and what a lying disk had not synced is gone. */
  public synchronized void powerCut() {
    Content kept = synced;
    if (kept != null) {
      content = kept.copy();
    }
    open = false;
    generation++;
  }

  /**
   * What a disk of the same content would be, incarnation included, without the faults: for
   * roll-back and comparison.
   */
  public synchronized SimReplicaDisk copy() {
    SimReplicaDisk copy = new SimReplicaDisk(content.incarnation);
    copy.content = content.copy();
    return copy;
  }

  /** Puts the content of {@code older} in the place of this disk's; no log may be open here. */
  public void rollBackTo(SimReplicaDisk older) {
    Content old;
    synchronized (older) {
      old = older.content.copy();
    }
    replace(old);
  }

  /** Loses everything; the disk is a new one, of a new incarnation. No log may be open here. */
  public synchronized void wipe() {
    replace(new Content(incarnations.nextLong()));
  }

  private synchronized void replace(Content other) {
    if (open) {
      throw new IllegalStateException("a log is open on the simulated disk; powerCut first");
    }
    content = other;
    synced = synced == null ? null : other.copy();
  }

  // ------------------------------------------------------------------ programming faults

  /** Makes commit number {@code number} suffer {@code fault}. */
  public synchronized SimReplicaDisk onCommit(long number, Fault fault) {
    if (number <= commits) {
      throw new IllegalArgumentException("commit " + number + " has been: now at " + commits);
    }
    faults.put(number, fault);
    return this;
  }

  /** Makes the next commit suffer {@code fault}. */
  public synchronized SimReplicaDisk onNextCommit(Fault fault) {
    return onCommit(commits + 1, fault);
  }

  /**
   * Limits the bytes of records that the disk holds. A commit that stores records beyond it is
   * refused, leaves nothing behind and does no harm: a later one may succeed.
   */
  public synchronized SimReplicaDisk capacityBytes(long bytes) {
    capacityBytes = bytes;
    return this;
  }

  /** From now on commits return before they are durable (or, with false, no longer). */
  public synchronized SimReplicaDisk lieAboutSync(boolean lie) {
    synced = lie ? content.copy() : null;
    return this;
  }

  /** Makes what a lying disk holds durable. */
  public synchronized void sync() {
    synced = synced == null ? null : content.copy();
  }

  // ------------------------------------------------------------------ damage

  /** Where all records are, in order: to choose some to damage. */
  public synchronized List<Place> places() {
    return List.copyOf(content.records.keySet());
  }

  /** By capsule, how far the replica has come with it since the disk was empty. */
  public synchronized Map<CapsuleName, ReplicaLog.Rebuilding> rebuilding() {
    Map<CapsuleName, ReplicaLog.Rebuilding> all = new HashMap<>();
    content.capsules.forEach((name, held) -> all.put(new CapsuleName(name), held.rebuilding));
    return all;
  }

  /** The records that a scrub would report: damaged ones, and ones missing below a head. */
  public synchronized List<Place> damaged() {
    List<Place> found = new ArrayList<>();
    content.capsules.forEach(
        (hash, capsule) ->
            capsule.chains.forEach(
                (writer, chain) -> {
                  for (long s = 1; s <= chain.head.sequence(); s++) {
                    Place place = new Place(new CapsuleName(hash), writer, s);
                    Slot slot = content.records.get(place);
                    if (slot == null || slot.damaged) {
                      found.add(place);
                    }
                  }
                }));
    return found;
  }

  /**
   * Flips a byte of a stored record so that the store's checksum notices: every read of the record
   * is an {@code IntegrityException} until it is repaired.
   */
  public void flipByte(Place place, int byteIndex) {
    damage(place, byteIndex, true);
  }

  /** Flips a byte of a stored record unnoticed: the log hands out the altered bytes. */
  public void forgeByte(Place place, int byteIndex) {
    damage(place, byteIndex, false);
  }

  private synchronized void damage(Place place, int byteIndex, boolean noticed) {
    Slot slot = existing(place);
    byte[] bytes = slot.bytes.bytes().clone();
    bytes[byteIndex] ^= (byte) 0xff;
    content.put(place, new Slot(slot.hash, Blob.of(bytes), slot.damaged || noticed));
  }

  /**
   * Loses a record: reads of it are an {@code IntegrityException} until it is repaired. Losing the
   * newest of a chain makes the disk one that cannot be opened.
   */
  public synchronized void lose(Place place) {
    existing(place);
    content.put(place, null);
  }

  private Slot existing(Place place) {
    Slot slot = content.records.get(place);
    if (slot == null) {
      throw new IllegalStateException("there is no record of " + place);
    }
    return slot;
  }

  // ------------------------------------------------------------------ counters

  /** Commits begun so far, failed ones included. */
  public synchronized long commits() {
    return commits;
  }

  /** Reads so far. */
  public synchronized long reads() {
    return reads;
  }

  // ------------------------------------------------------------------ what the log asks for

  synchronized void close(long ofGeneration) {
    if (ofGeneration == generation) {
      open = false;
    }
  }

  private void checkAlive(long ofGeneration) {
    if (ofGeneration != generation) {
      throw new StorageException("the simulated disk lost power; open it again");
    }
    if (!open) {
      throw new IllegalStateException("the replica's log is closed");
    }
  }

  synchronized long sizeBytes(long ofGeneration) {
    checkAlive(ofGeneration);
    return content.recordBytes;
  }

  synchronized byte @Nullable [] read(
      long ofGeneration, CapsuleName capsule, long writer, long sequence) {
    checkAlive(ofGeneration);
    reads++;
    SimCapsule held = content.capsules.get(capsule.hash());
    SimChain chain = held == null ? null : held.chains.get(writer);
    if (chain == null || sequence < 1 || sequence > chain.head.sequence()) {
      return null;
    }
    return intact(new Place(capsule, writer, sequence));
  }

  synchronized byte @Nullable [] read(long ofGeneration, CapsuleName capsule, Hash32 hash) {
    checkAlive(ofGeneration);
    reads++;
    SimCapsule held = content.capsules.get(capsule.hash());
    Place place = held == null ? null : held.index.get(hash);
    return place == null ? null : intact(place);
  }

  private byte[] intact(Place place) {
    Slot slot = content.records.get(place);
    if (slot == null) {
      throw missing(place);
    }
    if (slot.damaged) {
      throw new IntegrityException(
          Rejection.of(Rejection.Reason.STORAGE_CHECKSUM, "the record of " + place));
    }
    return slot.bytes.bytes().clone();
  }

  private static IntegrityException missing(Place place) {
    return new IntegrityException(
        Rejection.of(Rejection.Reason.MISSING_RECORD, "the record of " + place));
  }

  synchronized void commit(long ofGeneration, ReplicaLog.Batch batch) {
    checkAlive(ofGeneration);
    String earlier = failure;
    if (earlier != null) {
      throw new StorageException("an earlier commit failed (" + earlier + "): open it again");
    }
    commits++;
    Fault fault = faults.remove(commits);
    Changes changes = new Changes();
    boolean kept = false;
    try {
      batch.replay(changes);
      if (changes.storesRecords && content.recordBytes > capacityBytes) {
        throw new UnavailableException("the simulated disk is out of space");
      }
      kept =
          switch (fault) {
            case null -> true;
            case ERROR_AFTER, POWER_CUT_AFTER -> true;
            case ERROR_BEFORE, OUT_OF_SPACE, POWER_CUT_BEFORE -> false;
          };
    } finally {
      if (!kept) {
        changes.undo();
      }
    }
    switch (fault) {
      case null -> {}
      case ERROR_BEFORE, ERROR_AFTER -> {
        failure = "simulated I/O error";
        throw new StorageException("simulated I/O error");
      }
      case OUT_OF_SPACE -> {
        failure = "the simulated disk ran full";
        throw new UnavailableException("the simulated disk ran full");
      }
      case POWER_CUT_BEFORE, POWER_CUT_AFTER -> {
        powerCut();
        throw new StorageException("the simulated disk lost power");
      }
    }
  }

  /**
   * Makes changes, checking that each is one a replica may make, and remembers how to undo them.
   */
  private final class Changes implements ReplicaLog.Writer {
    private final Deque<Runnable> undo = new ArrayDeque<>();
    boolean storesRecords;

    void undo() {
      while (!undo.isEmpty()) {
        undo.pop().run();
      }
    }

    private SimCapsule capsule(CapsuleName name) {
      SimCapsule capsule = content.capsules.get(name.hash());
      check(capsule != null, "not held: capsule ", name);
      return capsule;
    }

    private SimChain chain(CapsuleName name, long writer) {
      SimChain chain = capsule(name).chains.get(writer);
      check(chain != null, "not introduced: writer ", writer);
      return chain;
    }

    private void put(Place place, @Nullable Slot slot) {
      Slot before = content.put(place, slot);
      undo.push(() -> content.put(place, before));
    }

    private void index(SimCapsule capsule, Hash32 hash, @Nullable Place place) {
      Place before = place == null ? capsule.index.remove(hash) : capsule.index.put(hash, place);
      undo.push(
          () -> {
            if (before == null) {
              capsule.index.remove(hash);
            } else {
              capsule.index.put(hash, before);
            }
          });
    }

    private void head(SimChain chain, ChainHead head, long lamport) {
      ChainHead headBefore = chain.head;
      long lamportBefore = chain.lamport;
      chain.head = head;
      chain.lamport = lamport;
      undo.push(
          () -> {
            chain.head = headBefore;
            chain.lamport = lamportBefore;
          });
    }

    @Override
    public void numberFloor(long floor) {
      long before = content.numberFloor;
      check(floor >= before, "the number floor falls from ", before, " to ", floor);
      content.numberFloor = floor;
      undo.push(() -> content.numberFloor = before);
    }

    @Override
    public void found(CapsuleName capsule, Blob metadata) {
      SimCapsule before = content.capsules.putIfAbsent(capsule.hash(), new SimCapsule(metadata));
      check(before == null, "held already: capsule ", capsule);
      undo.push(() -> content.capsules.remove(capsule.hash()));
    }

    @Override
    public void membership(CapsuleName capsule, int version, Blob membership) {
      List<Blob> memberships = capsule(capsule).memberships;
      check(
          version == memberships.size() + 1, "membership ", version, " after ", memberships.size());
      memberships.add(membership);
      undo.push(memberships::removeLast);
    }

    @Override
    public void introduce(CapsuleName capsule, RosterEntry entry) {
      NavigableMap<Long, SimChain> chains = capsule(capsule).chains;
      SimChain chain = chains.get(entry.writer());
      if (chain == null) {
        chains.put(entry.writer(), new SimChain(entry));
        undo.push(() -> chains.remove(entry.writer()));
        return;
      }
      check(chain.entry.equals(entry), "a second identity of writer ", entry.writer());
    }

    @Override
    public void record(CapsuleName capsule, StoredRecord record, long lamport) {
      SimChain chain = chain(capsule, record.writer());
      check(
          record.sequence() == chain.head.sequence() + 1,
          "sequence ",
          record.sequence(),
          " after ",
          chain.head.sequence());
      check(lamport > chain.lamport, "Lamport time ", lamport, " after ", chain.lamport);
      storesRecords = true;
      Place place = new Place(capsule, record.writer(), record.sequence());
      put(place, new Slot(record.hash(), Blob.of(record.bytes().clone()), false));
      index(capsule(capsule), record.hash(), place);
      head(chain, new ChainHead(record.sequence(), record.hash()), lamport);
    }

    @Override
    public void seal(CapsuleName capsule, long writer, SealState seal) {
      SimChain chain = chain(capsule, writer);
      SealState before = chain.seal;
      chain.seal = seal;
      undo.push(() -> chain.seal = before);
    }

    @Override
    public void truncate(CapsuleName capsule, long writer, ChainHead head, long lamport) {
      SimChain chain = chain(capsule, writer);
      check(
          head.sequence() <= chain.head.sequence(),
          "truncation to ",
          head.sequence(),
          " beyond ",
          chain.head.sequence());
      for (long s = chain.head.sequence(); s > head.sequence(); s--) {
        Place place = new Place(capsule, writer, s);
        Slot slot = content.records.get(place);
        if (slot != null) {
          put(place, null);
          index(capsule(capsule), slot.hash, null);
        }
      }
      // What was lost before has an index entry still.
      List<Hash32> stale = new ArrayList<>();
      capsule(capsule)
          .index
          .forEach(
              (hash, place) -> {
                if (place.writer == writer && place.sequence > head.sequence()) {
                  stale.add(hash);
                }
              });
      stale.forEach(hash -> index(capsule(capsule), hash, null));
      head(chain, head, lamport);
    }

    @Override
    public void release(CapsuleName capsule, StoredRecord stub) {
      Place place = held(capsule, stub);
      Slot slot = content.records.get(place);
      check(
          slot == null
              || slot.damaged
              || Arrays.equals(slot.bytes.bytes(), stub.bytes())
              || RecordCodec.isStubOf(stub.bytes(), slot.bytes.bytes()),
          "not the stub of the record of ",
          place);
      put(place, new Slot(stub.hash(), Blob.of(stub.bytes().clone()), false));
      index(capsule(capsule), stub.hash(), place);
    }

    @Override
    public void repair(CapsuleName capsule, StoredRecord record) {
      Place place = held(capsule, record);
      put(place, new Slot(record.hash(), Blob.of(record.bytes().clone()), false));
      index(capsule(capsule), record.hash(), place);
      storesRecords = true;
    }

    private Place held(CapsuleName capsule, StoredRecord record) {
      SimChain chain = chain(capsule, record.writer());
      Place place = new Place(capsule, record.writer(), record.sequence());
      check(
          record.sequence() >= 1 && record.sequence() <= chain.head.sequence(),
          "no record is held of ",
          place);
      Slot slot = content.records.get(place);
      check(slot == null || slot.hash.equals(record.hash()), "another record is held of ", place);
      return place;
    }

    @Override
    public void evidence(CapsuleName capsule, Blob proof) {
      NavigableMap<Hash32, Blob> evidence = capsule(capsule).evidence;
      Hash32 hash = Hashes.sha256(proof.bytes());
      if (evidence.putIfAbsent(hash, proof) == null) {
        undo.push(() -> evidence.remove(hash));
      }
    }

    @Override
    public void rebuilding(CapsuleName capsule, ReplicaLog.Rebuilding rebuilding) {
      SimCapsule held = capsule(capsule);
      ReplicaLog.Rebuilding before = held.rebuilding;
      held.rebuilding = rebuilding;
      undo.push(() -> held.rebuilding = before);
    }
  }

  /** Checks an invariant; {@code broken} are the parts of the message if it is. */
  private static void check(boolean invariant, Object... broken) {
    if (!invariant) {
      StringBuilder message = new StringBuilder();
      for (Object part : broken) {
        message.append(part);
      }
      throw new AssertionError(message);
    }
  }
}
