package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.rotation.Rotation;
import io.capsuledb.core.rotation.RotationCodec;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Where chains of a capsule end for good: what the FINAL orders in its SEAL records and its ROTATE
 * records say.
 *
 * <p>For one writer there may be several, of attempts that were overtaken. The one of the highest
 * ballot counts: once a quorum of replicas has accepted one, all of higher ballots name the same
 * head, and no order there ever is cuts off anything durable (docs/consistency.md, S1 and S2). An
 * order beyond its own sealer's final head does not count, it is no part of the capsule. That is
 * decided from the highest ballot down.
 *
 * <p>A ROTATE that begins generation g + 1 ends every chain of generation g: at the head it names,
 * or, if it names none, before its first record. What is of an older generation does not end what
 * is of a newer one: who has a retired key can no more undo the rotation. So generations are
 * decided from the newest down. Of several ROTATEs of one generation that count, which no two
 * processes make that keep to the protocol, the earlier end counts. docs/keys.md has why.
 *
 * <p>An order is believed only in a chain whose writer may seal, and only if that writer's
 * signature is on its record or on one that is linked to it by hashes. Immutable.
 */
final class FinalHeads {

  /** Most orders looked at. */
  static final int MAX_ORDERS = 1 << 20;

  /**
   * The end of a chain.
   *
   * @param head its last record; {@link ChainHead#NONE} if nothing of it counts
   * @param by writer of the record that says so
   * @param sequence of that record in its chain
   */
  record FinalHead(ChainHead head, long by, long sequence) {
    @Override
    public String toString() {
      return "the final head "
          + head.sequence()
          + " set by "
          + CapsuleRecord.describe(by, sequence);
    }
  }

  /** A ROTATE record, in the chain of a writer of the generation that it begins. */
  private record Rotating(Rotation rotation, long writer) {}

  private record Order(SealOrder order, Ballot ballot, long sequence) {}

  private record Unvouched(SignedHeader record, Order order) {}

  private final CapsuleName capsule;
  private final CapsuleMetadata metadata;
  private final RecordStore store;
  private final Secp256k1 curve;
  private final boolean lenient;
  private final List<Order> orders = new ArrayList<>();
  private final Map<Long, FinalHead> heads = new TreeMap<>();

  /** The generation of each writer. */
  private final Map<Long, Integer> generations = new TreeMap<>();

  private final List<Rotating> rotating = new ArrayList<>();

  /** By generation, from 1, without a gap: those in force. */
  private final List<Rotation> rotations = new ArrayList<>();

  private FinalHeads(
      CapsuleName capsule,
      CapsuleMetadata metadata,
      RecordStore store,
      Secp256k1 curve,
      boolean lenient) {
    this.capsule = capsule;
    this.metadata = metadata;
    this.store = store;
    this.curve = curve;
    this.lenient = lenient;
  }

  /** Whether a writer with this role may seal others. */
  static boolean maySeal(RosterEntry.Role role) {
    return role == RosterEntry.Role.LEADER || role == RosterEntry.Role.COORDINATOR;
  }

  /** Whether the chain of a writer with this role may begin a key generation. */
  static boolean mayRotate(RosterEntry.Role role) {
    return role != RosterEntry.Role.COMPACTOR;
  }

  /**
   * Reads the chains of those who may seal, and what may be ROTATE records.
   *
   * @param writers writers of the capsule: all of them, as a rotation ends also those that it does
   *     not name
   * @param lenient whether what is damaged is passed over, for a caller who reports it itself
   * @throws IntegrityException if a record of a sealer's chain cannot be read, unless lenient
   */
  static FinalHeads read(
      CapsuleName capsule,
      CapsuleMetadata metadata,
      RecordStore store,
      Secp256k1 curve,
      Collection<RosterEntry> writers,
      boolean lenient) {
    FinalHeads found = new FinalHeads(capsule, metadata, store, curve, lenient);
    for (RosterEntry writer : writers) {
      found.generations.put(writer.writer(), writer.generation());
      if (writer.generation() > 0 && mayRotate(writer.role())) {
        found.readRotation(writer);
      }
      if (maySeal(writer.role())) {
        found.readChain(writer);
      }
    }
    found.resolve();
    return found;
  }

  /** Where a chain ends, or null if it has no end. */
  @Nullable FinalHead of(long writer) {
    return heads.get(writer);
  }

  /** All of them, by writer. */
  Map<Long, FinalHead> all() {
    return heads;
  }

  /** The rotations in force: to generation 1, 2, … without a gap. */
  List<Rotation> rotations() {
    return rotations;
  }

  /** The newest generation that a chain is of, whether or not it is in force. */
  int newestGeneration() {
    return generations.values().stream().mapToInt(Integer::intValue).max().orElse(0);
  }

  /** Whether every chain of a generation has a final head. */
  boolean isEnded(int generation) {
    return generations.entrySet().stream()
        .allMatch(writer -> writer.getValue() != generation || heads.containsKey(writer.getKey()));
  }

  /** Where the chains of a generation end now, for the rotation that retires it. */
  List<Rotation.End> ends(int generation) {
    List<Rotation.End> ends = new ArrayList<>();
    generations.forEach(
        (writer, of) -> {
          long newest = of == generation ? newest(writer) : 0;
          if (newest > 0) {
            SignedHeader last = java.util.Objects.requireNonNull(at(writer, newest));
            ends.add(new Rotation.End(writer, new ChainHead(newest, last.hash())));
          }
        });
    return ends;
  }

  /** The newest record of a chain that counts, as far as the store has it; 0 if none does. */
  long newest(long writer) {
    FinalHead end = heads.get(writer);
    long stored = store.newestSequence(writer);
    return end == null ? stored : Math.min(stored, end.head.sequence());
  }

