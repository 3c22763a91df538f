package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordHeader;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.engine.lsm.Manifest;
import io.capsuledb.engine.lsm.Manifest.Chain;
import io.capsuledb.engine.lsm.ManifestCodec;
import io.capsuledb.engine.lsm.Tree;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Start-up, first half: which chains there are, the newest manifest among them, and how far each
 * chain is covered by it. Reads the first and the newest record of each chain and the records after
 * the newest manifest in its chain; the cost does not grow with the data.
 *
 * <p>The newest manifest is trusted because its record carries the signature of a writer that the
 * application key vouches for as a compactor. What the store hides is found as far as the capsule
 * itself can tell: a chain that ends before the manifest's frontier, or whose record at the
 * frontier is another, is an {@link IntegrityException}.
 */
final class Survey {

  /**
   * A chain.
   *
   * @param writer whose it is
   * @param role what its roster says the writer is
   * @param newestSequence how far it goes: to its final head, else as far as the store says
   * @param coveredSequence how far it need not be replayed
   */
  record Surveyed(
      long writer,
      RosterEntry.Role role,
      long firstLamport,
      long newestSequence,
      long coveredSequence) {
    boolean isTree() {
      return role == RosterEntry.Role.COMPACTOR;
    }
  }

  private record First(RosterEntry entry, CapsuleRecord record) {}

  private final CapsuleName capsule;
  private final CapsuleMetadata metadata;
  private final Function<FinalHeads, KeyRing> keySource;
  private final Secp256k1 curve;
  private final RecordStore store;
  private final ChainVerifier verifier;

  private final Map<Long, First> firsts = new HashMap<>();
  private final List<Surveyed> chains = new ArrayList<>();
  private final Set<Hash32> named = new HashSet<>();
  private final List<Chain> treePositions = new ArrayList<>();
  private long newestLamport;
  private long newestEpoch;
  private long manifestLamport;
  private Tree.Recovered recovered = Tree.Recovered.NOTHING;
  private @Nullable FinalHeads finals;
  private @Nullable KeyRing ring;

  /**
   * A survey.
   *
   * @param keySource gives what decrypts the capsule, once it is known which generations there are
   */
  Survey(
      CapsuleName capsule,
      CapsuleMetadata metadata,
      Function<FinalHeads, KeyRing> keySource,
      Secp256k1 curve,
      RecordStore store,
      ChainVerifier verifier) {
    this.capsule = capsule;
    this.metadata = metadata;
    this.keySource = keySource;
    this.curve = curve;
    this.store = store;
    this.verifier = verifier;
  }

  /** What decrypts the capsule; after {@link #run}, and after a failure in it if it came so far. */
  @Nullable KeyRing keys() {
    return ring;
  }

  /** Where chains end, and which key generations there are. */
  FinalHeads finals() {
    return java.util.Objects.requireNonNull(finals);
  }

  /** Chains: the tree's own, then the others; each in the order of their first Lamport times. */
  List<Surveyed> chains() {
    return chains;
  }

  /** Takes chains up to where they can be replayed. */
  void cut(List<Surveyed> at) {
    chains.clear();
    chains.addAll(at);
  }

  /** How far the tree's own chains go: there is nothing to replay in them. */
  List<Chain> treePositions() {
    return treePositions;
  }

  /** What the tree begins with. */
  Tree.Recovered recovered() {
    return recovered;
  }

  /** The largest Lamport time of a record: what is written from now on comes after it. */
  long newestLamport() {
    return newestLamport;
  }

  /** The largest epoch of a chain's newest record, or the one after it if that record ends it. */
  long newestEpoch() {
    return newestEpoch;
  }

  /** Lamport time of the newest manifest's record; 0 if there is none. */
  long manifestLamport() {
    return manifestLamport;
  }

  /** Notes that a record names others. */
  void names(List<Hash32> parents) {
    named.addAll(parents);
  }

  /** Every writer the store knows, also those of whose chains nothing counts. */
  Set<Long> writers() {
    return firsts.keySet();
  }

  /** Whether another record names the one with a hash as parent. */
  boolean isNamed(Hash32 hash) {
    return named.contains(hash);
  }

