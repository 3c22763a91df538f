package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.epoch.RtsCodec;
import io.capsuledb.core.epoch.Sync;
import io.capsuledb.core.epoch.SyncCodec;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordHeader;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.engine.Survey.Surveyed;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.lsm.Cut;
import io.capsuledb.engine.lsm.Manifest.Chain;
import io.capsuledb.engine.lsm.Tree;
import io.capsuledb.engine.merge.MergeOperator;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Start-up, second half: reads what came after the newest manifest, verifies it, and puts its
 * operations into the tree. Nothing is served before it has finished, and anything that does not
 * verify ends it with an {@link IntegrityException} that names the record.
 *
 * <p>What is checked of each record here: its place, payload hash and links, and that the store
 * finds it by its hash; that records named as parents are there; that payloads decrypt and parse;
 * on each chain's newest record the signature, which vouches for the rest. (Signatures of
 * vouched-for records are {@link CapsuleVerifier}'s.)
 *
 * <p>A memtable that fills up is flushed on the way, so a tail of any length is replayed in bounded
 * memory: as long as the chains that follow began after what was replayed so far. Where several
 * workers wrote side by side all of it stays in memory, which is no more than they held.
 *
 * <p>In a shared capsule coordinators' chains come first. So the newest SYNC is known before the
 * operations are, and a memtable ends at its cut time.
 */
final class Replay {

  /** Report progress each time so many records were replayed. */
  private static final int PROGRESS_RECORDS = 4096;

  private final CapsuleName capsule;
  private final CapsuleMetadata metadata;
  private final Secp256k1 curve;
  private final RecordStore store;
  private final ChainVerifier verifier;
  private final RecordOpener opener;
  private final Tree tree;
  private final LamportClock lamport;
  private final LongConsumer progress;

  /** How far each chain has been replayed. */
  private final Map<Long, Chain> positions = new TreeMap<>();

  private final boolean shared;
  private final Consumer<List<Hash32>> named;

  /** Every SYNC that was replayed, the one of the latest cut last. */
  private final List<Synced> synced = new ArrayList<>();

  /** The latest time of a record or operation so far. */
  private long replayedTime;

  /** When the first of the chains that are still to be replayed began. */
  private long nextLamport;

  private long records;
  private @Nullable Rejection rejection;
  private @Nullable CapsuleRecord newest;

  /** A SYNC and its record's hash. */
  record Synced(Sync sync, Hash32 hash) {}

  /**
   * A replay.
   *
   * @param shared whether other workers write the capsule, too
   * @param named hears of the parents that records name
   */
  Replay(
      CapsuleName capsule,
      CapsuleMetadata metadata,
      Secp256k1 curve,
      KeyRing keys,
      RecordStore store,
      ChainVerifier verifier,
      Tree tree,
      LamportClock lamport,
      boolean shared,
      Consumer<List<Hash32>> named,
      LongConsumer progress) {
    this.shared = shared;
    this.named = named;
    this.capsule = capsule;
    this.metadata = metadata;
    this.curve = curve;
    this.store = store;
    this.verifier = verifier;
    this.opener = new RecordOpener(capsule, keys);
    this.tree = tree;
    this.lamport = lamport;
    this.progress = progress;
  }

  /** Records replayed. */
  long records() {
    return records;
  }

  /**
   * Replays the tails of all chains.
   *
   * @param joined whether the record with a hash is known to be named by another
   * @return how far each chain goes
   */
  List<Chain> run(
      List<Surveyed> chains,
      List<Chain> treePositions,
      java.util.function.Predicate<Hash32> joined) {
    treePositions.forEach(chain -> positions.put(chain.writer(), chain));
    List<Surveyed> ordered = new ArrayList<>(chains);
    if (shared) {
      // Stable: else they stay in their order.
      ordered.sort(Comparator.comparing((Surveyed chain) -> !isCoordinator(chain)));
    }
    boolean coordinators = shared;
    try (opener) {
      for (int i = 0; i < ordered.size(); i++) {
        Surveyed chain = ordered.get(i);
        if (coordinators && !isCoordinator(chain)) {
          coordinators = false;
          endAtNewestSync();
        }
        nextLamport = Long.MAX_VALUE;
        for (Surveyed later : ordered.subList(i + 1, ordered.size())) {
          if (later.coveredSequence() < later.newestSequence()) {
            nextLamport = Math.min(nextLamport, later.firstLamport());
          }
        }
        if (chain.coveredSequence() < chain.newestSequence()) {
          replayChain(chain, joined);
        }
        lamport.advance(verifierLamport(chain));
      }
    }
    return List.copyOf(positions.values());
  }

  private static boolean isCoordinator(Surveyed chain) {
    return chain.role() == RosterEntry.Role.COORDINATOR;
  }

  private void endAtNewestSync() {
    synced.sort(Comparator.comparingLong(one -> one.sync().cutTime()));
    if (!synced.isEmpty() && synced.getLast().sync().cutTime() > tree.manifest().coveredTime()) {
      tree.cutAt(synced.getLast().sync().cutTime(), true);
    }
  }

  /** Every SYNC that was replayed, by cut time. */
  List<Synced> synced() {
    return synced;
  }

  private long verifierLamport(Surveyed chain) {
    return verifier.head(chain.writer()).lamport();
  }

