package io.capsuledb.replication.store;

import static io.capsuledb.core.sim.RecordStoreContract.record;

import io.capsuledb.core.port.RecordStore.StoredRecord;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * A process that appends until it is killed, and says on its standard output what was acknowledged:
 * a line "writer sequence" for each append, written after it returned.
 */
final class CrashChild {

  private CrashChild() {}

  /** Length of the record at a position: short ones, and now and then one of many log blocks. */
  static int length(long writer, long sequence) {
    SplittableRandom random = new SplittableRandom(writer * 7919 + sequence);
    return random.nextInt(16) == 0 ? random.nextInt(200_000) : random.nextInt(2000);
  }

  /** Arguments: directory, first writer, number of writers, each of which is a thread. */
  public static void main(String[] arguments) throws InterruptedException {
    Path directory = Path.of(arguments[0]);
    long firstWriter = Long.parseLong(arguments[1]);
    int writers = Integer.parseInt(arguments[2]);
    RocksStorage storage = RocksStorage.open(directory, RocksMedium.SMALL);
    PrintStream out = System.out;
    out.println("open");
    out.flush();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < writers; i++) {
      long writer = firstWriter + i;
      threads.add(Thread.ofPlatform().start(() -> appendForever(storage, writer, out)));
    }
    for (Thread thread : threads) {
      thread.join();
    }
  }

  private static void appendForever(RocksStorage storage, long writer, PrintStream out) {
    RocksRecordStore store = storage.capsule(RocksMedium.CAPSULE);
    SplittableRandom random = new SplittableRandom(writer);
    long sequence = store.newestSequence(writer);
    while (true) {
      List<StoredRecord> batch = new ArrayList<>();
      int size = 1 + random.nextInt(20);
      for (int i = 0; i < size; i++) {
        sequence++;
        batch.add(record(writer, sequence, length(writer, sequence)));
      }
      try {
        store.append(batch);
      } catch (io.capsuledb.core.error.StorageException e) {
        System.err.println(e.getMessage());
        Runtime.getRuntime().halt(3);
      }
      synchronized (out) {
        out.println(writer + " " + sequence);
        out.flush();
      }
    }
  }
}
