package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordStub;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Copies a capsule from one store into another that may hold a part of it already, as it is stored:
 * encrypted, and without any key.
 *
 * <p>Nothing is copied that does not verify: hash, place in its chain, signature, role; a payload
 * that is missing has to be released by a compactor's checkpoint. The first thing that is wrong
 * ends the copy with an {@link IntegrityException} that names it.
 *
 * <p>Invariant: what the target holds of each chain is a beginning of what the source holds,
 * without gaps, and of the same hashes: the hash at its end is compared, and vouches for what is
 * before. So a copy that was interrupted goes on where it was, and the next one copies only what is
 * new.
 *
 * <p>When everything is there, payloads that the capsule has released since are dropped from the
 * target too.
 *
 * <p>An engine may be at work on the source. The copy is of a moment: compactors' chains end where
 * the others hold at least what their manifests cover. If payloads are gone that the checkpoints
 * copied do not release, later ones do, and the copy goes on to a later moment; each time there is
 * less left to copy. Nobody else writes to the target. Bounded memory. One thread.
 */
public final class CapsuleCopy {

  private static final long BATCH_BYTES = 8 << 20;
  private static final int PROGRESS_RECORDS = 256;

  /** How often a copy may go on to a later moment. */
  private static final int MAX_MOMENTS = 64;

  /**
   * What was done.
   *
   * @param name the capsule
   * @param chains its writers
   * @param records records the target holds now
   * @param copied of them those that are new
   * @param copiedBytes their bytes
   * @param released records whose payload was dropped from the target
   */
  public record Summary(
      CapsuleName name, long chains, long records, long copied, long copiedBytes, long released) {}

  /** Hears that everything is in the target, before any payload is dropped there. */
  @FunctionalInterface
  public interface Copied {
    /** The newest record of each chain, by writer. */
    void copied(List<ChainVerifier.Head> heads);
  }

  /** Hears how far it is. */
  @FunctionalInterface
  public interface Progress {
    /** So many of so many records are in the target, of which so many bytes were copied. */
    void copied(long records, long total, long bytes);
  }

  private record Span(long writer, long newest, long firstLamport) {}

  private final RecordStore source;
  private final RecordStore target;
  private final Secp256k1 curve;
  private final Progress progress;

  private final ReleasedRecords stubs = new ReleasedRecords();
  private final ReleasedRecords released = new ReleasedRecords();
  private final List<StoredRecord> pending = new ArrayList<>();
  private long pendingBytes;
  private long total;
  private long records;
  private long copied;
  private long copiedBytes;
  private long dropped;

  /** A copy, for one run. */
  public CapsuleCopy(RecordStore source, RecordStore target, Secp256k1 curve, Progress progress) {
    this.source = source;
    this.target = target;
    this.curve = curve;
    this.progress = progress;
  }

  /**
   * Copies what the target does not have.
   *
   * @param heads where the chains are to end in the target, by writer: a state the source has been
   *     in; null for all it holds
   * @param afresh whether all checkpoints are to be looked at for payloads to drop, not only new
   *     ones: after a copy that was interrupted
   * @param whole told when everything is there; until then the target keeps whatever it had
   * @throws IntegrityException if something in the source does not verify, or the target holds
   *     something else than a beginning of it
   */
  public Summary run(@Nullable List<ChainVerifier.Head> heads, boolean afresh, Copied whole) {
    CapsuleName name = metadata();
    CapsuleMetadata metadata = MetadataCodec.decode(read(source), curve).orThrow();
    ChainVerifier verifier = new ChainVerifier(name, metadata, curve);
    List<Span> spans =
        heads == null ? spans(name, metadata) : limited(spans(name, metadata), heads);
    Map<Long, Long> before = new TreeMap<>();
    count(spans);
    for (long writer : target.writers()) {
      if (spans.stream().noneMatch(span -> span.writer == writer)) {
        throw other(CapsuleRecord.describe(writer, 1) + " is not in the source");
      }
    }
    progress.copied(0, total, 0);
    for (Span span : spans) {
      before.put(span.writer, chain(span, name, verifier));
    }
    flush();
    // Checkpoints that were copied earlier are read only if they are needed.
    if (afresh || isUnexplained()) {
      before.forEach((writer, until) -> readCheckpoints(name, verifier, writer, until));
    }
    for (int moments = 1; heads == null && moments < MAX_MOMENTS && isUnexplained(); moments++) {
      long there = records;
      spans = spans(name, metadata);
      count(spans);
      for (Span span : spans) {
        goOn(span, name, verifier);
      }
      flush();
      if (records == there) {
        break;
      }
    }
    stubs.without(
        released,
        (writer, from, to) -> {
          throw new IntegrityException(
              Rejection.of(
                  Reason.RELEASED,
                  CapsuleRecord.describe(writer, from)
                      + " to "
                      + to
                      + " are stored without their payloads, which no checkpoint released"));
        });
    List<ChainVerifier.Head> reached =
        verifier.frontier().stream().filter(head -> head.sequence() > 0).toList();
    if (heads != null && !List.copyOf(heads).equals(reached)) {
      throw new IntegrityException(
          Rejection.of(Reason.MISPLACED, "the chains end otherwise than is written down"));
    }
    whole.copied(reached);
    released.without(new ReleasedRecords(), (writer, from, to) -> drop(name, writer, from, to));
    progress.copied(records, records, copiedBytes);
    return new Summary(name, spans.size(), records, copied, copiedBytes, dropped);
  }

