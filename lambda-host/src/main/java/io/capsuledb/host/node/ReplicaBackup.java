package io.capsuledb.host.node;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.capsule.RosterCodec;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.StorageException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.port.Clock;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.Scheduler;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.ChainVerifier;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.system.SystemClock;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.core.system.ThreadScheduler;
import io.capsuledb.engine.CapsuleCopy;
import io.capsuledb.host.config.LinkSecurity;
import io.capsuledb.host.config.ReplicaAddress;
import io.capsuledb.host.replica.LinkKey;
import io.capsuledb.host.replica.LinkNetwork;
import io.capsuledb.host.replica.ReplicaDialer;
import io.capsuledb.replication.client.MessengerLinks;
import io.capsuledb.replication.client.QuorumClient;
import io.capsuledb.replication.client.QuorumOptions;
import io.capsuledb.replication.client.ReplicatedStore;
import io.capsuledb.replication.session.Messenger;
import io.capsuledb.replication.store.RocksStorage;
import io.capsuledb.replication.store.RocksStorageOptions;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A backup of a capsule that workers write meanwhile, at a SYNC: needs nothing but replicas, and no
 * key. What it holds is the SYNC record and everything that is an ancestor of it, which is exactly
 * its cut, and the tables as far as they are of that moment.
 *
 * <p>Invariants:
 *
 * <ul>
 *   <li>what is fetched lies in {@code fetched/} beside the backup, and gets into the backup by
 *       {@link CapsuleCopy} alone, which verifies every record;
 *   <li>where compactors' chains end was read before the SYNC was chosen, so that what their
 *       manifests cover is in the cut;
 *   <li>it waits a bounded time without progress, and then ends with {@link UnavailableException}.
 * </ul>
 */
public final class ReplicaBackup {

  private static final String FETCHED = "fetched";
  private static final long LOOK_MS = 500;

  /** How often is fetched: the first time says where tables end, the second what they are of. */
  private static final int ROUNDS = 2;

  /**
   * What is to be backed up.
   *
   * @param sync the hash of the SYNC record; null for the newest
   * @param patienceMs without progress for so long it is given up
   */
  public record Request(
      CapsuleName capsule,
      List<ReplicaAddress> replicas,
      LinkSecurity security,
      @Nullable Hash32 sync,
      long patienceMs) {
    /** Keeps a copy of the list. */
    public Request {
      replicas = List.copyOf(replicas);
    }
  }

  /** What was done, and at which SYNC. */
  public record Result(CapsuleCopy.Summary copied, long epoch, Hash32 sync) {}

  private record At(long epoch, SignedHeader record) {}

  private final Request request;
  private final Secp256k1 curve = Secp256k1.best();
  private final Clock clock = new SystemClock();
  private final Entropy entropy = new SystemEntropy();

  private ReplicaBackup(Request request) {
    this.request = request;
  }

  /**
   * Makes a backup, or brings one up to date.
   *
   * @param to a directory that is empty, new, or a backup of the same capsule
   * @throws InvalidRequestException if {@code to} is something else, or there is no such SYNC
   * @throws UnavailableException if no quorum of replicas answers
   * @throws IntegrityException if something does not verify
   */
  public static Result run(Request request, Path to, CapsuleCopy.Progress progress) {
    return new ReplicaBackup(request).run(to, progress);
  }

  private Result run(Path to, CapsuleCopy.Progress progress) {
    CapsuleName name = request.capsule;
    BackupMark mark = Backup.markFor(to, name, FETCHED);
    try (RocksStorage fetched =
        RocksStorage.open(
            to.resolve(FETCHED), RocksStorageOptions.builder().durable(false).build())) {
      Map<Long, Long> tables = new TreeMap<>();
      At[] chosen = new At[1];
      Map<Long, Long> cut = new TreeMap<>();
      for (int round = 1; round <= ROUNDS; round++) {
        boolean last = round == ROUNDS;
        fetch(
            fetched,
            count -> progress.copied(0, count, 0),
            store -> {
              if (last) {
                At sync = sync(store);
                chosen[0] = sync;
                close(store, sync.record.header().writer(), sync.record.header().sequence(), cut);
              } else {
                tables.putAll(compactors(store));
              }
            });
      }
      At sync = chosen[0];
      tables.forEach((writer, sequence) -> cut.merge(writer, sequence, Math::max));
      List<ChainVerifier.Head> heads;
      try (RecordStore store = fetched.capsule(name.toBytes())) {
        heads = heads(store, cut);
      }
      CapsuleCopy.Summary summary = Backup.copyTo(fetched, to, name, heads, mark, progress);
      return new Result(summary, sync.epoch, sync.record.hash());
    }
  }

