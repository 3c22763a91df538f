package io.capsuledb.host.replica;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.Clock;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.ChainHead;
import io.capsuledb.replication.protocol.Message;
import io.capsuledb.replication.protocol.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Looks at replicas as a whole: how each is, what each holds, and whether they agree.
 *
 * <p>Replicas that are written to are never at the same place at the same moment. So a replica is
 * behind only if, when the time to settle is over, it still lacks something that another one had
 * stated at the beginning.
 */
public final class ReplicaSurvey {

  /** Most capsules that are looked at. */
  public static final int MAX_CAPSULES = 10_000;

  private static final long POLL_MS = 250;

  /**
   * A replica.
   *
   * @param key null if it cannot be reached
   * @param counters what it says of itself; empty if it says nothing
   * @param problems what is wrong with it
   */
  public record Replica(
      ReplicaAddress address,
      @Nullable PublicKey key,
      Map<String, Long> counters,
      List<String> problems) {
    /** Keeps copies. */
    public Replica {
      counters = new TreeMap<>(counters);
      problems = List.copyOf(problems);
    }

    /** A counter; 0 if it does not say. */
    public long counter(String name) {
      return counters.getOrDefault(name, 0L);
    }
  }

  /**
   * A capsule at one replica.
   *
   * @param member whether the capsule's newest membership names the replica
   * @param membership the version that the replica knows
   * @param chains chains it holds something of
   * @param records records it holds, released ones included
   * @param lacking records that others had at the beginning and it still lacks
   * @param wrong why its answer is none; null if it is one
   */
  public record Holding(
      boolean member,
      int membership,
      int chains,
      long records,
      long lacking,
      @Nullable String wrong) {}

  /**
   * A capsule.
   *
   * @param view its newest description, or null if no replica gave one that verifies
   * @param holdings by replica, those that were reached
   * @param evidence how many different proofs there are
   * @param problems what is wrong with it
   */
  public record Capsule(
      CapsuleName name,
      @Nullable CapsuleView view,
      Map<ReplicaAddress, Holding> holdings,
      int evidence,
      List<String> problems) {
    /** Keeps copies. */
    public Capsule {
      holdings = new LinkedHashMap<>(holdings);
      problems = List.copyOf(problems);
    }

    /** Whether all members that were reached hold the same. */
    public boolean equal() {
      return holdings.values().stream()
          .filter(Holding::member)
          .allMatch(holding -> holding.wrong() == null && holding.lacking() == 0);
    }
  }

  private final ReplicaCaller caller;
  private final Clock clock;
  private final long settleNanos;

  /**
   * A survey of the replicas of a caller.
   *
   * @param settleMs how long replicas may take to catch up with each other
   */
  public ReplicaSurvey(ReplicaCaller caller, Clock clock, long settleMs) {
    this.caller = caller;
    this.clock = clock;
    this.settleNanos = TimeUnit.MILLISECONDS.toNanos(settleMs);
  }

  /** How each replica is. */
  public List<Replica> replicas() {
    Map<ReplicaAddress, Message.Reply> replies =
        caller.askAll(caller.replicas(), Message.AskStatus::new);
    List<Replica> replicas = new ArrayList<>();
    for (ReplicaAddress address : caller.replicas()) {
      PublicKey key = caller.keyOf(address);
      Map<String, Long> counters = new TreeMap<>();
      List<String> problems = new ArrayList<>();
      if (key == null) {
        problems.add("cannot be reached");
      } else if (replies.get(address) instanceof Message.Status status) {
        status.counters().forEach(counter -> counters.put(counter.name(), counter.value()));
        if (counters.getOrDefault("failed", 0L) != 0) {
          problems.add("stores nothing: its disk is full or fails");
        }
        if (counters.getOrDefault("capsules_rebuilding", 0L) != 0) {
          problems.add("is being rebuilt");
        }
      } else if (replies.get(address) instanceof Message.Refused refused) {
        problems.add(SignedFrontiers.text(refused));
      } else {
        problems.add("does not say how it is");
      }
      replicas.add(new Replica(address, key, counters, problems));
    }
    return replicas;
  }

