package io.capsuledb.replication.store;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.SealState;
import io.capsuledb.replication.replica.ReplicaLog;
import io.capsuledb.replication.store.OpenDatabase.Cursor;
import io.capsuledb.replication.store.OpenDatabase.Family;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentNavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link RocksReplicaLog} knows of its chains without asking the database: read from its
 * rows when it is opened, and kept up with every commit. Written by the committing thread only;
 * read by any.
 */
final class ReplicaState {

  /** A chain as last committed. */
  record Chain(RosterEntry entry, ChainHead head, long lamport) {}

  /** A capsule as last committed. */
  static final class Capsule {
    final ConcurrentNavigableMap<Long, Chain> chains = new ConcurrentSkipListMap<>();
    volatile int memberships;
  }

  final ConcurrentNavigableMap<Hash32, Capsule> capsules = new ConcurrentSkipListMap<>();
  private final long incarnation;
  private volatile long numberFloor;

  private ReplicaState(ReplicaCodec.StoreRow row) {
    incarnation = row.incarnation();
    numberFloor = row.numberFloor();
  }

  long incarnation() {
    return incarnation;
  }

  long numberFloor() {
    return numberFloor;
  }

  void numberFloor(long floor) {
    numberFloor = floor;
  }

  /** The head of a chain, or null if it is not known. */
  @Nullable ChainHead head(Hash32 capsule, long writer) {
    Capsule held = capsules.get(capsule);
    Chain chain = held == null ? null : held.chains.get(writer);
    return chain == null ? null : chain.head();
  }

  // ------------------------------------------------------------------ recovery

  /** A state and what of it is for whoever opened the log. */
  record Loaded(
      ReplicaState state,
      ReplicaLog.Recovered recovered,
      ReplicaCodec.@Nullable CursorRow cursor) {}

  private static final class Found {
    @Nullable Blob metadata;
    final List<Blob> memberships = new ArrayList<>();
    final NavigableMap<Long, ReplicaCodec.ChainRow> chains = new TreeMap<>();
    final NavigableMap<Long, SealState> seals = new TreeMap<>();
    final List<Blob> evidence = new ArrayList<>();
    ReplicaLog.Rebuilding rebuilding = ReplicaLog.Rebuilding.NONE;
  }

  /**
   * Reads all rows. Takes time in proportion to their number, which is that of the chains.
   *
   * @throws IntegrityException if a row is damaged or missing
   */
  static Loaded load(OpenDatabase database) {
    NavigableMap<Hash32, Found> found = new TreeMap<>();
    try (Cursor cursor = database.cursor(Family.CAPSULES, new byte[0])) {
      for (cursor.seek(new byte[0]); cursor.valid("the list of capsules"); cursor.next()) {
        Found capsule = new Found();
        capsule.metadata = Blob.of(body(cursor, "a capsule's metadata"));
        found.put(Hash32.of(cursor.key()), capsule);
      }
    }
    ReplicaCodec.StoreRow store = null;
    ReplicaCodec.CursorRow scrub = null;
    try (Cursor cursor = database.cursor(Family.REPLICA, new byte[0])) {
      for (cursor.seek(new byte[0]); cursor.valid("the replica's rows"); cursor.next()) {
        byte[] key = cursor.key();
        byte[] body = body(cursor, "a replica's row");
        if (ReplicaCodec.isKey(key, ReplicaLayout.STORE, ReplicaLayout.STORE_KEY_BYTES)) {
          store = ReplicaCodec.store(body);
        } else if (ReplicaCodec.isKey(
            key, ReplicaLayout.SCRUB_CURSOR, ReplicaLayout.STORE_KEY_BYTES)) {
          scrub = ReplicaCodec.cursor(body);
        } else if (key.length < ReplicaLayout.CAPSULE_KEY_BYTES
            || !take(found.get(ReplicaCodec.capsuleOf(key)), key, body)) {
          throw RocksFailures.damaged("a replica's row of kind " + kind(key));
        }
      }
    }
    if (store == null) {
      throw RocksFailures.damaged("the replica's own row in " + database.directory());
    }
    ReplicaState state = new ReplicaState(store);
    List<ReplicaLog.Capsule> capsules = new ArrayList<>();
    found.forEach((name, capsule) -> capsules.add(state.add(name, capsule)));
    return new Loaded(
        state, new ReplicaLog.Recovered(store.incarnation(), store.numberFloor(), capsules), scrub);
  }

  private static String kind(byte[] key) {
    return key.length == 0 ? "none" : Integer.toString(key[ReplicaLayout.KEY_KIND]);
  }

  private static byte[] body(Cursor cursor, String what) {
    byte[] body = StoreCodec.open(cursor.key(), cursor.value());
    if (body == null) {
      throw RocksFailures.damaged(what);
    }
    return body;
  }

