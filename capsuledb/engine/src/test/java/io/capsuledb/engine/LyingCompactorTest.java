package io.capsuledb.engine;

import static io.capsuledb.engine.Node.bytes;
import static io.capsuledb.engine.Node.put;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.sim.SimDisk;
import io.capsuledb.engine.block.BlockDescriptor;
import io.capsuledb.engine.block.BlockSummary;
import io.capsuledb.engine.block.Compression;
import io.capsuledb.engine.block.EncodedBlock;
import io.capsuledb.engine.block.EntriesBlock;
import io.capsuledb.engine.block.EntriesBlockBuilder;
import io.capsuledb.engine.block.IndexBlock;
import io.capsuledb.engine.block.IndexBlockBuilder;
import io.capsuledb.engine.block.ValuePointer;
import io.capsuledb.engine.entry.Entry;
import io.capsuledb.engine.entry.EntryCursor;
import io.capsuledb.engine.entry.EntryKind;
import io.capsuledb.engine.lsm.Forgery;
import io.capsuledb.engine.lsm.Manifest;
import io.capsuledb.engine.lsm.Manifest.Chain;
import io.capsuledb.engine.lsm.Manifest.Run;
import io.capsuledb.engine.lsm.ManifestCodec;
import io.capsuledb.engine.lsm.TableDescriptor;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Blocks and manifests that lie: every hash, signature and tag is right, as a broken compactor or
 * one that was taken over, and holds the key, would make them. fsck names each lie. Reads may
 * refuse, or answer as the lie has it; they come to an end, fail with nothing but an integrity
 * error, and the engine goes on.
 */
class LyingCompactorTest {

  private static final int KEYS = 40;
  private static final int BLOCK_ENTRIES = 5;
  private static final long LIAR = 0x7777;

  private final Node node = Node.tiny(61);
  private final CapsuleName name = MetadataCodec.nameOf(node.store.metadata());
  private Manifest honest = Manifest.EMPTY;
  private CapsuleRecord newest;
  private final List<Entry> entries = new ArrayList<>();

  /** A value's record, and the value. */
  private ValuePointer firstPointer;

  private ValuePointer otherPointer;

  @BeforeEach
  void build() {
    node.memtableBytes = 1 << 20;
    CapsuleDb db = node.open();
    for (int i = 0; i < KEYS; i++) {
      put(db, key(i), i % 10 == 0 ? i + "x".repeat(300) : "value " + i);
    }
    node.scheduler.run();
    assertThat(db.flush()).isTrue();
    node.scheduler.run();
    db.compact();
    for (int i = 0; i < 4; i++) {
      node.scheduler.tick();
      node.scheduler.run();
    }
    // Records that are not covered, and that a lie may say are.
    put(db, key(3), "later");
    node.scheduler.run();
    put(db, key(KEYS), "later still");
    node.scheduler.run();
    db.close();
    for (long writer : node.store.writers()) {
      for (long at = 2; at <= node.store.newestSequence(writer); at++) {
        byte[] stored = node.store.read(writer, at);
        if (RecordCodec.typeOf(stored) == RecordType.MANIFEST && !RecordCodec.isStub(stored)) {
          newest = RecordCodec.decode(name, stored).orThrow();
        }
      }
    }
    honest = ManifestCodec.decode(payload(newest)).orThrow();
    for (Run run : honest.runs()) {
      for (TableDescriptor table : run.tables()) {
        IndexBlock index = IndexBlock.decode(payload(record(table.index()))).orThrow();
        for (int i = 0; i < index.count(); i++) {
          EntryCursor cursor =
              EntriesBlock.decode(payload(record(index.record(i)))).orThrow().cursor();
          for (boolean more = cursor.seekToFirst(); more; more = cursor.next()) {
            entries.add(cursor.entry());
          }
        }
      }
    }
    assertThat(entries).hasSize(KEYS).isSortedAccordingTo(Entry.ENTRY_ORDER);
    firstPointer = ValuePointer.decode(entries.get(0).value()).orThrow();
    otherPointer = ValuePointer.decode(entries.get(10).value()).orThrow();
  }

  private static String key(int i) {
    return String.format(Locale.ROOT, "key%03d", i);
  }

  private CapsuleRecord record(Hash32 hash) {
    return RecordCodec.decode(name, node.store.read(hash)).orThrow();
  }

