package io.capsuledb.replication.store;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.replication.store.OpenDatabase.Cursor;
import io.capsuledb.replication.store.OpenDatabase.Family;
import io.capsuledb.replication.store.StoreCodec.Position;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.rocksdb.WriteBatch;

/**
 * The records of one capsule in a {@link RocksStorage}.
 *
 * <p>Beyond what {@link RecordStore} promises: several threads may append at once and then share
 * one sync; a position is written once, so a second record with other bytes at the same writer and
 * sequence number is an {@link IntegrityException} for {@link Rejection.Reason#EQUIVOCATION} and
 * leaves the store as it was, while the same bytes again are accepted; a batch has at most 64 MiB.
 *
 * <p>Thread-safe. A visitor may read from the store but not close it. Using it after it or its
 * storage was closed is an {@link IllegalStateException}.
 */
public final class RocksRecordStore implements RecordStore {

  /** Room that RocksDB's framing of a record and its index entry takes in a batch. */
  private static final int BATCH_BYTES_PER_RECORD = 256;

  private final RocksStorage storage;
  private final OpenDatabase database;
  private final byte[] capsule;
  private final Hash32 name;
  private volatile boolean closed;

  RocksRecordStore(RocksStorage storage, OpenDatabase database, byte[] capsule) {
    this.storage = storage;
    this.database = database;
    this.capsule = capsule;
    this.name = Hash32.of(capsule);
  }

  private void enter() {
    database.enter();
    if (closed) {
      database.exit();
      throw new IllegalStateException("this capsule's store is closed");
    }
  }

  private void exit() {
    database.exit();
  }

  // ------------------------------------------------------------------ metadata

  @Override
  public byte @Nullable [] metadata() {
    enter();
    try {
      String what = "the metadata of capsule " + name;
      byte[] value = database.get(Family.CAPSULES, capsule, what);
      return value == null ? null : intact(capsule, value, what);
    } finally {
      exit();
    }
  }

  /**
   * {@inheritDoc}
   *
   * @throws InvalidRequestException also if the metadata is longer than a record may be
   */
  @Override
  public void initialize(byte[] metadata) {
    if (metadata.length > StoreLayout.MAX_RECORD_BYTES) {
      throw new InvalidRequestException("metadata of " + metadata.length + " bytes is too long");
    }
    enter();
    try {
      storage.checkWritable();
      synchronized (storage.gate()) {
        if (database.get(Family.CAPSULES, capsule, "the metadata of capsule " + name) != null) {
          throw new InvalidRequestException("capsule " + name + " has metadata already");
        }
        try (WriteBatch writes = new WriteBatch()) {
          database.put(writes, Family.CAPSULES, capsule, StoreCodec.seal(capsule, metadata));
          storage.commit(writes);
        }
      }
    } finally {
      exit();
    }
  }

  // ------------------------------------------------------------------ appending

  @Override
  public void append(List<StoredRecord> batch) {
    List<StoredRecord> taken = List.copyOf(batch);
    long bytes = check(taken);
    enter();
    try {
      storage.checkWritable();
      if (taken.isEmpty()) {
        return;
      }
      List<StoredRecord> toWrite = storage.gate().enter(name, taken, new Present());
      try (WriteBatch writes = new WriteBatch((int) bytes)) {
        for (StoredRecord r : toWrite) {
          byte[] recordKey = StoreCodec.recordKey(capsule, r.writer(), r.sequence());
          database.put(writes, Family.RECORDS, recordKey, StoreCodec.seal(recordKey, r.bytes()));
          byte[] hashKey = StoreCodec.hashKey(capsule, r.hash());
          byte[] position = StoreCodec.positionBody(r.writer(), r.sequence());
          database.put(writes, Family.HASHES, hashKey, StoreCodec.seal(hashKey, position));
        }
        storage.commit(writes);
      } finally {
        storage.gate().leave(name, taken);
      }
    } finally {
      exit();
    }
  }

  /**
   * {@inheritDoc}
   *
   * <p>The stubs are durable when it returns: a write that is not synced could leave a hole in the
   * log before one that was, which nobody could tell from damage. So batches should be large.
   */
  @Override
  public void reclaim() {
    enter();
    try {
      storage.checkWritable();
      database.reclaim(Family.RECORDS, capsule);
    } finally {
      exit();
    }
  }

