package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static io.capsuledb.engine.Node.get;
import static io.capsuledb.engine.Node.put;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.engine.block.EntriesBlock;
import io.capsuledb.engine.block.IndexBlock;
import io.capsuledb.engine.block.ValuePointer;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.lsm.Manifest;
import io.capsuledb.engine.lsm.ManifestCodec;
import io.capsuledb.engine.lsm.TableDescriptor;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Blocks and manifests that are damaged, missing, exchanged or old: fsck and the engine's own reads
 * name them and what refers to them, and whatever does not need them stays readable.
 */
class EngineDamageTest {

  private static final int KEYS = 60;

  /** A payload's first byte. */
  private static final int IN_PAYLOAD = 130;

  /** A record of the tree: where it is, what it is called, and a key that cannot do without it. */
  private record Target(
      long writer, long sequence, Hash32 hash, String key, Hash32 table, String referrer) {}

  /** Ways to hurt a record, by its position. */
  private enum Damage {
    FLIPPED,
    FORGED,
    MISSING,
    STUBBED,
    SWAPPED,
    STALE
  }

  private final Node node = Node.tiny(31);
  private final CapsuleName name = MetadataCodec.nameOf(node.store.metadata());
  private long tree;
  private long olderSequence;
  private byte[] olderBlock;
  private Checkpointed older;
  private Checkpointed newest;
  private Manifest manifest;

  private record Checkpointed(CapsuleRecord manifest, CapsuleRecord checkpoint) {}

  @BeforeEach
  void build() {
    CapsuleDb db = node.open();
    write(db, "old");
    settle(db);
    older = newestManifest();
    tree = older.manifest().header().writer();
    olderSequence = older.checkpoint().header().sequence();
    Manifest first = open(older.manifest());
    olderBlock = node.store.read(tree, first.runs().getLast().tables().getFirst().firstSequence());
    write(db, "new");
    settle(db);
    db.close();
    newest = newestManifest();
    assertThat(newest.manifest().header().writer()).isEqualTo(tree);
    assertThat(newest.manifest().header().sequence()).isGreaterThan(olderSequence);
    manifest = open(newest.manifest());
    assertThat(manifest.tableCount()).isGreaterThan(5);
    CapsuleVerifier.Report report = node.fsck();
    assertThat(report.problems()).isEmpty();
    assertThat(report.treeChecked()).isTrue();
    assertThat(report.tables()).isEqualTo(manifest.tableCount());
    assertThat(report.entries()).isEqualTo(KEYS);
    assertThat(report.values()).isEqualTo((KEYS + 9) / 10);
    assertThat(report.unreferenced()).isZero();
    assertThat(report.released()).isPositive();
  }

  private void write(CapsuleDb db, String generation) {
    for (int i = 0; i < KEYS; i++) {
      // Every tenth value is kept apart.
      put(db, key(i), value(i, generation));
    }
  }

  private static String key(int i) {
    return String.format(Locale.ROOT, "key%03d", i);
  }

  private static String value(int i, String generation) {
    return generation + i + (i % 10 == 0 ? "x".repeat(300) : "");
  }

  private void settle(CapsuleDb db) {
    node.scheduler.run();
    assertThat(db.flush()).isTrue();
    node.scheduler.run();
    db.compact();
    for (int i = 0; i < 4; i++) {
      node.scheduler.tick();
      node.scheduler.run();
    }
    assertThat(db.isSettled()).isTrue();
  }

  private Checkpointed newestManifest() {
    CapsuleRecord manifestRecord = null;
    Checkpointed found = null;
    for (long writer : node.store.writers()) {
      for (long sequence = 1; sequence <= node.store.newestSequence(writer); sequence++) {
        byte[] stored = node.store.read(writer, sequence);
        RecordType type = RecordCodec.typeOf(stored);
        if (type == RecordType.MANIFEST && !RecordCodec.isStub(stored)) {
          manifestRecord = RecordCodec.decode(name, stored).orThrow();
        } else if (type == RecordType.CHECKPOINT && manifestRecord != null) {
          CapsuleRecord checkpoint = RecordCodec.decode(name, stored).orThrow();
          if (CheckpointCodec.decode(checkpoint.payload())
              .orThrow()
              .manifest()
              .equals(manifestRecord.hash())) {
            found = new Checkpointed(manifestRecord, checkpoint);
          }
        }
      }
    }
    return found;
  }

  private byte[] payload(CapsuleRecord record) {
    try (KeyRing keys = new KeyRing(name, List.of(node.owner.application(0, 0)));
        RecordOpener opener = new RecordOpener(name, keys)) {
      return opener.open(record).orThrow();
    }
  }

