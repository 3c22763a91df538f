package io.capsuledb.replication.client;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.Durability;
import io.capsuledb.replication.protocol.Membership;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.protocol.Statement;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What replicas say they hold of a capsule: signed answers to fresh nonces, of a quorum at least.
 * Whatever is durable is at or below the largest head that somebody claims; whatever a claim says
 * beyond what is durable may or may not be there. Immutable.
 */
public final class RecoveredFrontier {

  /**
   * A head, and who claims it.
   *
   * @param replicas those that say this very head
   */
  public record Claim(ChainHead head, Set<PublicKey> replicas) {
    public Claim {
      replicas = Set.copyOf(replicas);
    }
  }

  private final Membership membership;
  private final Map<PublicKey, Statement> answers;

  RecoveredFrontier(Membership membership, Map<PublicKey, Statement> answers) {
    this.membership = membership;
    this.answers = Map.copyOf(answers);
  }

  /** By which membership the answers were counted. */
  public Membership membership() {
    return membership;
  }

  /** Who answered. */
  public Set<PublicKey> answered() {
    return answers.keySet();
  }

  /** Every writer somebody holds something of, ascending. */
  public Collection<Long> writers() {
    Set<Long> writers = new TreeSet<>();
    for (Statement answer : answers.values()) {
      for (Statement.Entry entry : answer.entries()) {
        if (entry.head().sequence() > 0) {
          writers.add(entry.writer());
        }
      }
    }
    return writers;
  }

  /** What is claimed of a writer, the largest head first. */
  public List<Claim> claims(long writer) {
    Map<ChainHead, Set<PublicKey>> heads =
        new TreeMap<>(
            Comparator.comparingLong(ChainHead::sequence)
                .reversed()
                .thenComparing(ChainHead::hash));
    answers.forEach(
        (replica, answer) -> {
          Statement.Entry entry = answer.entry(writer);
          if (entry != null && entry.head().sequence() > 0) {
            heads.computeIfAbsent(entry.head(), h -> new LinkedHashSet<>()).add(replica);
          }
        });
    List<Claim> claims = new ArrayList<>();
    heads.forEach((head, replicas) -> claims.add(new Claim(head, replicas)));
    return claims;
  }

  /** The seal of a writer with the highest accepted ballot, else the highest promised one. */
  public SealState seal(long writer) {
    SealState highest = SealState.OPEN;
    for (Statement answer : answers.values()) {
      Statement.Entry entry = answer.entry(writer);
      if (entry != null) {
        SealState seal = entry.seal();
        int byAccepted = seal.accepted().compareTo(highest.accepted());
        if (byAccepted > 0
            || (byAccepted == 0 && seal.promised().compareTo(highest.promised()) > 0)) {
          highest = seal;
        }
      }
    }
    return highest;
  }

  /** Whether a writer is sealed: a quorum has accepted one final head in one ballot. */
  public boolean isFinal(long writer) {
    return finalHead(writer) != null;
  }

  /**
   * The final head of a writer, if a quorum says that it has accepted it in one ballot, so that no
   * other one can be accepted any more; else null.
   */
  public @Nullable ChainHead finalHead(long writer) {
    for (Statement answer : answers.values()) {
      Statement.Entry chosen = answer.entry(writer);
      if (chosen != null
          && chosen.seal().isFinal()
          && membership.isQuorum(
              replica -> {
                Statement said = answers.get(replica);
                Statement.Entry entry = said == null ? null : said.entry(writer);
                return entry != null
                    && entry.seal().accepted().equals(chosen.seal().accepted())
                    && entry.seal().last().equals(chosen.seal().last());
              })) {
        return chosen.seal().last();
      }
    }
    return null;
  }

  /**
   * The newest head of a chain that these answers show to be durable: a quorum claims it or a later
   * one. {@link ChainHead#NONE} if none is, and while replicas claim different records in one
   * place: what is on the chain is then not for claims to say.
   */
  public ChainHead durable(long writer) {
    List<Claim> claims = claims(writer);
    for (int i = 1; i < claims.size(); i++) {
      if (claims.get(i).head().sequence() == claims.get(i - 1).head().sequence()) {
        return ChainHead.NONE;
      }
    }
    long sequence = quorumSequence(writer, head -> true);
    for (Claim claim : claims) {
      if (claim.head().sequence() == sequence) {
        return claim.head();
      }
    }
    return ChainHead.NONE;
  }

  /**
   * The largest term that was promised to, as far as a quorum may be said not to be beyond it: one
   * replica that claims the largest term there is does not end all sealing. 0 if none was.
   */
  public long term(long writer) {
    TreeSet<Long> terms = new TreeSet<>();
    terms.add(0L);
    answers.forEach((replica, answer) -> terms.add(promised(replica, writer)));
    for (long term : terms) {
      if (membership.isQuorum(replica -> promised(replica, writer) <= term)) {
        return term;
      }
    }
    return terms.last();
  }

  private long promised(PublicKey replica, long writer) {
    Statement answer = answers.get(replica);
    Statement.Entry entry = answer == null ? null : answer.entry(writer);
    return entry == null ? 0 : entry.seal().promised().term();
  }

  /**
   * Up to where a chain is durable by these answers.
   *
   * @param onChain whether a head is of the chain meant: others claim nothing of it
   */
  public long quorumSequence(long writer, Predicate<ChainHead> onChain) {
    Map<PublicKey, Statement.Entry> entries = new HashMap<>();
    answers.forEach(
        (replica, answer) -> {
          Statement.Entry entry = answer.entry(writer);
          if (entry != null && onChain.test(entry.head())) {
            entries.put(replica, entry);
          }
        });
    for (Claim claim : claims(writer)) {
      if (Durability.isDurable(membership, entries, claim.head().sequence())) {
        return claim.head().sequence();
      }
    }
    return 0;
  }

  /** What a replica says it holds of a writer. */
  public ChainHead head(PublicKey replica, long writer) {
    Statement answer = answers.get(replica);
    Statement.Entry entry = answer == null ? null : answer.entry(writer);
    return entry == null ? ChainHead.NONE : entry.head();
  }

  /**
   * Whether a record may be durable, for all that is known: those that claim it, together with
   * those that have not answered, are a quorum.
   */
  public boolean mayBeDurable(long writer, long sequence) {
    return membership.isQuorum(
        replica -> !answers.containsKey(replica) || head(replica, writer).sequence() >= sequence);
  }
}