  void run() {
    for (long writer : store.writers()) {
      first(writer);
    }
    FinalHeads ends =
        FinalHeads.read(
            capsule,
            metadata,
            store,
            curve,
            firsts.values().stream().map(First::entry).toList(),
            false);
    finals = ends;
    ring = keySource.apply(ends);
    ends.all().forEach(this::checkEnd);
    List<First> compactors =
        firsts.values().stream()
            .filter(f -> f.entry.role() == RosterEntry.Role.COMPACTOR)
            .sorted(Comparator.comparingLong((First f) -> f.record.header().lamport()).reversed())
            .toList();
    Found found = null;
    for (First first : compactors) {
      found = newestManifest(first);
      if (found != null) {
        break;
      }
    }
    Map<Long, Chain> covered = new HashMap<>();
    if (found != null) {
      for (Chain chain : found.manifest.frontier()) {
        covered.put(chain.writer(), chain);
        if (chain.joined()) {
          named.add(chain.hash());
        }
        if (!firsts.containsKey(chain.writer())) {
          throw missing(chain.writer(), chain.sequence(), "the frontier of manifest " + found.hash);
        }
      }
      covered.put(found.position.writer(), found.position);
    }
    List<Checkpoint.Range> orphans = new ArrayList<>();
    if (found != null) {
      orphans.addAll(found.manifest.leftovers());
    }
    for (First first : firsts.values()) {
      if (newest(first.entry.writer()) == 0) {
        // Sealed before its first record: no part of the capsule.
        continue;
      }
      if (first.entry.role() == RosterEntry.Role.COMPACTOR) {
        surveyTree(first, covered.get(first.entry.writer()), found, orphans);
      } else {
        survey(first, covered.get(first.entry.writer()));
      }
    }
    // The tree's own first: a flush during replay releases what they left behind, and has to say
    // so of chains that it covers.
    chains.sort(
        Comparator.comparing(Surveyed::isTree)
            .reversed()
            .thenComparingLong(Surveyed::firstLamport)
            .thenComparingLong(Surveyed::writer));
    if (found != null) {
      manifestLamport = found.lamport;
      recovered =
          new Tree.Recovered(
              found.manifest,
              found.hash,
              found.range,
              found.position,
              found.releasing,
              List.copyOf(orphans));
    } else {
      recovered =
          new Tree.Recovered(
              Manifest.EMPTY, Hash32.ZERO, null, null, List.of(), List.copyOf(orphans));
    }
  }

  private void first(long writer) {
    byte[] bytes = store.read(writer, 1);
    if (bytes == null) {
      throw missing(writer, 1, "its chain");
    }
    CapsuleRecord record =
        switch (RecordCodec.decode(capsule, bytes)) {
          case Decoded.Accepted<CapsuleRecord>(CapsuleRecord decoded) -> decoded;
          case Decoded.Rejected<CapsuleRecord>(Rejection r) ->
              throw new IntegrityException(
                  Rejection.of(r.reason(), CapsuleRecord.describe(writer, 1) + ": " + r.detail()));
        };
    if (record.header().writer() != writer || record.header().sequence() != 1) {
      throw new IntegrityException(
          Rejection.of(
              Reason.MISPLACED, record + " is stored as " + CapsuleRecord.describe(writer, 1)));
    }
    RosterEntry own = null;
    if (record.header().type() == RecordType.ROSTER) {
      List<RosterEntry> entries =
          RosterCodec.decode(capsule, record.payload(), metadata, curve).orThrow();
      for (RosterEntry entry : entries) {
        own = entry.writer() == writer ? entry : own;
      }
    }
    if (own == null) {
      throw new IntegrityException(
          Rejection.of(Reason.UNKNOWN_WRITER, record + ": no roster names its writer"));
    }
    named.addAll(record.header().parents());
    firsts.put(writer, new First(own, record));
  }

  private record Found(
      Manifest manifest,
      Hash32 hash,
      Chain position,
      Checkpoint.Range range,
      long lamport,
      List<Checkpoint.Range> releasing) {}

