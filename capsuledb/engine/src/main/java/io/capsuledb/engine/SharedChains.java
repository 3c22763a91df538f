package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.epoch.Eoe;
import io.capsuledb.core.epoch.EoeCodec;
import io.capsuledb.core.epoch.Rts;
import io.capsuledb.core.epoch.RtsCodec;
import io.capsuledb.core.epoch.Sync;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordHeader;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.core.seal.SealOrder;
import io.capsuledb.core.seal.SealOrderCodec;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.lsm.Manifest;
import io.capsuledb.engine.lsm.Manifest.Chain;
import io.capsuledb.engine.lsm.ManifestCodec;
import io.capsuledb.engine.lsm.Tree;
import io.capsuledb.engine.merge.MergeOperator;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The other writers of a shared capsule, as far as their records were merged here, and the ends of
 * epochs.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>a record is merged after all its ancestors, once, and when it is durable; whoever calls
 *       sees to the first and the last, and to signatures. That a chain has no gap is checked here;
 *   <li>the clock is at or after every operation that was merged, so what is written here
 *       afterwards is later, and names the heads that were merged;
 *   <li>of the operations of this worker those at or before the cut time of an RTS that was merged
 *       are in records before the EOE that answers it, later ones in records after it;
 *   <li><i>stable time</i>: the cut time of the newest SYNC whose positions were merged. Nothing at
 *       or before it is missing here, nor can it come any more;
 *   <li>a manifest is taken over when everything up to its frontier was merged.
 * </ul>
 *
 * <p>Threads: {@link #prepare} on any; {@link #stableTime} too; everything else under the engine's
 * lock.
 */
final class SharedChains {

  /** A chain, as far as it was merged. */
  private static final class Known {
    final RosterEntry.Role role;
    final long firstLamport;
    ChainHead head;
    long lamport;

    Known(RosterEntry.Role role, long firstLamport, ChainHead head, long lamport) {
      this.role = role;
      this.firstLamport = firstLamport;
      this.head = head;
      this.lamport = lamport;
    }

    boolean isTree() {
      return role == RosterEntry.Role.COMPACTOR;
    }
  }

  /** What a record says, decrypted: work that needs no lock. */
  static final class Prepared {
    final CapsuleRecord record;

    /** Of DATA: in order. */
    final List<Object> operations = new ArrayList<>();

    /** Of others: what they say, if that matters here. */
    @Nullable Object content;

    Prepared(CapsuleRecord record) {
      this.record = record;
    }

    RecordHeader header() {
      return record.header();
    }

    long lastTime() {
      return header().lamport() + Math.max(0, operations.size() - 1);
    }
  }

  /** How the newest RTS was answered. */
  private record Answer(Hash32 rts, CutResult result) {}

  /** A manifest of another worker's tree. */
  private record Seen(Manifest manifest, CapsuleRecord record) {}

  private final CapsuleName name;
  private final CapsuleMetadata metadata;
  private final KeyRing keys;
  private final Secp256k1 curve;
  private final RecordStore store;
  private final Tree tree;
  private final WritePath writePath;
  private final LamportClock lamport;
  private final LamportClock treeLamport;
  private final LongConsumer newWriter;
  private final long writer;

  private final Map<Long, Known> chains = new TreeMap<>();

  /** Where SYNCs have cut each chain last, compactors' excepted. */
  private final Map<Long, Sync.Position> cuts = new TreeMap<>();

  private volatile long stableTime;

  /** Sequence number at which the newest SYNC has cut this worker's own chain. */
  private long ownCut;

  private @Nullable Answer answer;

  /** The manifest that was merged last, and is of no account without its checkpoint. */
  private @Nullable Seen unnamed;

  /** A manifest that is to be taken over. */
  private @Nullable Seen wanted;

  private long manifestLamport;

  /**
   * The state after replay.
   *
   * @param verifier has linked what was replayed
   * @param treeLamport moves past the records of other workers' trees, which hold no operations
   * @param newWriter hears of writers that were not known
   */
  SharedChains(
      CapsuleName name,
      CapsuleMetadata metadata,
      KeyRing keys,
      Secp256k1 curve,
      RecordStore store,
      Tree tree,
      WritePath writePath,
      LamportClock lamport,
      LamportClock treeLamport,
      LongConsumer newWriter,
      Survey survey,
      ChainVerifier verifier,
      List<Replay.Synced> synced) {
    this.name = name;
    this.metadata = metadata;
    this.keys = keys;
    this.curve = curve;
    this.store = store;
    this.tree = tree;
    this.writePath = writePath;
    this.lamport = lamport;
    this.treeLamport = treeLamport;
    this.newWriter = newWriter;
    this.writer = writePath.head().writer();
    this.manifestLamport = survey.manifestLamport();
    for (Survey.Surveyed chain : survey.chains()) {
      ChainVerifier.Head head = verifier.head(chain.writer());
      chains.put(
          chain.writer(),
          new Known(
              chain.role(),
              chain.firstLamport(),
              new ChainHead(head.sequence(), head.hash()),
              head.lamport()));
    }
    stableTime = tree.manifest().coveredTime();
    for (Replay.Synced one : synced) {
      if (isReached(one.sync())) {
        take(one.sync());
      }
    }
  }

  long stableTime() {
    return stableTime;
  }

  /** The newest merged record of each other chain, by writer. */
  Map<Long, ChainHead> frontier() {
    takeOwnChains();
    Map<Long, ChainHead> heads = new TreeMap<>();
    chains.forEach((of, known) -> heads.put(of, known.head));
    return heads;
  }

  /**
   * Chains that this engine's tree has written and that have ended are like others' from then on.
   */
  private void takeOwnChains() {
    for (Tree.EndedChain own : tree.takeEndedChains()) {
      Chain at = own.chain();
      chains.put(
          at.writer(),
          new Known(
              RosterEntry.Role.COMPACTOR,
              own.firstLamport(),
              new ChainHead(at.sequence(), at.hash()),
              at.lamport()));
      Checkpoint.Range place = tree.manifestPlace();
      if (place != null && place.writer() == at.writer()) {
        // The manifest in force is in it; a later one has a later time than the chain's end.
        manifestLamport = Math.max(manifestLamport, at.lamport());
      }
    }
  }

  // ------------------------------------------------------------------ merging

  /**
   * Decrypts and decodes records.
   *
   * @throws IntegrityException if one says what it must not
   */
  List<Prepared> prepare(List<CapsuleRecord> records) {
    List<Prepared> prepared = new ArrayList<>(records.size());
    try (RecordOpener opener = new RecordOpener(name, keys)) {
      for (CapsuleRecord record : records) {
        prepared.add(prepare(record, opener));
      }
    }
    return prepared;
  }

  private Prepared prepare(CapsuleRecord record, RecordOpener opener) {
    Prepared prepared = new Prepared(record);
    switch (record.header().type()) {
      case DATA -> {
        Rejection malformed =
            BatchCodec.decode(opener.open(record).orThrow(), new Operations(prepared));
        if (malformed != null) {
          throw new IntegrityException(
              Rejection.of(malformed.reason(), record + ": " + malformed.detail()));
        }
      }
      case RTS, EOE, SYNC -> {
        byte[] clear = opener.open(record).orThrow();
        Rejection wrong = RecordChecks.epoch(record, clear);
        if (wrong != null) {
          throw new IntegrityException(wrong);
        }
        if (record.header().type() == RecordType.RTS) {
          prepared.content = RtsCodec.decode(clear).orThrow();
        }
      }
      case MANIFEST ->
          prepared.content = ManifestCodec.decode(opener.open(record).orThrow()).orThrow();
      case CHECKPOINT -> prepared.content = CheckpointCodec.decode(record.payload()).orThrow();
      case SEAL -> prepared.content = SealOrderCodec.decode(record.payload()).orThrow();
      case ROSTER -> {
        RosterEntry entry = introduced(record);
        prepared.content = entry;
        if (entry != null && entry.generation() > keys.currentGeneration()) {
          retire(record.toString(), entry.generation());
        }
      }
      case BLOCK, ROTATE, EVIDENCE -> prepared.content = null;
    }
    return prepared;
  }

  private @Nullable RosterEntry introduced(CapsuleRecord roster) {
    for (RosterEntry entry :
        RosterCodec.decode(name, roster.payload(), metadata, curve).orThrow()) {
      if (entry.writer() == roster.header().writer()) {
        return entry;
      }
    }
    return null;
  }

  /** Collects the operations of a DATA record. */
  private static final class Operations implements BatchCodec.Visitor {
    private final Prepared to;

    Operations(Prepared to) {
      this.to = to;
    }

    private Version next() {
      int index = to.operations.size();
      return new Version(to.header().lamport() + index, to.header().writer(), index);
    }

    @Override
    public void put(byte[] key, ValueType type, byte[] value, long expiryAtMs) {
      to.operations.add(new Entry(key, next(), EntryKind.VALUE, type.number(), expiryAtMs, value));
    }

    @Override
    public void merge(byte[] key, MergeOperator operator, byte[] operand, long expiryAtMs) {
      to.operations.add(
          new Entry(key, next(), EntryKind.OPERAND, operator.number(), expiryAtMs, operand));
    }

    @Override
    public void delete(byte[] key) {
      to.operations.add(Entry.tombstone(key, next()));
    }

    @Override
    public void clear() {
      to.operations.add(next());
    }
  }

  /**
   * Merges records, those that were merged before excepted.
   *
   * @throws InvalidRequestException if one does not follow in its chain; those before it are merged
   */
  void merge(List<Prepared> records) {
    takeOwnChains();
    Map<Long, Hash32> heads = new TreeMap<>();
    long last = 0;
    try {
      for (Prepared prepared : records) {
        Known known = next(prepared.record);
        if (known == null) {
          continue;
        }
        if (prepared.header().type() == RecordType.RTS) {
          throw new InvalidRequestException(prepared.record + " ends an epoch: beginCut takes it");
        }
        apply(prepared);
        last = Math.max(last, advance(prepared, known, heads));
      }
    } finally {
      settle(last, heads);
    }
    takeOverManifest();
  }

  /**
   * The chain that a record goes on with, or null if it was merged before, or is this engine's own.
   */
  private @Nullable Known next(CapsuleRecord record) {
    RecordHeader header = record.header();
    if (header.writer() == writer || header.writer() == tree.treeWriter()) {
      return null;
    }
    Known known = chains.get(header.writer());
    ChainHead head = known == null ? ChainHead.NONE : known.head;
    if (header.sequence() <= head.sequence()) {
      return null;
    }
    if (header.sequence() != head.sequence() + 1 || !header.previous().equals(head.hash())) {
      throw new InvalidRequestException(
          record + " does not follow what was merged of its chain, up to " + head.sequence());
    }
    if (known == null) {
      RosterEntry entry = header.type() == RecordType.ROSTER ? introduced(record) : null;
      if (entry == null) {
        throw new IntegrityException(
            Rejection.of(Reason.UNKNOWN_WRITER, record + ": no roster names its writer"));
      }
      known = new Known(entry.role(), header.lamport(), ChainHead.NONE, 0);
      newWriter.accept(header.writer());
    }
    Rejection role = RecordChecks.understood(record, known.role);
    if (role != null) {
      throw new IntegrityException(role);
    }
    return known;
  }

  /** Moves the head of a chain; returns the latest time of what was merged. */
  private long advance(Prepared prepared, Known known, Map<Long, Hash32> heads) {
    RecordHeader header = prepared.header();
    known.head = new ChainHead(header.sequence(), prepared.record.hash());
    known.lamport = header.lamport();
    chains.putIfAbsent(header.writer(), known);
    if (known.isTree()) {
      treeLamport.advance(header.lamport());
      return 0;
    }
    heads.put(header.writer(), prepared.record.hash());
    return prepared.lastTime();
  }

  private void settle(long last, Map<Long, Hash32> heads) {
    if (heads.isEmpty()) {
      return;
    }
    lamport.advance(last);
    tree.note(lamport.newest());
    writePath.merged(lamport.newest(), heads);
  }

  /** Checks that the next record can name all that it has to. */
  void checkJoinable(List<Prepared> more) {
    Set<Long> writers = new HashSet<>();
    more.forEach(prepared -> writers.add(prepared.header().writer()));
    if (writePath.unjoined() + writers.size() >= RecordLayout.MAX_PARENTS) {
      throw new UnavailableException(
          "more chains were merged since this worker's newest record than a record joins: write"
              + " something first");
    }
  }

  private void apply(Prepared prepared) {
    for (Object operation : prepared.operations) {
      if (operation instanceof Entry entry) {
        tree.put(entry);
      } else if (operation instanceof Version clear) {
        tree.clear(clear);
      }
    }
    switch (prepared.content) {
      case Manifest manifest -> unnamed = new Seen(manifest, prepared.record);
      case Checkpoint checkpoint -> checkpoint(checkpoint);
      case SealOrder order -> sealed(order, prepared.record);
      case null, default -> {
        // Nothing but the chain's head.
      }
    }
  }

  private void sealed(SealOrder order, CapsuleRecord record) {
    if (order.kind() != SealOrder.Kind.FINAL) {
      return;
    }
    if (order.writer() == writer) {
      stop(record.toString());
    } else if (order.writer() == tree.treeWriter()) {
      tree.dismiss();
    }
  }

  /** The keys have been rotated, or are about to be: this worker has to begin anew under them. */
  private void retire(String by, int generation) {
    writePath.fail(
        new IntegrityException(
            Rejection.of(
                Reason.KEY_GENERATION,
                by
                    + " is of key generation "
                    + generation
                    + ", and this worker, writer "
                    + Long.toHexString(writer)
                    + ", of "
                    + keys.currentGeneration()
                    + ": open the capsule again")));
  }

  private void stop(String by) {
    writePath.fail(
        new IntegrityException(
            Rejection.of(
                Reason.SEALED_WRITER,
                "this worker, writer "
                    + Long.toHexString(writer)
                    + ", was sealed by "
                    + by
                    + ": open the capsule again")));
  }

  // ------------------------------------------------------------------ manifests of others

  private void checkpoint(Checkpoint checkpoint) {
    Seen seen = unnamed;
    unnamed = null;
    Hash32 hash = checkpoint.manifest();
    if (!hash.isZero() && !hash.equals(tree.manifestHash())) {
      if (seen == null || !seen.record.hash().equals(hash)) {
        seen = read(hash);
      }
      Seen newest = wanted;
      long lamportSoFar = newest == null ? manifestLamport : newest.record.header().lamport();
      if (seen != null && seen.record.header().lamport() > lamportSoFar) {
        wanted = seen;
      }
    }
    tree.released(checkpoint.released());
  }

  /** A manifest whose record came before this engine was opened. */
  private @Nullable Seen read(Hash32 hash) {
    byte[] bytes = store.read(hash);
    if (bytes == null
        || RecordCodec.isStub(bytes)
        || !(RecordCodec.decode(name, bytes)
            instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record))
        || !record.hash().equals(hash)
        || record.header().type() != RecordType.MANIFEST) {
      return null;
    }
    try (RecordOpener opener = new RecordOpener(name, keys)) {
      return new Seen(ManifestCodec.decode(opener.open(record).orThrow()).orThrow(), record);
    }
  }

  private void takeOverManifest() {
    Seen seen = wanted;
    if (seen == null
        || tree.isAppointed()
        || seen.manifest.coveredTime() > stableTime
        || !isMerged(seen.manifest.frontier())) {
      return;
    }
    RecordHeader header = seen.record.header();
    tree.follow(
        seen.manifest,
        seen.record.hash(),
        new Checkpoint.Range(header.writer(), header.sequence(), header.sequence()));
    manifestLamport = header.lamport();
    wanted = null;
  }

  private boolean isMerged(List<Chain> frontier) {
    for (Chain chain : frontier) {
      if (!chain.isTree() && sequenceOf(chain.writer()) < chain.sequence()) {
        return false;
      }
    }
    return true;
  }

  private long sequenceOf(long of) {
    if (of == writer) {
      return writePath.head().sequence();
    }
    Known known = chains.get(of);
    return known == null ? 0 : known.head.sequence();
  }

  /**
   * Makes this engine's tree the one that writes tables and manifests.
   *
   * @param sealed where chains of other workers' trees were sealed
   * @return false if not all of them was merged and taken over yet
   */
  boolean becomeCompactor(Map<Long, ChainHead> sealed) {
    takeOwnChains();
    if (tree.isAppointed()) {
      return true;
    }
    for (Map.Entry<Long, ChainHead> one : sealed.entrySet()) {
      Known known = chains.get(one.getKey());
      if (one.getValue().sequence() > 0
          && one.getKey() != writer
          && (known == null || !known.head.equals(one.getValue()))) {
        return false;
      }
    }
    takeOverManifest();
    if (wanted != null) {
      return false;
    }
    Manifest manifest = tree.manifest();
    Checkpoint.Range place = tree.manifestPlace();
    Map<Long, Long> covered = new TreeMap<>();
    manifest.frontier().forEach(chain -> covered.put(chain.writer(), chain.sequence()));
    List<Chain> ended = new ArrayList<>();
    List<Checkpoint.Range> orphans = new ArrayList<>(manifest.leftovers());
    chains.forEach(
        (of, known) -> {
          if (known.isTree()) {
            long newest = known.head.sequence();
            ended.add(new Chain(of, newest, known.head.hash(), known.lamport, true, true));
            long from = orphansFrom(of, known, place, covered.get(of));
            if (from > 0 && from <= newest) {
              orphans.add(new Checkpoint.Range(of, from, newest));
            }
          }
        });
    unnamed = null;
    tree.appoint(ended, orphans);
    return true;
  }

  /** From which record on nothing in a chain of a tree is named by anybody; 0 if unknown. */
  private long orphansFrom(
      long of, Known known, Checkpoint.@Nullable Range manifest, @Nullable Long covered) {
    if (manifest != null && manifest.writer() == of) {
      // Behind the manifest and its checkpoint.
      return manifest.toSequence() + 2;
    }
    if (covered != null) {
      return covered + 1;
    }
    return manifest == null || known.firstLamport > manifestLamport ? 2 : 0;
  }

  // ------------------------------------------------------------------ epochs

  /** Answers the call for the end of an epoch. */
  CutResult beginCut(Prepared prepared, boolean idleIsEnough) {
    CapsuleRecord record = prepared.record;
    Answer before = answer;
    if (before != null && before.rts.equals(record.hash())) {
      return before.result;
    }
    if (!(prepared.content instanceof Rts rts)) {
      throw new InvalidRequestException(record + " is no RTS");
    }
    Known known = next(record);
    if (known == null) {
      throw new InvalidRequestException(record + " was merged before");
    }
    Map<Long, Hash32> heads = new TreeMap<>();
    long last = advance(prepared, known, heads);
    settle(last, heads);
    CutResult result = cut(rts, record.hash(), idleIsEnough);
    answer = new Answer(record.hash(), result);
    return result;
  }

  private CutResult cut(Rts rts, Hash32 hash, boolean idleIsEnough) {
    long clock = lamport.newest();
    long cutTime = rts.cutTime();
    if (clock >= cutTime || rts.epoch() < writePath.epoch() - 1) {
      return new CutResult.Late(clock);
    }
    lamport.advance(cutTime);
    tree.cutAt(cutTime, false);
    WritePath.Head head = writePath.head();
    if (idleIsEnough && head.sequence() == ownCut && writePath.isDrained()) {
      writePath.merged(cutTime, Map.of());
      return new CutResult.Idle(new ChainHead(head.sequence(), head.hash()));
    }
    byte[] payload = EoeCodec.encode(new Eoe(rts.epoch(), rts.attempt(), cutTime, hash));
    CompletionStage<ChainHead> eoe = writePath.endEpoch(payload, clock + 1, cutTime, rts.epoch());
    return new CutResult.Cut(eoe);
  }

  /** Takes note of a SYNC that was merged. */
  void stable(Sync sync, Hash32 hash) {
    if (!isReached(sync)) {
      throw new InvalidRequestException(
          "SYNC " + hash + " cuts chains beyond what was merged of them");
    }
    if (sync.generation() > keys.currentGeneration()) {
      retire("SYNC " + hash, sync.generation());
      return;
    }
    Sync.Position own = sync.of(writer);
    if (own != null && own.state() != Sync.State.LIVE) {
      stop("SYNC " + hash);
      return;
    }
    take(sync);
    // What it cuts are its ancestors, and itself one of its coordinator's head.
    List<Long> implied = new ArrayList<>();
    for (Sync.Position position : sync.positions()) {
      Known known = chains.get(position.writer());
      if (known != null
          && known.role != RosterEntry.Role.COORDINATOR
          && known.head.sequence() <= position.head().sequence()) {
        implied.add(position.writer());
      }
    }
    writePath.implied(implied);
    takeOverManifest();
  }

  private boolean isReached(Sync sync) {
    for (Sync.Position position : sync.positions()) {
      if (position.role() != RosterEntry.Role.COMPACTOR
          && sequenceOf(position.writer()) < position.head().sequence()) {
        return false;
      }
    }
    return true;
  }

  private void take(Sync sync) {
    for (Sync.Position position : sync.positions()) {
      if (position.role() != RosterEntry.Role.COMPACTOR && position.head().sequence() > 0) {
        cuts.merge(
            position.writer(),
            position,
            (a, b) -> a.head().sequence() > b.head().sequence() ? a : b);
      }
      if (position.writer() == writer) {
        ownCut = Math.max(ownCut, position.head().sequence());
      }
    }
    if (sync.cutTime() > stableTime) {
      if (lamport.newest() < sync.cutTime()) {
        lamport.advance(sync.cutTime());
        writePath.merged(sync.cutTime(), Map.of());
      }
      stableTime = sync.cutTime();
      tree.stable(stableTime, this::cutChains);
    }
  }

  /** The records at which SYNCs have cut the chains, which are as good as named by SYNCs. */
  private List<Chain> cutChains() {
    List<Chain> positions = new ArrayList<>(cuts.size());
    for (Sync.Position position : cuts.values()) {
      long of = position.writer();
      long sequence = position.head().sequence();
      byte[] bytes = store.read(of, sequence);
      if (bytes == null) {
        throw new IntegrityException(
            Rejection.of(
                Reason.MISSING_RECORD,
                CapsuleRecord.describe(of, sequence) + " was merged and is not stored"));
      }
      SignedHeader record = RecordCodec.decodeStored(name, bytes).orThrow();
      if (!record.hash().equals(position.head().hash())) {
        throw new IntegrityException(
            Rejection.of(Reason.PREVIOUS_HASH, record + " is where a SYNC cuts its chain"));
      }
      positions.add(new Chain(of, sequence, record.hash(), record.header().lamport(), true, false));
    }
    return positions;
  }
}
