package io.capsuledb.engine.lsm;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordHeader;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.core.record.RecordStub;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.engine.block.BlockDescriptor;
import io.capsuledb.engine.block.BlockSummary;
import io.capsuledb.engine.block.EntriesBlock;
import io.capsuledb.engine.block.IndexBlock;
import io.capsuledb.engine.block.ValueBlock;
import io.capsuledb.engine.block.ValuePointer;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.lsm.Manifest.Chain;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * fsck of the tree: follows the newest manifest to every table, block and value, and says of each
 * that cannot be used, or is not what those who refer to it say, which it is, who refers to it, and
 * why. Goes on after a problem as far as what is left allows.
 *
 * <p>The chains themselves were walked before: that signatures hold and which payloads checkpoints
 * release is known. What is checked here is everything between records: that the manifest is the
 * one checkpointed, with its frontier in the chains; that tables, blocks and values are there with
 * their payloads; that descriptors, roots, filters and the order of keys are what the entries make
 * them; and that nothing alive was released.
 *
 * <p>Reads the store only, also beside an engine, which may release what the manifest found here
 * names once it has a newer one: {@link Releases#since} tells that from damage.
 *
 * <p>Memory: the manifest, one index, one block and one value at a time. One thread.
 */
public final class TreeVerifier {

  /** Hears of something wrong. */
  @FunctionalInterface
  public interface Problems {
    /** In {@code where}, something is wrong. */
    void found(String where, Rejection rejection);
  }

  /** What checkpoints release. */
  public interface Releases {
    /** Whether a record of a range was released when the walk began. */
    boolean any(long writer, long fromSequence, long toSequence);

    /** Whether a record has been released since. */
    boolean since(long writer, long sequence);
  }

  /** How far the tree could be looked into. */
  public enum Outcome {
    /** To the last block, or there is none. */
    CHECKED,
    /** Not at all: nobody can tell what the newest manifest says. */
    UNKNOWN,
    /** Not at all: an engine superseded the manifest before it could be read. */
    OVERTAKEN
  }

  /** Hears how far it is. */
  @FunctionalInterface
  public interface Progress {
    /** So many of so many live records were checked. */
    void checked(long records, long total);
  }

  /**
   * A compactor's chain.
   *
   * @param entry who writes it
   * @param newestSequence how far it went when the walk began
   */
  public record TreeHead(RosterEntry entry, long newestSequence) {}

  private record Found(Manifest manifest, CapsuleRecord record, Checkpoint checkpoint) {}

  /** A record whose payload could be opened. */
  private static final class Opened {
    final CapsuleRecord record;
    final byte[] payload;

    Opened(CapsuleRecord record, byte[] payload) {
      this.record = record;
      this.payload = payload;
    }

    RecordHeader header() {
      return record.header();
    }
  }

  private final CapsuleName name;
  private final KeyRing keys;
  private final Secp256k1 curve;
  private final RecordStore store;
  private final Releases releases;
  private final int valueTypes;
  private final Problems problems;
  private final Progress progress;

  private long tables;
  private long blocks;
  private long values;
  private long entries;
  private long superseded;
  private long done;
  private long total;
  private Outcome outcome = Outcome.CHECKED;
  private @Nullable Manifest checked;

  /**
   * A verifier for one run.
   *
   * @param valueTypes numbers of types of values below this are known
   */
  public TreeVerifier(
      CapsuleName name,
      KeyRing keys,
      Secp256k1 curve,
      RecordStore store,
      Releases releases,
      int valueTypes,
      Problems problems,
      Progress progress) {
    this.name = name;
    this.keys = keys;
    this.curve = curve;
    this.store = store;
    this.releases = releases;
    this.valueTypes = valueTypes;
    this.problems = problems;
    this.progress = progress;
  }

  /** Tables the manifest names. */
  public long tables() {
    return tables;
  }

  /** Blocks of entries and indexes that were read. */
  public long blocks() {
    return blocks;
  }

  /** Values kept apart that were read. */
  public long values() {
    return values;
  }

  /** Entries looked at. */
  public long entries() {
    return entries;
  }

  /** Records the manifest names, values kept apart included as far as they are known. */
  public long liveRecords() {
    return total;
  }

  /** Records that an engine has released since the walk began; not checked. */
  public long superseded() {
    return superseded;
  }

  /** The manifest that was checked, or null if there is none or it cannot be used. */
  public @Nullable Manifest manifest() {
    return checked;
  }

  /** How it ended. */
  public Outcome outcome() {
    return outcome;
  }

  /**
   * Checks the tree.
   *
   * @param chains the compactors' chains, the one that began last first
   */
  public void run(List<TreeHead> chains) {
    try (RecordOpener opener = new RecordOpener(name, keys)) {
      Set<Long> compactors = new HashSet<>();
      chains.forEach(chain -> compactors.add(chain.entry().writer()));
      Walk walk = new Walk(opener, compactors);
      for (TreeHead chain : chains) {
        if (walk.findNewest(chain)) {
          return;
        }
      }
    }
  }

  private void report(String where, Reason reason, String detail) {
    problems.found(where, Rejection.of(reason, detail));
  }

  /** One run. */
  private final class Walk {
    private final RecordOpener opener;
    private final Set<Long> compactors;
    private List<Checkpoint.Range> leftovers = List.of();

    /** The records of tables so far: by writer, first and last of each. */
    private final Map<Long, TreeMap<Long, Long>> taken = new HashMap<>();

    Walk(RecordOpener opener, Set<Long> compactors) {
      this.opener = opener;
      this.compactors = compactors;
    }

    // ---------------------------------------------------------------- the manifest

    /**
     * Looks for the newest manifest of a chain, as the engine does when it is opened, and checks
     * what it finds.
     *
     * @return whether the search has ended, with a manifest or because nobody can know any more
     *     whether there is a newer one
     */
    boolean findNewest(TreeHead chain) {
      long writer = chain.entry().writer();
      Checkpoint named = null;
      String namer = "";
      for (long sequence = chain.newestSequence(); sequence > 1; sequence--) {
        byte[] bytes;
        try {
          bytes = store.read(writer, sequence);
        } catch (IntegrityException damaged) {
          return unusable(named, namer, damaged.rejection());
        }
        if (bytes == null) {
          return unusable(
              named,
              namer,
              Rejection.of(
                  Reason.MISSING_RECORD,
                  CapsuleRecord.describe(writer, sequence) + " is not stored"));
        }
        RecordType type = RecordCodec.typeOf(bytes);
        if (type == RecordType.CHECKPOINT && named == null) {
          Decoded<CapsuleRecord> record = authentic(chain, sequence, bytes);
          switch (record.then(r -> CheckpointCodec.decode(r.payload()))) {
            case Decoded.Rejected<Checkpoint>(Rejection r) -> {
              return unusable(null, "", r);
            }
            case Decoded.Accepted<Checkpoint>(Checkpoint checkpoint) -> {
              if (!checkpoint.manifest().isZero()) {
                named = checkpoint;
                namer = "checkpoint " + record.orThrow().hash() + " at " + record.orThrow();
              }
            }
          }
        }
        if (named != null) {
          return byHash(chain, named, namer);
        }
      }
      return false;
    }

    /** Follows a checkpoint to its manifest, which may be far before it. */
    private boolean byHash(TreeHead chain, Checkpoint named, String namer) {
      byte[] bytes;
      try {
        bytes = store.read(named.manifest());
      } catch (IntegrityException damaged) {
        return unusable(named, namer, damaged.rejection());
      }
      if (bytes == null) {
        return unusable(named, namer, Rejection.of(Reason.MISSING_RECORD, "it is not stored"));
      }
      Decoded<SignedHeader> stored = RecordCodec.decodeStored(name, bytes);
      switch (stored) {
        case Decoded.Rejected<SignedHeader>(Rejection r) -> {
          return unusable(named, namer, r);
        }
        case Decoded.Accepted<SignedHeader>(SignedHeader header) -> {
          long sequence = header.header().sequence();
          if (RecordCodec.isStub(bytes) && releases.since(chain.entry().writer(), sequence)) {
            outcome = Outcome.OVERTAKEN;
            return true;
          }
          if (header.header().type() != RecordType.MANIFEST) {
            return unusable(
                named, namer, Rejection.of(Reason.MISPLACED, header + " is in its place"));
          }
          switch (authentic(chain, sequence, bytes)) {
            case Decoded.Rejected<CapsuleRecord>(Rejection r) -> {
              return unusable(named, namer, r);
            }
            case Decoded.Accepted<CapsuleRecord>(CapsuleRecord record) -> {
              manifest(record, named, namer);
              return true;
            }
          }
        }
      }
    }

    /**
     * Ends the search. Without a checkpoint's word on the manifest it is only unknown which is the
     * newest, because of a record that the walk along the chain has reported.
     */
    private boolean unusable(@Nullable Checkpoint named, String namer, Rejection rejection) {
      outcome = Outcome.UNKNOWN;
      if (named != null) {
        report(
            "manifest " + named.manifest(),
            rejection.reason(),
            "named by " + namer + ": " + rejection.detail());
      }
      return true;
    }

    private Decoded<CapsuleRecord> authentic(TreeHead chain, long sequence, byte[] bytes) {
      long writer = chain.entry().writer();
      return RecordCodec.decode(name, bytes)
          .then(
              record -> {
                if (record.header().writer() != writer || record.header().sequence() != sequence) {
                  return Decoded.reject(
                      Reason.MISPLACED,
                      record + " is stored as " + CapsuleRecord.describe(writer, sequence));
                }
                return record.isSignedBy(chain.entry().key(), curve)
                    ? Decoded.accept(record)
                    : Decoded.reject(
                        Reason.SIGNATURE, record + " is not signed by its writer's key");
              });
    }

    private void manifest(CapsuleRecord record, Checkpoint checkpoint, String namer) {
      if (!record.hash().equals(checkpoint.manifest())) {
        unusable(
            checkpoint,
            namer,
            Rejection.of(
                Reason.MISPLACED,
                record + " with hash " + record.hash() + " is where it should be"));
        return;
      }
      switch (opener.open(record).then(ManifestCodec::decode)) {
        case Decoded.Rejected<Manifest>(Rejection r) -> unusable(checkpoint, namer, r);
        case Decoded.Accepted<Manifest>(Manifest manifest) ->
            check(
                new Found(manifest, record, checkpoint),
                "manifest " + checkpoint.manifest(),
                namer);
      }
    }

    private void check(Found found, String where, String namer) {
      Manifest manifest = found.manifest;
      RecordHeader header = found.record.header();
      checked = manifest;
      leftovers = manifest.leftovers();
      tables = manifest.tableCount();
      for (Manifest.Run run : manifest.runs()) {
        for (TableDescriptor table : run.tables()) {
          total += table.records();
        }
      }
      if (releases.any(header.writer(), header.sequence(), header.sequence())) {
        report(where, Reason.RELEASED, "it is the newest, and a checkpoint releases it");
      }
      if (!StateRoot.of(manifest).equals(found.checkpoint.stateRoot())) {
        report(
            where,
            Reason.PAYLOAD_HASH,
            "its state root is " + StateRoot.of(manifest) + ", and not the one in " + namer);
      }
      if (manifest.coveredTime() != found.checkpoint.coveredLamport()) {
        report(
            where,
            Reason.LAMPORT_ORDER,
            "it covers time " + manifest.coveredTime() + ", which is not what " + namer + " says");
      }
      if (!manifest.clears().isEmpty()
          && manifest.clears().getLast().time() > manifest.coveredTime()) {
        report(where, Reason.LAMPORT_ORDER, "a CLEAR is later than what it covers");
      }
      if (!manifest.previous().isZero()) {
        previous(manifest.previous(), found.record, where);
      }
      for (Chain chain : manifest.frontier()) {
        frontier(chain, manifest.coveredTime(), where);
      }
      leftovers(manifest, where);
      progress.checked(0, total);
      List<Manifest.Run> runs = manifest.runs();
      for (int number = 0; number < runs.size(); number++) {
        Manifest.Run run = runs.get(number);
        for (TableDescriptor table : run.tables()) {
          table(
              table,
              table + " in run " + number + " of level " + run.level() + ", named by " + where,
              where,
              manifest.coveredTime());
        }
      }
    }

    /** Nothing but blocks and manifests may be left over. */
    private void leftovers(Manifest manifest, String where) {
      for (Checkpoint.Range range : manifest.leftovers()) {
        if (!compactors.contains(range.writer())) {
          report(
              where,
              Reason.ROLE,
              "it leaves over "
                  + CapsuleRecord.describe(range.writer(), range.fromSequence())
                  + ", which is no compactor's");
        }
      }
    }

    private void previous(Hash32 hash, CapsuleRecord newer, String referrer) {
      SignedHeader record = stored("manifest " + hash, hash, "previous of " + referrer);
      if (record == null) {
        return;
      }
      if (record.header().type() != RecordType.MANIFEST
          || record.header().lamport() >= newer.header().lamport()) {
        report(
            "manifest " + hash,
            Reason.LAMPORT_ORDER,
            "previous of " + referrer + ": " + record + " is no manifest before it");
      }
    }

    private void frontier(Chain chain, long coveredTime, String referrer) {
      String where = CapsuleRecord.describe(chain.writer(), chain.sequence());
      String context = "in the frontier of " + referrer + " as " + chain.hash() + ": ";
      if (chain.isTree() != compactors.contains(chain.writer())) {
        report(where, Reason.ROLE, context + "it says wrongly whether the chain is a compactor's");
      }
      if (!chain.isTree() && chain.lamport() > coveredTime) {
        report(
            where,
            Reason.LAMPORT_ORDER,
            context + "only times up to " + coveredTime + " are covered");
      }
      byte[] bytes;
      try {
        bytes = store.read(chain.writer(), chain.sequence());
      } catch (IntegrityException damaged) {
        report(where, damaged.rejection().reason(), context + damaged.rejection().detail());
        return;
      }
      if (bytes == null) {
        report(where, Reason.MISSING_RECORD, context + "it is not stored");
        return;
      }
      switch (RecordCodec.decodeStored(name, bytes)) {
        case Decoded.Rejected<SignedHeader>(Rejection r) ->
            report(where, r.reason(), context + r.detail());
        case Decoded.Accepted<SignedHeader>(SignedHeader record) -> {
          if (!record.hash().equals(chain.hash())) {
            report(where, Reason.PREVIOUS_HASH, context + record.hash() + " is there");
          } else if (record.header().lamport() != chain.lamport()) {
            report(
                where,
                Reason.LAMPORT_ORDER,
                context + "its Lamport time is " + record.header().lamport());
          }
        }
      }
    }

    // ---------------------------------------------------------------- tables

    private void table(TableDescriptor table, String self, String manifest, long coveredTime) {
      String where = "table " + table.index();
      if (!apart(table)) {
        report(
            where,
            Reason.PAYLOAD,
            "named by " + manifest + ": its records are those of another table, too");
      }
      if (releases.any(table.writer(), table.firstSequence(), table.lastSequence())) {
        report(
            where,
            Reason.RELEASED,
            "named by "
                + manifest
                + ": it is alive, and a checkpoint releases records from "
                + CapsuleRecord.describe(table.writer(), table.firstSequence())
                + " to "
                + table.lastSequence());
      }
      if (Ranges.intersects(
          leftovers, table.writer(), table.firstSequence(), table.lastSequence())) {
        report(
            where,
            Reason.RELEASED,
            "named by " + manifest + ", which lists its records among what it does not need");
      }
      Opened opened = open("block " + table.index(), table.index(), "the index of " + self);
      step();
      if (opened == null) {
        done += table.records() - 1;
        return;
      }
      place(opened, table.writer(), table.lastSequence(), self);
      blocks++;
      switch (IndexBlock.decode(opened.payload)) {
        case Decoded.Rejected<IndexBlock>(Rejection r) -> {
          report("block " + table.index(), r.reason(), "the index of " + self + ": " + r.detail());
          done += table.records() - 1;
        }
        case Decoded.Accepted<IndexBlock>(IndexBlock index) -> {
          String wrong = disagreement(table, index, opened.record.bytes().length);
          if (wrong != null) {
            report(where, Reason.PAYLOAD, "named by " + manifest + ": " + wrong);
          }
          new TableWalk(table, index, self, coveredTime).run();
        }
      }
    }

    /** Whether no table before has a record of this one. */
    private boolean apart(TableDescriptor table) {
      TreeMap<Long, Long> known = taken.computeIfAbsent(table.writer(), w -> new TreeMap<>());
      Map.Entry<Long, Long> before = known.floorEntry(table.lastSequence());
      if (before != null && before.getValue() >= table.firstSequence()) {
        return false;
      }
      known.put(table.firstSequence(), table.lastSequence());
      return true;
    }

    /** What the index of a table says otherwise than the manifest, or null. */
    private static @Nullable String disagreement(
        TableDescriptor table, IndexBlock index, int indexBytes) {
      String wrong = table.disagreement(index);
      if (wrong == null && index.storedBytes() + indexBytes != table.bytes()) {
        wrong = TableDescriptor.disagreed("bytes");
      }
      if (wrong == null && !index.tableRoot().equals(table.root())) {
        wrong = TableDescriptor.disagreed("root");
      }
      return wrong;
    }

    /** The blocks of one table. */
    private final class TableWalk {
      private final TableDescriptor table;
      private final IndexBlock index;
      private final String self;
      private final long coveredTime;
      private @Nullable Entry last;
      private long separateBytes;
      private boolean complete = true;

      TableWalk(TableDescriptor table, IndexBlock index, String self, long coveredTime) {
        this.table = table;
        this.index = index;
        this.self = self;
        this.coveredTime = coveredTime;
      }

      void run() {
        for (int number = 0; number < index.count(); number++) {
          block(number);
          step();
        }
        if (complete && separateBytes != table.separateBytes()) {
          report(
              "table " + table.index(),
              Reason.PAYLOAD,
              self
                  + ": its entries point to "
                  + separateBytes
                  + " bytes, and not to "
                  + table.separateBytes());
        }
      }

      private void block(int number) {
        BlockDescriptor descriptor = index.descriptor(number);
        String where = "block " + descriptor.record();
        String referrer = "block " + number + " of " + self;
        Opened opened = open(where, descriptor.record(), referrer);
        if (opened == null) {
          complete = false;
          last = null;
          return;
        }
        place(opened, table.writer(), table.firstSequence() + number, referrer);
        blocks++;
        if (opened.record.bytes().length != descriptor.storedBytes()) {
          report(
              where,
              Reason.PAYLOAD,
              "named by "
                  + referrer
                  + ": it has "
                  + opened.record.bytes().length
                  + " bytes, and not "
                  + descriptor.storedBytes());
        }
        switch (EntriesBlock.decode(opened.payload)) {
          case Decoded.Rejected<EntriesBlock>(Rejection r) -> {
            report(where, r.reason(), "named by " + referrer + ": " + r.detail());
            complete = false;
            last = null;
          }
          case Decoded.Accepted<EntriesBlock>(EntriesBlock block) ->
              entries(block, descriptor.summary(), where, referrer);
        }
      }

      private void entries(
          EntriesBlock block, BlockSummary expected, String where, String referrer) {
        BlockSummary summary = block.summary();
        if (!summary.equals(expected)) {
          report(
              where,
              Reason.PAYLOAD,
              "named by "
                  + referrer
                  + ": it has "
                  + summary
                  + (summary.contentRoot().equals(expected.contentRoot())
                      ? ""
                      : " and root " + summary.contentRoot())
                  + (Arrays.equals(summary.firstKey(), expected.firstKey())
                          && Arrays.equals(summary.lastKey(), expected.lastKey())
                      ? ""
                      : " in another range of keys")
                  + ", where its index says "
                  + expected);
        }
        long late = 0;
        long filtered = 0;
        long unknown = 0;
        EntryCursor cursor = block.cursor();
        for (boolean more = cursor.seekToFirst(); more; more = cursor.next()) {
          Entry entry = cursor.entry();
          Entry before = last;
          if (before != null && Entry.ENTRY_ORDER.compare(before, entry) >= 0) {
            report(
                where,
                Reason.PAYLOAD,
                "named by " + referrer + ": it begins before the block before it ends");
          }
          // Inside a block, decoding has checked the order.
          last = null;
          late += entry.time() > coveredTime ? 1 : 0;
          filtered += index.mayContain(entry.key()) ? 0 : 1;
          unknown += entry.typeNumber() >= valueTypes ? 1 : 0;
          entries++;
          if (entry.kind() == EntryKind.POINTER) {
            value(entry, where);
          }
        }
        last = block.entry(block.count() - 1);
        if (late > 0) {
          report(
              where,
              Reason.LAMPORT_ORDER,
              "named by " + referrer + ": " + late + " entries are later than what is covered");
        }
        if (unknown > 0) {
          report(
              where,
              Reason.UNKNOWN_TYPE,
              "named by "
                  + referrer
                  + ": "
                  + unknown
                  + " entries are of value types that this version does not know");
        }
        if (filtered > 0) {
          report(
              "block " + table.index(),
              Reason.PAYLOAD,
              "the index of "
                  + self
                  + ": its filter denies "
                  + filtered
                  + " entries that are in "
                  + where);
        }
      }

      private void value(Entry entry, String referrer) {
        String named = "the entry " + entry + " in " + referrer + " of " + self;
        switch (ValuePointer.decode(entry.value())) {
          case Decoded.Rejected<ValuePointer>(Rejection r) ->
              report(referrer, r.reason(), named + ": " + r.detail());
          case Decoded.Accepted<ValuePointer>(ValuePointer pointer) -> {
            separateBytes += pointer.length();
            total++;
            String where = "value " + pointer.record();
            Opened opened = open(where, pointer.record(), named);
            step();
            if (opened != null) {
              values++;
              RecordHeader header = opened.header();
              if (releases.any(header.writer(), header.sequence(), header.sequence())) {
                report(
                    where,
                    Reason.RELEASED,
                    "named by " + named + ": it is alive, and a checkpoint releases it");
              }
              if (Ranges.intersects(
                  leftovers, header.writer(), header.sequence(), header.sequence())) {
                report(
                    where,
                    Reason.RELEASED,
                    "named by " + named + ": it is alive, and the manifest does not need it");
              }
              if (ValueBlock.decode(opened.payload, pointer)
                  instanceof Decoded.Rejected<byte[]>(Rejection r)) {
                report(where, r.reason(), "named by " + named + ": " + r.detail());
              }
            }
          }
        }
      }
    }

    private void step() {
      progress.checked(++done, total);
    }

    // ---------------------------------------------------------------- records

    private void place(Opened opened, long writer, long sequence, String referrer) {
      RecordHeader header = opened.header();
      if (header.writer() != writer || header.sequence() != sequence) {
        report(
            "block " + opened.record.hash(),
            Reason.MISPLACED,
            "named by "
                + referrer
                + ": it is "
                + opened.record
                + ", and not "
                + CapsuleRecord.describe(writer, sequence));
      }
    }

    /** What is stored under a hash, if it has that hash; else null, and that was reported. */
    private @Nullable SignedHeader stored(String where, Hash32 hash, String referrer) {
      byte[] bytes;
      try {
        bytes = store.read(hash);
      } catch (IntegrityException damaged) {
        report(
            where,
            damaged.rejection().reason(),
            "named by " + referrer + ": " + damaged.rejection().detail());
        return null;
      }
      if (bytes == null) {
        report(where, Reason.MISSING_RECORD, "named by " + referrer + ": it is not stored");
        return null;
      }
      switch (RecordCodec.decodeStored(name, bytes)) {
        case Decoded.Rejected<SignedHeader>(Rejection r) -> {
          report(where, r.reason(), "named by " + referrer + ": " + r.detail());
          return null;
        }
        case Decoded.Accepted<SignedHeader>(SignedHeader record) -> {
          if (!record.hash().equals(hash)) {
            report(
                where,
                Reason.MISPLACED,
                "named by "
                    + referrer
                    + ": "
                    + record
                    + " with hash "
                    + record.hash()
                    + " is in its place");
            return null;
          }
          return record;
        }
      }
    }

    /** The BLOCK record with a hash, opened; else null, and that was reported. */
    private @Nullable Opened open(String where, Hash32 hash, String referrer) {
      SignedHeader stored = stored(where, hash, referrer);
      switch (stored) {
        case null -> {
          return null;
        }
        case RecordStub stub -> {
          if (releases.since(stub.header().writer(), stub.header().sequence())) {
            superseded++;
          } else {
            report(where, Reason.RELEASED, "named by " + referrer + ": its payload is gone");
          }
          return null;
        }
        case CapsuleRecord record -> {
          if (record.header().type() != RecordType.BLOCK) {
            report(
                where,
                Reason.UNKNOWN_TYPE,
                "named by " + referrer + ": " + record + " is no BLOCK");
            return null;
          }
          return switch (opener.open(record)) {
            case Decoded.Rejected<byte[]>(Rejection r) -> {
              report(where, r.reason(), "named by " + referrer + ": " + r.detail());
              yield null;
            }
            case Decoded.Accepted<byte[]>(byte[] payload) -> new Opened(record, payload);
          };
        }
      }
    }
  }
}
