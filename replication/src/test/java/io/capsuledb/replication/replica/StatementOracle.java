package io.capsuledb.replication.replica;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.sim.Coverage;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.core.sim.Violation;
import io.capsuledb.replication.protocol.ContradictionProof;
import io.capsuledb.replication.protocol.Durability;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.SignedStatement;
import io.capsuledb.replication.protocol.Statement;
import io.capsuledb.replication.protocol.StatementCodec;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Hears every statement of every replica at the moment it is sent, and knows from that alone what
 * is durable and what is sealed: nothing of what replicas keep is asked. It checks that a replica
 * never contradicts itself, names no head that nobody wrote, accepts against a promise only what a
 * quorum has said, that of a writer's branches one at most is durable, that a writer has one final
 * head, and that all that is durable leads to it. Of one thread.
 */
public final class StatementOracle {

  static final String NOT_FORGED = "no forged or foreign value";
  static final String SEALS = "seal safety";
  static final String NO_CONTRADICTION = "a replica never contradicts itself";
  static final String OPEN = "state: chain stated, open or promised";
  static final String SEALED = "state: chain stated, sealed";

  /** Each is verified by somebody in a real cluster; here some are, to save time. */
  private static final int VERIFIED_OF = 16;

  private static final int REMEMBERED = 12;

  /**
   * Who wrote what. What is not said otherwise is of writers that do not equivocate: whatever such
   * a one wrote is on one chain.
   */
  @FunctionalInterface
  public interface Written {
    /** Whether a writer made the record that a head names; sequence 0 is not asked for. */
    boolean isWritten(long writer, ChainHead head);

    /** Whether a record, if any, is on the chain that ends with a head. */
    default boolean leadsTo(long writer, ChainHead record, ChainHead head) {
      return record.sequence() <= head.sequence()
          && (record.sequence() == 0 || isWritten(writer, record))
          && (head.sequence() == 0 || isWritten(writer, head));
    }

    /** Records that may be the newest that several heads share: heads, and where chains part. */
    default List<ChainHead> placesOf(long writer, List<ChainHead> heads) {
      return heads;
    }
  }

  private final Coverage coverage;
  private final Membership membership;
  private final Written written;
  private final Map<Long, Map<PublicKey, Statement.Entry>> stated = new HashMap<>();
  private final Map<Long, ChainHead> durable = new TreeMap<>();
  private final Map<Long, Map<Ballot, Set<PublicKey>>> acceptances = new HashMap<>();
  private final Map<Long, ChainHead> sealedAt = new TreeMap<>();
  private final Map<PublicKey, ArrayDeque<SignedStatement>> said = new HashMap<>();
  private long heard;

  /** Of the replicas of a membership, which does not change. */
  public StatementOracle(Coverage coverage, Membership membership, Written written) {
    this.coverage = coverage;
    this.membership = membership;
    this.written = written;
  }

  /** A replica says something. */
  public void heard(SignedStatement statement) {
    if (++heard % VERIFIED_OF == 0 && !StatementCodec.verify(statement, SampleCapsule.CURVE)) {
      throw new Violation(NOT_FORGED, "a statement that does not verify: ", statement);
    }
    PublicKey replica = statement.statement().replica();
    ArrayDeque<SignedStatement> before = said.computeIfAbsent(replica, r -> new ArrayDeque<>());
    coverage.hit(NO_CONTRADICTION);
    for (SignedStatement earlier : before) {
      if (ContradictionProof.of(earlier, statement, SampleCapsule.CURVE) != null) {
        throw new Violation(
            NO_CONTRADICTION,
            "an honest replica contradicts itself:\n" + earlier + "\n" + statement);
      }
    }
    statement.statement().entries().forEach(entry -> checkAcceptance(replica, entry, before));
    before.add(statement);
    if (before.size() > REMEMBERED) {
      before.remove();
    }
    for (Statement.Entry entry : statement.statement().entries()) {
      ChainHead head = entry.head();
      coverage.checked(
          NOT_FORGED,
          head.sequence() == 0 || written.isWritten(entry.writer(), head),
          "a head that nobody wrote: ",
          entry);
      coverage.hit(entry.seal().accepted().equals(Ballot.NONE) ? OPEN : SEALED);
      Map<PublicKey, Statement.Entry> entries =
          stated.computeIfAbsent(entry.writer(), w -> new HashMap<>());
      entries.put(replica, entry);
      count(entry.writer(), entries);
      chosen(entry.writer(), entries);
      checkEnd(entry.writer());
    }
  }

