package io.capsuledb.core.sim;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.SplittableRandom;
import java.util.TreeMap;

/**
 * Compares a record store with a map: random appends, reads, scans and reopenings from one seed
 * must agree with the model at every step.
 */
public final class RecordStoreModel {

  private static final int MAX_RECORD_BYTES = 3000;

  private final SplittableRandom random;
  private final long[] writers;
  private final Map<Long, NavigableMap<Long, byte[]>> model = new HashMap<>();

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

  private NavigableMap<Long, byte[]> recordsOf(long writer) {
    return model.computeIfAbsent(writer, w -> new TreeMap<>(Long::compareUnsigned));
  }

  private void append(RecordStore store) {
    List<StoredRecord> batch = new ArrayList<>();
    int size = 1 + random.nextInt(20);
    for (int i = 0; i < size; i++) {
      long writer = pick();
      NavigableMap<Long, byte[]> records = recordsOf(writer);
      // Mostly the next in the chain, sometimes after a gap.
      long sequence =
          (records.isEmpty() ? 0 : records.lastKey())
              + (random.nextInt(20) == 0 ? 1 + random.nextInt(5) : 1);
      byte[] bytes = new byte[random.nextInt(MAX_RECORD_BYTES)];
      random.nextBytes(bytes);
      records.put(sequence, bytes);
      batch.add(RecordStoreContract.record(writer, sequence, bytes));
    }
    store.append(batch);
  }

  private void readSome(RecordStore store) {
    long writer = pick();
    NavigableMap<Long, byte[]> records = recordsOf(writer);
    long sequence = 1L + random.nextInt(200);
    assertThat(store.read(writer, sequence)).isEqualTo(records.get(sequence));
    assertThat(store.newestSequence(writer)).isEqualTo(records.isEmpty() ? 0 : records.lastKey());
    compareScan(store, writer, sequence);
  }

  private void compareScan(RecordStore store, long writer, long from) {
    NavigableMap<Long, byte[]> expected = recordsOf(writer).tailMap(from, true);
    NavigableMap<Long, byte[]> seen = new TreeMap<>(Long::compareUnsigned);
    store.scan(writer, from, (w, s, bytes) -> seen.put(s, bytes) == null);
    assertThat(seen.keySet()).isEqualTo(expected.keySet());
    expected.forEach((sequence, bytes) -> assertThat(seen.get(sequence)).isEqualTo(bytes));
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
          .forEach(
              (sequence, bytes) ->
                  assertThat(store.read(RecordStoreContract.hash(writer, sequence, bytes)))
                      .isEqualTo(bytes));
    }
    List<String> findings = new ArrayList<>();
    store.audit(findings::add);
    assertThat(findings).isEmpty();
  }
}