  private void replayChain(Surveyed chain, java.util.function.Predicate<Hash32> joined) {
    newest = null;
    store.scan(
        chain.writer(),
        chain.coveredSequence() + 1,
        (writer, sequence, bytes) -> visit(chain, sequence, bytes, joined));
    if (rejection != null) {
      throw new IntegrityException(rejection);
    }
    CapsuleRecord last = newest;
    if (last == null || last.header().sequence() != chain.newestSequence()) {
      throw new IntegrityException(
          Rejection.of(
              Reason.MISSING_RECORD,
              CapsuleRecord.describe(chain.writer(), chain.newestSequence()) + " is not stored"));
    }
    Rejection forged = verifier.verifySignature(last);
    if (forged != null) {
      throw new IntegrityException(forged);
    }
  }

  private boolean visit(
      Surveyed chain, long sequence, byte[] bytes, java.util.function.Predicate<Hash32> joined) {
    rejection =
        switch (RecordCodec.decode(capsule, bytes)) {
          case Decoded.Rejected<CapsuleRecord>(Rejection r) ->
              Rejection.of(
                  r.reason(), CapsuleRecord.describe(chain.writer(), sequence) + ": " + r.detail());
          case Decoded.Accepted<CapsuleRecord>(CapsuleRecord record) ->
              replay(record, chain, sequence, joined);
        };
    // Beyond a final head nothing counts, and the store may hold more.
    return rejection == null && sequence < chain.newestSequence();
  }

  private @Nullable Rejection replay(
      CapsuleRecord record,
      Surveyed chain,
      long sequence,
      java.util.function.Predicate<Hash32> joined) {
    RecordHeader header = record.header();
    if (header.writer() != chain.writer() || header.sequence() != sequence) {
      return Rejection.of(
          Reason.MISPLACED,
          record + " is stored as " + CapsuleRecord.describe(chain.writer(), sequence));
    }
    Rejection refused = verifier.link(record);
    if (refused == null) {
      refused = RecordChecks.understood(record, chain.role());
    }
    if (refused == null) {
      refused = RecordChecks.form(record, capsule, metadata, curve);
    }
    if (refused == null) {
      refused = RecordChecks.indexed(store, record);
    }
    if (refused == null) {
      refused = RecordChecks.parents(store, capsule, record);
    }
    if (refused == null) {
      refused = content(record);
    }
    if (refused != null) {
      return refused;
    }
    named.accept(header.parents());
    replayedTime = Math.max(replayedTime, header.lamport());
    newest = record;
    positions.put(
        chain.writer(),
        new Chain(
            chain.writer(),
            sequence,
            record.hash(),
            header.lamport(),
            joined.test(record.hash()),
            chain.isTree()));
    if (!shared && tree.isFull() && replayedTime < nextLamport) {
      flush();
    }
    if (++records % PROGRESS_RECORDS == 0) {
      progress.accept(records);
    }
    return null;
  }

  /** What was replayed is durable, so a memtable of it can become tables at once. */
  private void flush() {
    Cut cut = new Cut(replayedTime);
    cut.complete(List.copyOf(positions.values()));
    tree.rotate(cut);
    tree.flushNow();
  }

  private @Nullable Rejection content(CapsuleRecord record) {
    RecordType type = record.header().type();
    return switch (type) {
      case DATA, RTS, EOE, SYNC ->
          switch (opener.open(record)) {
            case Decoded.Rejected<byte[]>(Rejection r) -> r;
            case Decoded.Accepted<byte[]>(byte[] payload) ->
                type == RecordType.DATA ? merge(record, payload) : epoch(record, payload);
          };
      default -> null;
    };
  }

  private @Nullable Rejection merge(CapsuleRecord record, byte[] payload) {
    Merge merge = new Merge(record.header());
    Rejection malformed = BatchCodec.decode(payload, merge);
    return malformed == null
        ? null
        : Rejection.of(malformed.reason(), record + ": " + malformed.detail());
  }

  private @Nullable Rejection epoch(CapsuleRecord record, byte[] payload) {
    Rejection wrong = RecordChecks.epoch(record, payload);
    if (wrong != null) {
      return wrong;
    }
    if (record.header().type() == RecordType.RTS) {
      // Whoever has seen the call does nothing any more that belongs before the cut.
      lamport.advance(RtsCodec.decode(payload).orThrow().cutTime());
    } else if (record.header().type() == RecordType.SYNC) {
      synced.add(new Synced(SyncCodec.decode(payload).orThrow(), record.hash()));
    }
    return null;
  }

  /** Puts the operations of one record into the tree. */
  private final class Merge implements BatchCodec.Visitor {
    private final long writer;
    private final long firstTime;
    private int index;

    Merge(RecordHeader header) {
      this.writer = header.writer();
      this.firstTime = header.lamport();
    }

    private Version next() {
      Version version = new Version(firstTime + index, writer, index);
      index++;
      lamport.advance(version.time());
      replayedTime = Math.max(replayedTime, version.time());
      return version;
    }

    @Override
    public void put(byte[] key, ValueType type, byte[] value, long expiryAtMs) {
      Version version = next();
      tree.put(
          new Entry(
              key,
              version.time(),
              version.writer(),
              version.index(),
              EntryKind.VALUE,
              type.number(),
              expiryAtMs,
              value));
    }

    @Override
    public void merge(byte[] key, MergeOperator operator, byte[] operand, long expiryAtMs) {
      tree.put(new Entry(key, next(), EntryKind.OPERAND, operator.number(), expiryAtMs, operand));
    }

    @Override
    public void delete(byte[] key) {
      tree.put(Entry.tombstone(key, next()));
    }

    @Override
    public void clear() {
      tree.clear(next());
    }
  }
}
