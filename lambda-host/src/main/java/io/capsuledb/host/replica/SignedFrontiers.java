package io.capsuledb.host.replica;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.replication.protocol.ChainHead;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.Refusal;
import io.capsuledb.replication.protocol.SignedStatement;
import io.capsuledb.replication.protocol.Statement;
import io.capsuledb.replication.protocol.StatementCodec;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What replicas said that they hold of a capsule, each signed and made for this very question.
 *
 * @param statements those that verify, by who was asked
 * @param wrong why what others answered is none
 */
public record SignedFrontiers(
    Map<ReplicaAddress, Statement> statements, Map<ReplicaAddress, String> wrong) {

  /** Keeps copies. */
  public SignedFrontiers {
    statements = Map.copyOf(statements);
    wrong = Map.copyOf(wrong);
  }

  /** Asks replicas for their frontiers. */
  public static SignedFrontiers ask(
      ReplicaCaller caller, List<ReplicaAddress> replicas, CapsuleName capsule) {
    Entropy entropy = new SystemEntropy();
    byte[] drawn = new byte[Hash32.BYTES];
    entropy.fill(drawn);
    Hash32 nonce = Hash32.of(drawn);
    Map<ReplicaAddress, Statement> statements = new LinkedHashMap<>();
    Map<ReplicaAddress, String> wrong = new LinkedHashMap<>();
    Map<ReplicaAddress, Message.Reply> replies =
        caller.askAll(replicas, n -> new Message.AskFrontier(n, capsule, nonce));
    for (ReplicaAddress replica : replicas) {
      switch (replies.get(replica)) {
        case Message.Frontier frontier -> {
          String problem = problem(frontier.statement(), capsule, nonce, caller.keyOf(replica));
          if (problem == null) {
            statements.put(replica, frontier.statement().statement());
          } else {
            wrong.put(replica, problem);
          }
        }
        case Message.Refused refused -> wrong.put(replica, text(refused));
        case null -> wrong.put(replica, "no answer");
        default -> wrong.put(replica, "answers something else");
      }
    }
    return new SignedFrontiers(statements, wrong);
  }

  /** What is wrong with a statement as the answer to a question; null: nothing. */
  private static @Nullable String problem(
      SignedStatement signed, CapsuleName capsule, Hash32 nonce, @Nullable PublicKey peer) {
    Statement statement = signed.statement();
    if (statement.kind() != Statement.Kind.FRONTIER || !statement.capsule().equals(capsule)) {
      return "states something else than was asked";
    }
    if (!statement.nonce().equals(nonce)) {
      return "answers with an old statement";
    }
    if (peer == null || !statement.replica().equals(peer)) {
      return "answers with a statement of another replica";
    }
    if (!StatementCodec.verify(signed, Secp256k1.best())) {
      return Rejection.Reason.SIGNATURE + ": its statement's signature does not verify";
    }
    return null;
  }

  /** A refusal for people. */
  static String text(Message.Refused refused) {
    return "refuses: "
        + refused.code().name().toLowerCase(java.util.Locale.ROOT).replace('_', ' ')
        + (refused.detail().isEmpty() ? "" : ", " + refused.detail());
  }

  /** Whether a replica does not hold the capsule at all. */
  static boolean isUnknownCapsule(Message.@Nullable Reply reply) {
    return reply instanceof Message.Refused refused && refused.code() == Refusal.UNKNOWN_CAPSULE;
  }

  /** The highest head that anybody states, of each writer. */
  public Map<Long, ChainHead> highest() {
    Map<Long, ChainHead> highest = new TreeMap<>();
    for (Statement statement : statements.values()) {
      for (Statement.Entry entry : statement.entries()) {
        highest.merge(
            entry.writer(),
            entry.head(),
            (one, other) -> one.sequence() >= other.sequence() ? one : other);
      }
    }
    highest.values().removeIf(head -> head.sequence() == 0);
    return highest;
  }

  /**
   * How many records a statement lacks of what others stated. A writer that is sealed needs its
   * final head only.
   *
   * @param wanted heads by writer
   */
  public static long lacking(Statement statement, Map<Long, ChainHead> wanted) {
    long lacking = 0;
    for (Map.Entry<Long, ChainHead> want : wanted.entrySet()) {
      Statement.Entry entry = statement.entry(want.getKey());
      long held = entry == null ? 0 : entry.head().sequence();
      long needed = want.getValue().sequence();
      if (entry != null && entry.seal().isFinal()) {
        needed = Math.min(needed, entry.seal().last().sequence());
      }
      lacking += Math.max(0, needed - held);
    }
    return lacking;
  }

  /** A writer of which two replicas hold different records at one place; null: there is none. */
  public @Nullable String fork() {
    Map<Long, Map<Long, Hash32>> heads = new TreeMap<>();
    for (Statement statement : statements.values()) {
      for (Statement.Entry entry : statement.entries()) {
        Hash32 other =
            heads
                .computeIfAbsent(entry.writer(), w -> new TreeMap<>())
                .putIfAbsent(entry.head().sequence(), entry.head().hash());
        if (other != null && !other.equals(entry.head().hash())) {
          return "writer "
              + Long.toHexString(entry.writer())
              + " has two records "
              + entry.head().sequence();
        }
      }
    }
    return null;
  }

  /** All records that a statement says are held. */
  public static long records(Statement statement) {
    return statement.entries().stream().mapToLong(entry -> entry.head().sequence()).sum();
  }
}
