package io.capsuledb.engine.lsm;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.RecordLayout;
import io.capsuledb.engine.entry.Version;
import io.capsuledb.engine.lsm.Manifest.Chain;
import io.capsuledb.engine.lsm.Manifest.Moment;
import io.capsuledb.engine.lsm.Manifest.Run;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Manifests to bytes and back. */
public final class ManifestCodec {

  private static final int MAX_KEY_BYTES = 64 << 10;

  private ManifestCodec() {}

  /** The payload of a MANIFEST record. */
  public static byte[] encode(Manifest manifest) {
    long size =
        ManifestLayout.HEADER_BYTES
            + (long) ManifestLayout.CHAIN_BYTES * manifest.frontier().size()
            + (long) ManifestLayout.CLEAR_BYTES * manifest.clears().size()
            + (long) ManifestLayout.MOMENT_BYTES * manifest.moments().size();
    for (Run run : manifest.runs()) {
      size += ManifestLayout.RUN_BYTES;
      for (TableDescriptor table : run.tables()) {
        size += ManifestLayout.TABLE_BYTES + table.firstKey().length + table.lastKey().length;
      }
    }
    boolean hasLeftovers = !manifest.leftovers().isEmpty();
    if (hasLeftovers) {
      size += Integer.BYTES + (long) ManifestLayout.LEFTOVER_BYTES * manifest.leftovers().size();
    }
    if (size > RecordLayout.MAX_PLAINTEXT_BYTES) {
      throw new IllegalStateException("a manifest of " + size + " bytes does not fit a record");
    }
    Writer out = new Writer((int) size);
    out.u8(hasLeftovers ? ManifestLayout.FORMAT_WITH_LEFTOVERS : ManifestLayout.FORMAT);
    out.at = ManifestLayout.COVERED_OFFSET;
    out.u64(manifest.coveredTime());
    out.u64(manifest.floorTime());
    out.hash(manifest.previous());
    out.u32(manifest.frontier().size());
    out.u32(manifest.clears().size());
    out.u32(manifest.moments().size());
    out.u32(manifest.runs().size());
    for (Chain chain : manifest.frontier()) {
      out.u64(chain.writer());
      out.u64(chain.sequence());
      out.hash(chain.hash());
      out.u64(chain.lamport());
      out.u8(
          (chain.joined() ? ManifestLayout.CHAIN_JOINED : 0)
              | (chain.isTree() ? ManifestLayout.CHAIN_OF_TREE : 0));
    }
    for (Version clear : manifest.clears()) {
      out.u64(clear.time());
      out.u64(clear.writer());
      out.u32(clear.index());
    }
    for (Moment moment : manifest.moments()) {
      out.u64(moment.lamport());
      out.u64(moment.wallMs());
    }
    for (Run run : manifest.runs()) {
      out.u8(run.level());
      out.u32(run.tables().size());
      run.tables().forEach(out::table);
    }
    if (hasLeftovers) {
      out.u32(manifest.leftovers().size());
      for (Checkpoint.Range range : manifest.leftovers()) {
        out.u64(range.writer());
        out.u64(range.fromSequence());
        out.u64(range.toSequence());
      }
    }
    if (out.at != out.bytes.length) {
      throw new IllegalStateException("a manifest's size was computed wrong");
    }
    return out.bytes;
  }

  private static final class Writer {
    final byte[] bytes;
    int at;

    Writer(int size) {
      bytes = new byte[size];
    }

    void u8(int value) {
      bytes[at++] = (byte) value;
    }

    void u32(int value) {
      LittleEndian.putInt(bytes, at, value);
      at += Integer.BYTES;
    }

    void u64(long value) {
      LittleEndian.putLong(bytes, at, value);
      at += Long.BYTES;
    }

    void hash(Hash32 hash) {
      hash.copyTo(bytes, at);
      at += Hash32.BYTES;
    }

    void key(byte[] key) {
      u32(key.length);
      System.arraycopy(key, 0, bytes, at, key.length);
      at += key.length;
    }

    void table(TableDescriptor table) {
      hash(table.index());
      hash(table.root());
      u64(table.writer());
      u64(table.firstSequence());
      u32(table.records());
      u64(table.entries());
      u64(table.tombstones());
      u64(table.expiring());
      u64(table.minTime());
      u64(table.maxTime());
      u64(table.bytes());
      u64(table.separateBytes());
      key(table.firstKey());
      key(table.lastKey());
    }
  }

  /** Decodes a payload. Takes any bytes. */
  public static Decoded<Manifest> decode(byte[] payload) {
    try {
      return Decoded.accept(new Reader(payload).manifest());
    } catch (Malformed malformed) {
      return Decoded.reject(malformed.reason, "manifest: " + malformed.getMessage());
    }
  }