  private byte[] payload(CapsuleRecord record) {
    try (KeyRing keys = new KeyRing(name, List.of(node.owner.application(0, 0)));
        RecordOpener opener = new RecordOpener(name, keys)) {
      return opener.open(record).orThrow();
    }
  }

  /** A compactor that holds the key, with what it does otherwise than an honest one. */
  private final class Liar implements AutoCloseable {
    private final ApplicationKey application = node.owner.application(0, 0);
    private final KeyRing keys = new KeyRing(name, List.of(application));
    private final RecordSealer sealer;
    private long lamport;

    UnaryOperator<List<Entry>> content = all -> all;
    Predicate<Entry> inFilter = entry -> true;
    BiFunction<Integer, byte[], byte[]> payload = (block, bytes) -> bytes;
    BiFunction<Integer, BlockSummary, BlockSummary> summary = (block, summary) -> summary;
    UnaryOperator<List<Hash32>> named = hashes -> hashes;
    UnaryOperator<TableDescriptor> table = descriptor -> descriptor;
    UnaryOperator<Manifest> manifest = made -> made;

    Liar() {
      try (SecretBytes dataKey = keys.dataKey(0, LIAR)) {
        sealer =
            new RecordSealer(
                name, 0, LIAR, application.writerPrivateKey(LIAR), dataKey, Secp256k1.best());
      }
      for (long writer : node.store.writers()) {
        lamport =
            Math.max(
                lamport,
                RecordCodec.decodeStored(
                        name, node.store.read(writer, node.store.newestSequence(writer)))
                    .orThrow()
                    .header()
                    .lamport());
      }
      lamport += 1000;
      append(
          RecordType.ROSTER,
          RosterCodec.encode(
              name,
              0,
              List.of(
                  new RosterEntry(
                      LIAR, application.writerPublicKey(LIAR), RosterEntry.Role.COMPACTOR, 0)),
              application::sign));
    }

    CapsuleRecord append(RecordType type, byte[] clear) {
      CapsuleRecord record = sealer.seal(type, 0, lamport++, List.of(), clear, 0, clear.length);
      node.store.append(
          List.of(
              new StoredRecord(LIAR, record.header().sequence(), record.hash(), record.bytes())));
      return record;
    }

    TableDescriptor build() {
      List<Entry> all = content.apply(entries);
      IndexBlockBuilder index =
          new IndexBlockBuilder(new byte[IndexBlockBuilder.FILTER_SEED_BYTES], Compression.NONE);
      List<BlockSummary> summaries = new ArrayList<>();
      List<CapsuleRecord> records = new ArrayList<>();
      long separate = 0;
      for (int from = 0; from < all.size(); from += BLOCK_ENTRIES) {
        EntriesBlockBuilder builder = new EntriesBlockBuilder(Compression.NONE);
        for (Entry entry : all.subList(from, Math.min(all.size(), from + BLOCK_ENTRIES))) {
          builder.add(entry);
          if (inFilter.test(entry)) {
            index.addKey(entry.key());
          }
          if (entry.kind() == EntryKind.POINTER) {
            separate += ValuePointer.decode(entry.value()).orThrow().length();
          }
        }
        EncodedBlock block = builder.finish(new byte[32]);
        int number = summaries.size();
        summaries.add(summary.apply(number, block.summary()));
        records.add(append(RecordType.BLOCK, payload.apply(number, block.payload())));
      }
      List<Hash32> hashes = named.apply(records.stream().map(CapsuleRecord::hash).toList());
      long bytes = 0;
      for (int i = 0; i < records.size(); i++) {
        int stored = records.get(i).bytes().length;
        bytes += stored;
        index.addBlock(new BlockDescriptor(hashes.get(i), stored, summaries.get(i)));
      }
      CapsuleRecord last = append(RecordType.BLOCK, index.finish());
      return Forgery.table(
          last.hash(),
          LIAR,
          records.getFirst().header().sequence(),
          summaries,
          bytes + last.bytes().length,
          separate,
          index.tableRoot());
    }

    void lie() {
      install(List.of(new Run(1, List.of(table.apply(build())))));
    }