  /** The newest manifest of a chain, or null if there is none. */
  private @Nullable Found newestManifest(First first) {
    long writer = first.entry.writer();
    Checkpoint named = null;
    CapsuleRecord newest = null;
    CapsuleRecord namer = null;
    List<Checkpoint.Range> releasing = new ArrayList<>();
    for (long sequence = newest(writer); sequence > 1 && named == null; sequence--) {
      byte[] bytes = store.read(writer, sequence);
      if (bytes == null) {
        throw missing(writer, sequence, "its chain");
      }
      if (RecordCodec.typeOf(bytes) == RecordType.CHECKPOINT) {
        CapsuleRecord record = whole(writer, sequence, bytes);
        Checkpoint checkpoint = CheckpointCodec.decode(record.payload()).orThrow();
        checkSignature(first, record);
        releasing.addAll(checkpoint.released());
        newest = newest == null ? record : newest;
        named = checkpoint.manifest().isZero() ? null : checkpoint;
        namer = record;
      }
    }
    if (named == null) {
      return null;
    }
    // A checkpoint of the manifest in force may be far behind its record: it is found by its hash.
    try {
      byte[] bytes = store.read(named.manifest());
      if (bytes == null) {
        throw new IntegrityException(Rejection.of(Reason.MISSING_RECORD, "it is not stored"));
      }
      CapsuleRecord record = RecordCodec.decode(capsule, bytes).orThrow();
      if (!record.hash().equals(named.manifest())
          || record.header().writer() != writer
          || record.header().type() != RecordType.MANIFEST) {
        throw new IntegrityException(
            Rejection.of(
                Reason.MISPLACED,
                record + " is not the manifest " + named.manifest() + " that was checkpointed"));
      }
      checkSignature(first, record);
      long sequence = record.header().sequence();
      CapsuleRecord at = java.util.Objects.requireNonNull(newest);
      return new Found(
          decode(record),
          record.hash(),
          new Chain(writer, at.header().sequence(), at.hash(), at.header().lamport(), true, true),
          new Checkpoint.Range(writer, sequence, sequence),
          record.header().lamport(),
          List.copyOf(releasing));
    } catch (IntegrityException damaged) {
      throw refused(named, namer, damaged.rejection());
    }
  }

  /** Says of a manifest that cannot be used which it is, and who refers to it. */
  private static IntegrityException refused(
      Checkpoint checkpoint, @Nullable CapsuleRecord namer, Rejection rejection) {
    return new IntegrityException(
        Rejection.of(
            rejection.reason(),
            "manifest "
                + checkpoint.manifest()
                + ", named by checkpoint "
                + namer
                + ": "
                + rejection.detail()));
  }

  private void checkSignature(First first, CapsuleRecord record) {
    if (!record.isSignedBy(first.entry.key(), curve)) {
      throw new IntegrityException(
          Rejection.of(Reason.SIGNATURE, record + " is not signed by its writer's key"));
    }
  }

  private CapsuleRecord whole(long writer, long sequence, byte[] bytes) {
    CapsuleRecord record =
        switch (RecordCodec.decode(capsule, bytes)) {
          case Decoded.Accepted<CapsuleRecord>(CapsuleRecord decoded) -> decoded;
          case Decoded.Rejected<CapsuleRecord>(Rejection r) ->
              throw new IntegrityException(
                  Rejection.of(
                      r.reason(), CapsuleRecord.describe(writer, sequence) + ": " + r.detail()));
        };
    if (record.header().writer() != writer || record.header().sequence() != sequence) {
      throw new IntegrityException(
          Rejection.of(
              Reason.MISPLACED,
              record + " is stored as " + CapsuleRecord.describe(writer, sequence)));
    }
    return record;
  }

  private Manifest decode(CapsuleRecord record) {
    try (RecordOpener opener = new RecordOpener(capsule, java.util.Objects.requireNonNull(ring))) {
      byte[] payload = opener.open(record).orThrow();
      return switch (ManifestCodec.decode(payload)) {
        case Decoded.Accepted<Manifest>(Manifest manifest) -> manifest;
        case Decoded.Rejected<Manifest>(Rejection r) ->
            throw new IntegrityException(Rejection.of(r.reason(), record + ": " + r.detail()));
      };
    }
  }

  private void survey(First first, @Nullable Chain covered) {
    long writer = first.entry.writer();
    long newest = newest(writer);
    long from = 0;
    if (covered != null) {
      if (newest < covered.sequence()) {
        throw missing(writer, covered.sequence(), "the manifest");
      }
      checkAt(covered);
      from = covered.sequence();
      verifier.resumeAt(
          first.entry,
          new ChainVerifier.Head(writer, covered.sequence(), covered.hash(), covered.lamport()));
    }
    RecordHeader head = headerAt(writer, newest);
    newestLamport = Math.max(newestLamport, head.lamport());
    boolean ends = head.type() == RecordType.SYNC || head.type() == RecordType.EOE;
    newestEpoch = Math.max(newestEpoch, head.epoch() + (ends ? 1 : 0));
    chains.add(
        new Surveyed(writer, first.entry.role(), first.record.header().lamport(), newest, from));
  }

