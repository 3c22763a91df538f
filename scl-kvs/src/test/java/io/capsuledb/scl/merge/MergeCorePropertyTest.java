package io.capsuledb.scl.merge;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.capsule.RosterEntry.Role;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.sim.SampleCapsule;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Real records in any order, with losses, against what is allowed to come out. */
class MergeCorePropertyTest {

  private static final SampleCapsule CAPSULE = new SampleCapsule(3, List.of(), 0);
  private static final long OWN = 1;
  private static final long MS = 1_000_000;

  /** Chains whose records name records of other chains. */
  private static final Map<Long, List<CapsuleRecord>> CHAINS = chains();

  private static Map<Long, List<CapsuleRecord>> chains() {
    SplittableRandom random = new SplittableRandom(8);
    Map<Long, List<CapsuleRecord>> all = new TreeMap<>();
    Map<Long, SampleCapsule.Chain> writers = new TreeMap<>();
    for (long writer = 10; writer < 14; writer++) {
      SampleCapsule.Chain chain = CAPSULE.chain(writer, Role.WORKER);
      writers.put(writer, chain);
      all.put(writer, new ArrayList<>(List.of(chain.first())));
    }
    for (int i = 0; i < 60; i++) {
      long writer = 10L + random.nextInt(4);
      List<Hash32> parents = new ArrayList<>();
      all.forEach(
          (other, records) -> {
            if (other != writer && random.nextInt(3) == 0) {
              parents.add(records.getLast().hash());
            }
          });
      all.get(writer)
          .add(
              writers
                  .get(writer)
                  .next(
                      random.nextInt(6) == 0 ? RecordType.EOE : RecordType.DATA,
                      parents,
                      new byte[] {(byte) i}));
    }
    writers.values().forEach(SampleCapsule.Chain::close);
    return all;
  }

  private static final class Checks implements RecordChecks {
    int verified;

    @Override
    public Decoded<RosterEntry> introduced(CapsuleRecord first) {
      return io.capsuledb.core.capsule.RosterCodec.decode(
              CAPSULE.name, first.payload(), CAPSULE.metadata, SampleCapsule.CURVE)
          .then(entries -> Decoded.accept(entries.getFirst()));
    }

    @Override
    public @Nullable Rejection verify(RosterEntry entry, List<CapsuleRecord> run) {
      verified++;
      return run.getLast().isSignedBy(entry.key(), SampleCapsule.CURVE)
          ? null
          : Rejection.of(Reason.SIGNATURE, "not signed");
    }

    @Override
    public Decoded<byte[]> open(CapsuleRecord record) {
      return Decoded.reject(Reason.DECRYPTION, "not asked for here");
    }
  }

  /** One signature vouches for all that came together. */
  @Test
  void aBurstOfOneChainCostsOneCheck() {
    Checks checks = new Checks();
    MergeCore merge = new MergeCore(OWN, checks, 1000, 1 << 20, 50 * MS);
    List<CapsuleRecord> burst = new ArrayList<>();
    try (SampleCapsule.Chain chain = CAPSULE.chain(20, Role.WORKER)) {
      burst.add(chain.first());
      for (int i = 0; i < 9; i++) {
        burst.add(chain.next(RecordType.DATA, List.of(), new byte[] {(byte) i}));
      }
    }
    merge.offer(1, burst);
    merge.durable(1, 20, burst.size());
    assertThat(merge.takeMerged()).containsExactlyElementsOf(burst);
    assertThat(checks.verified).isEqualTo(1);
  }

  @Property(tries = 150)
  void durableRecordsComeOutOnceInCausalOrderAndAllOfThem(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    MergeCore merge = new MergeCore(OWN, new Checks(), 16 + random.nextInt(60), 1 << 20, 50 * MS);
    double rough = random.nextDouble() * 0.9;
    List<CapsuleRecord> all = new ArrayList<>();
    CHAINS.values().forEach(all::addAll);
    Map<Long, Long> durable = new HashMap<>();
    Set<Hash32> out = new HashSet<>();
    Map<Long, Long> heads = new HashMap<>();
    long now = random.nextLong();
    for (int step = 0; step < 8_000 && out.size() < all.size(); step++) {
      double loss = step < 2_000 ? rough : 0;
      now += random.nextLong(10 * MS);
      switch (random.nextInt(3)) {
        case 0 -> {
          List<CapsuleRecord> chain = CHAINS.get(10L + random.nextInt(4));
          int from = random.nextInt(chain.size());
          int to = Math.min(chain.size(), from + 1 + random.nextInt(4));
          if (random.nextDouble() >= loss) {
            merge.offer(now, chain.subList(from, to));
          }
        }
        case 1 -> {
          long writer = 10L + random.nextInt(4);
          long known = durable.getOrDefault(writer, 0L);
          // What names a record knew that it was durable.
          long next = known + random.nextInt(4);
          long limit = Math.min(CHAINS.get(writer).size(), next);
          for (long at = known; at < limit; at++) {
            CHAINS.get(writer).get((int) at).header().parents().forEach(p -> know(durable, p));
          }
          durable.merge(writer, limit, Math::max);
          merge.durable(now, writer, durable.get(writer));
        }
        default -> merge.tick(now);
      }
      for (PullRequest request : merge.takeRequests()) {
        switch (request) {
          case PullRequest.Range(long ticket, long writer, long from, long to) -> {
            if (random.nextDouble() >= loss) {
              List<CapsuleRecord> chain = CHAINS.get(writer);
              long end = Math.min(to, chain.size());
              merge.pulled(
                  now, ticket, from > end ? List.of() : chain.subList((int) from - 1, (int) end));
            }
          }
          case PullRequest.ByHash(long ticket, Hash32 hash) -> {
            if (random.nextDouble() >= loss) {
              merge.pulled(now, ticket, all.stream().filter(r -> r.hash().equals(hash)).toList());
            }
          }
          case PullRequest.Blame blame -> throw new AssertionError(blame.toString());
        }
      }
      for (CapsuleRecord record : merge.takeMerged()) {
        long writer = record.header().writer();
        assertThat(record.header().sequence()).isEqualTo(heads.getOrDefault(writer, 0L) + 1);
        assertThat(record.header().sequence())
            .isLessThanOrEqualTo(durable.getOrDefault(writer, 0L));
        assertThat(out).containsAll(record.header().parents());
        assertThat(out.add(record.hash())).isTrue();
        heads.put(writer, record.header().sequence());
      }
    }
    assertThat(out).hasSize(all.size());
    assertThat(merge.parkedRecords()).isZero();
  }

  private static void know(Map<Long, Long> durable, Hash32 parent) {
    CHAINS.forEach(
        (writer, chain) -> {
          for (CapsuleRecord record : chain) {
            if (record.hash().equals(parent)
                && record.header().sequence() > durable.getOrDefault(writer, 0L)) {
              for (long at = durable.getOrDefault(writer, 0L);
                  at < record.header().sequence();
                  at++) {
                durable.put(writer, at + 1);
                chain.get((int) at).header().parents().forEach(p -> know(durable, p));
              }
            }
          }
        });
  }
}
