package io.capsuledb.host.bench.engine;

import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.CapsuleDbOptions;
import io.capsuledb.engine.CapsulePorts;
import io.capsuledb.engine.Cursor;
import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.Snapshot;
import io.capsuledb.engine.WriteBatch;
import io.capsuledb.replication.store.RocksStorage;
import io.capsuledb.replication.store.RocksStorageOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** This engine, embedded, over a store in a directory of its own. */
final class CapsuleStore implements BenchStore {

  private static final int SEED_BYTES = 64;
  private static final long POLL_NANOS = 5_000_000;
  private static final long MAX_WAIT_NANOS = 1_800_000_000_000L;

  private final Path directory;
  private final EngineBench.Sizes sizes;
  private final SystemEntropy entropy = new SystemEntropy();
  private final KeyTree owner;
  private final byte[] name;
  private RocksStorage storage;
  private RecordStore store;
  private CapsuleDb db;

  CapsuleStore(Path directory, EngineBench.Sizes sizes) {
    this.directory = directory;
    this.sizes = sizes;
    byte[] seed = new byte[SEED_BYTES];
    entropy.fill(seed);
    owner = KeyTree.fromSeed(SecretBytes.own(seed));
    byte[] metadata = NewCapsule.sign(owner, 0, List.of(), 0, entropy);
    name = MetadataCodec.nameOf(metadata).toBytes();
    storage = openStorage();
    store = storage.capsule(name);
    store.initialize(metadata);
    db = openDb();
  }

  private RocksStorage openStorage() {
    return RocksStorage.open(directory, RocksStorageOptions.defaults());
  }

  private CapsuleDb openDb() {
    return CapsuleDb.open(
        CapsuleDbOptions.builder()
            .memtableBytes(sizes.memtableBytes())
            .cacheBytes(sizes.cacheBytes())
            .historyMs(0)
            .compactionBytesPerSecond(0)
            .build(),
        new CapsulePorts(store, new SystemClock(), entropy, new ThreadScheduler(), Telemetry.NONE),
        owner.application(0, 0),
        records -> {});
  }

  @Override
  public String name() {
    return "capsule";
  }

  @Override
  public Path directory() {
    return directory;
  }

  @Override
  public void write(byte[][] keys, byte[][] values) {
    WriteBatch batch = new WriteBatch();
    for (int i = 0; i < keys.length; i++) {
      batch.put(keys[i], values[i]);
    }
    db.write(batch).toCompletableFuture().join();
  }

  @Override
  public byte @Nullable [] get(byte[] key) {
    Lookup found = db.get(key);
    return found.found() ? found.value() : null;
  }

  @Override
  public int scan(byte[] from, int count) {
    int seen = 0;
    try (Snapshot snapshot = db.snapshot()) {
      Cursor cursor = snapshot.cursor();
      for (boolean there = cursor.seek(from); there && seen < count; there = cursor.next()) {
        seen += cursor.value().length > 0 ? 1 : 0;
      }
    }
    return seen;
  }

  @Override
  public void settle() {
    await(db::flush);
    await(db::isSettled);
  }

  @Override
  public void compact() {
    settle();
    db.compact();
    await(db::isSettled);
    storage.compact();
  }

  private static void await(BooleanSupplier condition) {
    long deadline = System.nanoTime() + MAX_WAIT_NANOS;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - deadline > 0) {
        throw new StorageException("the engine does not come to rest");
      }
      LockSupport.parkNanos(POLL_NANOS);
    }
  }

  @Override
  public void reopen() {
    close();
    storage = openStorage();
    store = storage.capsule(name);
    db = openDb();
  }

  @Override
  public void close() {
    db.close();
    store.close();
    storage.close();
  }
}