    void install(List<Run> runs) {
      Manifest made =
          manifest.apply(
              new Manifest(
                  newest.hash(),
                  honest.coveredTime(),
                  honest.floorTime(),
                  honest.frontier(),
                  honest.clears(),
                  honest.moments(),
                  runs,
                  List.of()));
      CapsuleRecord record = append(RecordType.MANIFEST, ManifestCodec.encode(made));
      append(
          RecordType.CHECKPOINT,
          CheckpointCodec.encode(
              new Checkpoint(
                  record.hash(), Forgery.stateRoot(made), made.coveredTime(), List.of())));
    }

    @Override
    public void close() {
      sealer.close();
      keys.close();
    }
  }

  /** How somebody lies. */
  @FunctionalInterface
  private interface Lie {
    void tell(Liar liar);
  }

  private static Manifest with(Manifest made, List<Chain> frontier, List<Checkpoint.Range> left) {
    return new Manifest(
        made.previous(),
        made.coveredTime(),
        made.floorTime(),
        frontier,
        made.clears(),
        made.moments(),
        made.runs(),
        left);
  }

  private static BlockSummary summary(
      BlockSummary of, byte[] firstKey, byte[] lastKey, int entries, int tombstones, long maxTime) {
    return new BlockSummary(
        of.contentRoot(),
        firstKey,
        lastKey,
        entries,
        tombstones,
        of.expiring(),
        of.minTime(),
        maxTime);
  }

  private static Function<BlockSummary, BlockSummary> range(String first, String last) {
    return of ->
        summary(of, bytes(first), bytes(last), of.entries(), of.tombstones(), of.maxTime());
  }

  private static BiFunction<Integer, BlockSummary, BlockSummary> of(
      int number, Function<BlockSummary, BlockSummary> lie) {
    return (block, summary) -> block == number ? lie.apply(summary) : summary;
  }

  private UnaryOperator<List<Entry>> pointing(ValuePointer to) {
    return all -> {
      List<Entry> changed = new ArrayList<>(all);
      changed.set(0, all.get(0).withValue(EntryKind.POINTER, to.encode()));
      return changed;
    };
  }

  /** The second entry of a block becomes smaller than the first. */
  private static byte[] outOfOrder(byte[] block) {
    byte[] changed = block.clone();
    for (int at = 0; at + 2 < changed.length; at++) {
      if (changed[at] == 5 && changed[at + 1] == 1 && changed[at + 2] == '1') {
        changed[at + 2] = '/';
        return changed;
      }
    }
    throw new AssertionError("no second entry");
  }

  private static UnaryOperator<List<Hash32>> swapped(int first, int second) {
    return hashes -> {
      List<Hash32> changed = new ArrayList<>(hashes);
      Collections.swap(changed, first, second);
      return changed;
    };
  }

  private static UnaryOperator<List<Hash32>> replaced(int at, int by) {
    return hashes -> {
      List<Hash32> changed = new ArrayList<>(hashes);
      changed.set(at, changed.get(by));
      return changed;
    };
  }