  /** What is accepted against a promise was learned: a quorum of others has said it. */
  private void checkAcceptance(
      PublicKey replica, Statement.Entry entry, Iterable<SignedStatement> saidBefore) {
    Ballot accepted = entry.seal().accepted();
    if (accepted.equals(Ballot.NONE)) {
      return;
    }
    Set<PublicKey> others =
        acceptances
            .computeIfAbsent(entry.writer(), w -> new HashMap<>())
            .computeIfAbsent(accepted, b -> new HashSet<>());
    for (SignedStatement before : saidBefore) {
      Statement.Entry was = before.statement().entry(entry.writer());
      if (was != null
          && was.seal().accepted().compareTo(accepted) < 0
          && was.seal().promised().compareTo(accepted) > 0) {
        coverage.checked(
            SEALS,
            membership.isQuorum(other -> !other.equals(replica) && others.contains(other)),
            "accepted ",
            accepted,
            " after it promised to ",
            was.seal().promised(),
            ", and no quorum says it did");
      }
    }
    others.add(replica);
  }

  /** Finds out what is durable: what is once stays so. */
  private void count(long writer, Map<PublicKey, Statement.Entry> entries) {
    List<ChainHead> heads = entries.values().stream().map(Statement.Entry::head).toList();
    for (ChainHead candidate : written.placesOf(writer, heads)) {
      ChainHead before = durableHead(writer);
      if (written.leadsTo(writer, candidate, before)) {
        continue;
      }
      Map<PublicKey, Statement.Entry> holders = new HashMap<>();
      entries.forEach(
          (replica, entry) -> {
            if (written.leadsTo(writer, candidate, entry.head())) {
              holders.put(replica, entry);
            }
          });
      if (Durability.isDurable(membership, holders, candidate.sequence())) {
        coverage.checked(
            SEALS,
            written.leadsTo(writer, before, candidate),
            "two branches of writer ",
            writer,
            " are durable: ",
            before,
            " and ",
            candidate);
        durable.put(writer, candidate);
      }
    }
  }

  /** A final head is chosen when a quorum accepts it in one ballot, and stays chosen. */
  private void chosen(long writer, Map<PublicKey, Statement.Entry> entries) {
    for (Statement.Entry entry : entries.values()) {
      Ballot ballot = entry.seal().accepted();
      if (!ballot.equals(Ballot.NONE)
          && membership.isQuorum(
              replica -> {
                Statement.Entry of = entries.get(replica);
                return of != null && of.seal().accepted().equals(ballot);
              })) {
        sealed(writer, entry.seal().last());
      }
    }
  }

  /** Somebody has found out that a writer is sealed, and where. */
  public void sealed(long writer, ChainHead last) {
    ChainHead before = sealedAt.putIfAbsent(writer, last);
    coverage.checked(
        SEALS,
        before == null || before.equals(last),
        "writer ",
        writer,
        " is sealed at ",
        before,
        " and at ",
        last);
    checkEnd(writer);
  }

  private void checkEnd(long writer) {
    ChainHead last = sealedAt.get(writer);
    if (last != null && !written.leadsTo(writer, durableHead(writer), last)) {
      throw new Violation(
          SEALS,
          "writer ",
          writer,
          " is sealed at ",
          last,
          " and durable up to ",
          durableHead(writer));
    }
  }

  /** A replica has lost its disk: what it said does not count any more. */
  public void forget(PublicKey replica) {
    stated.values().forEach(entries -> entries.remove(replica));
    said.remove(replica);
  }

  /** What a replica said last that it holds of a writer. */
  public ChainHead holds(PublicKey replica, long writer) {
    Statement.Entry entry = stated.getOrDefault(writer, Map.of()).get(replica);
    return entry == null ? ChainHead.NONE : entry.head();
  }

  /** Whether a replica said last that it holds a record of a writer, and all before it. */
  public boolean isHeld(PublicKey replica, long writer, ChainHead record) {
    return written.leadsTo(writer, record, holds(replica, writer));
  }

  /** Up to where a chain was ever durable. */
  public long durable(long writer) {
    return durableHead(writer).sequence();
  }

  /** The newest record of a writer that was ever durable, which tells the branch, if any was. */
  public ChainHead durableHead(long writer) {
    return durable.getOrDefault(writer, ChainHead.NONE);
  }

  /** The same of all writers of whom something was. */
  public Map<Long, ChainHead> durable() {
    return durable;
  }

  /** A writer's final head, or null while it is not sealed. */
  public @Nullable ChainHead sealedAt(long writer) {
    return sealedAt.get(writer);
  }

  /** How many writers are sealed. */
  public int seals() {
    return sealedAt.size();
  }
}
