package io.capsuledb.engine;

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
 * Where chains of a capsule end for good: what the FINAL orders in its SEAL records say.
 *
 * <p>For one writer there may be several, of attempts that were overtaken. The one of the highest
 * ballot counts: once a quorum of replicas has accepted one, all of higher ballots name the same
 * head, and no order there ever is cuts off anything durable (docs/consistency.md, S1 and S2). An
 * order beyond its own sealer's final head does not count, it is no part of the capsule. That is
 * decided from the highest ballot down.
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
   * @param ballot whose sealer says so
   * @param sequence of the SEAL record in the sealer's chain
   */
  record FinalHead(ChainHead head, Ballot ballot, long sequence) {
    @Override
    public String toString() {
      return "the final head "
          + head.sequence()
          + " set by "
          + CapsuleRecord.describe(ballot.sealer(), sequence);
    }
  }

  private record Order(SealOrder order, Ballot ballot, long sequence) {}

  private record Unvouched(SignedHeader record, Order order) {}

  private final CapsuleName capsule;
  private final RecordStore store;
  private final Secp256k1 curve;
  private final boolean lenient;
  private final List<Order> orders = new ArrayList<>();
  private final Map<Long, FinalHead> heads = new TreeMap<>();

  private FinalHeads(CapsuleName capsule, RecordStore store, Secp256k1 curve, boolean lenient) {
    this.capsule = capsule;
    this.store = store;
    this.curve = curve;
    this.lenient = lenient;
  }

  /** Whether a writer with this role may seal others. */
  static boolean maySeal(RosterEntry.Role role) {
    return role == RosterEntry.Role.LEADER || role == RosterEntry.Role.COORDINATOR;
  }

  /**
   * Reads the chains of those who may seal.
   *
   * @param writers writers of the capsule
   * @param lenient whether what is damaged is passed over, for a caller who reports it itself
   * @throws IntegrityException if a record of a sealer's chain cannot be read, unless lenient
   */
  static FinalHeads read(
      CapsuleName capsule,
      RecordStore store,
      Secp256k1 curve,
      Collection<RosterEntry> writers,
      boolean lenient) {
    FinalHeads found = new FinalHeads(capsule, store, curve, lenient);
    for (RosterEntry writer : writers) {
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

  private void resolve() {
    orders.sort(Comparator.comparing(Order::ballot).reversed().thenComparingLong(Order::sequence));
    for (Order order : orders) {
      FinalHead own = heads.get(order.ballot.sealer());
      if (own == null || order.sequence <= own.head.sequence()) {
        heads.putIfAbsent(
            order.order.writer(), new FinalHead(order.order.last(), order.ballot, order.sequence));
      }
    }
    orders.clear();
  }
}
