package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.lsm.Manifest;
import io.capsuledb.engine.lsm.TableDescriptor;
import io.capsuledb.engine.lsm.TreeInspector;
import io.capsuledb.engine.merge.MergeOperator;
import java.util.ArrayList;
import java.util.List;

/**
 * Looks at a capsule that no engine has open and says what its space is used for. Reads everything
 * once and changes nothing. What is damaged ends it; {@link CapsuleVerifier} says more of that.
 */
public final class CapsuleInspection {

  private static final int PROGRESS_RECORDS = 1024;

  /**
   * A level of the tree.
   *
   * @param number 0 for what was flushed and not merged yet
   * @param runs sorted runs: any number in level 0, else one
   * @param tables tables in them
   * @param blocks blocks of entries in them
   * @param entries versions of keys, deletions included
   * @param tombstones deletions
   * @param bytes bytes of the tables' records as stored
   * @param separateBytes bytes of the values kept apart that they point to, uncompressed
   */
  public record Level(
      int number,
      int runs,
      long tables,
      long blocks,
      long entries,
      long tombstones,
      long bytes,
      long separateBytes) {}

  /**
   * What was found.
   *
   * @param name the capsule
   * @param levels those that hold something, ascending
   * @param records all records in the store
   * @param releasedRecords of them those whose payload was released
   * @param releasedBytes bytes of their headers and signatures, which stay
   * @param recordBytes bytes of all records as stored, without the store's own overhead
   * @param tailRecords DATA records that are not in tables yet: read again at the next start
   * @param tailBytes their bytes
   * @param liveKeys keys that have a value
   * @param liveBytes bytes of those keys and values: what a user would get who read everything
   * @param historyEntries older versions, deletions, and what has expired or was cleared
   * @param historyBytes bytes of their keys and values
   * @param historySinceMs the wall clock that reads in the past reach back to, in milliseconds
   *     since 1970: what was replaced before it goes with the next merge. 0 if nobody asked for
   *     history
   */
  public record Result(
      CapsuleName name,
      List<Level> levels,
      long records,
      long releasedRecords,
      long releasedBytes,
      long recordBytes,
      long tailRecords,
      long tailBytes,
      long liveKeys,
      long liveBytes,
      long historyEntries,
      long historyBytes,
      long historySinceMs) {

    /** Bytes of values kept apart, in all levels. */
    public long separateBytes() {
      long bytes = 0;
      for (Level level : levels) {
        bytes += level.separateBytes();
      }
      return bytes;
    }
  }

  /** Hears how far it is. */
  @FunctionalInterface
  public interface Progress {
    /** So many records and entries were read, of about so many. */
    void read(long done, long total);
  }

  private CapsuleInspection() {}

  /**
   * Looks at a capsule.
   *
   * @param keys decrypt it; stay the caller's
   * @param nowMs the wall clock, by which keys have expired
   * @param seed unpredictable
   * @throws IntegrityException if something that is needed is damaged or missing
   */
  public static Result of(
      RecordStore store, Secp256k1 curve, KeyRing keys, long nowMs, long seed, Progress progress) {
    byte[] signed = store.metadata();
    if (signed == null) {
      throw new IntegrityException(
          Rejection.of(Reason.MISSING_RECORD, "the store holds no metadata of the capsule"));
    }
    CapsuleName name = MetadataCodec.nameOf(signed);
    CapsuleMetadata metadata = MetadataCodec.decode(signed, curve).orThrow();
    Survey survey =
        new Survey(
            name, metadata, ends -> keys, curve, store, new ChainVerifier(name, metadata, curve));
    survey.run();
    Manifest manifest = survey.recovered().manifest();
    List<Level> levels = levels(manifest);
    long total = 0;
    for (Survey.Surveyed chain : survey.chains()) {
      total += chain.newestSequence();
    }
    long records = total;
    for (Level level : levels) {
      total += level.entries();
    }
    try (TreeInspector tree = new TreeInspector(name, keys, store, manifest, seed);
        RecordOpener opener = new RecordOpener(name, keys)) {
      Scan scan = new Scan(name, opener, tree, progress, total);
      for (Survey.Surveyed chain : survey.chains()) {
        store.scan(
            chain.writer(),
            1,
            (writer, sequence, bytes) ->
                sequence <= chain.newestSequence() && scan.record(chain, sequence, bytes));
      }
      if (scan.records != records) {
        throw new IntegrityException(
            Rejection.of(
                Reason.MISSING_RECORD, (records - scan.records) + " records are not stored"));
      }
      long whole = total;
      tree.run(nowMs, entries -> progress.read(Math.min(whole, records + entries), whole));
      return new Result(
          name,
          levels,
          scan.records,
          scan.released,
          scan.releasedBytes,
          scan.bytes,
          scan.tailRecords,
          scan.tailBytes,
          tree.liveKeys(),
          tree.liveBytes(),
          tree.hiddenEntries(),
          tree.hiddenBytes(),
          historySince(manifest));
    }
  }