  private void count(List<Span> spans) {
    total = 0;
    for (Span span : spans) {
      total += Math.min(span.newest, Long.MAX_VALUE / 2 - total);
    }
  }

  /** Whether payloads are missing that no checkpoint known so far has released. */
  private boolean isUnexplained() {
    boolean[] unexplained = {false};
    stubs.without(released, (writer, from, to) -> unexplained[0] = true);
    return unexplained[0];
  }

  private static byte[] read(RecordStore store) {
    byte[] signed = store.metadata();
    if (signed == null) {
      throw new IntegrityException(
          Rejection.of(Reason.MISSING_RECORD, "the store holds no metadata of the capsule"));
    }
    return signed;
  }

  private CapsuleName metadata() {
    byte[] signed = read(source);
    CapsuleName name = MetadataCodec.nameOf(signed);
    MetadataCodec.decode(signed, curve).orThrow();
    byte[] there = target.metadata();
    if (there == null) {
      target.initialize(signed);
    } else if (!Arrays.equals(there, signed)) {
      throw other("it is capsule " + MetadataCodec.nameOf(there) + " and not " + name);
    }
    return name;
  }

  private static IntegrityException other(String detail) {
    return new IntegrityException(
        Rejection.of(
            Reason.MISPLACED,
            "the target holds something else than an earlier state of the source: "
                + detail
                + "; if the source was rolled back, keep the target"));
  }

  /** The chains in the order in which they began, which is an order of their joins. */
  private List<Span> spans(CapsuleName name, CapsuleMetadata metadata) {
    List<Span> spans = new ArrayList<>();
    FinalHeads ends =
        FinalHeads.read(
            name,
            MetadataCodec.decode(read(source), curve).orThrow(),
            source,
            curve,
            introduced(name),
            false);
    Map<Long, SignedHeader> others = new TreeMap<>();
    for (long writer : source.writers()) {
      SignedHeader first = at(name, source, writer, 1);
      if (isCompactor(name, metadata, first)) {
        add(spans, writer, ends, first);
      } else {
        others.put(writer, first);
      }
    }
    // What a manifest covers was stored before it: so it is found when asked for after.
    others.forEach((writer, first) -> add(spans, writer, ends, first));
    spans.sort(Comparator.comparingLong(Span::firstLamport).thenComparingLong(Span::writer));
    return spans;
  }

  /** Adds a chain; beyond a final head there is nothing of the capsule. */
  private static void add(List<Span> spans, long writer, FinalHeads ends, SignedHeader first) {
    long newest = ends.newest(writer);
    if (newest > 0) {
      spans.add(new Span(writer, newest, first.header().lamport()));
    }
  }

  /** Whether a chain says that it is a compactor's. If that is wrong, its copy will say so. */
  private boolean isCompactor(CapsuleName name, CapsuleMetadata metadata, SignedHeader first) {
    return first instanceof CapsuleRecord roster
        && RosterCodec.decode(name, roster.payload(), metadata, curve)
            instanceof Decoded.Accepted<List<RosterEntry>>(List<RosterEntry> entries)
        && entries.stream()
            .anyMatch(
                entry ->
                    entry.writer() == first.header().writer()
                        && entry.role() == RosterEntry.Role.COMPACTOR);
  }

