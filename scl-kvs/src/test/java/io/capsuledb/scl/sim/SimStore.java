package io.capsuledb.scl.sim;

import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.scl.epoch.ChainClaim;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The replicas as docs/consistency.md describes them: chains held without a gap, seals by promise
 * and acceptance, what is durable counted per ballot. Everything a replica knows is on its disk;
 * while it is down it neither hears nor says anything.
 */
final class SimStore {

  /** A replica's state of one chain. */
  static final class Held {
    final List<CapsuleRecord> records = new ArrayList<>();
    Ballot promised = Ballot.NONE;
    long promisedAt;
    Ballot accepted = Ballot.NONE;
    ChainHead last = ChainHead.NONE;

    ChainHead head() {
      return records.isEmpty()
          ? ChainHead.NONE
          : new ChainHead(records.size(), records.getLast().hash());
    }

    /** Up to where records may be taken. */
    long limit() {
      return !accepted.equals(Ballot.NONE)
          ? last.sequence()
          : promised.equals(Ballot.NONE) ? Long.MAX_VALUE : promisedAt;
    }
  }

  /** What a replica says of one chain. */
  record Said(ChainHead head, Ballot promised, Ballot accepted, ChainHead last) {
    static final Said NOTHING = new Said(ChainHead.NONE, Ballot.NONE, Ballot.NONE, ChainHead.NONE);
  }

  final class Replica {
    final int index;
    final Map<Long, Held> chains = new TreeMap<>();
    boolean up = true;

    Replica(int index) {
      this.index = index;
    }

    Held held(long writer) {
      return chains.computeIfAbsent(writer, w -> new Held());
    }

    /** Takes records that follow what is held, and does what SEALs among them say. */
    Said take(long writer, List<CapsuleRecord> records) {
      Held held = held(writer);
      for (CapsuleRecord record : records) {
        long sequence = record.header().sequence();
        if (sequence != held.records.size() + 1 || sequence > held.limit()) {
          continue;
        }
        if (!held.head().hash().equals(record.header().previous())) {
          throw new AssertionError("a chain with two branches: " + record);
        }
        held.records.add(record);
        if (record.header().type() == RecordType.SEAL) {
          obey(writer, SealOrderCodec.decode(record.payload()).orThrow());
        }
      }
      return say(writer);
    }

    private void obey(long sealer, SealOrder order) {
      Ballot ballot = new Ballot(order.term(), sealer);
      Held target = held(order.writer());
      if (ballot.compareTo(target.promised) < 0) {
        return;
      }
      if (target.promised.equals(Ballot.NONE)) {
        target.promisedAt = target.records.size();
      }
      target.promised = ballot;
      if (order.kind() == SealOrder.Kind.FINAL) {
        target.accepted = ballot;
        target.last = order.last();
        while (target.records.size() > target.last.sequence()) {
          target.records.removeLast();
        }
        chosen(order.writer());
      }
    }

    Said say(long writer) {
      Held held = chains.get(writer);
      return held == null
          ? Said.NOTHING
          : new Said(held.head(), held.promised, held.accepted, held.last);
    }

    Map<Long, Said> sayAll() {
      Map<Long, Said> all = new TreeMap<>();
      for (long writer : chains.keySet()) {
        all.put(writer, say(writer));
      }
      return all;
    }

    /** Takes from another replica what that one has and this one may. */
    void healFrom(Replica other) {
      other.chains.forEach(
          (writer, theirs) -> {
            Held mine = held(writer);
            if (theirs.records.size() > mine.records.size()) {
              take(writer, theirs.records.subList(mine.records.size(), theirs.records.size()));
            }
          });
    }
  }

  final List<Replica> replicas = new ArrayList<>();
  private final Map<Long, ChainHead> sealed = new TreeMap<>();
  final int quorum;

  SimStore(int size) {
    this.quorum = size / 2 + 1;
    for (int i = 0; i < size; i++) {
      replicas.add(new Replica(i));
    }
  }

  /** Up to where statements show a chain to be durable. */
  static long durable(Iterable<Said> said, int quorum) {
    TreeSet<Ballot> ballots = new TreeSet<>();
    said.forEach(s -> ballots.add(s.accepted()));
    long most = 0;
    for (Ballot ballot : ballots) {
      List<Long> heads = new ArrayList<>();
      said.forEach(
          s -> {
            if (s.accepted().equals(ballot)) {
              heads.add(s.head().sequence());
            }
          });
      heads.sort(null);
      if (heads.size() >= quorum) {
        most = Math.max(most, heads.get(heads.size() - quorum));
      }
    }
    return most;
  }

