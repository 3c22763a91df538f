package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.epoch.SyncCodec;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.EquivocationProof;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordHeader;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.core.record.RecordStub;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.engine.lsm.Manifest;
import io.capsuledb.engine.lsm.TreeVerifier;
import io.capsuledb.engine.merge.MergeOperator;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * fsck: walks every record of a capsule and says exactly what is missing or wrong. Unlike {@link
 * Replay} it checks every signature, goes on after a problem, and needs no key: without one,
 * payloads are checked as far as their hashes go and not decrypted. With one, it goes on from the
 * newest manifest to every block and value it needs ({@link TreeVerifier}), and to the records that
 * it says are in them ({@link CoverageCheck}).
 *
 * <p>A record whose payload was released is checked as far as its stub goes. Which payloads may be
 * missing the capsule itself says, in the CHECKPOINTs of its compactors; as those come later, stubs
 * are remembered and judged at the end.
 *
 * <p>A damaged record is reported once, at the record itself: its successor's view of it (the hash
 * it names) is used to pick up the chain again, so one flipped bit is one problem and not two. Only
 * of what the newest manifest needs is it said a second time, by hash and with what refers to it:
 * what is lost with it.
 *
 * <p>Reads the store only, so it may run beside an engine: chains are walked to the heads they had
 * when it began, and what the engine releases meanwhile is found in its later checkpoints. One
 * thread; bounded memory.
 */
public final class CapsuleVerifier {

  /** Findings beyond this are counted, not kept. */
  public static final int MAX_PROBLEMS = 10_000;

  private static final int PROGRESS_RECORDS = 256;
  private static final long NO_LIMIT = Long.MAX_VALUE;

  /** Evidence beyond this is reported as unchecked. */
  private static final int MAX_PROOFS = 1 << 16;

  /** How often a manifest may be superseded before it is read, until the tree is left alone. */
  private static final int TREE_ATTEMPTS = 16;

  /**
   * Something wrong.
   *
   * @param where the record, as {@link CapsuleRecord#describe} names it, or the part of the capsule
   * @param rejection what is wrong with it
   */
  public record Problem(String where, Rejection rejection) {
    @Override
    public String toString() {
      return where + ": " + rejection;
    }
  }

  /**
   * What was found.
   *
   * @param name the capsule, or null if its metadata is unreadable
   * @param chains writers with records
   * @param records records looked at
   * @param bytes their size
   * @param signatures signatures verified
   * @param decrypted records whose payload was decrypted and parsed
   * @param released records whose payload was released, so that only header and signature are left
   * @param treeChecked whether the tree of blocks was looked into: that takes a key, and a newest
   *     manifest that can be read
   * @param tables tables the newest manifest names
   * @param blocks blocks of them that were read: entries and indexes
   * @param values values kept apart that were read
   * @param entries versions of keys in the blocks
   * @param unreferenced BLOCK records with their payload that the newest manifest does not need: of
   *     compactions that have not ended, or that nobody has released yet
   * @param problemCount everything wrong
   * @param problems the first {@link #MAX_PROBLEMS} of it
   * @param heads hash of the newest record of each chain, by writer
   */
  public record Report(
      @Nullable CapsuleName name,
      long chains,
      long records,
      long bytes,
      long signatures,
      long decrypted,
      long released,
      boolean treeChecked,
      long tables,
      long blocks,
      long values,
      long entries,
      long unreferenced,
      long problemCount,
      List<Problem> problems,
      List<ChainVerifier.Head> heads) {

    /** Whether nothing is wrong. */
    public boolean clean() {
      return problemCount == 0;
    }
  }

  /** Hears how far the walk is. */
  @FunctionalInterface
  public interface Progress {
    /** So many of so many records were checked. */
    void checked(long records, long total);
  }

  private final RecordStore store;
  private final Secp256k1 curve;
  private final @Nullable KeyRing keys;
  private final Progress progress;

  private final List<Problem> problems = new ArrayList<>();

  /** Newest records of chains that are damaged, and that no join has missed yet. */
  private long damagedHeads;

  private long problemCount;
  private long records;
  private long bytes;
  private long signatures;
  private long decrypted;
  private long released;
  private long wholeBlocks;
  private @Nullable TreeVerifier tree;

  /** Where stubs are, and which of them may be. */
  private final ReleasedRecords stubs = new ReleasedRecords();