  /** The names of all capsules that any of them holds, in order. */
  public List<CapsuleName> names() {
    TreeSet<Hash32> names = new TreeSet<>();
    for (ReplicaAddress replica : caller.replicas()) {
      Hash32 after = Hash32.ZERO;
      while (names.size() < MAX_CAPSULES) {
        Hash32 from = after;
        if (!(caller.ask(replica, n -> new Message.AskCapsules(n, from))
                instanceof Message.Capsules capsules)
            || capsules.names().isEmpty()) {
          break;
        }
        capsules.names().forEach(name -> names.add(name.hash()));
        Hash32 last = capsules.names().getLast().hash();
        if (last.compareTo(after) <= 0) {
          break;
        }
        after = last;
      }
    }
    return names.stream().limit(MAX_CAPSULES).map(CapsuleName::new).toList();
  }

  /** What each replica holds of a capsule. */
  public Capsule capsule(CapsuleName name) {
    List<String> problems = new ArrayList<>();
    CapsuleView view = view(name, problems);
    SignedFrontiers frontiers = SignedFrontiers.ask(caller, caller.replicas(), name);
    Map<Long, ChainHead> wanted = frontiers.highest();
    long deadline = clock.monotonicNanos() + settleNanos;
    while (!settled(frontiers, view, wanted) && clock.monotonicNanos() - deadline < 0) {
      pause();
      frontiers = SignedFrontiers.ask(caller, caller.replicas(), name);
    }
    String fork = frontiers.fork();
    if (fork != null) {
      problems.add(fork);
    }
    Map<ReplicaAddress, Holding> holdings = new LinkedHashMap<>();
    for (ReplicaAddress replica : caller.replicas()) {
      PublicKey key = caller.keyOf(replica);
      if (key == null) {
        continue;
      }
      boolean member = view == null || view.membership().names(key);
      Statement statement = frontiers.statements().get(replica);
      String wrong = frontiers.wrong().get(replica);
      if (statement == null) {
        holdings.put(
            replica, new Holding(member, 0, 0, 0, 0, wrong == null ? "gives no frontier" : wrong));
        continue;
      }
      int chains = (int) statement.entries().stream().filter(e -> e.head().sequence() > 0).count();
      holdings.put(
          replica,
          new Holding(
              member,
              statement.membership(),
              chains,
              SignedFrontiers.records(statement),
              SignedFrontiers.lacking(statement, wanted),
              wrong));
    }
    return new Capsule(name, view, holdings, evidence(name).size(), problems);
  }

  private boolean settled(
      SignedFrontiers frontiers, @Nullable CapsuleView view, Map<Long, ChainHead> wanted) {
    for (ReplicaAddress replica : caller.replicas()) {
      PublicKey key = caller.keyOf(replica);
      if (key == null || (view != null && !view.membership().names(key))) {
        continue;
      }
      Statement statement = frontiers.statements().get(replica);
      if (statement == null || SignedFrontiers.lacking(statement, wanted) > 0) {
        return false;
      }
    }
    return true;
  }

  /** The newest description that any replica gives and that verifies. */
  public @Nullable CapsuleView view(CapsuleName name, List<String> problems) {
    CapsuleView newest = null;
    Map<ReplicaAddress, Message.Reply> replies =
        caller.askAll(caller.replicas(), n -> new Message.Describe(n, name));
    for (Map.Entry<ReplicaAddress, Message.Reply> reply : replies.entrySet()) {
      if (!(reply.getValue() instanceof Message.Described described)) {
        continue;
      }
      switch (CapsuleView.of(name, described)) {
        case Decoded.Accepted<CapsuleView>(CapsuleView view) -> {
          if (newest == null || view.membership().version() > newest.membership().version()) {
            newest = view;
          }
        }
        case Decoded.Rejected<CapsuleView>(Rejection rejection) ->
            problems.add(reply.getKey().address() + " describes it wrongly: " + rejection.detail());
      }
    }
    return newest;
  }

  /** The different proofs that replicas hold, with who gave each first; unchecked. */
  public Map<Blob, ReplicaAddress> evidence(CapsuleName name) {
    Map<Blob, ReplicaAddress> proofs = new LinkedHashMap<>();
    caller
        .askAll(caller.replicas(), n -> new Message.AskEvidence(n, name))
        .forEach(
            (replica, reply) -> {
              if (reply instanceof Message.Evidence evidence) {
                evidence.proofs().forEach(proof -> proofs.putIfAbsent(proof, replica));
              }
            });
    return proofs;
  }

  private static void pause() {
    try {
      TimeUnit.MILLISECONDS.sleep(POLL_MS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
