package io.capsuledb.core.sim;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.RecordCodec;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;

/**
 * Compares a record store with a map: random appends, releases, reads, scans and reopenings from
 * one seed must agree with the model at every step.
 */
public final class RecordStoreModel {

  private static final int MAX_RECORD_BYTES = 3000;
  private static final int LARGE_PAYLOAD_BYTES = 40_000;

  private final SplittableRandom random;
  private final long[] writers;

  /** What the store holds, each record in the form it is in. */
  private final Map<Long, NavigableMap<Long, StoredRecord>> model = new TreeMap<>();

  private final Set<Hash32> releasable = new HashSet<>();

  private RecordStoreModel(long seed) {
    random = new SplittableRandom(seed);
    writers = new long[1 + random.nextInt(6)];
    for (int i = 0; i < writers.length; i++) {
      writers[i] = random.nextInt(3) == 0 ? random.nextLong() : random.nextInt(4);
    }
  }

  /** Runs {@code steps} random steps on {@code medium}, then reads everything back. */
  public static void run(RecordStoreContract.Medium medium, long seed, int steps) {
    RecordStoreModel model = new RecordStoreModel(seed);
    RecordStore store = medium.open();
    for (int i = 0; i < steps; i++) {
      switch (model.random.nextInt(10)) {
        case 0 -> {
          medium.closeStore(store);
          store = medium.open();
        }
        case 1, 2 -> model.readSome(store);
        case 3 -> model.releaseSome(store);
        default -> model.append(store);
      }
    }
    model.compare(store);
    medium.closeStore(store);
    store = medium.open();
    model.compare(store);
    medium.closeStore(store);
  }

  private long pick() {
    return writers[random.nextInt(writers.length)];
  }

  private NavigableMap<Long, StoredRecord> recordsOf(long writer) {
    return model.computeIfAbsent(writer, w -> new TreeMap<>(Long::compareUnsigned));
  }

  private void append(RecordStore store) {
    List<StoredRecord> batch = new ArrayList<>();
    int size = 1 + random.nextInt(20);
    for (int i = 0; i < size; i++) {
      long writer = pick();
      NavigableMap<Long, StoredRecord> records = recordsOf(writer);
      // Mostly the next in the chain, sometimes after a gap.
      long sequence =
          (records.isEmpty() ? 0 : records.lastKey())
              + (random.nextInt(20) == 0 ? 1 + random.nextInt(5) : 1);
      int bytesOfRecord = random.nextInt(MAX_RECORD_BYTES);
      StoredRecord r;
      if (random.nextBoolean()) {
        byte[] bytes = new byte[bytesOfRecord];
        random.nextBytes(bytes);
        r = RecordStoreContract.record(writer, sequence, bytes);
      } else {
        int payload = random.nextInt(20) == 0 ? LARGE_PAYLOAD_BYTES : 16 + bytesOfRecord;
        r = RecordStoreContract.releasable(writer, sequence, payload);
        releasable.add(r.hash());
      }
      records.put(sequence, r);
      batch.add(r);
    }
    store.append(batch);
  }

  private void releaseSome(RecordStore store) {
    List<StoredRecord> stubs = new ArrayList<>();
    for (NavigableMap<Long, StoredRecord> records : model.values()) {
      for (StoredRecord r : records.values()) {
        // Mostly whole ones; now and then one that is a stub already.
        if (releasable.contains(r.hash())
            && stubs.size() < RecordStore.MAX_BATCH_RECORDS
            && random.nextInt(RecordCodec.isStub(r.bytes()) ? 20 : 4) == 0) {
          stubs.add(RecordStoreContract.stubOf(r));
        }
      }
    }
    store.release(stubs);
    stubs.forEach(stub -> recordsOf(stub.writer()).put(stub.sequence(), stub));
  }

  private void readSome(RecordStore store) {
    long writer = pick();
    NavigableMap<Long, StoredRecord> records = recordsOf(writer);
    long sequence = 1L + random.nextInt(200);
    StoredRecord expected = records.get(sequence);
    assertThat(store.read(writer, sequence)).isEqualTo(expected == null ? null : expected.bytes());
    assertThat(store.newestSequence(writer)).isEqualTo(records.isEmpty() ? 0 : records.lastKey());
    compareScan(store, writer, sequence);
  }

  private void compareScan(RecordStore store, long writer, long from) {
    NavigableMap<Long, StoredRecord> expected = recordsOf(writer).tailMap(from, true);
    NavigableMap<Long, byte[]> seen = new TreeMap<>(Long::compareUnsigned);
    store.scan(writer, from, (w, s, bytes) -> seen.put(s, bytes) == null);
    assertThat(seen.keySet()).isEqualTo(expected.keySet());
    expected.forEach((sequence, r) -> assertThat(seen.get(sequence)).isEqualTo(r.bytes()));
  }

  private void compare(RecordStore store) {
    long[] expected =
        model.entrySet().stream()
            .filter(e -> !e.getValue().isEmpty())
            .map(Map.Entry::getKey)
            .sorted(Long::compareUnsigned)
            .mapToLong(Long::longValue)
            .toArray();
    assertThat(store.writers()).containsExactly(expected);
    for (long writer : expected) {
      compareScan(store, writer, 1);
      recordsOf(writer)
          .forEach((sequence, r) -> assertThat(store.read(r.hash())).isEqualTo(r.bytes()));
    }
    List<String> findings = new ArrayList<>();
    store.audit(findings::add);
    assertThat(findings).isEmpty();
  }
}
