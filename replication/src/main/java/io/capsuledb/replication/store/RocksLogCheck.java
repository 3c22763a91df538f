package io.capsuledb.replication.store;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Looks at RocksDB's log files before RocksDB does, because RocksDB forgives more than we may.
 *
 * <p>RocksDB stops replaying a write-ahead log at the first entry that is not whole, and in every
 * recovery mode some damage looks to it like the end of the log: a length that points beyond the
 * end of the file, a log number of an earlier use of the file, a block of zeros. What follows is
 * dropped silently, though it was acknowledged. Its descriptor log (MANIFEST) has the same hole.
 *
 * <p>Two facts tell damage from the torn end a crash leaves behind:
 *
 * <ul>
 *   <li>a group of appends is written as one entry, and synced before the next one is written. So
 *       if an intact entry <em>begins</em> anywhere after a broken one, the broken one was
 *       acknowledged;
 *   <li>after recovery RocksDB's sequence number must have reached that of every intact entry, and
 *       the {@link AcknowledgedMark}. That part is the caller's: {@link #highestSequence} is what
 *       this class contributes.
 * </ul>
 *
 * <p>The framing is the one of LevelDB's and RocksDB's log format, stable since 2011 (recyclable
 * entries: 2015): blocks of 32 KiB; an entry has a masked CRC-32C (4), a length (2), a type (1), in
 * recyclable entries the low half of the log's number (4), and the payload; an entry does not cross
 * a block, a group of entries FIRST MIDDLE* LAST does. The payload of a write-ahead log begins with
 * a sequence number (8) and a count (4). All little endian.
 */
final class RocksLogCheck {

  private static final int BLOCK_BYTES = 32 << 10;
  private static final int LEGACY_HEADER_BYTES = 7;
  private static final int RECYCLABLE_HEADER_BYTES = 11;
  private static final int HEADER_LENGTH = 4;
  private static final int HEADER_TYPE = 6;
  private static final int HEADER_LOG_NUMBER = 7;

  // Entry types. Recyclable ones are the legacy ones plus four.
  private static final int FULL = 1;
  private static final int FIRST = 2;
  private static final int MIDDLE = 3;
  private static final int LAST = 4;
  private static final int RECYCLABLE = 4;

  private static final int BATCH_HEADER_BYTES = 12;

  /** Beyond what one crash can leave between two entries, so surely not a sequence number. */
  private static final long MAX_SEQUENCE_STEP = 1L << 40;

  /** How much of a damaged group is decoded to name its records. */
  private static final int MAX_DESCRIBED_BYTES = 1 << 20;

  private static final int MAX_NAMED_RECORDS = 3;

  private static final Pattern LOG_NAME = Pattern.compile("([0-9]{6,18})\\.log");
  private static final int MAX_CURRENT_BYTES = 64;

  private long highestSequence;
  private long intactEntries;
  private final List<String> tornEnds = new ArrayList<>();

  private RocksLogCheck() {}

  /**
   * Checks the logs of the database in {@code directory}; modifies nothing.
   *
   * @throws io.capsuledb.core.error.IntegrityException if anything acknowledged is damaged
   */
  static RocksLogCheck of(Path directory) {
    RocksLogCheck check = new RocksLogCheck();
    try {
      check.checkDescriptor(directory);
      for (LogFile log : logs(directory)) {
        check.checkLog(log);
      }
    } catch (IOException e) {
      throw RocksFailures.io(e, directory, "reading the logs in");
    }
    return check;
  }

  /** The sequence number of the newest intact entry of any write-ahead log; 0 if there is none. */
  long highestSequence() {
    return highestSequence;
  }

  /** How many intact entries there are before any damage; one sync each wrote them. */
  long intactEntries() {
    return intactEntries;
  }

  /** Where logs end in an entry that is not whole, for messages; usually a crash left it. */
  List<String> tornEnds() {
    return List.copyOf(tornEnds);
  }

  /** A write-ahead log and the number in its name. */
  private record LogFile(Path path, long number) {}