  /** Every lie, with what fsck has to say of it. */
  private Map<Map.Entry<String, String>, Lie> lies() {
    Map<Map.Entry<String, String>, Lie> lies = new LinkedHashMap<>();
    lies.put(
        Map.entry("a filter without a key", "its filter denies 1 entries"),
        liar -> liar.inFilter = e -> !Arrays.equals(e.key(), bytes(key(17))));
    lies.put(
        Map.entry("entries too many", "where its index says 6 entries"),
        liar ->
            liar.summary = of(2, s -> summary(s, s.firstKey(), s.lastKey(), 6, 0, s.maxTime())));
    lies.put(
        Map.entry("entries too few", "where its index says 4 entries"),
        liar ->
            liar.summary = of(2, s -> summary(s, s.firstKey(), s.lastKey(), 4, 0, s.maxTime())));
    lies.put(
        Map.entry("tombstones that are none", "where its index says 5 entries, 2 tombstones"),
        liar ->
            liar.summary = of(2, s -> summary(s, s.firstKey(), s.lastKey(), 5, 2, s.maxTime())));
    lies.put(
        Map.entry("times too early", "where its index says"),
        liar ->
            liar.summary = of(2, s -> summary(s, s.firstKey(), s.lastKey(), 5, 0, s.minTime())));
    lies.put(
        Map.entry("another content root", "and root"),
        liar ->
            liar.summary =
                of(
                    2,
                    s ->
                        new BlockSummary(
                            newest.hash(),
                            s.firstKey(),
                            s.lastKey(),
                            s.entries(),
                            0,
                            0,
                            s.minTime(),
                            s.maxTime())));
    lies.put(
        Map.entry("a range too wide", "in another range of keys"),
        liar -> liar.summary = of(7, range(key(35), "zzz")));
    lies.put(
        Map.entry("a range too narrow", "in another range of keys"),
        liar -> liar.summary = of(2, range(key(11), key(13))));
    lies.put(
        Map.entry("a range elsewhere", "in another range of keys"),
        liar -> liar.summary = of(7, range("y", "z")));
    lies.put(
        Map.entry("keys out of order in a block", "its order, or the prefix it shares"),
        liar -> liar.payload = (block, bytes) -> block == 0 ? outOfOrder(bytes) : bytes);
    lies.put(
        Map.entry("blocks swapped", "it begins before the block before it ends"),
        liar -> liar.named = swapped(2, 5));
    lies.put(
        Map.entry("a block in place of another", "in another range of keys"),
        liar -> liar.named = replaced(3, 2));
    lies.put(
        Map.entry("a block twice, as what it is", "it begins before the block before it ends"),
        liar -> {
          liar.named = replaced(3, 2);
          BlockSummary[] second = new BlockSummary[1];
          liar.summary =
              (block, s) -> {
                second[0] = block == 2 ? s : second[0];
                return block == 3
                    ? summary(second[0], bytes(key(14)), bytes(key(14)), 5, 0, s.maxTime())
                    : s;
              };
        });
    lies.put(
        Map.entry("a value in place of a block", "named by block 4"),
        liar ->
            liar.named =
                hashes -> {
                  List<Hash32> changed = new ArrayList<>(hashes);
                  changed.set(4, firstPointer.record());
                  return changed;
                });
    lies.put(
        Map.entry("a pointer to another value", "the value is not the one"),
        liar ->
            liar.content =
                pointing(
                    new ValuePointer(
                        otherPointer.record(), firstPointer.length(), firstPointer.valueHash())));
    lies.put(
        Map.entry("a pointer to a block", "named by the entry"),
        liar ->
            liar.content =
                pointing(
                    new ValuePointer(
                        honest.runs().getFirst().tables().getFirst().index(),
                        firstPointer.length(),
                        firstPointer.valueHash())));
    lies.put(
        Map.entry("a pointer to a manifest", "is no BLOCK"),
        liar ->
            liar.content =
                pointing(
                    new ValuePointer(
                        newest.hash(), firstPointer.length(), firstPointer.valueHash())));
    lies.put(
        Map.entry("a pointer to nothing", "it is not stored"),
        liar ->
            liar.content =
                pointing(
                    new ValuePointer(
                        firstPointer.valueHash(),
                        firstPointer.length(),
                        firstPointer.valueHash())));
    lies.put(
        Map.entry("a pointer with another length", "the value is not the one"),
        liar ->
            liar.content =
                pointing(new ValuePointer(firstPointer.record(), 7, firstPointer.valueHash())));
    lies.put(
        Map.entry("a value of an unknown type", "does not know"),
        liar ->
            liar.content =
                all -> {
                  List<Entry> changed = new ArrayList<>(all);
                  Entry e = all.get(6);
                  changed.set(
                      6,
                      new Entry(
                          e.key(), e.time(), e.writer(), e.index(), e.kind(), 9, 0, e.value()));
                  return changed;
                });
    lies.put(
        Map.entry("entries from the future", "entries are later than what is covered"),
        liar -> {
          liar.content =
              all -> {
                List<Entry> changed = new ArrayList<>(all);
                Entry e = all.get(6);
                changed.set(
                    6,
                    new Entry(
                        e.key(),
                        honest.coveredTime() + 1_000_000,
                        e.writer(),
                        0,
                        e.kind(),
                        0,
                        0,
                        e.value()));
                return changed;
              };
          liar.summary =
              of(1, s -> summary(s, s.firstKey(), s.lastKey(), 5, 0, honest.coveredTime()));
        });
    lies.put(
        Map.entry("a table wider than it is", "its range of keys"),
        liar -> liar.table = t -> Forgery.inRange(t, bytes("a"), bytes("zzz")));
    lies.put(
        Map.entry("a table narrower than it is", "its range of keys"),
        liar -> liar.table = t -> Forgery.inRange(t, bytes(key(5)), bytes(key(20))));
    lies.put(
        Map.entry("a table with more entries than it has", "its entries"),
        liar -> liar.table = t -> Forgery.withEntries(t, 1_000_000));
    lies.put(
        Map.entry("leftovers that are alive", "which lists its records among what it does not"),
        liar ->
            liar.manifest =
                made -> {
                  TableDescriptor table = made.runs().getFirst().tables().getFirst();
                  long first = table.firstSequence();
                  return with(
                      made, made.frontier(), List.of(new Checkpoint.Range(LIAR, first, first)));
                });
    lies.put(
        Map.entry("a value that is alive left over", "the manifest does not need it"),
        liar ->
            liar.manifest =
                made -> {
                  CapsuleRecord value = record(firstPointer.record());
                  long at = value.header().sequence();
                  return with(
                      made,
                      made.frontier(),
                      List.of(new Checkpoint.Range(value.header().writer(), at, at)));
                });
    lies.put(
        Map.entry("records of clients left over", "which is no compactor's"),
        liar ->
            liar.manifest =
                made -> {
                  Chain worker =
                      made.frontier().stream().filter(c -> !c.isTree()).findFirst().orElseThrow();
                  long at = worker.sequence() + 1;
                  return with(
                      made,
                      made.frontier(),
                      List.of(new Checkpoint.Range(worker.writer(), at, Long.MAX_VALUE)));
                });
    lies.put(
        Map.entry("a frontier that is too high", "are not in the tables"),
        liar ->
            liar.manifest =
                made ->
                    new Manifest(
                        made.previous(),
                        made.coveredTime() + 100,
                        made.floorTime(),
                        made.frontier().stream().map(this::advanced).toList(),
                        made.clears(),
                        made.moments(),
                        made.runs(),
                        List.of()));
    lies.put(
        Map.entry("a frontier beyond the covered time", "only times up to"),
        liar ->
            liar.manifest =
                made ->
                    with(made, made.frontier().stream().map(this::advanced).toList(), List.of()));
    lies.put(
        Map.entry("a worker's chain as the tree's own", "whether the chain is a compactor's"),
        liar ->
            liar.manifest =
                made ->
                    with(
                        made,
                        made.frontier().stream()
                            .map(
                                c ->
                                    new Chain(
                                        c.writer(),
                                        c.sequence(),
                                        c.hash(),
                                        c.lamport(),
                                        c.joined(),
                                        true))
                            .toList(),
                        List.of()));
    return lies;
  }