  private byte[] payload(Hash32 hash) {
    return payload(RecordCodec.decode(name, node.store.read(hash)).orThrow());
  }

  private Manifest open(CapsuleRecord record) {
    return ManifestCodec.decode(payload(record)).orThrow();
  }

  private List<TableDescriptor> tables() {
    List<TableDescriptor> tables = new ArrayList<>();
    manifest.runs().forEach(run -> tables.addAll(run.tables()));
    return tables;
  }

  private Target index(TableDescriptor table) {
    return new Target(
        table.writer(),
        table.lastSequence(),
        table.index(),
        Node.text(table.firstKey()),
        table.index(),
        "the manifest");
  }

  private Target block(TableDescriptor table) {
    IndexBlock index = IndexBlock.decode(payload(table.index())).orThrow();
    Hash32 hash = index.record(0);
    return new Target(
        table.writer(),
        table.firstSequence(),
        hash,
        Node.text(table.firstKey()),
        table.index(),
        "table " + table.index());
  }

  private Target value(TableDescriptor table) {
    IndexBlock index = IndexBlock.decode(payload(table.index())).orThrow();
    for (int i = 0; i < index.count(); i++) {
      EntryCursor cursor = EntriesBlock.decode(payload(index.record(i))).orThrow().cursor();
      for (boolean more = cursor.seekToFirst(); more; more = cursor.next()) {
        Entry entry = cursor.entry();
        if (entry.kind() == EntryKind.POINTER) {
          Hash32 hash = ValuePointer.decode(entry.value()).orThrow().record();
          CapsuleRecord record = RecordCodec.decode(name, node.store.read(hash)).orThrow();
          return new Target(
              record.header().writer(),
              record.header().sequence(),
              hash,
              Node.text(entry.key()),
              table.index(),
              "the entry");
        }
      }
    }
    return fail("no value kept apart in " + table);
  }

  private void hurt(Damage damage, Target target, Target other) {
    byte[] intact = node.store.read(target.writer(), target.sequence());
    switch (damage) {
      case FLIPPED -> node.disk.flipByte(target.writer(), target.sequence(), IN_PAYLOAD);
      case FORGED -> node.disk.forgeByte(target.writer(), target.sequence(), IN_PAYLOAD);
      case MISSING -> node.disk.lose(target.writer(), target.sequence());
      case STUBBED -> node.disk.forge(target.writer(), target.sequence(), RecordCodec.stub(intact));
      case SWAPPED -> node.disk.swap(target.writer(), target.sequence(), other.sequence());
      case STALE -> node.disk.forge(target.writer(), target.sequence(), olderBlock);
    }
  }

  /** Everything that can be wrong with what a table is made of. */
  @Test
  void whatATableNeedsIsNamedWithItsReferrerAndOtherKeysStayReadable() {
    List<TableDescriptor> tables = tables();
    TableDescriptor first = tables.getFirst();
    TableDescriptor last = tables.getLast();
    List<Target> targets = List.of(index(first), block(first), value(first));
    List<Target> others = List.of(index(last), block(last), block(last));
    SimDisk intact = node.disk.copy();
    for (int i = 0; i < targets.size(); i++) {
      for (Damage damage : Damage.values()) {
        node.disk = intact.copy();
        node.store = node.disk.open();
        hurt(damage, targets.get(i), others.get(i));
        String what = damage + " " + targets.get(i);
        assertNamed(targets.get(i), what);
        if (damage == Damage.SWAPPED) {
          assertNamed(others.get(i), what);
        }
        CapsuleDb db = node.open();
        assertRefused(db, targets.get(i), what);
        if (damage == Damage.SWAPPED) {
          assertRefused(db, others.get(i), what);
        }
        int readable = 0;
        for (int k = 0; k < KEYS; k++) {
          byte[] key = bytes(key(k));
          if (tables.stream()
              .noneMatch(
                  t ->
                      (t.equals(first) || t.equals(last))
                          && java.util.Arrays.compareUnsigned(t.firstKey(), key) <= 0
                          && java.util.Arrays.compareUnsigned(t.lastKey(), key) >= 0)) {
            assertThat(get(db, key(k))).as(what).isEqualTo(value(k, "new"));
            readable++;
          }
        }
        assertThat(readable).isGreaterThan(KEYS / 2);
        db.close();
      }
    }
  }

  private void assertNamed(Target target, String what) {
    assertThat(node.fsck().problems())
        .as(what)
        .anySatisfy(
            problem -> {
              assertThat(problem.where()).matches("(block|value) " + target.hash());
              assertThat(problem.rejection().detail())
                  .contains("table " + target.table(), newest.manifest().hash().toString());
            });
  }