  /** Ends decoding; never leaves this class. */
  private static final class Malformed extends Exception {
    private static final long serialVersionUID = 1L;

    // An exception of this class is never serialised.
    private final transient Reason reason;

    Malformed(String message) {
      this(Reason.PAYLOAD, message);
    }

    Malformed(Reason reason, String message) {
      super(message, null, false, false);
      this.reason = reason;
    }
  }

  private static final class Reader {
    private final byte[] bytes;
    private int at;

    Reader(byte[] bytes) {
      this.bytes = bytes;
    }

    Manifest manifest() throws Malformed {
      if (bytes.length < ManifestLayout.HEADER_BYTES) {
        throw new Malformed(bytes.length + " bytes");
      }
      byte format = bytes[ManifestLayout.FORMAT_OFFSET];
      if (format != ManifestLayout.FORMAT && format != ManifestLayout.FORMAT_WITH_LEFTOVERS) {
        throw new Malformed(
            Reason.UNKNOWN_FORMAT,
            "format "
                + (format & 0xFF)
                + ", of which this version knows nothing: open the capsule with a newer one");
      }
      for (int i = ManifestLayout.RESERVED_OFFSET; i < ManifestLayout.COVERED_OFFSET; i++) {
        require(bytes[i] == 0, "a reserved byte is not zero");
      }
      at = ManifestLayout.COVERED_OFFSET;
      long coveredTime = time();
      long floorTime = time();
      require(floorTime <= coveredTime, "the floor is above what is covered");
      Hash32 previous = hash();
      int chains = count(Manifest.MAX_CHAINS, "chains");
      int clears = count(Manifest.MAX_CLEARS, "clears");
      int moments = count(Manifest.MAX_MOMENTS, "moments");
      int runs = count(Manifest.MAX_LEVEL_0_RUNS + Manifest.LEVELS, "runs");
      room((long) chains * ManifestLayout.CHAIN_BYTES);
      List<Chain> frontier = new ArrayList<>(chains);
      for (int i = 0; i < chains; i++) {
        Chain chain = chain();
        require(i == 0 || frontier.getLast().writer() < chain.writer(), "chains are not in order");
        frontier.add(chain);
      }
      room((long) clears * ManifestLayout.CLEAR_BYTES);
      List<Version> clearVersions = new ArrayList<>(clears);
      for (int i = 0; i < clears; i++) {
        Version clear = new Version(time(), positive("a writer"), index());
        require(i == 0 || clearVersions.getLast().compareTo(clear) < 0, "clears are not in order");
        clearVersions.add(clear);
      }
      room((long) moments * ManifestLayout.MOMENT_BYTES);
      List<Moment> reached = new ArrayList<>(moments);
      for (int i = 0; i < moments; i++) {
        Moment moment = new Moment(time(), notNegative("a wall clock"));
        require(
            i == 0 || reached.getLast().lamport() < moment.lamport(), "moments are not in order");
        reached.add(moment);
      }
      List<Run> sorted = new ArrayList<>(runs);
      int tables = 0;
      for (int i = 0; i < runs; i++) {
        Run run = run(coveredTime);
        int before = i == 0 ? 0 : sorted.getLast().level();
        require(
            i == 0 || (before == 0 ? run.level() >= 0 : run.level() > before),
            "runs are not in order of their levels");
        tables += run.tables().size();
        require(tables <= Manifest.MAX_TABLES, "too many tables");
        sorted.add(run);
      }
      List<Checkpoint.Range> leftovers =
          format == ManifestLayout.FORMAT_WITH_LEFTOVERS ? leftovers() : List.of();
      require(at == bytes.length, "bytes after the end");
      return new Manifest(
          previous,
          coveredTime,
          floorTime,
          List.copyOf(frontier),
          List.copyOf(clearVersions),
          List.copyOf(reached),
          List.copyOf(sorted),
          leftovers);
    }

    private List<Checkpoint.Range> leftovers() throws Malformed {
      int count = count(Manifest.MAX_LEFTOVERS, "leftovers");
      require(count > 0, "no leftovers in the format that has some");
      room((long) count * ManifestLayout.LEFTOVER_BYTES);
      List<Checkpoint.Range> leftovers = new ArrayList<>(count);
      for (int i = 0; i < count; i++) {
        long writer = positive("a writer");
        require(writer <= RosterEntry.MAX_WRITER, "a writer out of range");
        long from = positive("a sequence number");
        long to = positive("a sequence number");
        require(from <= to, "sequence numbers of a leftover are swapped");
        Checkpoint.Range last = i == 0 ? null : leftovers.getLast();
        require(
            last == null
                || last.writer() < writer
                || (last.writer() == writer && from - last.toSequence() > 1),
            "leftovers are not in order");
        leftovers.add(new Checkpoint.Range(writer, from, to));
      }
      return List.copyOf(leftovers);
    }

