package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Hashes;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.seal.Ballot;
import io.capsuledb.core.seal.ChainHead;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;

/**
 * A replica that keeps the rules of {@link ContradictionProof}, and nothing else: in a world where
 * writers fork their chains, sealers issue whatever orders they like in whatever order, and clients
 * ask for anything. What the replica is free to do it does at random.
 */
final class HonestReplica {

  private static final byte[] TAG = "model".getBytes(StandardCharsets.US_ASCII);
  private static final int WRITERS = 3;
  private static final int TERMS = 4;
  private static final int SEALERS = 2;

  private final Random random;
  private final CapsuleName capsule;
  private final PublicKey replica;
  private final TreeMap<Long, Chain> chains = new TreeMap<>();
  private long incarnation;
  private long number;
  private int membership;

  /** How often it dropped records; tells whether a history is one of interest. */
  private int drops;

  private final class Chain {
    final List<Hash32> records = new ArrayList<>();
    final List<List<Hash32>> past = new ArrayList<>();
    List<Hash32> last = List.of();
    SealState seal = SealState.OPEN;

    /** A head and all below it: the records, which are one chain of the world's many. */
    ChainHead head() {
      return headOf(records);
    }

    boolean isNamed() {
      return !records.isEmpty() || seal.isSealed();
    }

    void append(Hash32 next) {
      if (records.size() >= seal.limit()) {
        return;
      }
      if (seal.isFinal()
          && records.size() + 1 == last.size()
          && !(next.equals(last.getLast()) && isPrefix())) {
        // What is stored is not on the chain that is final: it can only go.
        dropFork();
        return;
      }
      records.add(next);
    }

    boolean isPrefix() {
      return records.size() <= last.size() && records.equals(last.subList(0, records.size()));
    }

    /** Drops what is not on the final chain. */
    void dropFork() {
      int common = 0;
      while (common < records.size()
          && common < last.size()
          && records.get(common).equals(last.get(common))) {
        common++;
      }
      drops += records.size() - common;
      records.subList(common, records.size()).clear();
    }

    void prepare(Ballot ballot) {
      if (ballot.compareTo(seal.promised()) > 0) {
        seal = new SealState(ballot, head(), seal.accepted(), seal.last());
      }
    }

    void accept(Ballot ballot, List<Hash32> chain) {
      ChainHead head = headOf(chain);
      boolean other = ballot.equals(seal.accepted()) && !head.equals(seal.last());
      if (ballot.compareTo(seal.promised()) < 0 || other) {
        return;
      }
      boolean promised = ballot.equals(seal.promised());
      end(ballot, promised && random.nextBoolean() ? seal.head() : head(), ballot, chain);
    }

    /** What a quorum says it accepted is final, whatever this one has promised. */
    void learn(Ballot ballot, List<Hash32> chain) {
      if (ballot.compareTo(seal.accepted()) > 0) {
        Ballot promised = ballot.compareTo(seal.promised()) > 0 ? ballot : seal.promised();
        end(promised, seal.isSealed() ? seal.head() : head(), ballot, chain);
      }
    }

    private void end(Ballot promised, ChainHead atPromise, Ballot ballot, List<Hash32> chain) {
      last = chain;
      if (records.size() >= last.size()
          && !(isPrefix() || records.subList(0, last.size()).equals(last))) {
        dropFork();
      } else if (records.size() > last.size()) {
        drops += records.size() - last.size();
        records.subList(last.size(), records.size()).clear();
      } else if (random.nextBoolean()) {
        // It may also find out later, if it cannot tell yet.
        dropFork();
      }
      seal = new SealState(promised, atPromise, ballot, headOf(chain));
    }
  }

  HonestReplica(CapsuleName capsule, PublicKey replica, Random random) {
    this.capsule = capsule;
    this.replica = replica;
    this.random = random;
    restart(true);
  }

  static ChainHead headOf(List<Hash32> records) {
    return records.isEmpty() ? ChainHead.NONE : new ChainHead(records.size(), records.getLast());
  }

  int drops() {
    return drops;
  }

  private void restart(boolean diskIsLost) {
    if (diskIsLost) {
      incarnation = random.nextLong();
      number = 0;
      membership = 0;
      chains.clear();
      for (long writer = 1; writer <= WRITERS; writer++) {
        chains.put(writer, new Chain());
      }
    } else {
      // Numbers are reserved in blocks: some of them are never used.
      number += random.nextInt(1000);
    }
  }

  /** Something happens to it. */
  void step() {
    Chain chain = chains.get(random.nextLong(1, WRITERS + 1));
    switch (random.nextInt(20)) {
      case 0, 1 -> chain.prepare(ballot());
      case 2 -> chain.accept(ballot(), anyChain(chain));
      case 3 -> {
        if (random.nextInt(3) == 0) {
          chain.learn(ballot(), anyChain(chain));
        } else {
          chain.accept(ballot(), anyChain(chain));
        }
      }
      case 4 -> {
        if (chain.seal.isFinal()) {
          chain.dropFork();
        }
      }
      case 5 -> membership += random.nextInt(2);
      case 6 -> restart(random.nextInt(8) == 0);
      case 7, 8, 9 -> {
        if (chain.seal.isFinal() && chain.isPrefix() && chain.records.size() < chain.last.size()) {
          chain.append(chain.last.get(chain.records.size()));
        }
      }
      default -> chain.append(next(chain.records, random.nextInt(8) == 0 ? 1 : 0));
    }
  }

  private Ballot ballot() {
    return new Ballot(random.nextLong(1, TERMS + 1), random.nextLong(1, SEALERS + 1));
  }

  private static Hash32 next(List<Hash32> records, int branch) {
    Hash32 previous = records.isEmpty() ? Hash32.ZERO : records.getLast();
    return Hashes.tagged(TAG, previous.toBytes(), new byte[] {(byte) branch});
  }

  /** Part of what is held, more than that, or of a fork, or what was held once. */
  private List<Hash32> anyChain(Chain chain) {
    if (!chain.past.isEmpty() && random.nextInt(3) == 0) {
      return chain.past.get(random.nextInt(chain.past.size()));
    }
    int kept = random.nextInt(chain.records.size() + 1);
    List<Hash32> any = new ArrayList<>(chain.records.subList(0, kept));
    int more = random.nextInt(4);
    for (int i = 0; i < more; i++) {
      any.add(next(any, random.nextInt(4) == 0 ? 1 : 0));
    }
    return any;
  }

  /** It says something. */
  Statement say() {
    Statement.Kind kind = List.of(Statement.Kind.values()).get(random.nextInt(3));
    List<Statement.Entry> entries = new ArrayList<>();
    chains.forEach(
        (writer, chain) -> {
          chain.past.add(List.copyOf(chain.records));
          boolean named =
              switch (kind) {
                case HELD -> random.nextBoolean();
                case FRONTIER -> chain.isNamed() || random.nextBoolean();
                case SEALED -> true;
              };
          if (named) {
            entries.add(new Statement.Entry(writer, chain.head(), chain.seal));
          }
        });
    return new Statement(
        kind,
        capsule,
        replica,
        membership,
        incarnation,
        number++,
        kind == Statement.Kind.FRONTIER ? Samples.hash(random) : Hash32.ZERO,
        kind == Statement.Kind.SEALED
            ? List.of(entries.get(random.nextInt(entries.size())))
            : entries);
  }
}
