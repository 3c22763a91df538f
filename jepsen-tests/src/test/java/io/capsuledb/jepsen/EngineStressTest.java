package io.capsuledb.jepsen;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.NewCapsule;
import io.capsuledb.core.crypto.SecretBytes;
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
import io.capsuledb.engine.Snapshot;
import io.capsuledb.engine.Transaction;
import io.capsuledb.engine.ValueType;
import io.capsuledb.replication.store.RocksStorage;
import io.capsuledb.replication.store.RocksStorageOptions;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The engine under real threads, over RocksDB, with memtables so small that flushes and compactions
 * never end: accounts between which money is moved. Whoever looks, by a snapshot, forward or back,
 * or by reads in a transaction, sees all of it; after reopening it is all there.
 */
class EngineStressTest {

  private static final int ACCOUNTS = 400;
  private static final long START = 1000;
  private static final int TRANSFERS = 8_000;
  private static final int WRITERS = 3;

  @Test
  void nobodyEverSeesMoneyInTransit(@TempDir Path directory) throws Exception {
    SystemEntropy entropy = new SystemEntropy();
    byte[] seed = new byte[64];
    entropy.fill(seed);
    try (KeyTree owner = KeyTree.fromSeed(SecretBytes.own(seed));
        RocksStorage storage =
            RocksStorage.open(directory.resolve("data"), RocksStorageOptions.defaults())) {
      byte[] metadata = NewCapsule.sign(owner, 0, List.of(), 0, entropy);
      RecordStore store = storage.capsule(MetadataCodec.nameOf(metadata).toBytes());
      store.initialize(metadata);
      CapsulePorts ports =
          new CapsulePorts(
              store, new SystemClock(), entropy, new ThreadScheduler(), Telemetry.NONE);
      CapsuleDbOptions options =
          CapsuleDbOptions.builder()
              .memtableBytes(64 << 10)
              .blockBytes(512)
              .tableBytes(8 << 10)
              .cacheBytes(64 << 10)
              .historyMs(0)
              .compactionBytesPerSecond(0)
              .build();
      try (CapsuleDb db = CapsuleDb.open(options, ports, owner.application(0, 0), n -> {})) {
        try (Transaction txn = db.begin()) {
          for (int i = 0; i < ACCOUNTS; i++) {
            txn.put(account(i), ValueType.STRING, money(START), 0);
          }
          txn.commit();
        }
        transferAndLook(db);
        assertThat(db.stats().levelTables().stream().mapToInt(n -> n).sum()).isPositive();
        assertThat(db.verify((done, total) -> {}).problems()).isEmpty();
      }
      try (CapsuleDb db = CapsuleDb.open(options, ports, owner.application(0, 0), n -> {})) {
        try (Snapshot snapshot = db.snapshot()) {
          assertThat(total(snapshot, true)).isEqualTo(ACCOUNTS * START);
        }
      }
    }
  }

  private static void transferAndLook(CapsuleDb db)
      throws InterruptedException, ExecutionException {
    AtomicBoolean done = new AtomicBoolean();
    ExecutorService threads = Executors.newCachedThreadPool();
    try {
      List<Future<Void>> writers = new ArrayList<>();
      List<Future<Void>> readers = new ArrayList<>();
      for (int i = 0; i < WRITERS; i++) {
        int writer = i;
        writers.add(threads.submit(() -> transfer(db, writer)));
      }
      readers.add(threads.submit(whileNot(done, () -> lookBySnapshot(db, true))));
      readers.add(threads.submit(whileNot(done, () -> lookBySnapshot(db, false))));
      readers.add(threads.submit(whileNot(done, () -> lookByTransaction(db))));
      readers.add(threads.submit(whileNot(done, () -> compactNowAndThen(db))));
      try {
        for (Future<Void> writer : writers) {
          writer.get();
        }
      } finally {
        done.set(true);
      }
      for (Future<Void> reader : readers) {
        reader.get();
      }
    } finally {
      threads.shutdownNow();
    }
  }

  private static Callable<Void> whileNot(AtomicBoolean done, Runnable look) {
    return () -> {
      while (!done.get()) {
        look.run();
      }
      return null;
    };
  }

  private static Void transfer(CapsuleDb db, int writer) {
    SplittableRandom random = new SplittableRandom(writer);
    for (int i = 0; i < TRANSFERS; i++) {
      byte[] from = account(random.nextInt(ACCOUNTS));
      byte[] to = account(random.nextInt(ACCOUNTS));
      try (Transaction txn = db.begin()) {
        long amount = random.nextLong(10);
        txn.put(from, ValueType.STRING, money(balance(txn.get(from).value()) - amount), 0);
        txn.put(to, ValueType.STRING, money(balance(txn.get(to).value()) + amount), 0);
        txn.commit();
      }
    }
    return null;
  }

  private static void lookBySnapshot(CapsuleDb db, boolean forward) {
    try (Snapshot snapshot = db.snapshot()) {
      assertThat(total(snapshot, forward)).isEqualTo(ACCOUNTS * START);
    }
  }

  private static long total(Snapshot snapshot, boolean forward) {
    long total = 0;
    int seen = 0;
    Cursor cursor = snapshot.cursor();
    boolean there = forward ? cursor.seekToFirst() : cursor.seekToLast();
    while (there) {
      total += balance(cursor.value());
      seen++;
      there = forward ? cursor.next() : cursor.previous();
    }
    assertThat(seen).isEqualTo(ACCOUNTS);
    return total;
  }

  private static void lookByTransaction(CapsuleDb db) {
    long total = 0;
    try (Transaction txn = db.beginReading()) {
      for (int i = 0; i < ACCOUNTS; i++) {
        total += balance(txn.get(account(i)).value());
      }
    }
    assertThat(total).isEqualTo(ACCOUNTS * START);
  }

  private static void compactNowAndThen(CapsuleDb db) {
    if (db.flush() && db.isSettled()) {
      db.compact();
    }
    Thread.onSpinWait();
  }

  private static byte[] account(int number) {
    return ("account" + number).getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] money(long amount) {
    return Long.toString(amount).getBytes(StandardCharsets.US_ASCII);
  }

  private static long balance(byte[] value) {
    return Long.parseLong(new String(value, StandardCharsets.US_ASCII));
  }
}