  private static void assertRefused(CapsuleDb db, Target target, String what) {
    assertThatThrownBy(() -> get(db, target.key()))
        .as(what)
        .isInstanceOf(IntegrityException.class)
        .hasMessageContaining(target.hash().toString())
        .hasMessageContaining("named by " + target.referrer());
  }

  /** The manifest's own record; without it, nothing is served at all. */
  @Test
  void aManifestThatCannotBeUsedIsNamedWithItsCheckpoint() {
    Hash32 hash = newest.manifest().hash();
    long sequence = newest.manifest().header().sequence();
    TableDescriptor table = tables().getFirst();
    SimDisk intact = node.disk.copy();
    for (Damage damage : Damage.values()) {
      node.disk = intact.copy();
      node.store = node.disk.open();
      Target self = new Target(tree, sequence, hash, "", hash, "");
      if (damage == Damage.STALE) {
        // The older manifest with its signature in the place of the newest.
        node.disk.forge(tree, sequence, older.manifest().bytes());
      } else {
        hurt(damage, self, block(table));
      }
      CapsuleVerifier.Report report = node.fsck();
      assertThat(report.problems())
          .as(damage.name())
          .anySatisfy(
              problem -> {
                assertThat(problem.where()).isEqualTo("manifest " + hash);
                assertThat(problem.rejection().detail()).contains("checkpoint");
              });
      assertThat(report.treeChecked()).as(damage.name()).isFalse();
      assertThatThrownBy(node::open)
          .as(damage.name())
          .isInstanceOf(IntegrityException.class)
          .hasMessageContaining(hash.toString())
          .hasMessageContaining("named by checkpoint");
    }
  }

  /** A store that presents an older manifest has to hide everything after it. */
  @Test
  void anOlderManifestPresentedAsTheNewestIsMissed() {
    node.disk.rollBack(tree, olderSequence + 1);
    CapsuleVerifier.Report report = node.fsck();
    // What the newer one released is gone, and nothing left says that it may be.
    assertThat(report.problems())
        .allMatch(problem -> problem.rejection().reason() == Reason.RELEASED)
        .anyMatch(problem -> problem.where().equals("manifest " + older.manifest().hash()))
        .anyMatch(problem -> problem.rejection().detail().contains("no checkpoint released"));
    assertThatThrownBy(node::open)
        .isInstanceOf(IntegrityException.class)
        .hasMessageContaining(older.manifest().hash().toString());

    // Also if it has kept the older manifest itself.
    node.disk.forge(tree, older.manifest().header().sequence(), older.manifest().bytes());
    Manifest stale = open(older.manifest());
    TableDescriptor table = stale.runs().getFirst().tables().getFirst();
    assertThat(node.fsck().problems())
        .allMatch(problem -> problem.rejection().reason() == Reason.RELEASED)
        .anySatisfy(
            problem -> {
              assertThat(problem.where()).isEqualTo("block " + table.index());
              assertThat(problem.rejection().detail())
                  .contains("manifest " + older.manifest().hash());
            });
    assertThatThrownBy(node::open).isInstanceOf(IntegrityException.class);
  }

  /** The same with a checkpoint's bytes in the place of a newer one. */
  @Test
  void anOlderCheckpointInThePlaceOfTheNewestIsRefused() {
    node.disk.forge(tree, newest.checkpoint().header().sequence(), older.checkpoint().bytes());
    CapsuleVerifier.Report report = node.fsck();
    assertThat(report.clean()).isFalse();
    assertThat(report.treeChecked()).isFalse();
    assertThatThrownBy(node::open).isInstanceOf(IntegrityException.class);
  }

  /** Appends, as a compactor that is out of its mind would, a manifest and a checkpoint. */
  private void checkpoint(byte[] payload, Hash32 stateRoot, Checkpoint.Range... released) {
    long writer = 0x7777;
    io.capsuledb.core.keys.ApplicationKey application = node.owner.application(0, 0);
    try (KeyRing keys = new KeyRing(name, List.of(node.owner.application(0, 0)));
        io.capsuledb.core.crypto.SecretBytes dataKey = keys.dataKey(0, writer);
        io.capsuledb.core.record.RecordSealer sealer =
            new io.capsuledb.core.record.RecordSealer(
                name,
                0,
                writer,
                application.writerPrivateKey(writer),
                dataKey,
                io.capsuledb.core.crypto.Secp256k1.best())) {
      long lamport = newest.checkpoint().header().lamport() + 1000;
      byte[] roster =
          io.capsuledb.core.capsule.RosterCodec.encode(
              name,
              0,
              List.of(
                  new io.capsuledb.core.capsule.RosterEntry(
                      writer,
                      application.writerPublicKey(writer),
                      io.capsuledb.core.capsule.RosterEntry.Role.COMPACTOR,
                      0)),
              application::sign);
      append(sealer.seal(RecordType.ROSTER, 0, lamport, List.of(), roster, 0, roster.length));
      CapsuleRecord record =
          sealer.seal(RecordType.MANIFEST, 0, lamport + 1, List.of(), payload, 0, payload.length);
      append(record);
      byte[] clear =
          CheckpointCodec.encode(
              new Checkpoint(record.hash(), stateRoot, manifest.coveredTime(), List.of(released)));
      append(sealer.seal(RecordType.CHECKPOINT, 0, lamport + 2, List.of(), clear, 0, clear.length));
    }
  }