  private void readChain(RosterEntry sealer) {
    long newest = store.newestSequence(sealer.writer());
    List<Unvouched> run = new ArrayList<>();
    SignedHeader last = null;
    // Sequence numbers may go up to the largest there is, so "one beyond" is less than 0.
    for (long sequence = 1; sequence > 0 && sequence <= newest; sequence++) {
      SignedHeader record = at(sealer.writer(), sequence);
      if (last != null && (record == null || !record.header().previous().equals(last.hash()))) {
        vouch(sealer, last, run);
      }
      last = record;
      if (record instanceof CapsuleRecord whole
          && record.header().type() == RecordType.SEAL
          && SealOrderCodec.decode(whole.payload())
              instanceof Decoded.Accepted<SealOrder>(SealOrder order)
          && order.kind() == SealOrder.Kind.FINAL
          && order.writer() != sealer.writer()) {
        run.add(
            new Unvouched(
                record, new Order(order, new Ballot(order.term(), sealer.writer()), sequence)));
      }
    }
    if (last != null) {
      vouch(sealer, last, run);
    }
    if (orders.size() > MAX_ORDERS) {
      throw new IntegrityException(
          Rejection.of(Reason.TOO_LARGE, "more than " + MAX_ORDERS + " orders to seal"));
    }
  }

  private void readRotation(RosterEntry writer) {
    if (store.newestSequence(writer.writer()) >= RotationCodec.SEQUENCE
        && at(writer.writer(), RotationCodec.SEQUENCE) instanceof CapsuleRecord record
        && record.header().type() == RecordType.ROTATE
        && RotationCodec.decode(capsule, record.payload(), metadata, curve)
            instanceof Decoded.Accepted<Rotation>(Rotation rotation)
        && rotation.generation() == writer.generation()) {
      rotating.add(new Rotating(rotation, writer.writer()));
    }
  }

  private @Nullable SignedHeader at(long writer, long sequence) {
    try {
      byte[] bytes = store.read(writer, sequence);
      String where = CapsuleRecord.describe(writer, sequence);
      if (bytes == null) {
        throw new IntegrityException(Rejection.of(Reason.MISSING_RECORD, where + " is not stored"));
      }
      SignedHeader record =
          switch (RecordCodec.decodeStored(capsule, bytes)) {
            case Decoded.Accepted<SignedHeader>(SignedHeader decoded) -> decoded;
            case Decoded.Rejected<SignedHeader>(Rejection r) ->
                throw new IntegrityException(Rejection.of(r.reason(), where + ": " + r.detail()));
          };
      if (record.header().writer() != writer || record.header().sequence() != sequence) {
        throw new IntegrityException(
            Rejection.of(Reason.MISPLACED, record + " is stored as " + where));
      }
      return record;
    } catch (IntegrityException damaged) {
      if (lenient) {
        return null;
      }
      throw damaged;
    }
  }

  /** Takes the orders of a run of linked records: one signature at its end is enough. */
  private void vouch(RosterEntry sealer, SignedHeader last, List<Unvouched> run) {
    boolean whole = !run.isEmpty() && last.isSignedBy(sealer.key(), curve);
    for (Unvouched one : run) {
      if (whole || one.record.isSignedBy(sealer.key(), curve)) {
        orders.add(one.order);
      }
    }
    run.clear();
  }

  private int generationOf(long writer) {
    return generations.getOrDefault(writer, 0);
  }

  private void resolve() {
    orders.sort(Comparator.comparing(Order::ballot).reversed().thenComparingLong(Order::sequence));
    TreeMap<Integer, List<Rotating>> inForce = new TreeMap<>();
    for (int generation = newestGeneration(); generation >= 0; generation--) {
      Map<Long, FinalHead> retired = retired(generation, inForce.get(generation + 1));
      for (Order order : orders) {
        resolve(order, generation, retired);
      }
      retired.forEach(
          (writer, end) ->
              heads.merge(writer, end, (a, b) -> b.head.sequence() < a.head.sequence() ? b : a));
      for (Rotating one : rotating) {
        FinalHead own = heads.get(one.writer);
        if (one.rotation.generation() == generation
            && (own == null || own.head.sequence() >= RotationCodec.SEQUENCE)) {
          inForce.computeIfAbsent(generation, g -> new ArrayList<>()).add(one);
        }
      }
    }
    for (int generation = 1; inForce.containsKey(generation); generation++) {
      rotations.add(inForce.get(generation).getFirst().rotation);
    }
    orders.clear();
    rotating.clear();
  }

  private void resolve(Order order, int generation, Map<Long, FinalHead> retired) {
    long sealer = order.ballot.sealer();
    if (generationOf(order.order.writer()) != generation || generationOf(sealer) < generation) {
      return;
    }
    FinalHead own = heads.get(sealer);
    FinalHead ended = retired.get(sealer);
    if ((own == null || order.sequence <= own.head.sequence())
        && (ended == null || order.sequence <= ended.head.sequence())) {
      heads.putIfAbsent(
          order.order.writer(), new FinalHead(order.order.last(), sealer, order.sequence));
    }
  }

  /** Where the rotations to the next generation end the chains of this one. */
  private Map<Long, FinalHead> retired(int generation, @Nullable List<Rotating> next) {
    Map<Long, FinalHead> retired = new TreeMap<>();
    if (next == null) {
      return retired;
    }
    for (Map.Entry<Long, Integer> writer : generations.entrySet()) {
      for (Rotating one : next) {
        if (writer.getValue() == generation) {
          retired.merge(
              writer.getKey(),
              new FinalHead(
                  one.rotation.endOf(writer.getKey()), one.writer, RotationCodec.SEQUENCE),
              (a, b) -> b.head.sequence() < a.head.sequence() ? b : a);
        }
      }
    }
    return retired;
  }
}