  private final ReleasedRecords mayBeStubs = new ReleasedRecords();

  private @Nullable CapsuleMetadata known;

  /** Where chains end that have final heads. */
  private final Map<Long, Long> limits = new TreeMap<>();

  /** How far the checkpoints of each compactor are in {@link #mayBeStubs}. */
  private final Map<Long, Long> checkpointsRead = new TreeMap<>();

  /**
   * A verifier for one walk.
   *
   * @param keys decrypts payloads; null to check without
   */
  public CapsuleVerifier(
      RecordStore store, Secp256k1 curve, @Nullable KeyRing keys, Progress progress) {
    this.store = store;
    this.curve = curve;
    this.keys = keys;
    this.progress = progress;
  }

  /** Walks the capsule, whatever it should hold. */
  public Report verify(@Nullable CapsuleName expectedName) {
    return verify(expectedName, List.of());
  }

  /**
   * Walks the capsule.
   *
   * @param expectedName the name the capsule is known by, or null to take the store's word
   * @param required hashes of records that somebody knows the capsule to hold: how a tail cut off a
   *     chain, which leaves no trace in the capsule itself, is found
   * @throws io.capsuledb.core.error.StorageException if the store cannot be read at all
   */
  public Report verify(@Nullable CapsuleName expectedName, List<Hash32> required) {
    CapsuleMetadata metadata = null;
    CapsuleName name = null;
    try {
      byte[] signed = store.metadata();
      if (signed == null) {
        report("metadata", Rejection.of(Reason.MISSING_RECORD, "the store holds no metadata"));
      } else {
        name = MetadataCodec.nameOf(signed);
        if (expectedName != null && !expectedName.equals(name)) {
          report(
              "metadata",
              Rejection.of(
                  Reason.MISPLACED, "the store holds capsule " + name + ", not " + expectedName));
        }
        switch (MetadataCodec.decode(signed, curve)) {
          case Decoded.Accepted<CapsuleMetadata>(CapsuleMetadata decoded) -> metadata = decoded;
          case Decoded.Rejected<CapsuleMetadata>(Rejection r) -> report("metadata", r);
        }
      }
    } catch (IntegrityException damaged) {
      report("metadata", damaged.rejection());
    }
    List<ChainVerifier.Head> heads = List.of();
    long chains = 0;
    if (metadata != null && name != null) {
      ChainVerifier verifier = new ChainVerifier(name, metadata, curve);
      known = metadata;
      FinalHeads ends = finalHeads(name, metadata);
      List<Span> spans = spans(name, ends);
      chains = spans.size();
      long total = 0;
      for (Span span : spans) {
        // What the store says; a store that lies about it must not make the sum wrap.
        total += Math.min(span.newest, Long.MAX_VALUE / 2 - total);
      }
      try (Walk walk = new Walk(name, verifier, total)) {
        spans.forEach(walk::chain);
        walk.checkEvidence();
      }
      checkEnds(name, ends, spans);
      ends.all().forEach((writer, end) -> limits.put(writer, end.head().sequence()));
      for (Span span : spans) {
        RosterEntry entry = verifier.writer(span.writer);
        if (entry != null && entry.role() == RosterEntry.Role.COMPACTOR) {
          checkpointsRead.put(span.writer, span.newest);
        }
      }
      if (keys != null) {
        checkTree(name, verifier, keys);
      }
      readLaterCheckpoints(name, verifier);
      stubs.without(mayBeStubs, this::reportUnreleased);
      heads = verifier.frontier();
    }
    for (Hash32 hash : required) {
      checkRequired(hash);
    }
    if (problemCount == 0) {
      // Its findings would repeat those of the walk; alone, they are about the index.
      store.audit(finding -> report("store index", Rejection.of(Reason.STORAGE_CHECKSUM, finding)));
    }
    progress.checked(records, records);
    TreeVerifier tree = this.tree;
    return new Report(
        name,
        chains,
        records,
        bytes,
        signatures,
        decrypted,
        released,
        tree != null && tree.outcome() == TreeVerifier.Outcome.CHECKED,
        tree == null ? 0 : tree.tables(),
        tree == null ? 0 : tree.blocks(),
        tree == null ? 0 : tree.values(),
        tree == null ? 0 : tree.entries(),
        tree == null ? 0 : Math.max(0, wholeBlocks - tree.liveRecords()),
        problemCount,
        List.copyOf(problems),
        heads);
  }