  /** The writers that the first records of the source's chains introduce. */
  private List<RosterEntry> introduced(CapsuleName name) {
    CapsuleMetadata metadata = MetadataCodec.decode(read(source), curve).orThrow();
    List<RosterEntry> entries = new ArrayList<>();
    for (long writer : source.writers()) {
      ChainVerifier alone = new ChainVerifier(name, metadata, curve);
      SignedHeader first = at(name, source, writer, 1);
      require(alone.link(first));
      RosterEntry entry = alone.writer(writer);
      if (entry != null) {
        entries.add(entry);
      }
    }
    return entries;
  }

  private static SignedHeader at(CapsuleName name, RecordStore store, long writer, long sequence) {
    byte[] bytes = store.read(writer, sequence);
    if (bytes == null) {
      throw missing(writer, sequence);
    }
    return decode(name, writer, sequence, bytes);
  }

  private static SignedHeader decode(CapsuleName name, long writer, long sequence, byte[] bytes) {
    String where = CapsuleRecord.describe(writer, sequence);
    switch (RecordCodec.decodeStored(name, bytes)) {
      case Decoded.Rejected<SignedHeader>(Rejection r) ->
          throw new IntegrityException(Rejection.of(r.reason(), where + ": " + r.detail()));
      case Decoded.Accepted<SignedHeader>(SignedHeader record) -> {
        if (record.header().writer() != writer || record.header().sequence() != sequence) {
          throw new IntegrityException(
              Rejection.of(Reason.MISPLACED, record + " is stored as " + where));
        }
        return record;
      }
    }
  }

  /** The chains as far as {@code heads} say. */
  private static List<Span> limited(List<Span> spans, List<ChainVerifier.Head> heads) {
    Map<Long, Long> limits = new TreeMap<>();
    heads.forEach(head -> limits.put(head.writer(), head.sequence()));
    List<Span> limited = new ArrayList<>();
    for (Span span : spans) {
      Long limit = limits.remove(span.writer);
      if (limit != null && limit > span.newest) {
        throw missing(span.writer, limit);
      }
      if (limit != null) {
        limited.add(new Span(span.writer, limit, span.firstLamport));
      }
    }
    limits.forEach(
        (writer, limit) -> {
          throw missing(writer, limit);
        });
    return limited;
  }

  private static IntegrityException missing(long writer, long sequence) {
    return new IntegrityException(
        Rejection.of(
            Reason.MISSING_RECORD, CapsuleRecord.describe(writer, sequence) + " is not stored"));
  }

  private static void require(@Nullable Rejection rejection) {
    if (rejection != null) {
      throw new IntegrityException(rejection);
    }
  }

  /** Copies what is new of a chain; returns how far the target held it before. */
  private long chain(Span span, CapsuleName name, ChainVerifier verifier) {
    long held = target.newestSequence(span.writer);
    if (held > span.newest) {
      throw other(
          CapsuleRecord.describe(span.writer, held)
              + " is in it, and the source ends at "
              + span.newest);
    }
    if (held > 0) {
      resume(span, held, name, verifier);
    }
    records += held;
    copy(span, held, name, verifier);
    return held;
  }

  /** Copies what has come after what this run has copied of a chain. */
  private void goOn(Span span, CapsuleName name, ChainVerifier verifier) {
    long held = target.newestSequence(span.writer);
    if (held < span.newest) {
      copy(span, held, name, verifier);
    }
  }

  private void copy(Span span, long held, CapsuleName name, ChainVerifier verifier) {
    long[] next = {held + 1};
    source.scan(
        span.writer,
        held + 1,
        (writer, sequence, bytes) -> {
          if (sequence > span.newest) {
            return false;
          }
          if (sequence != next[0]) {
            throw missing(writer, next[0]);
          }
          next[0]++;
          take(decode(name, writer, sequence, bytes), name, verifier);
          return true;
        });
    if (next[0] != span.newest + 1) {
      throw missing(span.writer, next[0]);
    }
  }

