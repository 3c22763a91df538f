package io.capsuledb.host.node;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.capsule.NewWriter;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordSealer;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.replication.client.QuorumClient;
import io.capsuledb.replication.client.ReplicatedStore;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * The chain of a coordinator: sealed here, appended without waiting. What is durable of it comes
 * back through {@link ReplicatedStore#onAppended}. Thread-safe.
 */
final class CoordinatorChain implements AutoCloseable {

  private final long writer;
  private final RecordSealer sealer;
  private final ReplicatedStore store;
  private final LongSupplier lamport;
  private final Consumer<CapsuleException> failed;
  private long last;
  private long at;
  private boolean closed;

  private CoordinatorChain(
      long writer,
      RecordSealer sealer,
      ReplicatedStore store,
      LongSupplier lamport,
      Consumer<CapsuleException> failed) {
    this.writer = writer;
    this.sealer = sealer;
    this.store = store;
    this.lamport = lamport;
    this.failed = failed;
  }

  /**
   * A new chain, whose ROSTER is on its way.
   *
   * @param lamport the newest Lamport time that was merged
   * @param failed hears that the chain takes no more
   * @param made hears of the chain before anything of it is sent off
   */
  static CoordinatorChain introduce(
      CapsuleName capsule,
      KeyRing keys,
      ReplicatedStore store,
      QuorumClient client,
      Entropy entropy,
      LongSupplier lamport,
      Consumer<CapsuleException> failed,
      Consumer<CoordinatorChain> made) {
    try (NewWriter fresh = keys.introduce(RosterEntry.Role.COORDINATOR, () -> draw(entropy))) {
      RosterEntry entry = fresh.entry();
      RecordSealer sealer;
      try (SecretBytes dataKey = keys.dataKey(entry.generation(), entry.writer())) {
        sealer =
            new RecordSealer(
                capsule,
                entry.generation(),
                entry.writer(),
                fresh.takeSigningKey(),
                dataKey,
                Secp256k1.best());
      }
      CoordinatorChain chain = new CoordinatorChain(entry.writer(), sealer, store, lamport, failed);
      client.expendable(entry.writer());
      made.accept(chain);
      chain.append(RecordType.ROSTER, 0, List.of(), fresh.roster());
      return chain;
    }
  }

  private static long draw(Entropy entropy) {
    byte[] random = new byte[Long.BYTES];
    long writer = 0;
    while (writer == 0 || writer == RosterEntry.MAX_WRITER) {
      entropy.fill(random);
      writer = LittleEndian.getLong(random, 0) & RosterEntry.MAX_WRITER;
    }
    return writer;
  }

  long writer() {
    return writer;
  }

  /** Seals the next record and sends it off. */
  synchronized void append(RecordType type, long epoch, List<Hash32> parents, byte[] payload) {
    if (closed) {
      return;
    }
    last = Math.max(last, lamport.getAsLong()) + 1;
    // Epochs never fall along a chain; a SEAL belongs to the one that the chain is at.
    at = Math.max(at, epoch);
    CapsuleRecord record = sealer.seal(type, at, last, parents, payload, 0, payload.length);
    try {
      store.append(
          List.of(
              new StoredRecord(writer, record.header().sequence(), record.hash(), record.bytes())),
          failure -> {
            if (failure != null) {
              failed.accept(failure);
            }
          });
    } catch (CapsuleException e) {
      failed.accept(e);
    }
  }

  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      sealer.close();
    }
  }
}
