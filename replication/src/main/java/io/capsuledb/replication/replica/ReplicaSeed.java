package io.capsuledb.replication.replica;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Refusal;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Fills the log of a replica that was never started with a capsule out of a copy of it: what is
 * left to do when the disks of all replicas are lost. Over the network it could not be done, for
 * replicas take stubs of released records only from each other.
 *
 * <p>Records pass the checks that they pass when a replica heals, by the same code. A chain of
 * which the next record needs something of another chain waits for it: rounds over all chains go on
 * as long as one of them moves. The started replica then finds itself in the state of one that lost
 * its disk and fetched all there is: it looks for the CHECKPOINTs that justify its stubs, and hears
 * the others before it speaks.
 *
 * <p>One thread; nobody else has the log.
 */
public final class ReplicaSeed {

  /** Hears how far it is. */
  @FunctionalInterface
  public interface Progress {
    /** So many of so many records are in the log. */
    void stored(long records, long total);
  }

  private static final int RUN_RECORDS = 256;
  private static final long GROUP_BYTES = 4L << 20;

  private final ReplicaLog log;
  private final RecordStore source;
  private final Progress progress;
  private final HeldCapsule capsule;
  private final long total;
  private Group group = new Group();
  private long stored;

  private ReplicaSeed(
      ReplicaLog log,
      CapsuleName name,
      Blob signedMetadata,
      RecordStore source,
      List<ChainVerifier.Head> heads,
      Secp256k1 curve,
      Progress progress) {
    CapsuleMetadata metadata = MetadataCodec.decode(signedMetadata.bytes(), curve).orThrow();
    this.log = log;
    this.source = source;
    this.progress = progress;
    this.capsule = new HeldCapsule(name, metadata, signedMetadata, curve, log);
    this.total = heads.stream().mapToLong(ChainVerifier.Head::sequence).sum();
    group.batch.add(w -> w.found(name, signedMetadata));
    capsule.beginJoining(group);
  }

  /**
   * Puts a capsule into a log that does not know it.
   *
   * @param source the copy
   * @param heads how far each of its chains is taken
   * @return how many records it has
   * @throws IntegrityException if a record of the copy is missing, or one does not pass its checks
   */
  public static long seed(
      ReplicaLog log,
      CapsuleName name,
      RecordStore source,
      List<ChainVerifier.Head> heads,
      Secp256k1 curve,
      Progress progress) {
    byte[] metadata = source.metadata();
    if (metadata == null) {
      throw new IntegrityException(
          Rejection.of(Reason.MISSING_RECORD, "the copy has no metadata of capsule " + name));
    }
    if (log.recovered().capsules().stream().anyMatch(c -> c.name().equals(name))) {
      throw new IllegalArgumentException("the log knows capsule " + name);
    }
    ReplicaSeed seed =
        new ReplicaSeed(log, name, Blob.of(metadata), source, heads, curve, progress);
    seed.run(heads);
    return seed.stored;
  }

  private void run(List<ChainVerifier.Head> heads) {
    HeldCapsule.Stop stop = null;
    boolean moved = true;
    while (moved && stored < total) {
      moved = false;
      for (ChainVerifier.Head head : heads) {
        long before = stored;
        HeldCapsule.Stop here = chain(head);
        stop = here == null ? stop : here;
        moved |= stored > before;
      }
    }
    commit();
    if (stored < total) {
      throw new IntegrityException(
          Rejection.of(
              Reason.MISSING_RECORD,
              "of the copy's "
                  + total
                  + " records "
                  + stored
                  + " could be taken; then: "
                  + (stop == null ? "nothing" : stop.detail())));
    }
  }

  /** Takes what can be taken of a chain; returns what it waits for, or null. */
  private HeldCapsule.@Nullable Stop chain(ChainVerifier.Head head) {
    long writer = head.writer();
    while (have(writer) < head.sequence()) {
      long from = have(writer) + 1;
      List<SignedHeader> run = run(writer, from, Math.min(head.sequence(), from + RUN_RECORDS - 1));
      HeldCapsule.Stop stop = capsule.take(run, true, group, new TreeSet<>());
      stored += have(writer) - from + 1;
      progress.stored(stored, total);
      if (stop != null && stop.code() != Refusal.GAP && stop.code() != Refusal.BUSY) {
        throw new IntegrityException(
            stop.rejection() == null
                ? Rejection.of(Reason.MISPLACED, stop.code() + ": " + stop.detail())
                : stop.rejection());
      }
      boolean settled = group.isEmpty();
      if ((stop != null && stop.code() == Refusal.BUSY && !settled) || group.bytes >= GROUP_BYTES) {
        // What it waits for is on its way.
        commit();
      } else if (stop != null && have(writer) < from) {
        return stop;
      }
    }
    return null;
  }

  private long have(long writer) {
    HeldChain chain = capsule.chain(writer);
    return chain == null ? 0 : chain.accepted.sequence();
  }

  private List<SignedHeader> run(long writer, long from, long to) {
    List<SignedHeader> run = new ArrayList<>();
    for (long sequence = from; sequence <= to; sequence++) {
      byte[] bytes = source.read(writer, sequence);
      if (bytes == null) {
        throw new IntegrityException(
            Rejection.of(
                Reason.MISSING_RECORD,
                CapsuleRecord.describe(writer, sequence) + " is not in the copy"));
      }
      switch (RecordCodec.decodeStored(capsule.name, bytes)) {
        case Decoded.Accepted<SignedHeader>(SignedHeader record) -> run.add(record);
        case Decoded.Rejected<SignedHeader>(Rejection rejection) ->
            throw new IntegrityException(rejection);
      }
    }
    return run;
  }

  private void commit() {
    Group full = group;
    group = new Group();
    log.commit(full.batch);
    full.durable();
  }
}
