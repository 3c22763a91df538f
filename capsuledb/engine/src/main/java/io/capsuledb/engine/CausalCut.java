package io.capsuledb.engine;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.engine.Survey.Surveyed;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How much of the chains' tails can be replayed while others go on writing. Heads are read one
 * after the other, so one chain may have been read up to a record whose ancestor in another was
 * written after that one was read. Such a record, and what follows it, comes later, by merging.
 *
 * <p>Invariant of what is given back: the ancestors of every record are in it. Damage is not judged
 * here: what cannot be read is left to {@link Replay}, which comes to it.
 */
final class CausalCut {

  /** Where a record is. */
  private record Place(long writer, long sequence) {}

  /** A record of a tail that names others. */
  private record Joining(long sequence, List<Place> parents) {}

  private CausalCut() {}

  /** The chains, some of them perhaps with a smaller newest sequence number. */
  static List<Surveyed> of(CapsuleName capsule, RecordStore store, List<Surveyed> chains) {
    Map<Long, Long> newest = new HashMap<>();
    Map<Long, List<Joining>> joins = new HashMap<>();
    for (Surveyed chain : chains) {
      newest.put(chain.writer(), chain.newestSequence());
    }
    for (Surveyed chain : chains) {
      if (!chain.isTree() && chain.coveredSequence() < chain.newestSequence()) {
        joins.put(chain.writer(), joinsOf(capsule, store, chain));
      }
    }
    boolean changed = true;
    while (changed) {
      changed = false;
      for (Map.Entry<Long, List<Joining>> chain : joins.entrySet()) {
        for (Joining join : chain.getValue()) {
          if (join.sequence <= newest.getOrDefault(chain.getKey(), 0L)
              && !isWithin(join.parents, newest)) {
            newest.put(chain.getKey(), join.sequence - 1);
            changed = true;
            break;
          }
        }
      }
    }
    List<Surveyed> cut = new ArrayList<>(chains.size());
    for (Surveyed chain : chains) {
      long last = newest.getOrDefault(chain.writer(), 0L);
      if (last > 0) {
        cut.add(
            new Surveyed(
                chain.writer(), chain.role(), chain.firstLamport(), last, chain.coveredSequence()));
      }
    }
    return cut;
  }

  private static boolean isWithin(List<Place> parents, Map<Long, Long> newest) {
    for (Place parent : parents) {
      if (parent.sequence > newest.getOrDefault(parent.writer, 0L)) {
        return false;
      }
    }
    return true;
  }

  private static List<Joining> joinsOf(CapsuleName capsule, RecordStore store, Surveyed chain) {
    List<Joining> joins = new ArrayList<>();
    store.scan(
        chain.writer(),
        chain.coveredSequence() + 1,
        (writer, sequence, bytes) -> {
          if (RecordCodec.decodeStored(capsule, bytes)
                  instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)
              && !record.header().parents().isEmpty()) {
            joins.add(new Joining(sequence, places(capsule, store, record.header().parents())));
          }
          return sequence < chain.newestSequence();
        });
    return joins;
  }

  private static List<Place> places(CapsuleName capsule, RecordStore store, List<Hash32> hashes) {
    List<Place> places = new ArrayList<>(hashes.size());
    for (Hash32 hash : hashes) {
      byte[] bytes = store.read(hash);
      if (bytes != null
          && RecordCodec.decodeStored(capsule, bytes)
              instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)) {
        places.add(new Place(record.header().writer(), record.header().sequence()));
      }
    }
    return places;
  }
}