  /** Checks what the newest manifest refers to. */
  private void checkTree(CapsuleName name, ChainVerifier verifier, KeyRing ring) {
    for (int attempt = 0; attempt < TREE_ATTEMPTS; attempt++) {
      readLaterCheckpoints(name, verifier);
      List<TreeHead> heads = treeHeads(name, verifier);
      ReleasedRecords later = new ReleasedRecords();
      TreeVerifier.Releases releases =
          new TreeVerifier.Releases() {
            @Override
            public boolean any(long writer, long from, long to) {
              return mayBeStubs.intersects(writer, from, to);
            }

            @Override
            public boolean since(long writer, long sequence) {
              if (!later.intersects(writer, sequence, sequence)) {
                heads.forEach(head -> head.readOn(name, verifier, later));
              }
              if (!later.intersects(writer, sequence, sequence)) {
                Set<Long> known = Set.copyOf(checkpointsRead.keySet());
                meetNewCompactors(name, verifier);
                for (long compactor : checkpointsRead.keySet()) {
                  if (!known.contains(compactor)) {
                    readCheckpoints(name, verifier, compactor, 1, later);
                  }
                }
              }
              return later.intersects(writer, sequence, sequence);
            }
          };
      TreeVerifier checked =
          new TreeVerifier(
              name,
              ring,
              curve,
              store,
              releases,
              ValueType.count(),
              this::report,
              (done, total) -> progress.checked(records + done, records + total));
      checked.run(heads.stream().map(head -> head.head).toList());
      if (checked.outcome() != TreeVerifier.Outcome.OVERTAKEN) {
        tree = checked;
        Manifest manifest = checked.manifest();
        if (manifest != null && problemCount == 0) {
          new CoverageCheck(name, ring, store, this::report)
              .run(manifest, writer -> firstLamport(name, writer));
        }
        return;
      }
    }
  }

  /** A compactor's chain at a moment, and how far its checkpoints were read since. */
  private final class TreeHead {
    private final TreeVerifier.TreeHead head;
    private final long firstLamport;
    private long read;

    TreeHead(RosterEntry entry, long newest, long firstLamport) {
      this.head = new TreeVerifier.TreeHead(entry, newest);
      this.firstLamport = firstLamport;
      this.read = newest;
    }

    void readOn(CapsuleName name, ChainVerifier verifier, ReleasedRecords into) {
      read = readCheckpoints(name, verifier, head.entry().writer(), read, into);
    }
  }

  /** The compactors' chains as far as checkpoints were read, the one that began last first. */
  private List<TreeHead> treeHeads(CapsuleName name, ChainVerifier verifier) {
    List<TreeHead> heads = new ArrayList<>();
    checkpointsRead.forEach(
        (writer, newest) -> {
          RosterEntry entry = verifier.writer(writer);
          if (entry != null) {
            heads.add(new TreeHead(entry, newest, firstLamport(name, writer)));
          }
        });
    heads.sort(Comparator.comparingLong((TreeHead head) -> head.firstLamport).reversed());
    return heads;
  }

  /** What compactors have released since the walk came by, an engine being at work meanwhile. */
  private void readLaterCheckpoints(CapsuleName name, ChainVerifier verifier) {
    meetNewCompactors(name, verifier);
    checkpointsRead.replaceAll(
        (writer, read) -> readCheckpoints(name, verifier, writer, read, mayBeStubs));
  }

  private Decoded<List<RosterEntry>> rosterOf(CapsuleName name, CapsuleRecord record) {
    return RosterCodec.decode(
        name, record.payload(), java.util.Objects.requireNonNull(known), curve);
  }

