package io.capsuledb.core.port;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.CapsuleException;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Durable storage for the records of one capsule. The store is not trusted: whatever it returns is
 * verified by its caller. What it promises is only this:
 *
 * <ul>
 *   <li>{@link #append} returns after every record of the batch is on stable storage, or throws,
 *       and then none, some or all of them may be;
 *   <li>a record once durable is returned by every later read, also after a crash, or the read
 *       throws: nothing is ever silently missing;
 *   <li>damage the store itself can see (its checksums) is an {@link
 *       io.capsuledb.core.error.IntegrityException} that names the record; an I/O failure is a
 *       {@link io.capsuledb.core.error.StorageException}, after which only closing helps.
 * </ul>
 *
 * <p>Reads are thread-safe and run beside one appending thread.
 */
public interface RecordStore extends AutoCloseable {

  /** Most records one {@link #append} takes. */
  int MAX_BATCH_RECORDS = 1024;

  /** One encoded record with the coordinates it is stored under. */
  final class StoredRecord {
    private final long writer;
    private final long sequence;
    private final Hash32 hash;
    private final byte[] bytes;

    /**
     * A record ready to be stored.
     *
     * @param writer its writer index
     * @param sequence its sequence number, from 1
     * @param hash its record hash
     * @param bytes header, payload and signature; not to be modified from here on
     */
    public StoredRecord(long writer, long sequence, Hash32 hash, byte[] bytes) {
      this.writer = writer;
      this.sequence = sequence;
      this.hash = hash;
      this.bytes = bytes;
    }

    public long writer() {
      return writer;
    }

    public long sequence() {
      return sequence;
    }

    public Hash32 hash() {
      return hash;
    }

    /** The encoded record itself, not a copy. */
    public byte[] bytes() {
      return bytes;
    }

    @Override
    public String toString() {
      return "record " + hash + " of " + bytes.length + " bytes";
    }
  }

  /** Receives stored records in order. */
  @FunctionalInterface
  interface Visitor {
    /** Takes one record; returns false to stop the scan. */
    boolean visit(long writer, long sequence, byte[] bytes);
  }

  /** The signed metadata this store was initialised with, or null if it is empty. */
  byte @Nullable [] metadata();

  /**
   * Stores the signed metadata of a new capsule, durably.
   *
   * @throws io.capsuledb.core.error.InvalidRequestException if the store has metadata already
   */
  void initialize(byte[] metadata);

  /** Appends a batch in one durable write; see the class comment. */
  void append(List<StoredRecord> batch);

  /** Hears how an append came out. Must return at once and not throw. */
  @FunctionalInterface
  interface Appended {
    /**
     * It came out.
     *
     * @param failed null if the batch is durable, else why that is not known
     */
    void appended(io.capsuledb.core.error.@Nullable CapsuleException failed);
  }

  /**
   * Begins to append a batch. Where making it durable takes a journey, this returns before, so that
   * the next append can follow it; else it is {@link #append}.
   *
   * @param done told on any thread, perhaps before this returns; of the appends that one thread
   *     began, one after the other in their order
   * @throws io.capsuledb.core.error.CapsuleException if it failed at once; then {@code done} may or
   *     may not be told
   */
  default void append(List<StoredRecord> batch, Appended done) {
    append(batch);
    done.appended(null);
  }

  /**
   * Replaces stored records by their stubs: header and signature, without the payload ({@code
   * RecordCodec.stub}). Stubs are read, scanned, found by their hash and audited as records are.
   * Whether a payload may be dropped is for the caller to know; the store only sees to it that a
   * stub takes the place of its own record.
   *
   * <p>A record released already stays as it is. May return before the stubs are on stable storage:
   * after a crash each record is found in one form or the other, never in neither. The space is
   * reclaimed in the background.
   *
   * <p>From then on the record has two forms, and neither contradicts the other: appending either
   * is accepted, and what is stored stays in the form it is in.
   *
   * @param stubs at most {@link #MAX_BATCH_RECORDS}; each with the record's writer, sequence number
   *     and hash
   * @throws io.capsuledb.core.error.InvalidRequestException if a record is not there, or a stub is
   *     not that of what is stored; then nothing was replaced
   * @throws io.capsuledb.core.error.UnavailableException if one of the records is being appended at
   *     this moment; then nothing was replaced
   */
  void release(List<StoredRecord> stubs);

  /**
   * Drops the newest records of a chain, those after a sequence number: in a cache of what others
   * hold, where they are no part of the capsule. Nobody appends to the chain meanwhile.
   *
   * @param after the record that is the newest then; 0 to drop the whole chain
   * @throws io.capsuledb.core.error.InvalidRequestException if this store is no such cache
   */
  default void truncate(long writer, long after) {
    throw new io.capsuledb.core.error.InvalidRequestException("this store drops no records");
  }

  /**
   * Gives back the room of payloads that were released, now and on this thread; takes as long as it
   * takes to rewrite what lies between them. Beside anything else.
   */
  void reclaim();

  /** The record at a position, or null if there is none. */
  byte @Nullable [] read(long writer, long sequence);

  /** The record with a hash, or null if there is none. */
  byte @Nullable [] read(Hash32 hash);

  /** Every writer with at least one record, in unsigned ascending order. */
  long[] writers();

  /**
   * The newest record of a writer.
   *
   * @return its sequence number, or 0 if the writer has no record
   */
  long newestSequence(long writer);

  /** Visits the records of {@code writer} from {@code fromSequence} on, ascending. */
  void scan(long writer, long fromSequence, Visitor visitor);

  /**
   * Checks what only the store can check: that its index and its records agree. Findings are
   * reported to {@code findings} as text; damage does not stop the check.
   */
  void audit(Consumer<String> findings);

  /** Bytes the store occupies on its medium, approximately. */
  long sizeBytes();

  /**
   * Whether {@link #append} returns only when a quorum of the replicas that the metadata names hold
   * the records. A store that does not must not take a capsule that wants replicas.
   */
  default boolean isReplicated() {
    return false;
  }

  /**
   * What shows to anybody, without a key and without this store, that a record is durable: an
   * encoded certificate, docs/format/replication.md.
   *
   * @return null if the store has none of this record: it is not replicated, or the record is not
   *     durable yet, or was appended before this store was opened
   */
  default byte @Nullable [] certificate(long writer, long sequence) {
    return null;
  }

  /**
   * Why an {@link #append} that began now would wait for longer than callers like to: for a quorum
   * of replicas, say. It would neither fail nor be lost; but who has a choice had better not begin
   * one. Goes away by itself. Cheap and thread-safe.
   *
   * @return what a caller is to be told, or null if nothing is in the way
   */
  default @Nullable CapsuleException unavailable() {
    return null;
  }

  @Override
  void close();
}