  /**
   * A chain of the tree holds nothing to replay: what no manifest names is of no use to anybody.
   * Its newest record has to be its writer's; what lies before it is fsck's to read.
   */
  private void surveyTree(
      First first, @Nullable Chain covered, @Nullable Found found, List<Checkpoint.Range> orphans) {
    long writer = first.entry.writer();
    long newest = newest(writer);
    if (covered != null) {
      if (newest < covered.sequence()) {
        throw missing(writer, covered.sequence(), "the manifest");
      }
      checkAt(covered);
    }
    byte[] bytes = store.read(writer, newest);
    if (bytes == null) {
      throw missing(writer, newest, "its chain");
    }
    SignedHeader head = RecordCodec.decodeStored(capsule, bytes).orThrow();
    if (head.header().writer() != writer || head.header().sequence() != newest) {
      throw new IntegrityException(
          Rejection.of(
              Reason.MISPLACED, head + " is stored as " + CapsuleRecord.describe(writer, newest)));
    }
    if (!head.isSignedBy(first.entry.key(), curve)) {
      throw new IntegrityException(
          Rejection.of(Reason.SIGNATURE, head + " is not signed by its writer's key"));
    }
    long lamport = head.header().lamport();
    newestLamport = Math.max(newestLamport, lamport);
    verifier.resumeAt(first.entry, new ChainVerifier.Head(writer, newest, head.hash(), lamport));
    treePositions.add(new Chain(writer, newest, head.hash(), lamport, true, true));
    chains.add(
        new Surveyed(writer, first.entry.role(), first.record.header().lamport(), newest, newest));
    long orphansFrom = orphansFrom(first, covered, found);
    if (orphansFrom > 0 && orphansFrom <= newest) {
      orphans.add(new Checkpoint.Range(writer, orphansFrom, newest));
    }
  }

  /** From which record on nothing in a chain of the tree is named by anybody; 0 if unknown. */
  private static long orphansFrom(First first, @Nullable Chain covered, @Nullable Found found) {
    if (found != null && found.range.writer() == first.entry.writer()) {
      // Behind the manifest and its checkpoint.
      return found.range.toSequence() + 2;
    }
    if (covered != null) {
      return covered.sequence() + 1;
    }
    return found == null || first.record.header().lamport() > found.lamport ? 2 : 0;
  }

  /** What the record says; whether it is true is for the replay. */
  private RecordHeader headerAt(long writer, long sequence) {
    byte[] bytes = store.read(writer, sequence);
    if (bytes == null) {
      throw missing(writer, sequence, "its chain");
    }
    return RecordCodec.decodeStored(capsule, bytes).orThrow().header();
  }

  /** How far a chain goes. */
  private long newest(long writer) {
    return java.util.Objects.requireNonNull(finals).newest(writer);
  }

  /** Checks that a chain with a final head is there up to it, and that it is this chain. */
  private void checkEnd(long writer, FinalHeads.FinalHead end) {
    long sequence = end.head().sequence();
    if (sequence == 0) {
      return;
    }
    byte[] bytes = store.read(writer, sequence);
    if (bytes == null) {
      throw missing(writer, sequence, end.toString());
    }
    SignedHeader record = RecordCodec.decodeStored(capsule, bytes).orThrow();
    if (!record.hash().equals(end.head().hash())) {
      throw new IntegrityException(
          Rejection.of(
              Reason.PREVIOUS_HASH, record + " is where " + end + " has " + end.head().hash()));
    }
  }

  /** Checks that the record at the frontier is the one the manifest says. */
  private void checkAt(Chain covered) {
    byte[] bytes = store.read(covered.writer(), covered.sequence());
    if (bytes == null) {
      throw missing(covered.writer(), covered.sequence(), "the manifest");
    }
    SignedHeader record = RecordCodec.decodeStored(capsule, bytes).orThrow();
    if (!record.hash().equals(covered.hash())) {
      throw new IntegrityException(
          Rejection.of(
              Reason.PREVIOUS_HASH,
              record + " is where the manifest's frontier has " + covered.hash()));
    }
  }

  private static IntegrityException missing(long writer, long sequence, String referrer) {
    return new IntegrityException(
        Rejection.of(
            Reason.MISSING_RECORD,
            CapsuleRecord.describe(writer, sequence)
                + " is not stored, though "
                + referrer
                + " wants it"));
  }
}
