package io.capsuledb.engine.lsm;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.proof.KeyProof;
import io.capsuledb.core.proof.MerkleTree;
import io.capsuledb.core.proof.ProofBlock;
import io.capsuledb.core.proof.ProofEntry;
import io.capsuledb.core.proof.ProofTable;
import io.capsuledb.core.proof.PrunedTree;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.engine.block.BlockSummary;
import io.capsuledb.engine.block.EntriesBlock;
import io.capsuledb.engine.block.IndexBlock;
import io.capsuledb.engine.block.ValuePointer;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.entry.Version;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Makes the proof of one key out of one held view: of the tables of its manifest, which that
 * manifest's CHECKPOINT commits to, and nothing else. Shows no more than {@link
 * io.capsuledb.core.proof.KeyProofVerifier} wants to see. Of one thread.
 */
final class ProofBuilder {

  private final CapsuleName name;
  private final RecordStore store;
  private final Tree tree;
  private final ReadView view;
  private final byte[] key;

  /** The newest version of the key over the runs looked at so far. */
  private @Nullable Entry newest;

  /**
   * For one key.
   *
   * @param view held by the caller
   */
  ProofBuilder(CapsuleName name, RecordStore store, Tree tree, ReadView view, byte[] key) {
    this.name = name;
    this.store = store;
    this.tree = tree;
    this.view = view;
    this.key = key;
  }

  KeyProof build(byte[] metadata) {
    Checkpoint.Range place = view.manifestRange();
    if (place == null) {
      throw new UnavailableException("nothing was flushed yet that a proof could refer to");
    }
    Manifest manifest = view.manifest();
    byte[] roster = record(place.writer(), 1, RecordType.ROSTER).bytes();
    // Each manifest is followed by the checkpoint that names it.
    CapsuleRecord record = record(place.writer(), place.toSequence() + 1, RecordType.CHECKPOINT);
    Checkpoint checkpoint = CheckpointCodec.decode(record.payload()).orThrow();
    List<Hash32> leaves = StateRoot.leaves(manifest);
    if (!checkpoint.manifest().equals(view.manifestHash())
        || !checkpoint.stateRoot().equals(StateRoot.of(manifest))) {
      throw new IntegrityException(
          Rejection.of(
              Reason.MISPLACED,
              record + " does not commit to the state of manifest " + view.manifestHash()));
    }
    SortedMap<Integer, ProofTable> shown = tables(leaves.size());
    Version clear = StateRoot.clear(manifest);
    Entry found = newest;
    byte[] separate =
        found != null && found.kind() == EntryKind.POINTER && found.version().compareTo(clear) >= 0
            ? tree.value(found)
            : null;
    return new KeyProof(
        key,
        metadata,
        roster,
        record.bytes(),
        new KeyProof.State(
            manifest.coveredTime(),
            clear.time(),
            clear.writer(),
            clear.index(),
            manifest.runs().size(),
            leaves.size()),
        leaves.isEmpty() ? null : PrunedTree.of(MerkleTree.of(leaves), shown),
        separate);
  }

  private CapsuleRecord record(long writer, long sequence, RecordType type) {
    byte[] bytes = store.read(writer, sequence);
    if (bytes == null) {
      throw new IntegrityException(
          Rejection.of(
              Reason.MISSING_RECORD,
              CapsuleRecord.describe(writer, sequence)
                  + " is not stored, though manifest "
                  + view.manifestHash()
                  + " is in its chain"));
    }
    CapsuleRecord record = RecordCodec.decode(name, bytes).orThrow();
    if (record.header().type() != type) {
      throw new IntegrityException(
          Rejection.of(Reason.UNKNOWN_TYPE, record + " is where a " + type + " belongs"));
    }
    return record;
  }

  /** By their place among all tables: for each run the one that covers the key, or neighbours. */
  private SortedMap<Integer, ProofTable> tables(int total) {
    TreeMap<Integer, ProofTable> shown = new TreeMap<>();
    List<TableRun> runs = view.runs();
    int begin = 0;
    for (int run = 0; run < runs.size(); run++) {
      List<Table> tables = runs.get(run).tables();
      int at = runs.get(run).tableFor(key);
      if (at < tables.size() && tables.get(at).descriptor().covers(key)) {
        Table table = tables.get(at);
        shown.put(begin + at, named(run, table.descriptor(), blocks(table)));
      } else {
        // The neighbours may be tables of the runs before and after.
        for (int i = Math.max(0, begin + at - 1); i <= Math.min(begin + at, total - 1); i++) {
          shown.computeIfAbsent(i, this::named);
        }
      }
      begin += tables.size();
    }
    return shown;
  }

  private ProofTable named(int place) {
    int begin = 0;
    List<TableRun> runs = view.runs();
    int run = 0;
    while (place - begin >= runs.get(run).tables().size()) {
      begin += runs.get(run).tables().size();
      run++;
    }
    return named(run, runs.get(run).tables().get(place - begin).descriptor(), null);
  }

  private static ProofTable named(
      int run, TableDescriptor table, @Nullable PrunedTree<ProofBlock> blocks) {
    return new ProofTable(
        run, table.firstKey(), table.lastKey(), table.entries(), table.root(), blocks);
  }

  private PrunedTree<ProofBlock> blocks(Table table) {
    IndexBlock index = table.index();
    TreeMap<Integer, ProofBlock> shown = new TreeMap<>();
    int at = index.blockFor(key);
    BlockSummary summary = index.descriptor(at).summary();
    boolean covers = index.covers(at, key);
    if (covers) {
      shown.put(at, named(summary, entries(table.block(index, at, true))));
    } else {
      shown.put(at, named(summary, null));
    }
    // A block that begins with the key may go on with what the block before it ends with.
    if (at > 0 && (!covers || Arrays.equals(summary.firstKey(), key))) {
      shown.put(at - 1, named(index.descriptor(at - 1).summary(), null));
    }
    return PrunedTree.of(index.tree(), shown);
  }

  private static ProofBlock named(BlockSummary block, @Nullable PrunedTree<ProofEntry> content) {
    return new ProofBlock(
        block.firstKey(), block.lastKey(), block.entries(), block.contentRoot(), content);
  }

  private PrunedTree<ProofEntry> entries(EntriesBlock block) {
    int low = 0;
    int high = block.count();
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (Arrays.compareUnsigned(block.entry(middle).key(), key) < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    TreeMap<Integer, ProofEntry> shown = new TreeMap<>();
    for (int i = Math.max(0, low - 1); i <= Math.min(low, block.count() - 1); i++) {
      shown.put(i, shown(block, i));
    }
    Entry found = low < block.count() ? block.entry(low) : null;
    if (found != null && Arrays.equals(found.key(), key)) {
      Entry known = newest;
      newest = known == null || Entry.compareVersions(found, known) > 0 ? found : known;
    }
    return PrunedTree.of(block.tree(), shown);
  }

  private static ProofEntry shown(EntriesBlock block, int position) {
    Entry entry = block.entry(position);
    int length = entry.value().length;
    byte[] shown = entry.value();
    if (entry.kind() == EntryKind.POINTER) {
      ValuePointer pointer = ValuePointer.decode(entry.value()).orThrow();
      length = pointer.length();
      shown = pointer.valueHash().toBytes();
    }
    return new ProofEntry(
        block.saltOf(position),
        entry.kind().number(),
        entry.typeNumber(),
        entry.time(),
        entry.writer(),
        entry.index(),
        entry.expiryAtMs(),
        entry.key(),
        length,
        shown);
  }
}
