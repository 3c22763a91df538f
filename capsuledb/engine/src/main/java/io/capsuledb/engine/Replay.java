package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordHeader;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.core.record.RecordType;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Start-up: reads every chain of the capsule, verifies it, and merges its operations into an empty
 * memtable. Nothing is served before it has finished, and anything that does not verify ends it
 * with an {@link IntegrityException} that names the record.
 *
 * <p>What is checked here: the store's own checksums and index; each record's place, payload hash
 * and links; the signature on each chain's newest record, which vouches for the rest; that records
 * named as parents are there; that payloads decrypt and parse. (Signatures of vouched-for records
 * are {@link CapsuleVerifier}'s.)
 *
 * <p>Chains are merged in the order of their first Lamport times. A restarted node is a new writer
 * whose times begin above all it has seen, so operations normally arrive in the order of their
 * versions and a removal needs no tombstone; where chains do overlap, tombstones are kept until the
 * end. Either way the larger version wins.
 */
final class Replay {

  /** Report progress each time so many records were replayed. */
  private static final int PROGRESS_RECORDS = 4096;

  private final CapsuleName capsule;
  private final RecordStore store;
  private final ChainVerifier verifier;
  private final RecordOpener opener;
  private final Memtable memtable;
  private final long memtableBytes;
  private final LongConsumer progress;
  private final long nowMs;

  private final Set<Hash32> tips = new LinkedHashSet<>();
  private final List<byte[]> tombstones = new ArrayList<>();
  private long newestTime;

  /** Lamport time of the first record not yet reached: nothing older is to come. */
  private long horizon;

  private @Nullable Version cleared;
  private long records;
  private @Nullable Rejection rejection;
  private @Nullable CapsuleRecord newest;

  Replay(
      CapsuleName capsule,
      CapsuleMetadata metadata,
      KeyRing keys,
      Secp256k1 curve,
      RecordStore store,
      Memtable memtable,
      long memtableBytes,
      LongConsumer progress,
      long nowMs) {
    this.capsule = capsule;
    this.store = store;
    this.verifier = new ChainVerifier(capsule, metadata, curve);
    this.opener = new RecordOpener(capsule, keys);
    this.memtable = memtable;
    this.memtableBytes = memtableBytes;
    this.progress = progress;
    this.nowMs = nowMs;
  }

  /** Lamport time of the newest operation seen; 0 in an empty capsule. */
  long newestTime() {
    return newestTime;
  }

  /** Hashes of the chain heads no other record names: what the next writer's first record joins. */
  List<Hash32> tips() {
    return List.copyOf(tips);
  }

  /** Records replayed. */
  long records() {
    return records;
  }

  /** Writers seen. */
  Set<Long> writers() {
    return verifier.writers();
  }

  void run() {
    List<String> findings = new ArrayList<>();
    store.audit(
        finding -> {
          if (findings.isEmpty()) {
            findings.add(finding);
          }
        });
    if (!findings.isEmpty()) {
      throw new IntegrityException(Rejection.of(Reason.STORAGE_CHECKSUM, findings.getFirst()));
    }
    record First(long writer, long lamport) {}
    List<First> chains = new ArrayList<>();
    for (long writer : store.writers()) {
      byte[] bytes = store.read(writer, 1);
      if (bytes == null) {
        throw missing(CapsuleRecord.describe(writer, 1));
      }
      chains.add(
          new First(writer, RecordCodec.decode(capsule, bytes).orThrow().header().lamport()));
    }
    chains.sort(Comparator.comparingLong(First::lamport).thenComparingLong(First::writer));
    try (opener) {
      for (int i = 0; i < chains.size(); i++) {
        horizon = i + 1 < chains.size() ? chains.get(i + 1).lamport : Long.MAX_VALUE;
        replayChain(chains.get(i).writer);
      }
    }
    for (byte[] key : tombstones) {
      Memtable.Entry entry = memtable.get(key);
      if (entry != null && entry.tombstone()) {
        memtable.remove(key);
      }
    }
  }

  private void replayChain(long writer) {
    long expected = store.newestSequence(writer);
    newest = null;
    store.scan(writer, 1, this::visit);
    if (rejection != null) {
      throw new IntegrityException(rejection);
    }
    CapsuleRecord last = newest;
    if (last == null || last.header().sequence() != expected) {
      throw missing(CapsuleRecord.describe(writer, expected));
    }
    Rejection forged = verifier.verifySignature(last);
    if (forged != null) {
      throw new IntegrityException(forged);
    }
    tips.add(last.hash());
  }

  private boolean visit(long writer, long sequence, byte[] bytes) {
    rejection =
        switch (RecordCodec.decode(capsule, bytes)) {
          case Decoded.Rejected<CapsuleRecord>(Rejection r) ->
              Rejection.of(
                  r.reason(), CapsuleRecord.describe(writer, sequence) + ": " + r.detail());
          case Decoded.Accepted<CapsuleRecord>(CapsuleRecord record) ->
              replay(record, writer, sequence);
        };
    return rejection == null;
  }

  private @Nullable Rejection replay(CapsuleRecord record, long writer, long sequence) {
    RecordHeader header = record.header();
    if (header.writer() != writer || header.sequence() != sequence) {
      return Rejection.of(
          Reason.MISPLACED, record + " is stored as " + CapsuleRecord.describe(writer, sequence));
    }
    Rejection refused = verifier.link(record);
    if (refused == null) {
      refused = RecordChecks.understood(record, verifier);
    }
    if (refused == null) {
      refused = RecordChecks.parents(store, capsule, record);
    }
    if (refused == null && header.type() == RecordType.DATA) {
      refused = merge(record);
    }
    if (refused != null) {
      return refused;
    }
    header.parents().forEach(tips::remove);
    newestTime = Math.max(newestTime, header.lamport());
    newest = record;
    if (++records % PROGRESS_RECORDS == 0) {
      progress.accept(records);
    }
    return null;
  }

  private @Nullable Rejection merge(CapsuleRecord record) {
    return switch (opener.open(record)) {
      case Decoded.Rejected<byte[]>(Rejection r) -> r;
      case Decoded.Accepted<byte[]>(byte[] payload) -> {
        Merge merge = new Merge(record.header());
        Rejection malformed = BatchCodec.decode(payload, merge);
        yield malformed == null
            ? null
            : Rejection.of(malformed.reason(), record + ": " + malformed.detail());
      }
    };
  }

  private static IntegrityException missing(String what) {
    return new IntegrityException(Rejection.of(Reason.MISSING_RECORD, what + " is not stored"));
  }

  /** Merges the operations of one record by version. */
  private final class Merge implements BatchCodec.Visitor {
    private final long writer;
    private final long firstTime;
    private int index;

    Merge(RecordHeader header) {
      this.writer = header.writer();
      this.firstTime = header.lamport();
    }

    /** The next operation's version if it is to be applied, or null if a larger one was seen. */
    private @Nullable Version next(byte[] key) {
      Version version = new Version(firstTime + index, writer, index);
      index++;
      if (version.time() > newestTime) {
        newestTime = version.time();
        return version;
      }
      if (cleared != null && cleared.compareTo(version) > 0) {
        return null;
      }
      Memtable.Entry entry = memtable.get(key);
      return entry == null || entry.version().compareTo(version) < 0 ? version : null;
    }

    @Override
    public void put(byte[] key, ValueType type, byte[] value, long expiryAtMs) {
      Version version = next(key);
      if (version != null && expiryAtMs != 0 && expiryAtMs <= nowMs) {
        // Collected without a record while the engine ran; taking it back could overfill the
        // memtable.
        remove(key, version);
      } else if (version != null) {
        memtable.put(key, version, type, value, expiryAtMs);
        if (memtable.usedBytes() > memtableBytes) {
          throw new UnavailableException(
              "the capsule's live data exceeds the memtable of "
                  + (memtableBytes >> 20)
                  + " MiB; open it with a larger one");
        }
      }
    }

    @Override
    public void delete(byte[] key) {
      Version version = next(key);
      if (version != null) {
        remove(key, version);
      }
    }

    private void remove(byte[] key, Version version) {
      if (version.time() < horizon) {
        memtable.remove(key);
      } else {
        memtable.putTombstone(key, version);
        tombstones.add(key);
      }
    }

    @Override
    public void clear() {
      Version version = new Version(firstTime + index, writer, index);
      index++;
      if (version.time() > newestTime) {
        newestTime = version.time();
        memtable.clear();
      } else if (cleared == null || cleared.compareTo(version) < 0) {
        removeOlderThan(version);
      }
      if (cleared == null || cleared.compareTo(version) < 0) {
        cleared = version;
      }
    }

    private void removeOlderThan(Version version) {
      List<byte[]> older = new ArrayList<>();
      long cursor = 0;
      do {
        cursor =
            memtable.scan(
                cursor,
                PROGRESS_RECORDS,
                key -> {
                  Memtable.Entry entry = memtable.get(key);
                  if (entry != null && entry.version().compareTo(version) < 0) {
                    older.add(key);
                  }
                });
      } while (cursor != 0);
      older.forEach(memtable::remove);
    }
  }
}