  /** A chain's frontier at its end. */
  private Chain advanced(Chain chain) {
    long sequence = node.store.newestSequence(chain.writer());
    var record =
        RecordCodec.decodeStored(name, node.store.read(chain.writer(), sequence)).orThrow();
    return chain.isTree()
        ? chain
        : new Chain(
            chain.writer(),
            sequence,
            record.hash(),
            record.header().lamport(),
            chain.joined(),
            false);
  }

  @Test
  void everyLieIsNamedAndNoReadLoopsOrBreaks() {
    SimDisk disk = node.disk.copy();
    lies()
        .forEach(
            (what, lie) -> {
              node.disk = disk.copy();
              node.store = node.disk.open();
              try (Liar liar = new Liar()) {
                lie.tell(liar);
                liar.lie();
              }
              assertThat(node.fsck().problems())
                  .as(what.getKey())
                  .anyMatch(problem -> problem.toString().contains(what.getValue()));
              assertTimeoutPreemptively(
                  Duration.ofSeconds(60), () -> readEverything(what.getKey()), what.getKey());
            });
  }

  /** What is not lied about is clean, and readable: so each lie is what was found above. */
  @Test
  void aTableMadeTheSameWayWithoutALieIsClean() {
    try (Liar liar = new Liar()) {
      liar.lie();
    }
    assertThat(node.fsck().problems()).isEmpty();
    assertThat(readEverything("honest")).isZero();
  }

