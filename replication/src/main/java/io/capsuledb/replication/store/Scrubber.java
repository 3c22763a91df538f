package io.capsuledb.replication.store;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordHeader;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.store.StoreCodec.Position;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentNavigableMap;
import org.jspecify.annotations.Nullable;

/**
 * Walks all records of a {@link RocksReplicaLog}, a step at a time, and says which are damaged or
 * missing, so that they can be fetched from peers and repaired.
 *
 * <p>A record is sound if it can be read, its checksum and its payload's hash fit, it is at the
 * position its header names, follows its predecessor, is the one that its chain's head names if it
 * is the newest, and is found in the index. Signatures are not verified: every record was before it
 * was stored, and its hash says that it is still the same.
 *
 * <p>Where it is is stored along with the next commit of the log, so a restart does not begin
 * again; after a crash it may look at some records twice. It reads through the caches of RocksDB
 * and the system, so what they hold is not read from the disk.
 *
 * <p>A plain object for one thread, which may be another than the log's.
 */
public final class Scrubber {

  /** Most findings of one step. */
  public static final int MAX_FINDINGS = 1024;

  /** What looking at a record costs beside its bytes, in bytes. */
  private static final long RECORD_OVERHEAD_BYTES = 128;

  private static final ReplicaCodec.CursorRow BEGINNING =
      new ReplicaCodec.CursorRow(Hash32.ZERO, 0, 0, 0);

  private final RocksReplicaLog log;
  private Hash32 capsule;
  private long writer;
  private long sequence;
  private long passes;
  private long records;
  private long bytes;

  /** Hash of the record before the next one, if that was sound. */
  private @Nullable Hash32 predecessor;

  /**
   * A position whose record cannot be relied on.
   *
   * @param capsule the capsule
   * @param writer writer index
   * @param sequence sequence number, from 1
   * @param rejection what is wrong with it
   */
  public record Finding(CapsuleName capsule, long writer, long sequence, Rejection rejection) {}

  /** A scrubber that goes on where the last one of the same log was. */
  public Scrubber(RocksReplicaLog log) {
    this.log = log;
    ReplicaCodec.CursorRow stored = log.cursor();
    ReplicaCodec.CursorRow from = stored == null ? BEGINNING : stored;
    capsule = from.capsule();
    writer = from.writer();
    sequence = from.sequence();
    passes = from.passes();
  }

  /** Complete walks so far, those of earlier scrubbers of the log included. */
  public long passes() {
    return passes;
  }

  /** Records this scrubber has looked at. */
  public long records() {
    return records;
  }

  /** Bytes of the records this scrubber has looked at. */
  public long bytes() {
    return bytes;
  }

  /**
   * Looks at the next records: as many as have {@code maxBytes} together, one at least; fewer at
   * the end of a pass, after which the next step begins again, and when there are {@link
   * #MAX_FINDINGS}.
   *
   * @param maxBytes of records and their keys, positive
   */
  public List<Finding> step(long maxBytes) {
    if (maxBytes <= 0) {
      throw new IllegalArgumentException("a step of " + maxBytes + " bytes");
    }
    List<Finding> findings = new ArrayList<>();
    long before = bytes + records * RECORD_OVERHEAD_BYTES;
    while (bytes + records * RECORD_OVERHEAD_BYTES - before < maxBytes
        && findings.size() < MAX_FINDINGS) {
      if (!advance()) {
        passes++;
        moveTo(Hash32.ZERO, 0, 0);
        break;
      }
      Rejection wrong = look();
      if (wrong != null) {
        findings.add(new Finding(new CapsuleName(capsule), writer, sequence, wrong));
      }
    }
    log.cursor(new ReplicaCodec.CursorRow(capsule, writer, sequence, passes));
    return findings;
  }

  private void moveTo(Hash32 toCapsule, long toWriter, long toSequence) {
    capsule = toCapsule;
    writer = toWriter;
    sequence = toSequence;
    predecessor = null;
  }

