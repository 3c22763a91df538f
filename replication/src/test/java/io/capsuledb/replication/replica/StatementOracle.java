package io.capsuledb.replication.replica;

import io.capsuledb.core.crypto.Hash32;
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
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Hears every statement of every replica at the moment it is sent, and knows from that alone what
 * is durable and what is sealed: nothing of what replicas keep is asked. It checks that a replica
 * never contradicts itself, names no head that nobody wrote, that a writer has one final head, and
 * that nothing durable is beyond it. Of one thread.
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

  /** Who wrote what. */
  @FunctionalInterface
  public interface Written {
    /** The hash of a record that somebody made, or null. */
    @Nullable Hash32 hash(long writer, long sequence);
  }

  private final Coverage coverage;
  private final Membership membership;
  private final Written written;
  private final Map<Long, Map<PublicKey, Statement.Entry>> stated = new HashMap<>();
  private final Map<Long, Long> durable = new TreeMap<>();
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
    before.add(statement);
    if (before.size() > REMEMBERED) {
      before.remove();
    }
    for (Statement.Entry entry : statement.statement().entries()) {
      ChainHead head = entry.head();
      coverage.checked(
          NOT_FORGED,
          head.sequence() == 0 || head.hash().equals(written.hash(entry.writer(), head.sequence())),
          "a head that nobody wrote: ",
          entry);
      coverage.hit(entry.seal().accepted().equals(Ballot.NONE) ? OPEN : SEALED);
      Map<PublicKey, Statement.Entry> entries =
          stated.computeIfAbsent(entry.writer(), w -> new HashMap<>());
      entries.put(replica, entry);
      long most = 0;
      for (Statement.Entry of : entries.values()) {
        long sequence = of.head().sequence();
        if (sequence > most && Durability.isDurable(membership, entries, sequence)) {
          most = sequence;
        }
      }
      long now = most;
      durable.merge(entry.writer(), now, Math::max);
      chosen(entry.writer(), entries);
      checkEnd(entry.writer());
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
    if (last != null && durable(writer) > last.sequence()) {
      throw new Violation(
          SEALS,
          "writer ",
          writer,
          " is sealed at ",
          last.sequence(),
          " and durable up to ",
          durable(writer));
    }
  }

  /** A replica has lost its disk: what it said does not count any more. */
  public void forget(PublicKey replica) {
    stated.values().forEach(entries -> entries.remove(replica));
    said.remove(replica);
  }

  /** What a replica said last that it holds of a writer. */
  public long holds(PublicKey replica, long writer) {
    Statement.Entry entry = stated.getOrDefault(writer, Map.of()).get(replica);
    return entry == null ? 0 : entry.head().sequence();
  }

  /** Up to where a chain was ever durable. */
  public long durable(long writer) {
    return durable.getOrDefault(writer, 0L);
  }

  /** The same of all chains. */
  public Map<Long, Long> durable() {
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