  private void append(CapsuleRecord record) {
    node.store.append(
        List.of(
            new io.capsuledb.core.port.RecordStore.StoredRecord(
                record.header().writer(),
                record.header().sequence(),
                record.hash(),
                record.bytes())));
  }

  private Hash32 stateRoot() {
    return CheckpointCodec.decode(newest.checkpoint().payload()).orThrow().stateRoot();
  }

  /** Every number the manifest says twice, or that the blocks say too. */
  @Test
  void aManifestThatDescribesItsTablesWronglyIsFound() {
    byte[] intact = ManifestCodec.encode(manifest);
    int frontier = 72;
    int table =
        frontier
            + 57 * manifest.frontier().size()
            + 20 * manifest.clears().size()
            + 16 * manifest.moments().size()
            + 5;
    SimDisk disk = node.disk.copy();
    java.util.Map<Integer, String> wrong = new java.util.TreeMap<>();
    wrong.put(frontier + 16, "frontier");
    wrong.put(frontier + 48, "Lamport time");
    wrong.put(24, "previous");
    wrong.put(table, "is not stored");
    wrong.put(table + 32, "root");
    wrong.put(table + 72, "and not record");
    wrong.put(table + 80, "records");
    wrong.put(table + 84, "entries");
    wrong.put(table + 108, "times");
    wrong.put(table + 124, "bytes");
    wrong.put(table + 132, "point to");
    wrong.put(table + 144, "range of keys");
    wrong.forEach(
        (at, detail) -> {
          node.disk = disk.copy();
          node.store = node.disk.open();
          byte[] changed = intact.clone();
          // Small enough a change that it still decodes.
          changed[at] ^= (byte) (at == table + 144 ? 1 : 8);
          if (at == table + 108) {
            changed[at] = (byte) (intact[at] - 1);
          }
          assertThat(ManifestCodec.decode(changed).orThrow()).as(detail).isNotEqualTo(manifest);
          checkpoint(changed, stateRoot());
          assertThat(node.fsck().problems())
              .as("byte %d: %s", at, detail)
              .anyMatch(problem -> problem.toString().contains(detail));
        });
  }

  @Test
  void whatIsAliveAndReleasedOrCommittedToWronglyIsFound() {
    byte[] intact = ManifestCodec.encode(manifest);
    TableDescriptor table = tables().getFirst();
    SimDisk disk = node.disk.copy();
    checkpoint(intact, stateRoot());
    assertThat(node.fsck().problems()).isEmpty();

    node.disk = disk.copy();
    node.store = node.disk.open();
    checkpoint(intact, newest.manifest().hash());
    assertThat(node.fsck().problems())
        .singleElement()
        .satisfies(problem -> assertThat(problem.toString()).contains("state root"));

    Target value = value(table);
    for (long[] released :
        new long[][] {
          {table.writer(), table.firstSequence()},
          {value.writer(), value.sequence()},
          {0x7777, 2}
        }) {
      node.disk = disk.copy();
      node.store = node.disk.open();
      checkpoint(intact, stateRoot(), new Checkpoint.Range(released[0], released[1], released[1]));
      assertThat(node.fsck().problems())
          .singleElement()
          .satisfies(
              problem -> {
                assertThat(problem.rejection().reason()).isEqualTo(Reason.RELEASED);
                assertThat(problem.rejection().detail()).contains("a checkpoint releases");
              });
    }
  }

  @Test
  void withoutAKeyTheTreeIsNotLookedInto() {
    CapsuleVerifier.Report report =
        new CapsuleVerifier(
                node.store, io.capsuledb.core.crypto.Secp256k1.best(), null, (done, total) -> {})
            .verify(name);
    assertThat(report.problems()).isEmpty();
    assertThat(report.treeChecked()).isFalse();
    assertThat(report.blocks()).isZero();
  }
}
