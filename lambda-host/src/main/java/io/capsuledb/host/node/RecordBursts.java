package io.capsuledb.host.node;

import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.scl.frame.SclMessage;
import io.capsuledb.scl.worker.WorkerInput;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Records that other workers have sent, kept for a moment so that they are taken up together.
 *
 * <p>What is taken up together costs one check of a signature for each chain, and ends the open
 * batch of this worker once. A network may keep a frame for as long, so nothing relies on it.
 *
 * <p>Invariants: a burst says of a chain what its frames said, from the first record to the last
 * that is durable; what is kept is bounded by {@link #MAX_BYTES} and a frame.
 *
 * <p>One thread at a time.
 */
final class RecordBursts {

  /** Beyond so many bytes nothing more should be kept. */
  static final long MAX_BYTES = 4L << 20;

  private record Key(long sender, long writer) {}

  private static final class Burst {
    long from = Long.MAX_VALUE;
    long to;
    final TreeMap<Long, CapsuleRecord> records = new TreeMap<>();
  }

  private final Map<Key, Burst> bursts = new LinkedHashMap<>();
  private long bytes;

  boolean isEmpty() {
    return bursts.isEmpty();
  }

  /** Whether there is too much to keep. */
  boolean isFull() {
    return bytes > MAX_BYTES;
  }

  void add(long sender, SclMessage.Records frame) {
    Burst burst = bursts.computeIfAbsent(new Key(sender, frame.writer()), key -> new Burst());
    burst.from = Math.min(burst.from, frame.from());
    burst.to = Math.max(burst.to, frame.to());
    for (CapsuleRecord record : frame.records()) {
      if (record.header().writer() == frame.writer()
          && burst.records.putIfAbsent(record.header().sequence(), record) == null) {
        bytes += record.bytes().length;
      }
    }
  }

  /** What was kept: of each chain at once, in pieces that a message holds. */
  List<WorkerInput.Received> take() {
    List<WorkerInput.Received> taken = new ArrayList<>();
    bursts.forEach(
        (key, burst) -> {
          List<CapsuleRecord> records = List.copyOf(burst.records.values());
          int at = 0;
          do {
            int end = Math.min(records.size(), at + SclMessage.MAX_RECORDS);
            taken.add(
                new WorkerInput.Received(
                    key.sender,
                    new SclMessage.Records(
                        key.writer, burst.from, burst.to, records.subList(at, end))));
            at = end;
          } while (at < records.size());
        });
    bursts.clear();
    bytes = 0;
    return taken;
  }
}
