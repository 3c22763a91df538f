package io.capsuledb.replication.replica;

import io.capsuledb.core.record.SignedHeader;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Records that came before their predecessors, kept for a while so that they need not be sent
 * again. Nothing here is trusted or promised: it may be thrown away at any time, and is when there
 * is too much of it. A plain object of the core's.
 */
final class Parking {

  /** Most bytes parked in one capsule. */
  static final long MAX_BYTES = 8 << 20;

  /** Most records parked in one capsule. */
  static final int MAX_RECORDS = 1024;

  /** A parked record, and who is told when it is taken. */
  record Parked(SignedHeader record, long link, long request) {}

  private final Map<Long, TreeMap<Long, Parked>> chains = new TreeMap<>();
  private long bytes;
  private int records;

  int size() {
    return records;
  }

  /** Parks a record, if there is room. */
  void park(SignedHeader record, long link, long request) {
    if (records >= MAX_RECORDS || bytes + record.bytes().length > MAX_BYTES) {
      return;
    }
    TreeMap<Long, Parked> chain =
        chains.computeIfAbsent(record.header().writer(), w -> new TreeMap<>());
    if (chain.putIfAbsent(record.header().sequence(), new Parked(record, link, request)) == null) {
      records++;
      bytes += record.bytes().length;
    }
  }

  /**
   * Takes out what follows a sequence number without a gap; throws away what is at or before it.
   */
  List<Parked> next(long writer, long sequence) {
    TreeMap<Long, Parked> chain = chains.get(writer);
    if (chain == null) {
      return List.of();
    }
    List<Parked> run = new ArrayList<>();
    while (!chain.isEmpty() && chain.firstKey() <= sequence + run.size() + 1) {
      Parked first = chain.pollFirstEntry().getValue();
      records--;
      bytes -= first.record.bytes().length;
      if (first.record.header().sequence() == sequence + run.size() + 1) {
        run.add(first);
      }
    }
    if (chain.isEmpty()) {
      chains.remove(writer);
    }
    return run;
  }

  /** Throws away what is parked of a writer. */
  void forget(long writer) {
    TreeMap<Long, Parked> chain = chains.remove(writer);
    if (chain != null) {
      for (Parked parked : chain.values()) {
        records--;
        bytes -= parked.record.bytes().length;
      }
    }
  }
}