  // ------------------------------------------------------------------ fetching

  /** Brings the copies up to what a quorum has, and has a look at them. */
  private void fetch(RocksStorage fetched, LongConsumer progress, Look look) {
    Deque<AutoCloseable> parts = new ArrayDeque<>();
    try {
      Scheduler scheduler = new ThreadScheduler();
      LinkKey key = started(parts, LinkKey.draw(entropy));
      MessengerLinks links = new MessengerLinks();
      Messenger messenger =
          started(
              parts,
              LinkNetwork.start(
                  key.identity(),
                  request.security,
                  clock,
                  entropy,
                  scheduler,
                  Telemetry.NONE,
                  links));
      QuorumClient client =
          started(
              parts,
              QuorumClient.start(
                  request.capsule,
                  QuorumOptions.builder().build(),
                  curve,
                  new QuorumClient.Ports(links, clock, entropy, scheduler),
                  QuorumClient.Listener.NONE));
      links.attach(messenger, client);
      started(
          parts,
          scheduler.start(
              "replica-dialer",
              new ReplicaDialer(messenger, request.security, request.replicas, null),
              ReplicaDialer.LOOK_MS));
      AtomicLong progressAt = new AtomicLong(clock.monotonicNanos());
      long patience = TimeUnit.MILLISECONDS.toNanos(request.patienceMs);
      started(
          parts,
          scheduler.start(
              "backup-watch",
              () -> {
                if (clock.monotonicNanos() - progressAt.get() > patience) {
                  client.close();
                }
                return false;
              },
              LOOK_MS));
      ReplicatedStore store =
          started(
              parts,
              ReplicatedStore.open(
                  fetched.capsule(request.capsule.toBytes()),
                  client,
                  null,
                  curve,
                  records -> {
                    progressAt.set(clock.monotonicNanos());
                    progress.accept(records);
                  }));
      // From here on everything is on this machine, but for what is damaged there.
      progressAt.set(Long.MAX_VALUE);
      look.at(store);
    } catch (OutcomeUnknownException closed) {
      throw new UnavailableException(
          "no quorum of the replicas gave anything for "
              + TimeUnit.MILLISECONDS.toSeconds(request.patienceMs)
              + " s",
          closed);
    } finally {
      closeAll(parts);
    }
  }

  /** Has a look at what was fetched. */
  private interface Look {
    void at(RecordStore store);
  }

  private static <T extends AutoCloseable> T started(Deque<AutoCloseable> parts, T part) {
    parts.push(part);
    return part;
  }

  private static void closeAll(Deque<AutoCloseable> parts) {
    while (!parts.isEmpty()) {
      try {
        parts.pop().close();
      } catch (CapsuleException e) {
        throw e;
      } catch (Exception e) {
        throw new StorageException("the links to the replicas do not close", e);
      }
    }
  }

  // ------------------------------------------------------------------ the cut

