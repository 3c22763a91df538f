package io.capsuledb.replication.replica;

import io.capsuledb.core.record.SignedHeader;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Records that came before their predecessors, kept for a while so that they need not be sent
 * again. They are signed, and may be thrown away at any time; what finds no room is not kept.
 *
 * <p>Invariants: what is parked is bounded, and so is what came over one link, so that nobody takes
 * the room of all others; what came over a link that is gone is gone.
 *
 * <p>A plain object of the core's.
 */
final class Parking {

  /** Most bytes parked in one capsule. */
  static final long MAX_BYTES = 8 << 20;

  /** Most records parked in one capsule. */
  static final int MAX_RECORDS = 1024;

  /** What may be parked over one link: so large a part of everything. */
  static final int LINK_PART = 4;

  /** A parked record, and who is told when it is taken. */
  record Parked(SignedHeader record, long link, long request) {}

  /** What is parked over a link. */
  private static final class Share {
    int records;
    long bytes;
  }

  private final Map<Long, TreeMap<Long, Parked>> chains = new TreeMap<>();
  private final Map<Long, Share> shares = new HashMap<>();
  private long bytes;
  private int records;

  int size() {
    return records;
  }

  /** Parks a record whose signature was checked, if there is room. */
  void park(SignedHeader record, long link, long request) {
    int length = record.bytes().length;
    Share share = shares.getOrDefault(link, new Share());
    if (records >= MAX_RECORDS
        || bytes + length > MAX_BYTES
        || share.records >= MAX_RECORDS / LINK_PART
        || share.bytes + length > MAX_BYTES / LINK_PART) {
      return;
    }
    TreeMap<Long, Parked> chain =
        chains.computeIfAbsent(record.header().writer(), w -> new TreeMap<>());
    if (chain.putIfAbsent(record.header().sequence(), new Parked(record, link, request)) == null) {
      shares.put(link, share);
      share.records++;
      share.bytes += length;
      records++;
      bytes += length;
    }
  }

  private void removed(Parked parked) {
    int length = parked.record.bytes().length;
    records--;
    bytes -= length;
    Share share = shares.get(parked.link);
    if (share != null) {
      share.bytes -= length;
      if (--share.records == 0) {
        shares.remove(parked.link);
      }
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
      removed(first);
      if (first.record.header().sequence() == sequence + run.size() + 1) {
        run.add(first);
      }
    }
    if (chain.isEmpty()) {
      chains.remove(writer);
    }
    return run;
  }

  /** A link is gone, and with it what came over it. */
  void down(long link) {
    if (!shares.containsKey(link)) {
      return;
    }
    for (TreeMap<Long, Parked> chain : chains.values()) {
      chain
          .values()
          .removeIf(
              parked -> {
                boolean gone = parked.link == link;
                if (gone) {
                  removed(parked);
                }
                return gone;
              });
    }
    chains.values().removeIf(TreeMap::isEmpty);
  }
}