    private Chain chain() throws Malformed {
      long writer = positive("a writer");
      long sequence = positive("a sequence number");
      Hash32 hash = hash();
      long lamport = time();
      int flags = u8();
      require(flags <= ManifestLayout.CHAIN_FLAGS, "unknown flags of a chain");
      return new Chain(
          writer,
          sequence,
          hash,
          lamport,
          (flags & ManifestLayout.CHAIN_JOINED) != 0,
          (flags & ManifestLayout.CHAIN_OF_TREE) != 0);
    }

    private Run run(long coveredTime) throws Malformed {
      room(ManifestLayout.RUN_BYTES);
      int level = u8();
      require(level < Manifest.LEVELS, "level " + level);
      int count = count(Manifest.MAX_TABLES, "tables");
      require(count > 0, "a run without tables");
      room((long) count * ManifestLayout.TABLE_BYTES);
      List<TableDescriptor> tables = new ArrayList<>(count);
      for (int i = 0; i < count; i++) {
        TableDescriptor table = table();
        require(table.maxTime() <= coveredTime, "a table is newer than what is covered");
        require(
            i == 0 || Arrays.compareUnsigned(tables.getLast().lastKey(), table.firstKey()) < 0,
            "tables of a run overlap");
        tables.add(table);
      }
      return new Run(level, List.copyOf(tables));
    }

    private TableDescriptor table() throws Malformed {
      room(ManifestLayout.TABLE_BYTES);
      Hash32 index = hash();
      Hash32 root = hash();
      long writer = positive("a writer");
      long firstSequence = positive("a sequence number");
      int records = u32();
      require(records >= 2, "a table of " + records + " records");
      require(firstSequence <= Long.MAX_VALUE - records, "sequence numbers overflow");
      long entries = positive("a number of entries");
      long tombstones = notNegative("a number of tombstones");
      long expiring = notNegative("a number of expiring entries");
      require(tombstones <= entries && expiring <= entries, "more tombstones than entries");
      long minTime = time();
      long maxTime = time();
      require(minTime <= maxTime, "times of a table are swapped");
      long size = notNegative("a size");
      long separate = notNegative("a size");
      byte[] firstKey = key();
      byte[] lastKey = key();
      require(Arrays.compareUnsigned(firstKey, lastKey) <= 0, "keys of a table are swapped");
      return new TableDescriptor(
          index,
          writer,
          firstSequence,
          records,
          firstKey,
          lastKey,
          entries,
          tombstones,
          expiring,
          minTime,
          maxTime,
          size,
          separate,
          root);
    }

    private void room(long needed) throws Malformed {
      require(needed <= bytes.length - at, "it ends too early");
    }

    private static void require(boolean condition, String otherwise) throws Malformed {
      if (!condition) {
        throw new Malformed(otherwise);
      }
    }

    private int u8() throws Malformed {
      room(1);
      return bytes[at++] & 0xFF;
    }

    private int u32() throws Malformed {
      room(Integer.BYTES);
      int value = LittleEndian.getInt(bytes, at);
      at += Integer.BYTES;
      return value;
    }

    private int index() throws Malformed {
      int value = u32();
      require(value >= 0, "an index is negative");
      return value;
    }

    private int count(int most, String what) throws Malformed {
      int count = u32();
      require(count >= 0 && count <= most, Integer.toUnsignedString(count) + " " + what);
      return count;
    }

    private long u64() throws Malformed {
      room(Long.BYTES);
      long value = LittleEndian.getLong(bytes, at);
      at += Long.BYTES;
      return value;
    }

    private long time() throws Malformed {
      long value = u64();
      require(value >= 0 && value <= RecordLayout.MAX_LAMPORT, "a Lamport time out of range");
      return value;
    }

    private long notNegative(String what) throws Malformed {
      long value = u64();
      require(value >= 0, what + " out of range");
      return value;
    }

    private long positive(String what) throws Malformed {
      long value = u64();
      require(value > 0, what + " out of range");
      return value;
    }

    private Hash32 hash() throws Malformed {
      room(Hash32.BYTES);
      Hash32 hash = Hash32.of(Arrays.copyOfRange(bytes, at, at + Hash32.BYTES));
      at += Hash32.BYTES;
      return hash;
    }

    private byte[] key() throws Malformed {
      int length = count(MAX_KEY_BYTES, "bytes of a key");
      room(length);
      byte[] key = Arrays.copyOfRange(bytes, at, at + length);
      at += length;
      return key;
    }
  }
}