  @Override
  public void release(List<StoredRecord> stubs) {
    List<StoredRecord> taken = List.copyOf(stubs);
    long bytes = check(taken);
    enter();
    try {
      storage.checkWritable();
      if (taken.isEmpty()) {
        return;
      }
      storage.gate().enterRelease(name, taken);
      try (WriteBatch writes = new WriteBatch((int) bytes)) {
        for (StoredRecord stub : taken) {
          if (isWhole(stub)) {
            byte[] key = StoreCodec.recordKey(capsule, stub.writer(), stub.sequence());
            database.put(writes, Family.RECORDS, key, StoreCodec.seal(key, stub.bytes()));
          }
        }
        if (writes.count() > 0) {
          storage.commit(writes);
        }
      } finally {
        storage.gate().leave(name, taken);
      }
    } finally {
      exit();
    }
  }

  /**
   * Puts a record in the place of a damaged or missing one, or of its stub: for a store that is a
   * cache of what others hold. Its index entry is written too. A record stored whole and undamaged
   * stays as it is.
   *
   * @param record verified by the caller, in either form
   * @throws IntegrityException if another record is there, undamaged
   * @throws io.capsuledb.core.error.UnavailableException if a record is being appended there at
   *     this moment
   */
  public void repair(StoredRecord record) {
    List<StoredRecord> taken = List.of(record);
    long bytes = check(taken);
    enter();
    try {
      storage.checkWritable();
      storage.gate().enterRelease(name, taken);
      try (WriteBatch writes = new WriteBatch((int) bytes)) {
        byte[] present = intactOrNull(record);
        byte[] key = StoreCodec.recordKey(capsule, record.writer(), record.sequence());
        byte[] stays = record.bytes();
        if (present != null && !Arrays.equals(present, stays)) {
          if (RecordCodec.isStubOf(stays, present)) {
            stays = present;
          } else if (!RecordCodec.isStubOf(present, stays)) {
            throw new IntegrityException(
                Rejection.of(
                    Rejection.Reason.EQUIVOCATION,
                    "another record is stored already at "
                        + StoreCodec.describe(record.writer(), record.sequence())
                        + " of capsule "
                        + name));
          }
        }
        database.put(writes, Family.RECORDS, key, StoreCodec.seal(key, stays));
        byte[] hashKey = StoreCodec.hashKey(capsule, record.hash());
        byte[] position = StoreCodec.positionBody(record.writer(), record.sequence());
        database.put(writes, Family.HASHES, hashKey, StoreCodec.seal(hashKey, position));
        storage.commit(writes);
        storage.gate().stored(name, record);
      } finally {
        storage.gate().leave(name, taken);
      }
    } finally {
      exit();
    }
  }

  /**
   * {@inheritDoc}
   *
   * <p>From the newest on, so that a crash leaves a shorter chain and no gap.
   */
  @Override
  public void truncate(long writer, long after) {
    enter();
    try {
      storage.checkWritable();
      long sequence = newest(writer);
      Hash32 hash = null;
      while (sequence > after) {
        try (WriteBatch writes = new WriteBatch()) {
          for (int i = 0; i < MAX_BATCH_RECORDS && sequence > after; i++, sequence--) {
            SignedHeader record = headerAt(writer, sequence);
            hash = record == null ? hash : record.hash();
            if (hash != null) {
              database.delete(writes, Family.HASHES, StoreCodec.hashKey(capsule, hash));
            }
            database.delete(
                writes, Family.RECORDS, StoreCodec.recordKey(capsule, writer, sequence));
            hash = record == null ? null : record.header().previous();
          }
          storage.commit(writes);
        }
      }
      storage.gate().truncated(name, writer);
    } finally {
      exit();
    }
  }