  /**
   * Makes compactors known whose chains began since the walk did: an engine begins one when it
   * first flushes.
   */
  private void meetNewCompactors(CapsuleName name, ChainVerifier verifier) {
    for (long writer : store.writers()) {
      byte[] first = verifier.writer(writer) == null ? first(writer) : null;
      if (first == null
          || !(RecordCodec.decode(name, first)
              instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record))
          || record.header().type() != RecordType.ROSTER
          || record.header().writer() != writer
          || !(rosterOf(name, record)
              instanceof Decoded.Accepted<List<RosterEntry>>(List<RosterEntry> entries))) {
        // What is wrong with it is for the next walk, which comes to it.
        continue;
      }
      for (RosterEntry entry : entries) {
        if (entry.writer() == writer && entry.role() == RosterEntry.Role.COMPACTOR) {
          verifier.introduce(entry);
          if (verifier.verifySignature(record) == null) {
            checkpointsRead.put(writer, 1L);
          }
        }
      }
    }
  }

  /**
   * Takes in the checkpoints of a chain after {@code from}, as far as they are authentic; damage is
   * for the next walk.
   *
   * @return how far they were taken in
   */
  private long readCheckpoints(
      CapsuleName name, ChainVerifier verifier, long writer, long from, ReleasedRecords into) {
    long newest = Math.min(store.newestSequence(writer), limits.getOrDefault(writer, NO_LIMIT));
    long sequence = from;
    // A chain has no gaps: beyond one, nothing is of this engine's making.
    while (sequence < newest) {
      byte[] stored = null;
      try {
        stored = store.read(writer, sequence + 1);
        if (stored == null) {
          break;
        }
      } catch (IntegrityException damaged) {
        // Reported when the next walk comes to it.
      }
      sequence++;
      if (stored != null
          && RecordCodec.decode(name, stored)
              instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record)
          && record.header().type() == RecordType.CHECKPOINT
          && record.header().writer() == writer
          && verifier.verifySignature(record) == null
          && CheckpointCodec.decode(record.payload())
              instanceof Decoded.Accepted<Checkpoint>(Checkpoint checkpoint)
          && !into.add(checkpoint)) {
        report(CapsuleRecord.describe(writer, sequence), Walk.tooScattered("released records"));
      }
    }
    return sequence;
  }

  private void reportUnreleased(long writer, long from, long to) {
    report(
        CapsuleRecord.describe(writer, from),
        Rejection.of(
            Reason.RELEASED,
            (to - from + 1)
                + " records up to "
                + to
                + " are stored without their payloads, which no checkpoint released"));
  }

  private void checkRequired(Hash32 hash) {
    try {
      if (store.read(hash) == null) {
        report(
            "record " + hash,
            Rejection.of(Reason.MISSING_RECORD, "it was in the capsule and is no longer"));
      }
    } catch (IntegrityException damaged) {
      report("record " + hash, damaged.rejection());
    }
  }

  /** A chain: how far it counts, and how far it is stored. */
  private record Span(long writer, long newest, long stored, long firstLamport) {}

  /** The chains in the order of their first Lamport times, which is an order of their joins. */
  private List<Span> spans(CapsuleName name, FinalHeads ends) {
    List<Span> spans = new ArrayList<>();
    for (long writer : store.writers()) {
      spans.add(
          new Span(
              writer,
              ends.newest(writer),
              store.newestSequence(writer),
              firstLamport(name, writer)));
    }
    spans.sort(Comparator.comparingLong(Span::firstLamport).thenComparingLong(Span::writer));
    return spans;
  }

  /** Where chains end, as far as it can be read; what cannot be is reported by the walk. */
  private FinalHeads finalHeads(CapsuleName name, CapsuleMetadata metadata) {
    List<RosterEntry> writers = new ArrayList<>();
    for (long writer : store.writers()) {
      ChainVerifier alone = new ChainVerifier(name, metadata, curve);
      byte[] first = first(writer);
      if (first != null
          && RecordCodec.decode(name, first)
              instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record)
          && alone.link(record) == null) {
        RosterEntry entry = alone.writer(writer);
        if (entry != null) {
          writers.add(entry);
        }
      }
    }
    try {
      return FinalHeads.read(name, metadata, store, curve, writers, true);
    } catch (IntegrityException tooMany) {
      report("final heads", tooMany.rejection());
      return FinalHeads.read(name, metadata, store, curve, List.of(), true);
    }
  }

  /** Checks that chains with a final head are there up to it, and no further. */
  private void checkEnds(CapsuleName name, FinalHeads ends, List<Span> spans) {
    Map<Long, Long> stored = new TreeMap<>();
    spans.forEach(span -> stored.put(span.writer, span.stored));
    ends.all()
        .forEach((writer, end) -> checkEnd(name, writer, end, stored.getOrDefault(writer, 0L)));
  }

  private void checkEnd(CapsuleName name, long writer, FinalHeads.FinalHead end, long stored) {
    long last = end.head().sequence();
    if (stored > last) {
      report(
          CapsuleRecord.describe(writer, last + 1),
          Rejection.of(
              Reason.SEALED_WRITER,
              (stored - last) + " records up to " + stored + " are beyond " + end));
    }
    if (stored < last) {
      report(
          CapsuleRecord.describe(writer, stored + 1),
          Rejection.of(
              Reason.MISSING_RECORD,
              (last - stored) + " records up to " + last + " are missing below " + end));
      return;
    }
    try {
      byte[] bytes = last == 0 ? null : store.read(writer, last);
      if (bytes != null
          && RecordCodec.decodeStored(name, bytes)
              instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)
          && !record.hash().equals(end.head().hash())) {
        report(
            CapsuleRecord.describe(writer, last),
            Rejection.of(
                Reason.PREVIOUS_HASH, record + " is where " + end + " has " + end.head().hash()));
      }
    } catch (IntegrityException damaged) {
      // Reported by the walk, which came to it.
      return;
    }
  }

  /** When a chain began; at the very end if that cannot be read. */
  private long firstLamport(CapsuleName name, long writer) {
    byte[] first = first(writer);
    return first != null
            && RecordCodec.decode(name, first)
                instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord record)
        ? record.header().lamport()
        : Long.MAX_VALUE;
  }

  /** The first record of a chain, or null if it cannot be read; that is reported by the walk. */
  private byte @Nullable [] first(long writer) {
    try {
      return store.read(writer, 1);
    } catch (IntegrityException damaged) {
      return null;
    }
  }

  private void report(String where, Rejection rejection) {
    problemCount++;
    if (problems.size() < MAX_PROBLEMS) {
      problems.add(new Problem(where, rejection));
    }
  }

  /** Where a record with evidence is. */
  private record Proof(long writer, long sequence) {}

  /** The walk along the chains. */
  private final class Walk implements AutoCloseable {
    private final CapsuleName name;
    private final ChainVerifier verifier;
    private final @Nullable RecordOpener opener;
    private final long total;

    /** Where evidence against writers is: judged when all writers are known. */
    private final List<Proof> proofs = new ArrayList<>();

    /** Of the chain that is walked. */
    private SealAudit seals = new SealAudit();

    Walk(CapsuleName name, ChainVerifier verifier, long total) {
      this.name = name;
      this.verifier = verifier;
      this.opener = keys == null ? null : new RecordOpener(name, keys);
      this.total = total;
    }

    void chain(Span span) {
      boolean intact = true;
      seals = new SealAudit();
      long sequence = 1;
      // Sequence numbers may go up to the largest there is, so "one beyond" is 0 or less.
      while (sequence > 0 && sequence <= span.newest) {
        byte[] stored = null;
        try {
          stored = store.read(span.writer, sequence);
          if (stored == null) {
            sequence = missing(span, sequence);
            intact = false;
            continue;
          }
        } catch (IntegrityException damaged) {
          report(CapsuleRecord.describe(span.writer, sequence), damaged.rejection());
        }
        intact = stored != null && record(span.writer, sequence, stored, intact);
        if (!intact && sequence == 1 && !introducedByKey(span.writer)) {
          // Without its introduction nothing about the writer can be checked, and that was
          // reported.
          return;
        }
        if (!intact && sequence == span.newest) {
          damagedHeads++;
        }
        if (++records % PROGRESS_RECORDS == 0) {
          progress.checked(records, total);
        }
        sequence++;
      }
    }

    /** Reports the gap that begins at {@code sequence} and returns where the chain goes on. */
    private long missing(Span span, long sequence) {
      long[] next = {span.newest + 1};
      try {
        store.scan(
            span.writer,
            sequence,
            (writer, found, bytes) -> {
              next[0] = found;
              return false;
            });
      } catch (IntegrityException damaged) {
        report(CapsuleRecord.describe(span.writer, sequence) + " or later", damaged.rejection());
      }
      report(
          CapsuleRecord.describe(span.writer, sequence),
          Rejection.of(
              Reason.MISSING_RECORD,
              (next[0] - sequence) + " records are missing before " + next[0]));
      return next[0];
    }

    /** Whether the writer is known, by its roster or because the application key derives it. */
    private boolean introducedByKey(long writer) {
      KeyRing ring = keys;
      if (verifier.writer(writer) == null && ring != null) {
        int generation = ring.currentGeneration();
        verifier.introduce(
            new RosterEntry(
                writer,
                ring.application().writerPublicKey(writer),
                apparentRole(writer),
                generation));
      }
      return verifier.writer(writer) != null;
    }

    /** The role that the second record shows, for a chain whose roster is lost. */
    private RosterEntry.Role apparentRole(long writer) {
      try {
        byte[] second = store.read(writer, 2);
        if (second != null
            && RecordCodec.decodeStored(name, second)
                instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)) {
          return switch (record.header().type()) {
            case BLOCK, MANIFEST, CHECKPOINT -> RosterEntry.Role.COMPACTOR;
            case SEAL -> RosterEntry.Role.LEADER;
            case RTS, SYNC -> RosterEntry.Role.COORDINATOR;
            default -> RosterEntry.Role.WORKER;
          };
        }
        return RosterEntry.Role.WORKER;
      } catch (IntegrityException damaged) {
        // Reported when the walk comes to it.
        return RosterEntry.Role.WORKER;
      }
    }

    /**
     * Checks one record.
     *
     * @param predecessorIntact whether the chain before it was good; if not, this record's word on
     *     where it stands is taken, its own signature vouching for it
     * @return whether this record is good
     */
    private boolean record(long writer, long sequence, byte[] stored, boolean predecessorIntact) {
      bytes += stored.length;
      String where = CapsuleRecord.describe(writer, sequence);
      SignedHeader record;
      switch (RecordCodec.decodeStored(name, stored)) {
        case Decoded.Rejected<SignedHeader>(Rejection r) -> {
          report(where, r);
          return false;
        }
        case Decoded.Accepted<SignedHeader>(SignedHeader decoded) -> record = decoded;
      }
      RecordHeader header = record.header();
      if (header.writer() != writer || header.sequence() != sequence) {
        report(where, Rejection.of(Reason.MISPLACED, record + " is stored there"));
        return false;
      }
      Rejection wrong = chained(record, predecessorIntact);
      if (wrong != null) {
        report(where, wrong);
        return false;
      }
      boolean indexed = indexed(record, where);
      boolean joined = joined(record, where);
      boolean readable =
          switch (record) {
            case CapsuleRecord whole -> payload(whole, where);
            case RecordStub stub -> remember(stub, where);
          };
      return indexed && joined && readable;
    }

    /**
     * Links a record only once its signature holds: a forged one must not bend the chain's state.
     */
    private @Nullable Rejection chained(SignedHeader record, boolean predecessorIntact) {
      if (verifier.writer(record.header().writer()) == null) {
        // The first record introduces the writer whose key it is signed with.
        Rejection unlinked = verifier.link(record);
        if (unlinked != null) {
          return unlinked;
        }
        signatures++;
        return verifier.verifySignature(record);
      }
      signatures++;
      Rejection forged = verifier.verifySignature(record);
      if (forged != null) {
        return forged;
      }
      Rejection unlinked = predecessorIntact ? verifier.link(record) : verifier.resume(record);
      return unlinked != null ? unlinked : RecordChecks.understood(record, verifier);
    }

    private boolean indexed(SignedHeader record, String where) {
      try {
        byte[] found = store.read(record.hash());
        if (found != null && RecordChecks.isSame(found, record)) {
          return true;
        }
        report(
            where,
            Rejection.of(
                Reason.MISPLACED,
                "the store's index "
                    + (found == null ? "does not know " : "finds another record under ")
                    + record.hash()));
      } catch (IntegrityException damaged) {
        report(where, damaged.rejection());
      }
      return false;
    }

    private boolean joined(SignedHeader record, String where) {
      Rejection broken = RecordChecks.parents(store, name, record);
      if (broken != null && damagedHeads > 0) {
        // A damaged head was reported in its own chain; this join is how it is missed.
        damagedHeads--;
        return true;
      }
      if (broken != null) {
        report(where, broken);
      }
      return broken == null;
    }

    /** Keeps in mind that a record is a stub; true, as it is not known yet whether it may be. */
    private boolean remember(RecordStub stub, String where) {
      released++;
      if (!stubs.add(stub.header().writer(), stub.header().sequence(), stub.header().sequence())) {
        report(where, tooScattered("stubs"));
      }
      return true;
    }

    private static Rejection tooScattered(String what) {
      return Rejection.of(
          Reason.TOO_LARGE,
          what
              + " are in more than "
              + ReleasedRecords.MAX_RANGES
              + " separate ranges, so this one was not checked");
    }

    private boolean checkpoint(CapsuleRecord record, String where) {
      switch (CheckpointCodec.decode(record.payload())) {
        case Decoded.Rejected<Checkpoint>(Rejection r) -> {
          report(where, r);
          return false;
        }
        case Decoded.Accepted<Checkpoint>(Checkpoint checkpoint) -> {
          if (!mayBeStubs.add(checkpoint)) {
            report(where, tooScattered("released records"));
          }
          return true;
        }
      }
    }

    /** What is wrong with a payload that was decrypted, or null. */
    private @Nullable Rejection content(CapsuleRecord record, byte[] clear) {
      RecordType type = record.header().type();
      if (type == RecordType.DATA) {
        return BatchCodec.decode(clear, IGNORE);
      }
      Rejection malformed = RecordChecks.epoch(record, clear);
      return malformed == null && type == RecordType.SYNC && damagedHeads == 0
          ? RecordChecks.positions(store, name, record, SyncCodec.decode(clear).orThrow())
          : malformed;
    }

    private void keepProof(CapsuleRecord record, String where) {
      if (!(EquivocationProof.accused(name, record.payload()) instanceof Decoded.Accepted<Long>)) {
        // Against a replica: its keys are in memberships, which the capsule does not hold.
        return;
      }
      if (proofs.size() >= MAX_PROOFS) {
        report(where, Rejection.of(Reason.TOO_LARGE, "evidence beyond " + MAX_PROOFS + " proofs"));
        return;
      }
      proofs.add(new Proof(record.header().writer(), record.header().sequence()));
    }

    /** Checks what proves that writers equivocated. */
    void checkEvidence() {
      for (Proof proof : proofs) {
        byte[] stored = store.read(proof.writer, proof.sequence);
        if (stored == null) {
          continue;
        }
        byte[] payload = RecordCodec.decode(name, stored).orThrow().payload();
        long accused = EquivocationProof.accused(name, payload).orThrow();
        RosterEntry entry = verifier.writer(accused);
        Rejection wrong =
            entry == null
                ? Rejection.of(
                    Reason.UNKNOWN_WRITER,
                    "evidence against writer " + Long.toHexString(accused) + ", who is not known")
                : EquivocationProof.decode(name, payload, entry.key(), curve)
                        instanceof Decoded.Rejected<EquivocationProof>(Rejection r)
                    ? r
                    : null;
        if (wrong != null) {
          report(CapsuleRecord.describe(proof.writer, proof.sequence), wrong);
        }
      }
    }

    private boolean payload(CapsuleRecord record, String where) {
      wholeBlocks += record.header().type() == RecordType.BLOCK ? 1 : 0;
      if (record.header().type() == RecordType.CHECKPOINT) {
        return checkpoint(record, where);
      }
      Rejection wrong =
          record.header().type() == RecordType.SEAL
              ? seals.check(record)
              : RecordChecks.form(record, name, java.util.Objects.requireNonNull(known), curve);
      if (wrong != null) {
        report(where, wrong);
        return false;
      }
      if (record.header().type() == RecordType.EVIDENCE) {
        keepProof(record, where);
      }
      if (opener == null) {
        return true;
      }
      switch (opener.open(record)) {
        case Decoded.Rejected<byte[]>(Rejection r) -> {
          report(where, r);
          return false;
        }
        case Decoded.Accepted<byte[]>(byte[] clear) -> {
          Rejection malformed = content(record, clear);
          if (malformed != null) {
            report(where, malformed);
            return false;
          }
          decrypted++;
          return true;
        }
      }
    }

    @Override
    public void close() {
      if (opener != null) {
        opener.close();
      }
    }
  }

  private static final BatchCodec.Visitor IGNORE =
      new BatchCodec.Visitor() {
        @Override
        public void put(byte[] key, ValueType type, byte[] value, long expiryAtMs) {}

        @Override
        public void merge(byte[] key, MergeOperator operator, byte[] operand, long expiryAtMs) {}

        @Override
        public void delete(byte[] key) {}

        @Override
        public void clear() {}
      };
}