  /** The final head that a quorum accepted in one ballot, or null. */
  static @Nullable ChainHead last(Iterable<Said> said, int quorum) {
    for (Said one : said) {
      if (one.accepted().equals(Ballot.NONE)) {
        continue;
      }
      int same = 0;
      for (Said other : said) {
        if (other.accepted().equals(one.accepted())) {
          same++;
        }
      }
      if (same >= quorum) {
        return one.last();
      }
    }
    return null;
  }

  /** What a quorum's answers to a frontier read say. */
  List<ChainClaim> claims(List<Map<Long, Said>> answers) {
    TreeSet<Long> writers = new TreeSet<>();
    answers.forEach(answer -> writers.addAll(answer.keySet()));
    List<ChainClaim> claims = new ArrayList<>();
    for (long writer : writers) {
      List<Said> said = answers.stream().map(a -> a.getOrDefault(writer, Said.NOTHING)).toList();
      long durable = durable(said, quorum);
      ChainHead head = ChainHead.NONE;
      long claimed = 0;
      boolean accepted = false;
      for (Said one : said) {
        claimed = Math.max(claimed, one.head().sequence());
        accepted |= !one.accepted().equals(Ballot.NONE);
      }
      if (durable > 0) {
        for (Replica replica : replicas) {
          Held held = replica.chains.get(writer);
          if (held != null && held.records.size() >= durable) {
            head = new ChainHead(durable, held.records.get((int) durable - 1).hash());
          }
        }
      }
      if (claimed > 0 || accepted) {
        claims.add(new ChainClaim(writer, head, claimed, accepted, last(said, quorum)));
      }
    }
    return claims;
  }

  /** The oracle: whether a quorum holds a record at this moment. */
  boolean isHeld(CapsuleRecord record) {
    int holders = 0;
    for (Replica replica : replicas) {
      Held held = replica.chains.get(record.header().writer());
      long sequence = record.header().sequence();
      if (held != null
          && held.records.size() >= sequence
          && held.records.get((int) sequence - 1).hash().equals(record.hash())) {
        holders++;
      }
    }
    return holders >= quorum;
  }

  /** A final head is chosen when a quorum accepts it in one ballot, and stays chosen. */
  private void chosen(long writer) {
    ChainHead last = last(replicas.stream().map(r -> r.say(writer)).toList(), quorum);
    if (last != null) {
      ChainHead before = sealed.putIfAbsent(writer, last);
      if (before != null && !before.equals(last)) {
        throw new AssertionError("two final heads of " + writer);
      }
    }
  }

  /** The oracle: a chain's final head, or null while it is not sealed. */
  @Nullable ChainHead sealedAt(long writer) {
    return sealed.get(writer);
  }

  /** The oracle: everything that all statements together show to be durable, by chain. */
  Map<Long, List<CapsuleRecord>> statedChains() {
    Map<Long, List<CapsuleRecord>> all = new TreeMap<>();
    durableChains()
        .forEach(
            (writer, held) -> {
              long durable = durable(replicas.stream().map(r -> r.say(writer)).toList(), quorum);
              all.put(writer, held.subList(0, (int) Math.min(durable, held.size())));
            });
    return all;
  }

  /** The oracle: everything a quorum holds, by chain. */
  Map<Long, List<CapsuleRecord>> durableChains() {
    Map<Long, List<CapsuleRecord>> all = new TreeMap<>();
    TreeSet<Long> writers = new TreeSet<>();
    replicas.forEach(r -> writers.addAll(r.chains.keySet()));
    for (long writer : writers) {
      List<CapsuleRecord> longest = List.of();
      for (Replica replica : replicas) {
        Held held = replica.chains.get(writer);
        if (held != null && held.records.size() > longest.size()) {
          longest = held.records;
        }
      }
      int length = 0;
      while (length < longest.size() && isHeld(longest.get(length))) {
        length++;
      }
      all.put(writer, List.copyOf(longest.subList(0, length)));
    }
    return all;
  }
}