  private static List<LogFile> logs(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .map(
              path -> {
                Matcher name = LOG_NAME.matcher(path.getFileName().toString());
                return new LogFile(path, name.matches() ? Long.parseLong(name.group(1)) : -1);
              })
          .filter(log -> log.number >= 0)
          .sorted(Comparator.comparingLong(LogFile::number))
          .toList();
    }
  }

  /** Whether {@code directory} holds data of a database. */
  static boolean holdsData(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        String name = file.getFileName().toString();
        if (name.endsWith(".sst")
            || name.endsWith(".blob")
            || (LOG_NAME.matcher(name).matches() && Files.size(file) > 0)
            || name.equals(StoreLayout.MARK_FILE)) {
          return true;
        }
      }
    }
    return false;
  }

  // ------------------------------------------------------------------ reading entries

  /** What is at a place in a log file. */
  private enum Verdict {
    /** An intact entry of this log. */
    INTACT,
    /** Too little of the block is left for an entry. */
    BLOCK_END,
    /** An entry of an earlier use of the file. */
    STALE,
    /** The entry's bytes are not the ones that were written. */
    DAMAGED,
    /** The file ends within the entry. */
    TRUNCATED
  }

  /** One block of a log, and the entry last looked at in it. */
  private static final class Block {
    final byte[] bytes = new byte[BLOCK_BYTES];
    int length;
    long start;
    final int logNumber;

    // The entry at the last position asked for.
    int type;
    int payloadAt;
    int payloadLength;
    boolean recyclable;

    Block(long logNumber) {
      this.logNumber = (int) logNumber;
    }

    /** Reads the next block; false at the end of the file. */
    boolean readFrom(InputStream in) throws IOException {
      start += length;
      length = in.readNBytes(bytes, 0, BLOCK_BYTES);
      return length > 0;
    }

    private int intAt(int at) {
      return (bytes[at] & 0xff)
          | (bytes[at + 1] & 0xff) << 8
          | (bytes[at + 2] & 0xff) << 16
          | (bytes[at + 3] & 0xff) << 24;
    }

    /** Parses the header at {@code at}; false if there is not enough left for one. */
    private boolean header(int at) {
      if (at + LEGACY_HEADER_BYTES > length) {
        return false;
      }
      int stored = bytes[at + HEADER_TYPE] & 0xff;
      recyclable = stored > RECYCLABLE && stored <= 2 * RECYCLABLE;
      type = recyclable ? stored - RECYCLABLE : stored;
      payloadAt = at + (recyclable ? RECYCLABLE_HEADER_BYTES : LEGACY_HEADER_BYTES);
      payloadLength =
          (bytes[at + HEADER_LENGTH] & 0xff) | (bytes[at + HEADER_LENGTH + 1] & 0xff) << 8;
      return payloadAt <= length;
    }

    /**
     * Whether the entry at {@code at} says that it is recyclable, however little there is of it.
     */
    private boolean isRecyclable(int at) {
      return at + HEADER_TYPE < length && (bytes[at + HEADER_TYPE] & 0xff) > RECYCLABLE;
    }

    /** Whether the checksum stored at {@code at} fits a payload of {@code payload} bytes. */
    private boolean checksumFits(int at, int payload) {
      CRC32C crc = new CRC32C();
      crc.update(bytes, at + HEADER_TYPE, payloadAt + payload - at - HEADER_TYPE);
      return intAt(at) == masked((int) crc.getValue());
    }

    Verdict look(int at) {
      if (at + LEGACY_HEADER_BYTES > BLOCK_BYTES) {
        return Verdict.BLOCK_END;
      }
      if (!header(at)) {
        return length < BLOCK_BYTES ? Verdict.TRUNCATED : Verdict.BLOCK_END;
      }
      if (at + RECYCLABLE_HEADER_BYTES > BLOCK_BYTES && allZero(at, length)) {
        return Verdict.BLOCK_END;
      }
      if (payloadAt + payloadLength > BLOCK_BYTES) {
        return Verdict.DAMAGED;
      }
      if (payloadAt + payloadLength > length) {
        return Verdict.TRUNCATED;
      }
      if (!checksumFits(at, payloadLength)) {
        return Verdict.DAMAGED;
      }
      return recyclable && intAt(at + HEADER_LOG_NUMBER) != logNumber
          ? Verdict.STALE
          : Verdict.INTACT;
    }

    /** Whether an intact group of this log begins at {@code at}. Cheap when none does. */
    boolean groupBegins(int at, boolean onlyRecyclable) {
      return header(at)
          && (type == FULL || type == FIRST)
          && (recyclable ? intAt(at + HEADER_LOG_NUMBER) == logNumber : !onlyRecyclable)
          && payloadAt + payloadLength <= length
          && payloadLength >= BATCH_HEADER_BYTES
          && checksumFits(at, payloadLength);
    }

    /** Whether a truncated entry would be intact with some smaller length. */
    boolean intactIfShorter(int at) {
      int available = length - payloadAt;
      CRC32C crc = new CRC32C();
      crc.update(bytes, at + HEADER_TYPE, payloadAt - at - HEADER_TYPE);
      int stored = intAt(at);
      for (int i = 0; i <= available; i++) {
        if (masked((int) crc.getValue()) == stored) {
          return true;
        }
        if (i < available) {
          crc.update(bytes[payloadAt + i]);
        }
      }
      return false;
    }

    boolean allZero(int from, int to) {
      for (int i = from; i < to; i++) {
        if (bytes[i] != 0) {
          return false;
        }
      }
      return true;
    }

    private static int masked(int crc) {
      return ((crc >>> 15) | (crc << 17)) + 0xa282ead8;
    }
  }

  // ------------------------------------------------------------------ write-ahead logs

  private void checkLog(LogFile log) throws IOException {
    Block block = new Block(log.number);
    Group group = new Group();
    long lastSequence = 0;
    boolean onlyRecyclable = false;
    try (InputStream in = Files.newInputStream(log.path)) {
      while (block.readFrom(in)) {
        int at = 0;
        Verdict verdict = block.look(at);
        // A log has entries of one kind. Knowing it spares the search most of its work.
        onlyRecyclable |= block.start == 0 && block.recyclable;
        while (verdict == Verdict.INTACT && group.take(block, at)) {
          if (group.complete) {
            lastSequence = Math.max(lastSequence, group.lastSequence());
            highestSequence = Math.max(highestSequence, lastSequence);
            intactEntries++;
          }
          at = block.payloadAt + block.payloadLength;
          verdict = block.look(at);
        }
        if (verdict != Verdict.BLOCK_END) {
          long brokenAt = group.complete ? block.start + at : group.start;
          boolean fileEnds = verdict == Verdict.TRUNCATED && at == block.length && group.complete;
          if (!fileEnds) {
            refuseIfMoreFollows(log, brokenAt, block, at, in, lastSequence, onlyRecyclable);
            tornEnds.add(log.path.getFileName() + " at byte " + brokenAt);
          }
          return;
        }
      }
    }
    if (!group.complete) {
      tornEnds.add(log.path.getFileName() + " at byte " + group.start);
    }
  }

  /** The group of entries being read: its place, and the first bytes of its payload. */
  private static final class Group {
    boolean complete = true;
    long start;
    private final byte[] head = new byte[BATCH_HEADER_BYTES];
    private int headLength;

    /** Takes the entry the block last looked at; false if it does not fit here. */
    boolean take(Block block, int at) {
      boolean begins = block.type == FULL || block.type == FIRST;
      boolean continues = block.type == MIDDLE || block.type == LAST;
      if ((begins && !complete && headLength > 0) || (continues && complete)) {
        return false;
      }
      if (!begins && !continues) {
        return true;
      }
      if (begins) {
        start = block.start + at;
        headLength = 0;
      }
      int copied = Math.min(BATCH_HEADER_BYTES - headLength, block.payloadLength);
      System.arraycopy(block.bytes, block.payloadAt, head, headLength, copied);
      headLength += copied;
      complete = block.type == FULL || block.type == LAST;
      return true;
    }

    long lastSequence() {
      if (headLength < BATCH_HEADER_BYTES) {
        return 0;
      }
      ByteBuffer buffer = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN);
      long sequence = buffer.getLong();
      int count = buffer.getInt();
      return count <= 0 ? 0 : sequence + count - 1;
    }
  }

  /** Searches the rest of a log, byte by byte, for the beginning of an intact group. */
  private static void refuseIfMoreFollows(
      LogFile log,
      long brokenAt,
      Block block,
      int from,
      InputStream in,
      long lastSequence,
      boolean onlyRecyclable)
      throws IOException {
    int at = from;
    do {
      for (; at + LEGACY_HEADER_BYTES + BATCH_HEADER_BYTES <= block.length; at++) {
        if (block.groupBegins(at, onlyRecyclable)) {
          ByteBuffer payload =
              ByteBuffer.wrap(block.bytes, block.payloadAt, BATCH_HEADER_BYTES)
                  .order(ByteOrder.LITTLE_ENDIAN);
          long sequence = payload.getLong();
          if (sequence > lastSequence && sequence - lastSequence < MAX_SEQUENCE_STEP) {
            throw RocksFailures.damaged(
                log.path
                    + " at byte "
                    + brokenAt
                    + ": an acknowledged entry is damaged"
                    + describe(log.path, brokenAt)
                    + "; an intact one follows at byte "
                    + (block.start + at));
          }
        }
      }
      at = 0;
    } while (block.readFrom(in));
  }

  // ------------------------------------------------------------------ naming what is damaged

  /** Names the records in a damaged group as far as its keys can still be read. */
  private static String describe(Path path, long groupAt) throws IOException {
    byte[] payload = payloadOf(path, groupAt);
    List<String> names = new ArrayList<>();
    int more = 0;
    ByteBuffer in = ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN);
    in.position(Math.min(BATCH_HEADER_BYTES, in.limit()));
    byte[] key = nextKey(in);
    while (key != null) {
      if (key.length == StoreLayout.RECORD_KEY_BYTES) {
        if (names.size() < MAX_NAMED_RECORDS) {
          names.add(StoreCodec.recordPosition(key).toString());
        } else {
          more++;
        }
      }
      key = nextKey(in);
    }
    if (names.isEmpty()) {
      return "";
    }
    return " (of " + String.join(", ", names) + (more > 0 ? " and " + more + " more" : "") + ")";
  }

  /** The payload of the group at {@code groupAt}, following lengths while they make sense. */
  private static byte[] payloadOf(Path path, long groupAt) throws IOException {
    byte[] payload = new byte[MAX_DESCRIBED_BYTES];
    int filled = 0;
    Block block = new Block(0);
    try (InputStream in = Files.newInputStream(path)) {
      in.skipNBytes(groupAt / BLOCK_BYTES * BLOCK_BYTES);
      int at = (int) (groupAt % BLOCK_BYTES);
      while (block.readFrom(in)) {
        while (block.header(at)) {
          int length = Math.min(block.payloadLength, block.length - block.payloadAt);
          int copied = Math.min(length, payload.length - filled);
          System.arraycopy(block.bytes, block.payloadAt, payload, filled, copied);
          filled += copied;
          boolean more = block.type == FIRST || block.type == MIDDLE;
          if (!more || filled == payload.length) {
            return Arrays.copyOf(payload, filled);
          }
          at = block.payloadAt + length;
        }
        at = 0;
      }
    }
    return Arrays.copyOf(payload, filled);
  }

  /** The key of the next put in a write batch, or null at its end or where it makes no sense. */
  private static byte @Nullable [] nextKey(ByteBuffer in) {
    final int putInDefaultFamily = 1;
    final int putInFamily = 5;
    if (!in.hasRemaining()) {
      return null;
    }
    int tag = in.get();
    if (tag != putInDefaultFamily && tag != putInFamily) {
      return null;
    }
    if (tag == putInFamily && varint(in) < 0) {
      return null;
    }
    int keyLength = varint(in);
    if (keyLength < 0 || keyLength > in.remaining()) {
      return null;
    }
    byte[] key = new byte[keyLength];
    in.get(key);
    int valueLength = varint(in);
    if (valueLength < 0) {
      return null;
    }
    in.position(in.position() + Math.min(valueLength, in.remaining()));
    return key;
  }

  /** A variable-length integer below 2^31, or -1. */
  private static int varint(ByteBuffer in) {
    int value = 0;
    for (int shift = 0; shift < 32 && in.hasRemaining(); shift += 7) {
      int b = in.get();
      value |= (b & 0x7f) << shift;
      if (b >= 0) {
        return value < 0 ? -1 : value;
      }
    }
    return -1;
  }

  // ------------------------------------------------------------------ the descriptor log

  private void checkDescriptor(Path directory) throws IOException {
    Path current = directory.resolve("CURRENT");
    String name;
    try (InputStream in = Files.newInputStream(current)) {
      name = new String(in.readNBytes(MAX_CURRENT_BYTES), StandardCharsets.ISO_8859_1);
    }
    if (!name.matches("MANIFEST-[0-9]{6,18}\n")) {
      throw RocksFailures.damaged(current + " does not name a descriptor file");
    }
    Path path = directory.resolve(name.strip());
    if (!Files.exists(path)) {
      throw RocksFailures.damaged(current + " names " + path.getFileName() + ", which is missing");
    }
    Block block = new Block(0);
    try (InputStream in = Files.newInputStream(path)) {
      while (block.readFrom(in)) {
        int at = 0;
        Verdict verdict = block.look(at);
        while (verdict == Verdict.INTACT) {
          at = block.payloadAt + block.payloadLength;
          verdict = block.look(at);
        }
        // A crash while an entry is written cuts it short; it is synced before anything relies on
        // it. An entry that is whole but for its length was not cut, nor is one of a kind that a
        // descriptor never has: its longer header reaches beyond the end, and RocksDB reads it
        // forever.
        boolean cut =
            verdict == Verdict.TRUNCATED
                && !block.isRecyclable(at)
                && !(block.header(at) && block.intactIfShorter(at));
        if (verdict != Verdict.BLOCK_END && !cut) {
          throw RocksFailures.damaged(
              path + " at byte " + (block.start + at) + ": a descriptor entry is damaged");
        }
      }
    }
  }
}