  private RosterEntry.@Nullable Role role(RecordStore store, long writer) {
    byte[] first = store.read(writer, 1);
    byte[] signed = store.metadata();
    if (first == null || signed == null) {
      return null;
    }
    CapsuleMetadata metadata = MetadataCodec.decode(signed, curve).orThrow();
    if (RecordCodec.decode(request.capsule, first)
            instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord roster)
        && RosterCodec.decode(request.capsule, roster.payload(), metadata, curve)
            instanceof Decoded.Accepted<List<RosterEntry>>(List<RosterEntry> entries)) {
      for (RosterEntry entry : entries) {
        if (entry.writer() == writer) {
          return entry.role();
        }
      }
    }
    return null;
  }

  private Map<Long, Long> compactors(RecordStore store) {
    Map<Long, Long> newest = new TreeMap<>();
    for (long writer : store.writers()) {
      if (role(store, writer) == RosterEntry.Role.COMPACTOR) {
        newest.put(writer, store.newestSequence(writer));
      }
    }
    return newest;
  }

  /** The SYNC that was asked for, or the newest. */
  private At sync(RecordStore store) {
    Hash32 wanted = request.sync;
    At[] newest = new At[1];
    for (long writer : store.writers()) {
      if (role(store, writer) != RosterEntry.Role.COORDINATOR) {
        continue;
      }
      store.scan(
          writer,
          1,
          (of, sequence, bytes) -> {
            if (RecordCodec.typeOf(bytes) == RecordType.SYNC) {
              SignedHeader record = RecordCodec.decodeStored(request.capsule, bytes).orThrow();
              long epoch = record.header().epoch();
              boolean isBetter =
                  wanted == null
                      ? newest[0] == null || epoch > newest[0].epoch
                      : record.hash().equals(wanted);
              if (isBetter) {
                newest[0] = new At(epoch, record);
              }
            }
            return true;
          });
    }
    At chosen = newest[0];
    if (chosen == null) {
      throw new InvalidRequestException(
          wanted == null
              ? "the capsule has no SYNC: only several workers make them; stop the server and back"
                  + " up its data directory instead"
              : "sync is '" + wanted + "', and the capsule has no such durable SYNC");
    }
    return chosen;
  }

  /**
   * Adds a record and all its ancestors.
   *
   * @param cut the newest of each chain that is in; grows
   */
  private void close(RecordStore store, long writer, long sequence, Map<Long, Long> cut) {
    TreeMap<Long, Long> wanted = new TreeMap<>(Map.of(writer, sequence));
    for (Map.Entry<Long, Long> next = wanted.pollFirstEntry();
        next != null;
        next = wanted.pollFirstEntry()) {
      long of = next.getKey();
      long to = next.getValue();
      long from = cut.getOrDefault(of, 0L) + 1;
      if (to < from) {
        continue;
      }
      long[] reached = {from - 1};
      store.scan(
          of,
          from,
          (w, at, bytes) -> {
            reached[0] = at;
            for (Hash32 parent :
                RecordCodec.decodeStored(request.capsule, bytes).orThrow().header().parents()) {
              SignedHeader ancestor = ancestor(store, parent);
              wanted.merge(ancestor.header().writer(), ancestor.header().sequence(), Math::max);
            }
            return at < to;
          });
      if (reached[0] != to) {
        throw missing(CapsuleRecord.describe(of, to));
      }
      cut.put(of, to);
    }
  }

  private SignedHeader ancestor(RecordStore store, Hash32 hash) {
    byte[] bytes = store.read(hash);
    if (bytes == null) {
      throw missing("record " + hash);
    }
    return RecordCodec.decodeStored(request.capsule, bytes).orThrow();
  }

  private static IntegrityException missing(String what) {
    return new IntegrityException(
        Rejection.of(Rejection.Reason.MISSING_RECORD, what + " is before the SYNC, and nowhere"));
  }

  private List<ChainVerifier.Head> heads(RecordStore store, Map<Long, Long> cut) {
    List<ChainVerifier.Head> heads = new ArrayList<>();
    cut.forEach(
        (writer, sequence) -> {
          byte[] bytes = store.read(writer, sequence);
          if (bytes == null) {
            throw missing(CapsuleRecord.describe(writer, sequence));
          }
          SignedHeader record = RecordCodec.decodeStored(request.capsule, bytes).orThrow();
          heads.add(
              new ChainVerifier.Head(writer, sequence, record.hash(), record.header().lamport()));
        });
    return heads;
  }
}
