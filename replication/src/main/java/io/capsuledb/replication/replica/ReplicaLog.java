package io.capsuledb.replication.replica;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.SealState;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A replica's disk: the records of any number of capsules, and what the replica must not forget.
 *
 * <p>Promises: {@link #commit} makes the whole of a batch durable at once or throws, and then all
 * or nothing of it is found when the log is opened again; what was durable is found by every later
 * read, or the read throws. After a {@code commit} that threw, only closing and opening again
 * helps; reads go on.
 *
 * <p>Reads are thread-safe and run beside one committing thread.
 */
public interface ReplicaLog extends AutoCloseable {

  /** How far a replica has come with a capsule since its disk was empty. */
  enum Rebuilding {
    /** All is in order. */
    NONE,
    /** It may have held and promised more on a disk that was lost, and says nothing. */
    JOINING,
    /** It speaks; stubs may be held that no CHECKPOINT held here releases. */
    JOINED
  }

  /** What the log knew when it was opened. */
  record Recovered(long incarnation, long numberFloor, List<Capsule> capsules) {
    public Recovered {
      capsules = List.copyOf(capsules);
    }
  }

  /**
   * A capsule.
   *
   * @param metadata signed metadata
   * @param memberships signed memberships from version 1 on, in order
   * @param chains every writer that is known, whether it has written or not
   * @param evidence proofs, each as in the payload of an EVIDENCE record
   * @param rebuilding how far this replica has come since its disk was empty
   */
  record Capsule(
      CapsuleName name,
      Blob metadata,
      List<Blob> memberships,
      List<Chain> chains,
      List<Blob> evidence,
      Rebuilding rebuilding) {
    public Capsule {
      memberships = List.copyOf(memberships);
      chains = List.copyOf(chains);
      evidence = List.copyOf(evidence);
    }
  }

  /**
   * A chain.
   *
   * @param entry its writer, as a roster held here introduced it
   * @param head the newest record
   * @param lamport Lamport time of that record; 0 without one
   * @param seal what was promised about the writer
   */
  record Chain(RosterEntry entry, ChainHead head, long lamport, SealState seal) {}

  /** One change; everything in it becomes durable together. */
  final class Batch {
    private final List<Consumer<Writer>> changes = new ArrayList<>();

    /** An empty batch. */
    public Batch() {}

    /** Hands every change to {@code writer}, in the order in which they were added. */
    public void replay(Writer writer) {
      changes.forEach(c -> c.accept(writer));
    }

    public boolean isEmpty() {
      return changes.isEmpty();
    }

    /** How many changes there are. */
    public int size() {
      return changes.size();
    }

    /** Adds a change. */
    public void add(Consumer<Writer> change) {
      changes.add(change);
    }
  }

  /** The changes there are. */
  interface Writer {

    /** Statement numbers below this one may have been used. */
    void numberFloor(long floor);

    /** A new capsule. */
    void found(CapsuleName capsule, Blob metadata);

    /** The next membership of a capsule. */
    void membership(CapsuleName capsule, int version, Blob membership);

    /** A writer that a roster introduced. */
    void introduce(CapsuleName capsule, RosterEntry entry);

    /**
     * A record, or the stub of one; the next of its chain.
     *
     * @param lamport the record's Lamport time
     */
    void record(CapsuleName capsule, StoredRecord record, long lamport);

    /** What is promised about a writer from now on. */
    void seal(CapsuleName capsule, long writer, SealState seal);

    /** Drops the records of a chain after {@code head}, whose Lamport time is given. */
    void truncate(CapsuleName capsule, long writer, ChainHead head, long lamport);

    /** Replaces a record by its stub; it is held, in one form or the other. */
    void release(CapsuleName capsule, StoredRecord stub);

    /** Puts a verified record in the place of a damaged or missing one, or of its stub. */
    void repair(CapsuleName capsule, StoredRecord record);

    /** A proof to keep. */
    void evidence(CapsuleName capsule, Blob proof);

    /** How far this replica has come since its disk was empty. */
    void rebuilding(CapsuleName capsule, Rebuilding rebuilding);
  }

  /** What was there at opening. */
  Recovered recovered();

  /**
   * Makes a batch durable.
   *
   * @throws io.capsuledb.core.error.UnavailableException if there is no space; nothing was written
   * @throws io.capsuledb.core.error.StorageException if the disk failed
   */
  void commit(Batch batch);

  /** The record at a position in whichever form, or null if there is none. */
  byte @Nullable [] read(CapsuleName capsule, long writer, long sequence);

  /** The record with a hash in whichever form, or null if there is none. */
  byte @Nullable [] read(CapsuleName capsule, Hash32 hash);

  /** Bytes on the medium, approximately. */
  long sizeBytes();

  @Override
  void close();
}