  /** A record's header, or null if it is missing or damaged. */
  private @Nullable SignedHeader headerAt(long writer, long sequence) {
    try {
      byte[] bytes = readAt(writer, sequence);
      return bytes != null
              && RecordCodec.decodeStored(new CapsuleName(name), bytes)
                  instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)
          ? record
          : null;
    } catch (IntegrityException damaged) {
      // It is dropped, readable or not; its successor has named its hash.
      return null;
    }
  }

  /** What is stored in the place of {@code record}, or null if nothing undamaged is. */
  private byte @Nullable [] intactOrNull(StoredRecord record) {
    try {
      return readAt(record.writer(), record.sequence());
    } catch (IntegrityException e) {
      // Damaged: that is what a repair is for.
      return null;
    }
  }

  /**
   * Whether the record of {@code stub} is stored whole; false if it is that stub already.
   *
   * @throws InvalidRequestException if it is neither
   */
  private boolean isWhole(StoredRecord stub) {
    Position position = positionOf(stub.hash());
    byte[] present =
        position == null || !position.equals(new Position(stub.writer(), stub.sequence()))
            ? null
            : readAt(stub.writer(), stub.sequence());
    if (present == null) {
      throw new InvalidRequestException(
          "there is no record "
              + stub.hash()
              + " to release at "
              + StoreCodec.describe(stub.writer(), stub.sequence()));
    }
    if (Arrays.equals(present, stub.bytes())) {
      return false;
    }
    if (!RecordCodec.isStubOf(stub.bytes(), present)) {
      throw new InvalidRequestException(
          "not the stub of what is stored at "
              + StoreCodec.describe(stub.writer(), stub.sequence()));
    }
    return true;
  }

  /** Checks the bounds of a batch; returns about how many bytes it takes. */
  private static long check(List<StoredRecord> batch) {
    if (batch.size() > MAX_BATCH_RECORDS) {
      throw new InvalidRequestException(
          "a batch of " + batch.size() + " records; at most " + MAX_BATCH_RECORDS);
    }
    long bytes = 0;
    for (StoredRecord r : batch) {
      if (r.sequence() == 0) {
        throw new InvalidRequestException("sequence numbers start at 1: " + r);
      }
      if (r.bytes().length > StoreLayout.MAX_RECORD_BYTES) {
        throw new InvalidRequestException(
            r + " is too long; at most " + StoreLayout.MAX_RECORD_BYTES + " bytes");
      }
      bytes += r.bytes().length + BATCH_BYTES_PER_RECORD;
    }
    if (bytes > StoreLayout.MAX_BATCH_BYTES) {
      throw new InvalidRequestException(
          "a batch of " + bytes + " bytes; at most " + StoreLayout.MAX_BATCH_BYTES);
    }
    return bytes;
  }

  /** What is stored, as the gate asks for it. */
  private final class Present implements AppendGate.Stored {
    @Override
    public long newestSequence(long writer) {
      return newest(writer);
    }

    @Override
    public byte @Nullable [] read(long writer, long sequence) {
      return readAt(writer, sequence);
    }
  }

  // ------------------------------------------------------------------ reading

  @Override
  public byte @Nullable [] read(long writer, long sequence) {
    enter();
    try {
      return readAt(writer, sequence);
    } finally {
      exit();
    }
  }

  private byte @Nullable [] readAt(long writer, long sequence) {
    byte[] key = StoreCodec.recordKey(capsule, writer, sequence);
    String what = recordAt(writer, sequence);
    byte[] value = database.get(Family.RECORDS, key, what);
    return value == null ? null : intact(key, value, what);
  }

  @Override
  public byte @Nullable [] read(Hash32 hash) {
    enter();
    try {
      Position position = positionOf(hash);
      if (position == null) {
        return null;
      }
      byte[] record = readAt(position.writer(), position.sequence());
      if (record == null) {
        throw new IntegrityException(
            Rejection.of(
                Rejection.Reason.MISSING_RECORD,
                "record " + hash + " is indexed at " + position + " but is not there"));
      }
      return record;
    } finally {
      exit();
    }
  }

  /** Where the record with a hash is, or null if there is none. */
  private @Nullable Position positionOf(Hash32 hash) {
    byte[] key = StoreCodec.hashKey(capsule, hash);
    String what = "the index entry of record " + hash;
    byte[] value = database.get(Family.HASHES, key, what);
    if (value == null) {
      return null;
    }
    Position position = StoreCodec.position(intact(key, value, what));
    if (position == null) {
      throw RocksFailures.damaged(what + " of capsule " + name + ": its length is wrong");
    }
    return position;
  }

  private String recordAt(long writer, long sequence) {
    return "the record of " + StoreCodec.describe(writer, sequence) + " of capsule " + name;
  }

  private static byte[] intact(byte[] key, byte[] value, String what) {
    byte[] body = StoreCodec.open(key, value);
    if (body == null) {
      throw RocksFailures.damaged(what);
    }
    return body;
  }

  @Override
  public long[] writers() {
    LongStream.Builder writers = LongStream.builder();
    enter();
    try (Cursor cursor = database.cursor(Family.RECORDS, capsule)) {
      byte[] from = StoreCodec.recordKey(capsule, 0, 0);
      while (from != null) {
        cursor.seek(from);
        if (!cursor.valid("the writers of capsule " + name)) {
          break;
        }
        long writer = StoreCodec.recordPosition(cursor.key()).writer();
        writers.add(writer);
        // From the last record a writer can have to the next writer's first.
        from = writer == -1 ? null : StoreCodec.recordKey(capsule, writer + 1, 0);
      }
    } finally {
      exit();
    }
    return writers.build().toArray();
  }

  @Override
  public long newestSequence(long writer) {
    enter();
    try {
      return newest(writer);
    } finally {
      exit();
    }
  }

  private long newest(long writer) {
    byte[] prefix = StoreCodec.writerPrefix(capsule, writer);
    try (Cursor cursor = database.cursor(Family.RECORDS, prefix)) {
      cursor.seekToLast();
      if (!cursor.valid("the newest record of writer " + Long.toHexString(writer))) {
        return 0;
      }
      byte[] key = cursor.key();
      return Arrays.mismatch(key, prefix) == prefix.length
          ? StoreCodec.recordPosition(key).sequence()
          : 0;
    }
  }

  @Override
  public void scan(long writer, long fromSequence, Visitor visitor) {
    byte[] prefix = StoreCodec.writerPrefix(capsule, writer);
    enter();
    try (Cursor cursor = database.cursor(Family.RECORDS, prefix)) {
      long sought = fromSequence;
      cursor.seek(StoreCodec.recordKey(capsule, writer, fromSequence));
      while (cursor.valid(
          "the records of "
              + StoreCodec.describe(writer, sought)
              + " and after of capsule "
              + name)) {
        byte[] key = cursor.key();
        long sequence = StoreCodec.recordPosition(key).sequence();
        byte[] bytes = intact(key, cursor.value(), recordAt(writer, sequence));
        if (!visitor.visit(writer, sequence, bytes)) {
          return;
        }
        sought = sequence + 1;
        cursor.next();
      }
    } finally {
      exit();
    }
  }

  // ------------------------------------------------------------------ the rest

  /** Computes the hash of a record as its capsule's format defines it. */
  @FunctionalInterface
  public interface RecordHasher {
    /** The record hash, or null if {@code record} has no form from which one can be computed. */
    @Nullable Hash32 hashOf(byte[] record);
  }

  /**
   * {@inheritDoc}
   *
   * <p>Reads everything of the capsule once. It finds damaged values, index entries that name no
   * record, and records that no index entry names; these it can count but not name, because only a
   * record's hash says which entry is missing: see {@link #auditHashes}. Neither judges whether a
   * record is authentic.
   */
  @Override
  public void audit(Consumer<String> findings) {
    audit(null, findings);
  }

  /**
   * Checks like {@link #audit(Consumer)} and moreover that every record is found by its hash and
   * every index entry names the record with its hash.
   */
  public void auditHashes(RecordHasher hasher, Consumer<String> findings) {
    audit(hasher, findings);
  }

  private void audit(@Nullable RecordHasher hasher, Consumer<String> findings) {
    enter();
    try {
      new CapsuleAudit(database, capsule, hasher, findings).run();
    } finally {
      exit();
    }
  }

  @Override
  public long sizeBytes() {
    enter();
    try {
      return database.approximateBytes(Family.RECORDS, capsule)
          + database.approximateBytes(Family.HASHES, capsule)
          + database.approximateBytes(Family.CAPSULES, capsule);
    } finally {
      exit();
    }
  }

  /** Closes this store; its storage stays open. Closing twice is allowed. */
  @Override
  public void close() {
    closed = true;
  }

  @Override
  public String toString() {
    return "capsule " + name + " in " + storage;
  }
}