  private void resume(Span span, long held, CapsuleName name, ChainVerifier verifier) {
    SignedHeader first = at(name, source, span.writer, 1);
    SignedHeader ours = at(name, source, span.writer, held);
    SignedHeader theirs = at(name, target, span.writer, held);
    if (!ours.hash().equals(theirs.hash())) {
      throw other(theirs + " has hash " + theirs.hash() + " there, and " + ours.hash() + " here");
    }
    ChainVerifier alone =
        new ChainVerifier(name, MetadataCodec.decode(read(source), curve).orThrow(), curve);
    require(alone.link(first));
    require(alone.verifySignature(first));
    RosterEntry entry = alone.writer(span.writer);
    if (entry == null) {
      throw new IntegrityException(
          Rejection.of(Reason.UNKNOWN_WRITER, first + ": no roster names its writer"));
    }
    verifier.resumeAt(
        entry, new ChainVerifier.Head(span.writer, held, ours.hash(), ours.header().lamport()));
  }

  private void take(SignedHeader record, CapsuleName name, ChainVerifier verifier) {
    require(verifier.link(record));
    require(verifier.verifySignature(record));
    require(RecordChecks.understood(record, verifier));
    if (record instanceof CapsuleRecord readable) {
      require(RecordChecks.form(readable, name, verifier.metadata(), curve));
    }
    require(RecordChecks.indexed(source, record));
    require(RecordChecks.parents(source, name, record));
    long sequence = record.header().sequence();
    long writer = record.header().writer();
    if (record instanceof RecordStub) {
      keep(stubs.add(writer, sequence, sequence), record);
    } else if (record instanceof CapsuleRecord whole
        && record.header().type() == RecordType.CHECKPOINT) {
      keep(released.add(CheckpointCodec.decode(whole.payload()).orThrow()), record);
    }
    if (pending.size() >= RecordStore.MAX_BATCH_RECORDS
        || (pendingBytes > 0 && pendingBytes + record.bytes().length > BATCH_BYTES)) {
      flush();
    }
    pending.add(new StoredRecord(writer, sequence, record.hash(), record.bytes()));
    pendingBytes += record.bytes().length;
    copied++;
    copiedBytes += record.bytes().length;
    if (++records % PROGRESS_RECORDS == 0) {
      progress.copied(records, total, copiedBytes);
    }
  }

  private static void keep(boolean kept, SignedHeader record) {
    if (!kept) {
      throw new IntegrityException(
          Rejection.of(
              Reason.TOO_LARGE,
              record
                  + ": released records are in more than "
                  + ReleasedRecords.MAX_RANGES
                  + " separate ranges"));
    }
  }

  private void flush() {
    if (!pending.isEmpty()) {
      target.append(List.copyOf(pending));
      pending.clear();
      pendingBytes = 0;
    }
  }

  /** Takes in the checkpoints of a chain up to a record; they were verified when copied. */
  private void readCheckpoints(CapsuleName name, ChainVerifier verifier, long writer, long until) {
    RosterEntry entry = verifier.writer(writer);
    if (until == 0 || entry == null || entry.role() != RosterEntry.Role.COMPACTOR) {
      return;
    }
    target.scan(
        writer,
        1,
        (w, sequence, bytes) -> {
          if (sequence > until) {
            return false;
          }
          if (RecordCodec.typeOf(bytes) == RecordType.CHECKPOINT
              && decode(name, writer, sequence, bytes) instanceof CapsuleRecord record) {
            require(verifier.verifySignature(record));
            Checkpoint checkpoint = CheckpointCodec.decode(record.payload()).orThrow();
            keep(released.add(checkpoint), record);
          }
          return true;
        });
  }

  /** Drops the payloads of released records in the target, a batch at a time. */
  private void drop(CapsuleName name, long writer, long from, long to) {
    List<StoredRecord> found = new ArrayList<>();
    long[] next = {from};
    do {
      found.clear();
      target.scan(
          writer,
          next[0],
          (w, sequence, bytes) -> {
            if (sequence > to || found.size() == RecordStore.MAX_BATCH_RECORDS) {
              return false;
            }
            next[0] = sequence + 1;
            if (!RecordCodec.isStub(bytes)
                && decode(name, writer, sequence, bytes) instanceof CapsuleRecord record
                && !record.header().type().isClear()
                && record.header().payloadLength() > 0) {
              found.add(new StoredRecord(writer, sequence, record.hash(), RecordCodec.stub(bytes)));
            }
            return true;
          });
      if (!found.isEmpty()) {
        target.release(List.copyOf(found));
        dropped += found.size();
      }
    } while (found.size() == RecordStore.MAX_BATCH_RECORDS);
  }
}
