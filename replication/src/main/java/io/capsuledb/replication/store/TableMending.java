package io.capsuledb.replication.store;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.store.OpenDatabase.Cursor;
import io.capsuledb.replication.store.OpenDatabase.Family;
import io.capsuledb.replication.store.StoreCodec.Position;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.rocksdb.WriteBatch;

/**
 * Frees a replica's store of table files with damaged blocks. RocksDB cannot: merging such a file
 * fails, and that stops all writing for good; so the files have to go without being merged.
 *
 * <p>What is done: a new generation of the families "records" and "hashes" is made beside the old
 * one, filled with every record that a point read can still read, and put in force by one row; the
 * old one is dropped with its files. A record that cannot be read leaves an empty value in its
 * place, which is damaged by definition: no position of a chain is ever missing. The index is made
 * anew from the records; the hash of a lost one is known from its successor, from its chain's head,
 * or from what can be read of the old index. Until the row is written nothing has changed, so a
 * crash costs the work and nothing else.
 *
 * <p>Only for replicas: their rows say which positions there are, so that nothing has to be found
 * by walking through damage. Used once, by one thread, on a directory nobody else uses.
 */
final class TableMending {

  private static final long BATCH_BYTES = 4L << 20;

  private static final byte[] LOST = {};

  private final OpenDatabase database;
  private WriteBatch writes = new WriteBatch();

  private TableMending(OpenDatabase database) {
    this.database = database;
  }

  /** Makes the next opening mend the tables. */
  static void ask(Path directory) {
    Path file = directory.resolve(StoreLayout.MEND_FILE);
    try {
      if (!Files.exists(file)) {
        Files.createFile(file);
      }
    } catch (IOException e) {
      throw RocksFailures.io(e, file, "creating");
    }
  }

  /**
   * Mends the tables in {@code directory} if that was asked for.
   *
   * @throws IntegrityException if the replica's own rows are damaged: then there is nothing to go
   *     by
   */
  static void mendIfAsked(Path directory, RocksStorageOptions options) {
    Path file = directory.resolve(StoreLayout.MEND_FILE);
    if (!Files.exists(file)) {
      return;
    }
    try (OpenDatabase database = new OpenDatabase(directory, options, OpenDatabase.Mode.MENDING)) {
      database.dropLeftOver();
      new TableMending(database).run();
    }
    try {
      Files.delete(file);
    } catch (IOException e) {
      throw RocksFailures.io(e, file, "deleting");
    }
  }

  private void run() {
    try {
      int next = database.generation() + 1;
      database.beginGeneration();
      ReplicaState.load(database)
          .state()
          .capsules
          .forEach(
              (name, capsule) -> {
                Set<Position> unindexed = new HashSet<>();
                capsule.chains.forEach(
                    (writer, chain) ->
                        copy(new CapsuleName(name), writer, chain.head(), unindexed));
                if (!unindexed.isEmpty()) {
                  copyIndex(name.toBytes(), unindexed);
                }
              });
      byte[] key = StoreLayout.generationKey();
      byte[] row = StoreCodec.seal(key, StoreCodec.formatBody(next));
      database.put(writes, Family.DEFAULT, key, row);
      database.write(writes);
      // At once, while merging is off: opened otherwise, the old tables would stop the database.
      database.dropSuperseded();
    } finally {
      writes.close();
    }
  }

  /** Copies a chain; adds the lost records whose hash is not known to {@code unindexed}. */
  private void copy(CapsuleName capsule, long writer, ChainHead head, Set<Position> unindexed) {
    byte[] name = capsule.toBytes();
    for (long s = 1; s <= head.sequence(); s++) {
      byte[] key = StoreCodec.recordKey(name, writer, s);
      byte[] value = readable(key);
      SignedHeader record = value == null ? null : decoded(capsule, key, value);
      if (record != null && unindexed.remove(new Position(writer, s - 1))) {
        index(name, record.header().previous(), writer, s - 1);
      }
      Hash32 hash = record != null ? record.hash() : s == head.sequence() ? head.hash() : null;
      if (hash == null) {
        unindexed.add(new Position(writer, s));
      } else {
        index(name, hash, writer, s);
      }
      database.put(writes, Family.NEXT_RECORDS, key, value == null ? LOST : value);
      writeIfLarge();
    }
  }

  /** Copies the old index entries that name some positions, as far as the index can be walked. */
  private void copyIndex(byte[] name, Set<Position> unindexed) {
    try (Cursor entries = database.cursor(Family.HASHES, name)) {
      for (entries.seek(name); entries.valid("the hash index"); entries.next()) {
        byte[] key = entries.key();
        byte[] body = StoreCodec.open(key, entries.value());
        Position position = body == null ? null : StoreCodec.position(body);
        if (position != null && unindexed.contains(position)) {
          database.put(writes, Family.NEXT_HASHES, key, entries.value());
          writeIfLarge();
        }
      }
    } catch (IntegrityException | StorageException e) {
      // What is behind is not found by its hash until it is repaired; by its position it is.
      byte @Nullable [] _ = lost(e);
    }
  }

  private void writeIfLarge() {
    if (writes.getDataSize() >= BATCH_BYTES) {
      database.write(writes);
      writes.close();
      writes = new WriteBatch();
    }
  }

  private void index(byte[] name, Hash32 hash, long writer, long sequence) {
    byte[] key = StoreCodec.hashKey(name, hash);
    byte[] body = StoreCodec.positionBody(writer, sequence);
    database.put(writes, Family.NEXT_HASHES, key, StoreCodec.seal(key, body));
  }

  /** The value under a key, or null if it is missing or cannot be read. */
  private byte @Nullable [] readable(byte[] key) {
    try {
      return database.getOnce(Family.RECORDS, key, StoreCodec.recordPosition(key));
    } catch (IntegrityException | StorageException e) {
      return lost(e);
    }
  }

  /** A record that cannot be read is lost here, whatever the reason; its peers have it. */
  private static byte @Nullable [] lost(CapsuleException reason) {
    if (RocksFailures.isFull(reason)) {
      throw reason;
    }
    return null;
  }

  private static @Nullable SignedHeader decoded(CapsuleName capsule, byte[] key, byte[] value) {
    byte[] bytes = StoreCodec.open(key, value);
    return bytes != null
            && RecordCodec.decodeStored(capsule, bytes)
                instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)
        ? record
        : null;
  }
}