  /** Goes to the next record there should be; false at the end. */
  private boolean advance() {
    ConcurrentNavigableMap<Hash32, ReplicaState.Capsule> capsules = log.state().capsules;
    ChainHead here = log.state().head(capsule, writer);
    if (here != null && sequence < here.sequence()) {
      sequence++;
      return true;
    }
    Map.Entry<Hash32, ReplicaState.Capsule> in = capsules.ceilingEntry(capsule);
    long after = in != null && in.getKey().equals(capsule) ? writer : 0;
    while (in != null) {
      Map.Entry<Long, ReplicaState.Chain> chain = in.getValue().chains.higherEntry(after);
      if (chain == null) {
        in = capsules.higherEntry(in.getKey());
        after = 0;
      } else if (chain.getValue().head().sequence() == 0) {
        after = chain.getKey();
      } else {
        moveTo(in.getKey(), chain.getKey(), 1);
        return true;
      }
    }
    return false;
  }

  /** Looks at the record here; says what is wrong with it, or null. */
  private @Nullable Rejection look() {
    CapsuleName name = new CapsuleName(capsule);
    Hash32 before = predecessor == null ? hashAt(name, sequence - 1) : predecessor;
    predecessor = null;
    records++;
    try {
      byte[] stored = log.readOnce(name, writer, sequence);
      if (stored == null) {
        // The chain was truncated meanwhile.
        return null;
      }
      bytes += stored.length;
      return switch (RecordCodec.decodeStored(name, stored)) {
        case Decoded.Rejected<SignedHeader>(Rejection rejection) -> rejection;
        case Decoded.Accepted<SignedHeader>(SignedHeader record) -> judge(name, record, before);
      };
    } catch (IntegrityException e) {
      return e.rejection();
    } catch (StorageException e) {
      return Rejection.of(
          Rejection.Reason.STORAGE_CHECKSUM, "unreadable: " + String.valueOf(e.getMessage()));
    }
  }

  private @Nullable Rejection judge(
      CapsuleName name, SignedHeader record, @Nullable Hash32 before) {
    RecordHeader header = record.header();
    if (header.writer() != writer || header.sequence() != sequence) {
      return wrong(
          Rejection.Reason.MISPLACED,
          "is that of " + StoreCodec.describe(header.writer(), header.sequence()));
    }
    Hash32 previous = header.previous();
    // Looked at again, in case the chain was truncated and went on otherwise since.
    if (before != null
        && !previous.equals(before)
        && !Objects.equals(previous, hashAt(name, sequence - 1))) {
      return wrong(Rejection.Reason.PREVIOUS_HASH, "does not follow the one before it");
    }
    ChainHead head = log.state().head(capsule, writer);
    if (head != null && head.sequence() == sequence && !head.hash().equals(record.hash())) {
      return wrong(Rejection.Reason.MISPLACED, "is not the one its chain's head names");
    }
    Position indexed = log.indexedAt(name, record.hash());
    if (!new Position(writer, sequence).equals(indexed)
        && log.readOnce(name, writer, sequence) != null) {
      return wrong(
          Rejection.Reason.MISSING_RECORD,
          indexed == null ? "is not in the index" : "is indexed at " + indexed);
    }
    predecessor = record.hash();
    return null;
  }

  private Rejection wrong(Rejection.Reason reason, String why) {
    return Rejection.of(
        reason, "the record at " + StoreCodec.describe(writer, sequence) + " " + why);
  }

  /** The hash of the record at a position of this chain, or null if it cannot be had. */
  private @Nullable Hash32 hashAt(CapsuleName name, long at) {
    if (at == 0) {
      return Hash32.ZERO;
    }
    try {
      byte[] stored = log.readOnce(name, writer, at);
      return stored != null
              && RecordCodec.decodeStored(name, stored)
                  instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)
          ? record.hash()
          : null;
    } catch (IntegrityException | StorageException e) {
      // Found when it was its turn.
      return null;
    }
  }
}