  @Test
  void tablesThatOverlapOrAreNamedTwiceAreFound() {
    SimDisk disk = node.disk.copy();
    Map<String, Function<TableDescriptor, List<Run>>> manifests =
        Map.of(
            "tables of a run overlap",
            t -> List.of(new Run(1, List.of(t, t))),
            "its records are those of another table",
            t -> List.of(new Run(0, List.of(t)), new Run(1, List.of(t))));
    manifests.forEach(
        (expected, runs) -> {
          node.disk = disk.copy();
          node.store = node.disk.open();
          try (Liar liar = new Liar()) {
            liar.install(runs.apply(liar.build()));
          }
          assertThat(node.fsck().problems())
              .anyMatch(problem -> problem.toString().contains(expected));
          assertTimeoutPreemptively(Duration.ofSeconds(60), () -> readEverything(expected));
        });
    // The same entries in two tables: nothing is lost by it, but it is no merge's output.
    node.disk = disk.copy();
    node.store = node.disk.open();
    try (Liar liar = new Liar()) {
      liar.install(List.of(new Run(0, List.of(liar.build())), new Run(1, List.of(liar.build()))));
    }
    assertTimeoutPreemptively(Duration.ofSeconds(60), () -> readEverything("doubled"));
    // A merge that took the second of two for an older version would release what both point to.
    CapsuleDb db = node.open();
    for (int i = 0; i < KEYS; i += 10) {
      assertThat(Node.get(db, key(i))).isEqualTo(i + "x".repeat(300));
    }
    db.close();
  }

  private interface Read {
    void run();
  }

  /** Reads in all ways there are; returns how many were refused. */
  private int readEverything(String what) {
    CapsuleDb db;
    try {
      db = node.open();
    } catch (IntegrityException refused) {
      return 1;
    }
    int[] refused = {0};
    List<Read> reads = new ArrayList<>();
    for (int i = 0; i <= KEYS; i++) {
      byte[] key = bytes(key(i));
      reads.add(() -> db.get(key));
      reads.add(() -> db.describe(key));
      reads.add(() -> db.history(key, 10));
      reads.add(() -> seek(db, key));
    }
    for (String foreign : List.of("a", key(7) + "x", "yy", "zzzz")) {
      reads.add(() -> db.get(bytes(foreign)));
      reads.add(() -> seek(db, bytes(foreign)));
    }
    reads.add(() -> forth(db));
    reads.add(() -> back(db));
    reads.add(() -> walk(db));
    reads.add(db::size);
    for (int i = 0; i < 50; i++) {
      reads.add(db::randomKey);
    }
    for (int i = 0; i < KEYS; i += 7) {
      byte[] key = bytes(key(i));
      reads.add(() -> db.proof(key));
    }
    reads.add(db::compact);
    reads.add(node.scheduler::run);
    reads.add(() -> put(db, "new", "value"));
    reads.add(node.scheduler::run);
    reads.add(db::flush);
    reads.add(node.scheduler::run);
    for (Read read : reads) {
      try {
        read.run();
      } catch (IntegrityException | UnavailableException integrity) {
        refused[0]++;
      }
    }
    assertThat(db.failure()).as(what).isNull();
    assertThat(Node.get(db, "new")).as(what).isEqualTo("value");
    db.close();
    return refused[0];
  }

  private static void seek(CapsuleDb db, byte[] key) {
    try (Snapshot snapshot = db.snapshot()) {
      Cursor cursor = snapshot.cursor();
      if (cursor.seek(key)) {
        cursor.value();
        cursor.previous();
      }
      cursor.seekBack(key);
      if (cursor.valid()) {
        cursor.next();
      }
    }
  }

  private static void forth(CapsuleDb db) {
    try (Snapshot snapshot = db.snapshot()) {
      Cursor cursor = snapshot.cursor();
      int steps = 0;
      for (boolean more = cursor.seekToFirst(); more; more = cursor.next()) {
        assertThat(++steps).isLessThan(10 * KEYS);
      }
    }
  }

  private static void back(CapsuleDb db) {
    try (Snapshot snapshot = db.snapshot()) {
      Cursor cursor = snapshot.cursor();
      int steps = 0;
      for (boolean more = cursor.seekToLast(); more; more = cursor.previous()) {
        assertThat(++steps).isLessThan(10 * KEYS);
      }
    }
  }

  private static void walk(CapsuleDb db) {
    int steps = 0;
    byte[] at = null;
    do {
      at = db.walk(at, 1, (key, type) -> {});
      assertThat(++steps).isLessThan(10 * KEYS);
    } while (at != null);
  }
}