  /** When the newest moment at or before the floor was. */
  private static long historySince(Manifest manifest) {
    long since = 0;
    for (Manifest.Moment moment : manifest.moments()) {
      if (since == 0 || moment.lamport() <= manifest.floorTime()) {
        since = moment.wallMs();
      }
    }
    return since;
  }

  private static List<Level> levels(Manifest manifest) {
    List<Level> levels = new ArrayList<>();
    for (int number = 0; number < Manifest.LEVELS; number++) {
      int runs = 0;
      long tables = 0;
      long blocks = 0;
      long entries = 0;
      long tombstones = 0;
      long bytes = 0;
      long separate = 0;
      for (Manifest.Run run : manifest.runs()) {
        if (run.level() == number) {
          runs++;
          for (TableDescriptor table : run.tables()) {
            tables++;
            blocks += table.records() - 1;
            entries += table.entries();
            tombstones += table.tombstones();
            bytes += table.bytes();
            separate += table.separateBytes();
          }
        }
      }
      if (runs > 0) {
        levels.add(new Level(number, runs, tables, blocks, entries, tombstones, bytes, separate));
      }
    }
    return List.copyOf(levels);
  }

  /** Counts records, and puts the operations of the tail into the inspector. */
  private static final class Scan {
    private final CapsuleName name;
    private final RecordOpener opener;
    private final TreeInspector tree;
    private final Progress progress;
    private final long total;
    private long records;
    private long released;
    private long releasedBytes;
    private long bytes;
    private long tailRecords;
    private long tailBytes;

    Scan(CapsuleName name, RecordOpener opener, TreeInspector tree, Progress progress, long total) {
      this.name = name;
      this.opener = opener;
      this.tree = tree;
      this.progress = progress;
      this.total = total;
    }

    boolean record(Survey.Surveyed chain, long sequence, byte[] stored) {
      records++;
      bytes += stored.length;
      if (RecordCodec.isStub(stored)) {
        released++;
        releasedBytes += stored.length;
      }
      if (sequence > chain.coveredSequence()
          && !chain.isTree()
          && RecordCodec.typeOf(stored) == RecordType.DATA) {
        tailRecords++;
        tailBytes += stored.length;
        CapsuleRecord record = RecordCodec.decode(name, stored).orThrow();
        Rejection malformed =
            BatchCodec.decode(
                opener.open(record).orThrow(),
                new Tail(tree, record.header().lamport(), record.header().writer()));
        if (malformed != null) {
          throw new IntegrityException(
              Rejection.of(malformed.reason(), record + ": " + malformed.detail()));
        }
      }
      if (records % PROGRESS_RECORDS == 0) {
        progress.read(records, total);
      }
      return true;
    }
  }

  /** The operations of one record, with the versions they have. */
  private static final class Tail implements BatchCodec.Visitor {
    private final TreeInspector tree;
    private final long firstTime;
    private final long writer;
    private int index;

    Tail(TreeInspector tree, long firstTime, long writer) {
      this.tree = tree;
      this.firstTime = firstTime;
      this.writer = writer;
    }

    private Version next() {
      Version version = new Version(firstTime + index, writer, index);
      index++;
      return version;
    }

    @Override
    public void put(byte[] key, ValueType type, byte[] value, long expiryAtMs) {
      tree.put(key, next(), value.length, expiryAtMs);
    }

    @Override
    public void merge(byte[] key, MergeOperator operator, byte[] operand, long expiryAtMs) {
      tree.put(key, next(), operand.length, expiryAtMs);
    }

    @Override
    public void delete(byte[] key) {
      tree.delete(key, next());
    }

    @Override
    public void clear() {
      tree.clear(next());
    }
  }
}
