package io.capsuledb.replication.client;

import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.port.RecordStore.StoredRecord;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.sim.SampleCapsule;
import io.capsuledb.core.sim.SimEntropy;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Message;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;

/**
 * A core and its replicas, with messages between them that are delayed, lost and repeated by a
 * seed. Links keep the order of what they do not lose, as TCP does between two breaks.
 */
final class FakeCluster {

  static final long MS = 1_000_000;
  private static final int MAX_STEPS = 200_000;

  /** Something under way. */
  private record Letter(PublicKey replica, boolean toReplica, Message message, long at) {}

  final SampleCapsule capsule;
  final Random random;
  final List<FakeReplica> replicas = new ArrayList<>();
  final Map<PublicKey, FakeReplica> byKey = new HashMap<>();
  final QuorumClientCore core;
  final List<QuorumOutput> outputs = new ArrayList<>();
  final Map<Long, Long> durable = new TreeMap<>();
  final Set<PublicKey> cut = new HashSet<>();
  final Set<PublicKey> linked = new HashSet<>();
  private final List<Letter> letters = new ArrayList<>();
  private final Map<String, Long> lastArrival = new HashMap<>();
  long now = 1_000_000_000L;
  int lossPercent;
  int repeatPercent;
  long maxDelayMs = 3;
  final Map<PublicKey, Long> slowMs = new HashMap<>();

  static QuorumOptions.Builder options() {
    return QuorumOptions.builder().requestTimeoutMs(200).maxBackoffMs(200).recoveryGraceMs(50);
  }

  FakeCluster(long seed, int size, int quorum) {
    this(seed, size, quorum, options().build());
  }

  FakeCluster(long seed, int size, int quorum, QuorumOptions options) {
    random = new Random(seed);
    List<PublicKey> keys =
        IntStream.range(0, size).mapToObj(i -> FakeReplica.key(seed * 100 + i)).toList();
    capsule = new SampleCapsule(seed, keys, quorum);
    for (int i = 0; i < size; i++) {
      add(new FakeReplica(capsule, seed * 100 + i));
    }
    core =
        new QuorumClientCore(capsule.name, options, SampleCapsule.CURVE, new SimEntropy(seed + 5));
  }

  void add(FakeReplica replica) {
    replicas.add(replica);
    byKey.put(replica.key(), replica);
  }

  FakeReplica replica(int index) {
    return replicas.get(index);
  }

  /** Makes the capsule known to the core and connects everybody. */
  FakeCluster start() {
    core.know(now, Blob.of(capsule.signedMetadata));
    replicas.forEach(this::link);
    collect();
    return this;
  }

  void link(FakeReplica replica) {
    linked.add(replica.key());
    core.linkUp(now, replica.key());
    collect();
  }

  void unlink(FakeReplica replica) {
    linked.remove(replica.key());
    letters.removeIf(l -> l.replica.equals(replica.key()));
    core.linkDown(now, replica.key());
    collect();
  }

  /** Takes what the core put out. */
  void collect() {
    for (QuorumOutput output : core.take()) {
      if (output instanceof QuorumOutput.Send send) {
        post(send.replica(), true, send.message());
      } else {
        outputs.add(output);
        if (output instanceof QuorumOutput.Durable d) {
          durable.merge(d.writer(), d.sequence(), Math::max);
        }
      }
    }
  }

  private void post(PublicKey replica, boolean toReplica, Message message) {
    if (!linked.contains(replica) || cut.contains(replica) || chance(lossPercent)) {
      return;
    }
    int copies = chance(repeatPercent) ? 2 : 1;
    for (int i = 0; i < copies; i++) {
      String lane = replica + " " + toReplica;
      long at =
          now
              + (1 + random.nextLong(maxDelayMs * MS))
              + (toReplica ? 0 : slowMs.getOrDefault(replica, 0L) * MS);
      at = Math.max(at, lastArrival.getOrDefault(lane, 0L) + 1);
      lastArrival.put(lane, at);
      letters.add(new Letter(replica, toReplica, message, at));
    }
  }

  /** Delivers a message as if this replica had sent it. */
  void deliver(PublicKey replica, Message message) {
    core.received(now, replica, message);
    collect();
  }

  private boolean chance(int percent) {
    return percent > 0 && random.nextInt(100) < percent;
  }

  /** Delivers the next message, or lets a little time pass. */
  void step() {
    Letter next = null;
    for (Letter letter : letters) {
      if (next == null || letter.at < next.at) {
        next = letter;
      }
    }
    long tickAt = now + 5 * MS;
    if (next == null || next.at > tickAt) {
      now = tickAt;
      core.tick(now);
      collect();
      return;
    }
    now = Math.max(now, next.at);
    letters.remove(next);
    if (next.toReplica) {
      FakeReplica replica = byKey.get(next.replica);
      for (Message reply : replica.handle(next.message)) {
        post(next.replica, false, reply);
      }
    } else {
      core.received(now, next.replica, next.message);
      collect();
    }
  }

  /** Goes on until something holds; returns whether it came to hold in a bounded time. */
  boolean until(BooleanSupplier condition) {
    for (int i = 0; i < MAX_STEPS; i++) {
      if (condition.getAsBoolean()) {
        return true;
      }
      step();
    }
    return false;
  }

  void run(long milliseconds) {
    long end = now + milliseconds * MS;
    while (now < end) {
      step();
    }
  }

  long append(List<StoredRecord> records) {
    long ticket = core.append(now, true, records, now + 1000 * MS);
    collect();
    return ticket;
  }

  static StoredRecord stored(CapsuleRecord record) {
    return new StoredRecord(
        record.header().writer(), record.header().sequence(), record.hash(), record.bytes());
  }

  /** A chain of so many records, the first its roster. */
  List<StoredRecord> chain(long writer, RosterEntry.Role role, int length) {
    List<StoredRecord> records = new ArrayList<>();
    try (SampleCapsule.Chain chain = capsule.chain(writer, role)) {
      records.add(stored(chain.first()));
      while (records.size() < length) {
        records.add(stored(chain.next(RecordType.DATA, new byte[1 + random.nextInt(300)])));
      }
    }
    return records;
  }

  /** How many replicas that do not lie hold a chain up to a position. */
  long holders(long writer, long sequence) {
    return replicas.stream().filter(r -> r.held(writer) >= sequence).count();
  }

  <T extends QuorumOutput> List<T> all(Class<T> type) {
    return outputs.stream().filter(type::isInstance).map(type::cast).toList();
  }
}