  /** Takes a row of a capsule; false if it makes no sense. */
  private static boolean take(@Nullable Found capsule, byte[] key, byte[] body) {
    if (capsule == null) {
      return false;
    }
    if (ReplicaCodec.isKey(key, ReplicaLayout.MEMBERSHIP, ReplicaLayout.MEMBERSHIP_KEY_BYTES)) {
      capsule.memberships.add(Blob.of(body));
      return ReplicaCodec.versionOf(key) == capsule.memberships.size();
    }
    if (ReplicaCodec.isKey(key, ReplicaLayout.CHAIN, ReplicaLayout.WRITER_KEY_BYTES)) {
      long writer = ReplicaCodec.writerOf(key);
      ReplicaCodec.ChainRow row = ReplicaCodec.chain(writer, body);
      if (row != null) {
        capsule.chains.put(writer, row);
      }
      return row != null;
    }
    if (ReplicaCodec.isKey(key, ReplicaLayout.SEAL, ReplicaLayout.WRITER_KEY_BYTES)) {
      SealState seal = ReplicaCodec.seal(body);
      long writer = ReplicaCodec.writerOf(key);
      if (seal != null) {
        capsule.seals.put(writer, seal);
      }
      // Chains sort before seals.
      return seal != null && capsule.chains.containsKey(writer);
    }
    if (ReplicaCodec.isKey(key, ReplicaLayout.EVIDENCE, ReplicaLayout.EVIDENCE_KEY_BYTES)) {
      capsule.evidence.add(Blob.of(body));
      return true;
    }
    if (ReplicaCodec.isKey(key, ReplicaLayout.REBUILDING, ReplicaLayout.CAPSULE_KEY_BYTES)) {
      ReplicaLog.Rebuilding rebuilding = ReplicaCodec.rebuilding(body);
      if (rebuilding != null) {
        capsule.rebuilding = rebuilding;
      }
      return rebuilding != null;
    }
    return false;
  }

  private ReplicaLog.Capsule add(Hash32 name, Found found) {
    Capsule capsule = new Capsule();
    capsule.memberships = found.memberships.size();
    capsules.put(name, capsule);
    List<ReplicaLog.Chain> chains = new ArrayList<>();
    found.chains.forEach(
        (writer, row) -> {
          capsule.chains.put(writer, new Chain(row.entry(), row.head(), row.lamport()));
          chains.add(
              new ReplicaLog.Chain(
                  row.entry(),
                  row.head(),
                  row.lamport(),
                  found.seals.getOrDefault(writer, SealState.OPEN)));
        });
    Blob metadata = found.metadata;
    if (metadata == null) {
      throw new AssertionError("a capsule is found by its metadata");
    }
    return new ReplicaLog.Capsule(
        new CapsuleName(name),
        metadata,
        found.memberships,
        chains,
        found.evidence,
        found.rebuilding);
  }

  // ------------------------------------------------------------------ heads against records

  /**
   * Checks that every chain ends where its head says: one look per chain. What cannot be read, or
   * is damaged, is not missing and left to the scrubber.
   *
   * @throws IntegrityException if the record of a head is missing, or one after it is there
   */
  void checkHeads(OpenDatabase database) {
    try (Cursor cursor = database.cursor(Family.RECORDS, new byte[0])) {
      capsules.forEach(
          (name, capsule) ->
              capsule.chains.forEach(
                  (writer, chain) -> checkHead(database, cursor, name, writer, chain.head())));
    }
  }

  private static void checkHead(
      OpenDatabase database, Cursor cursor, Hash32 name, long writer, ChainHead head) {
    byte[] capsule = name.toBytes();
    byte[] prefix = StoreCodec.writerPrefix(capsule, writer);
    byte[] key = StoreCodec.recordKey(capsule, writer, head.sequence());
    String what = "the head of " + StoreCodec.describe(writer, head.sequence());
    try {
      cursor.seek(key);
      boolean at = cursor.valid(what) && Arrays.equals(cursor.key(), key);
      if (head.sequence() > 0 && !at) {
        throw disagrees(name, writer, head, "that record is missing");
      }
      if (at) {
        cursor.next();
      }
      if (cursor.valid(what) && Arrays.mismatch(cursor.key(), prefix) == prefix.length) {
        throw disagrees(name, writer, head, "there are records after it");
      }
      if (head.sequence() > 0) {
        byte[] hashKey = StoreCodec.hashKey(capsule, head.hash());
        byte[] value = database.get(Family.HASHES, hashKey, what);
        byte[] body = value == null ? null : StoreCodec.open(hashKey, value);
        if (value == null
            || (body != null
                && !new StoreCodec.Position(writer, head.sequence())
                    .equals(StoreCodec.position(body)))) {
          throw disagrees(name, writer, head, "the index does not name its hash there");
        }
      }
    } catch (IntegrityException e) {
      if (e.rejection().reason() != Rejection.Reason.STORAGE_CHECKSUM) {
        throw e;
      }
      // Unreadable is not missing: the scrubber finds it.
    }
  }

  private static CapsuleException disagrees(Hash32 name, long writer, ChainHead head, String why) {
    return new IntegrityException(
        Rejection.of(
            Rejection.Reason.MISSING_RECORD,
            "the chain of "
                + StoreCodec.describe(writer, head.sequence())
                + " of capsule "
                + name
                + " does not end at its head "
                + head.hash()
                + ": "
                + why));
  }
}
