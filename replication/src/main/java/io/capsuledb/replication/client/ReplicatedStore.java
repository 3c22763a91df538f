package io.capsuledb.replication.client;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.MetadataCodec;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.OutcomeUnknownException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.port.Entropy;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.core.record.CheckpointCodec;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.core.record.SignedHeader;
import io.capsuledb.core.seal.ChainHead;
import io.capsuledb.replication.client.QuorumClient.Answer;
import io.capsuledb.replication.client.QuorumClient.Found;
import io.capsuledb.replication.client.QuorumClient.Stored;
import io.capsuledb.replication.protocol.Blob;
import io.capsuledb.replication.protocol.Certificate;
import io.capsuledb.replication.protocol.CertificateCodec;
import io.capsuledb.replication.protocol.SignedStatement;
import io.capsuledb.replication.protocol.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A capsule on replicas, with everything in a cache on this machine.
 *
 * <p>Promises what {@link RecordStore} promises, and more: what {@link #append} returned for is
 * held by a quorum of replicas, each of which has signed so. The cache need not make anything
 * durable: what it loses in a crash is fetched again when the store is opened, and what it has
 * damaged or lost is fetched when it is read.
 *
 * <p>An append waits for a quorum for as long as it takes, and is never given up; {@link
 * #unavailable} tells those who have a choice. {@link #stopWaiting} and {@link #close} end the
 * waiting: then the records may be durable or not, {@link OutcomeUnknownException}.
 *
 * <p>Thread-safe; records of one chain are appended by one thread at a time.
 */
public final class ReplicatedStore implements RecordStore {

  /** Bytes of records that the cache has damaged and cannot mend that are kept beside it. */
  static final long MAX_REPAIRED_BYTES = 256L << 20;

  /** Checkpoints that are remembered, to justify releases by. */
  private static final int MAX_CHECKPOINTS = 64;

  private static final System.Logger LOG = System.getLogger(ReplicatedStore.class.getName());
  private static final long READ_TIMEOUT_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

  /** How often recovery is tried before the capsule is taken over anew. */
  private static final int RETRIES_PER_TAKEOVER = 16;

  private record At(long writer, long sequence) {}

  private record Justified(At at, Checkpoint checkpoint) {}

  private final CapsuleName capsule;
  private final RecordStore cache;
  private final QuorumClient client;
  private final LongConsumer evidenceCount;

  private volatile Consumer<List<StoredRecord>> appendedListener = batch -> {};

  /** Lets writers write; null of a store that took nothing over. */
  private volatile @Nullable Fencing fencing;

  /** Up to where chains are shown that go on in the cache beyond what is the capsule's. */
  private final Map<Long, Long> limits = new ConcurrentHashMap<>();

  private final Map<At, byte[]> repaired = new ConcurrentHashMap<>();
  private final Map<Hash32, At> repairedByHash = new ConcurrentHashMap<>();
  private final AtomicLong repairedBytes = new AtomicLong();
  private final AtomicLong fetchedOnRead = new AtomicLong();
  private final AtomicLong accusations = new AtomicLong();

  /** Newest last; guarded by itself. */
  private final List<Justified> checkpoints = new ArrayList<>();

  private ReplicatedStore(CapsuleName capsule, RecordStore cache, QuorumClient client) {
    this.capsule = capsule;
    this.cache = cache;
    this.client = client;
    this.evidenceCount = accusations::addAndGet;
  }

  /**
   * Opens a capsule: waits for a quorum of its replicas, fetches what the cache lacks, brings to a
   * quorum what only some replicas or the cache have. Waits as long as it takes.
   *
   * @param cache empty, or with records of this capsule; closed with the store
   * @param client of this capsule; closed with the store
   * @param signedMetadata of a capsule that is to be founded, or null if it exists
   * @param curve verifies
   * @param progress hears now and then how many records were fetched
   * @throws IntegrityException if a writer broke its chain, or something durable is gone
   * @throws OutcomeUnknownException if the client is closed meanwhile
   */
  public static ReplicatedStore open(
      RecordStore cache,
      QuorumClient client,
      byte @Nullable [] signedMetadata,
      Secp256k1 curve,
      LongConsumer progress) {
    return open(cache, client, signedMetadata, curve, null, progress);
  }

  /**
   * Takes a capsule over and opens it: like {@link #open}, but before anything is read every writer
   * of earlier lives is sealed at its final head, so that a process that still runs elsewhere can
   * make nothing durable any more; docs/consistency.md, "Taking over". This is what a node that
   * serves calls; who only reads, calls {@link #open}.
   *
   * <p>Writers that begin on the store are let write by the leader that took over: their first
   * record is appended alone. When another process takes over in its turn, appends end with an
   * {@link IntegrityException} of {@link Reason#SEALED_WRITER}, here and, as an engine that fails
   * stays failed, for everything else that the node is asked; starting it again takes over again.
   *
   * @param key the application key of the capsule; used here only, stays the caller's
   * @param entropy for the leader's index, and to spread retries
   * @throws IntegrityException also, of {@link Reason#SEALED_WRITER}, if another process took over
   *     meanwhile
   */
  public static ReplicatedStore takeOver(
      RecordStore cache,
      QuorumClient client,
      byte @Nullable [] signedMetadata,
      Secp256k1 curve,
      ApplicationKey key,
      Entropy entropy,
      LongConsumer progress) {
    return takeOver(
        cache,
        client,
        signedMetadata,
        curve,
        generation -> {
          if (generation != key.generation()) {
            throw new DeniedException(
                "the capsule's key generation is "
                    + generation
                    + ", and the key given is of "
                    + key.generation());
          }
          return key;
        },
        entropy,
        progress);
  }

  /**
   * The same with a source of keys.
   *
   * @param keys gives the application key of a generation, which stays the caller's; only it knows
   *     when none is asked for any more, which is when this returns
   */
  public static ReplicatedStore takeOver(
      RecordStore cache,
      QuorumClient client,
      byte @Nullable [] signedMetadata,
      Secp256k1 curve,
      IntFunction<ApplicationKey> keys,
      Entropy entropy,
      LongConsumer progress) {
    return open(cache, client, signedMetadata, curve, new Takeover(keys, entropy), progress);
  }

  /**
   * Has the leader that took over go on under the next key generation: to be called in the rotation
   * of keys, when everything of the generation before is durable.
   *
   * @param next stays the caller's
   * @throws IntegrityException of {@link Reason#SEALED_WRITER} if another process took over
   */
  public void renewLeader(ApplicationKey next) {
    Fencing leader = fencing;
    if (leader == null) {
      throw new InvalidRequestException("this store took nothing over");
    }
    for (StoredRecord record : leader.renew(next)) {
      cache.append(List.of(record));
    }
  }

  /**
   * Announces to all writers of a shared capsule that a key generation is to begin: whoever merges
   * it stops, and begins anew under the new keys.
   *
   * @param next the application key of that generation; stays the caller's
   */
  public void announce(ApplicationKey next, Secp256k1 curve, Entropy entropy) {
    Fencing.announce(knownMetadata(curve), curve, client, entropy, next);
  }

  /**
   * Ends the chains of all writers of older key generations, and takes in what they have written:
   * to be called before an engine is opened that is to carry out a rotation.
   *
   * @param next the application key of the generation that is to begin; stays the caller's
   */
  public void retire(ApplicationKey next, Secp256k1 curve, Entropy entropy, LongConsumer progress) {
    CapsuleMetadata metadata = knownMetadata(curve);
    Fencing.retire(metadata, curve, client, entropy, next);
    recover(metadata, curve, null, progress);
  }

  private CapsuleMetadata knownMetadata(Secp256k1 curve) {
    byte[] signed = cache.metadata();
    if (signed == null) {
      throw new InvalidRequestException("the store holds no capsule");
    }
    return MetadataCodec.decode(signed, curve).orThrow();
  }

  private record Takeover(IntFunction<ApplicationKey> keys, Entropy entropy) {}

  private static ReplicatedStore open(
      RecordStore cache,
      QuorumClient client,
      byte @Nullable [] signedMetadata,
      Secp256k1 curve,
      @Nullable Takeover takeover,
      LongConsumer progress) {
    byte[] known = cache.metadata();
    if (known == null) {
      known = signedMetadata;
    }
    if (known != null) {
      if (!MetadataCodec.nameOf(known).equals(client.capsule())) {
        throw new IntegrityException(
            Rejection.of(
                Reason.MISPLACED,
                "the cache holds capsule "
                    + MetadataCodec.nameOf(known)
                    + " where "
                    + client.capsule()
                    + " belongs"));
      }
      client.know(known);
    }
    byte[] signed = null;
    while (signed == null) {
      signed = client.metadata(RETRY_NANOS);
    }
    CapsuleMetadata metadata = MetadataCodec.decode(signed, curve).orThrow();
    ReplicatedStore store = new ReplicatedStore(client.capsule(), cache, client);
    boolean recovered = false;
    try {
      store.recover(metadata, curve, takeover, progress);
      recovered = true;
    } finally {
      Fencing fencing = store.fencing;
      if (!recovered && fencing != null) {
        fencing.close();
      }
    }
    if (cache.metadata() == null) {
      cache.initialize(signed);
    }
    return store;
  }

  private void recover(
      CapsuleMetadata metadata,
      Secp256k1 curve,
      @Nullable Takeover takeover,
      LongConsumer progress) {
    boolean recovered = false;
    int failures = 0;
    while (!recovered) {
      try {
        if (takeover != null && fencing == null) {
          fencing = Fencing.take(metadata, curve, client, takeover.entropy, takeover.keys);
        }
        limits.clear();
        new StoreRecovery(
                metadata,
                curve,
                cache,
                client,
                this,
                takeover == null,
                READ_TIMEOUT_NANOS,
                progress)
            .run();
        recovered = true;
      } catch (CapsuleException e) {
        if (!StoreRecovery.isPassing(e)) {
          throw e;
        }
        LOG.log(
            System.Logger.Level.WARNING,
            "event=store.recovery_waits reason=\"{0}\"",
            e.getMessage());
        Fencing leader = fencing;
        if (leader != null) {
          // What cannot be had may be another's doing, who is taking over meanwhile.
          leader.failIfReplaced();
          if (++failures % RETRIES_PER_TAKEOVER == 0) {
            // Or it was, and died halfway: then it is for us to seal what it left.
            fencing = null;
            client.abandon(leader.leader());
            leader.close();
          }
        }
        client.pause(RETRY_NANOS);
      }
    }
  }

  // ------------------------------------------------------------------ for recovery

  /** Shows nothing of a chain beyond a record. */
  void hide(long writer, long after) {
    limits.put(writer, after);
  }

  void accused(Blob evidence) {
    evidenceCount.accept(1);
    LOG.log(
        System.Logger.Level.ERROR,
        "event=evidence.found capsule={0} bytes={1}",
        capsule,
        evidence.length());
  }

  /** Keeps a record that the cache cannot give, beside it. */
  void repaired(long writer, long sequence, Hash32 hash, byte[] bytes) {
    if (repairedBytes.addAndGet(bytes.length) > MAX_REPAIRED_BYTES) {
      repairedBytes.addAndGet(-bytes.length);
      return;
    }
    At at = new At(writer, sequence);
    if (repaired.put(at, bytes) != null) {
      repairedBytes.addAndGet(-bytes.length);
    }
    repairedByHash.put(hash, at);
  }

  // ------------------------------------------------------------------ writing

  @Override
  public byte @Nullable [] metadata() {
    return cache.metadata();
  }

  /** A replicated capsule is founded when it is opened: {@link #open}. */
  @Override
  public void initialize(byte[] metadata) {
    throw new InvalidRequestException("the store holds capsule " + capsule + " already");
  }

  @Override
  public void append(List<StoredRecord> batch) {
    store(introduced(batch));
  }

  /**
   * Brings the first records of writers that begin to a quorum, and has the leader let these
   * writers write; returns the other records.
   */
  private List<StoredRecord> introduced(List<StoredRecord> batch) {
    Fencing leader = fencing;
    if (leader == null || batch.stream().noneMatch(record -> record.sequence() == 1)) {
      return batch;
    }
    List<StoredRecord> rest = new ArrayList<>();
    for (StoredRecord record : batch) {
      if (record.sequence() == 1) {
        store(List.of(record));
        cache.append(List.of(leader.adopt(record)));
      } else {
        rest.add(record);
      }
    }
    return rest;
  }

  private void store(List<StoredRecord> batch) {
    if (batch.isEmpty()) {
      return;
    }
    Answer<Stored> answer = client.append(true, batch);
    cache.append(batch);
    client.await(answer);
    rememberCheckpoints(batch);
  }

  /**
   * Takes records of other writers into the cache that are durable already: no replica is told.
   * What the cache has is left as it is.
   *
   * @param records of each chain consecutive, behind what the cache has of it or overlapping it,
   *     and verified
   */
  public void adopt(List<StoredRecord> records) {
    List<StoredRecord> missing = new ArrayList<>(records.size());
    Map<Long, Long> newest = new HashMap<>();
    for (StoredRecord record : records) {
      long known = newest.computeIfAbsent(record.writer(), writer -> cache.newestSequence(writer));
      if (record.sequence() > known) {
        missing.add(record);
        newest.put(record.writer(), record.sequence());
      }
    }
    for (int from = 0; from < missing.size(); from += MAX_BATCH_RECORDS) {
      cache.append(missing.subList(from, Math.min(missing.size(), from + MAX_BATCH_RECORDS)));
    }
  }

  /**
   * {@inheritDoc}
   *
   * <p>Waits for a quorum where a writer begins: none of its other records may be under way before.
   */
  @Override
  public void append(List<StoredRecord> whole, Appended done) {
    List<StoredRecord> batch = introduced(whole);
    if (batch.isEmpty()) {
      done.appended(null);
      return;
    }
    // The quorum's word and the cache's: told by who comes last, so that what is durable is here.
    AtomicInteger missing = new AtomicInteger(2);
    client.append(
        true,
        batch,
        failed -> {
          if (failed != null) {
            done.appended(failed);
          } else if (missing.decrementAndGet() == 0) {
            appended(batch, done);
          }
        });
    cache.append(batch);
    if (missing.decrementAndGet() == 0) {
      appended(batch, done);
    }
  }

  private void appended(List<StoredRecord> batch, Appended done) {
    rememberCheckpoints(batch);
    done.appended(null);
  }

  /**
   * Tells of all records that are appended here from now on when they are durable, those of one
   * chain in order. Once, before anything is appended.
   *
   * @param listener called on any thread; must return at once and not throw
   */
  public void onAppended(Consumer<List<StoredRecord>> listener) {
    appendedListener = listener;
  }

  private void rememberCheckpoints(List<StoredRecord> batch) {
    appendedListener.accept(batch);
    for (StoredRecord record : batch) {
      if (RecordCodec.typeOf(record.bytes()) == RecordType.CHECKPOINT) {
        remember(record);
      }
    }
  }

  private void remember(StoredRecord record) {
    if (RecordCodec.decode(capsule, record.bytes())
            instanceof Decoded.Accepted<CapsuleRecord>(CapsuleRecord whole)
        && CheckpointCodec.decode(whole.payload())
            instanceof Decoded.Accepted<Checkpoint>(Checkpoint checkpoint)
        && !checkpoint.released().isEmpty()) {
      synchronized (checkpoints) {
        checkpoints.add(new Justified(new At(record.writer(), record.sequence()), checkpoint));
        if (checkpoints.size() > MAX_CHECKPOINTS) {
          checkpoints.removeFirst();
        }
      }
    }
  }

  /**
   * {@inheritDoc}
   *
   * <p>Replicas are told, too, as far as a CHECKPOINT that went through this store says so.
   */
  @Override
  public void release(List<StoredRecord> stubs) {
    cache.release(stubs);
    Map<At, List<Checkpoint.Range>> told = new LinkedHashMap<>();
    for (StoredRecord stub : stubs) {
      At at = justification(stub);
      if (at != null) {
        List<Checkpoint.Range> ranges = told.computeIfAbsent(at, a -> new ArrayList<>());
        Checkpoint.Range last = ranges.isEmpty() ? null : ranges.getLast();
        if (last != null
            && last.writer() == stub.writer()
            && last.toSequence() + 1 == stub.sequence()) {
          ranges.set(
              ranges.size() - 1,
              new Checkpoint.Range(stub.writer(), last.fromSequence(), stub.sequence()));
        } else {
          ranges.add(new Checkpoint.Range(stub.writer(), stub.sequence(), stub.sequence()));
        }
      }
    }
    told.forEach((at, ranges) -> client.release(at.writer, at.sequence, ranges));
  }

  private @Nullable At justification(StoredRecord stub) {
    synchronized (checkpoints) {
      for (Justified justified : checkpoints.reversed()) {
        if (justified.checkpoint.releases(stub.writer(), stub.sequence())) {
          return justified.at;
        }
      }
    }
    return null;
  }

  @Override
  public void reclaim() {
    cache.reclaim();
  }

  // ------------------------------------------------------------------ reading

  private long limit(long writer) {
    return limits.getOrDefault(writer, Long.MAX_VALUE);
  }

  @Override
  public byte @Nullable [] read(long writer, long sequence) {
    if (sequence > limit(writer)) {
      return null;
    }
    byte[] mended = repaired.get(new At(writer, sequence));
    if (mended != null) {
      return mended.clone();
    }
    try {
      byte[] bytes = cache.read(writer, sequence);
      if (bytes != null || sequence < 1 || sequence > cache.newestSequence(writer)) {
        return bytes;
      }
    } catch (IntegrityException damaged) {
      LOG.log(
          System.Logger.Level.WARNING,
          "event=cache.damaged record=\"{0}\" reason={1}",
          CapsuleRecord.describe(writer, sequence),
          damaged.rejection().reason());
      return mend(writer, sequence, damaged);
    }
    return mend(writer, sequence, null);
  }

  /** Fetches a record that the cache should have. */
  private byte[] mend(long writer, long sequence, @Nullable IntegrityException damaged) {
    Found found =
        client.await(
            client.readRange(writer, sequence, sequence, PIECE_BYTES, READ_TIMEOUT_NANOS),
            2 * READ_TIMEOUT_NANOS);
    if (found == null) {
      throw QuorumClient.late(CapsuleRecord.describe(writer, sequence));
    }
    if (found.records().isEmpty()) {
      throw damaged != null
          ? damaged
          : new IntegrityException(
              Rejection.of(
                  Reason.MISSING_RECORD, CapsuleRecord.describe(writer, sequence) + " is nowhere"));
    }
    byte[] bytes = found.records().getFirst().bytes();
    SignedHeader record = RecordCodec.decodeStored(capsule, bytes).orThrow();
    if (!fits(writer, sequence, record)) {
      if (found.from() != null) {
        client.blame(found.from(), "sent a record that does not fit its chain");
      }
      throw new UnavailableException(
          "a replica gave a record that is not "
              + CapsuleRecord.describe(writer, sequence)
              + "; repeat");
    }
    fetchedOnRead.incrementAndGet();
    repaired(writer, sequence, record.hash(), bytes);
    return bytes.clone();
  }

  /**
   * Whether a record is the one that belongs here: the next one in the cache names its hash. For
   * the newest there is none; its reader checks the signature, as of every newest record.
   */
  private boolean fits(long writer, long sequence, SignedHeader record) {
    if (sequence >= cache.newestSequence(writer)) {
      return true;
    }
    byte[] next;
    try {
      next = cache.read(writer, sequence + 1);
    } catch (IntegrityException damaged) {
      return true;
    }
    return next == null
        || !(RecordCodec.decodeStored(capsule, next)
            instanceof Decoded.Accepted<SignedHeader>(SignedHeader after))
        || after.header().previous().equals(record.hash());
  }

  @Override
  public byte @Nullable [] read(Hash32 hash) {
    At at = repairedByHash.get(hash);
    byte[] mended = at == null ? null : repaired.get(at);
    if (mended != null && at != null && at.sequence <= limit(at.writer)) {
      return mended.clone();
    }
    IntegrityException damage = null;
    try {
      byte[] bytes = cache.read(hash);
      if (bytes != null) {
        return isHidden(bytes) ? null : bytes;
      }
    } catch (IntegrityException damaged) {
      damage = damaged;
    }
    Found found = client.await(client.read(hash, true, READ_TIMEOUT_NANOS), 2 * READ_TIMEOUT_NANOS);
    if (found == null) {
      throw QuorumClient.late("record " + hash);
    }
    if (found.records().isEmpty()) {
      if (damage != null) {
        throw damage;
      }
      return null;
    }
    byte[] bytes = found.records().getFirst().bytes();
    SignedHeader record = RecordCodec.decodeStored(capsule, bytes).orThrow();
    if (isHidden(bytes)) {
      return null;
    }
    fetchedOnRead.incrementAndGet();
    repaired(record.header().writer(), record.header().sequence(), hash, bytes);
    return bytes.clone();
  }

  private boolean isHidden(byte[] bytes) {
    return !limits.isEmpty()
        && RecordCodec.decodeStored(capsule, bytes)
            instanceof Decoded.Accepted<SignedHeader>(SignedHeader record)
        && record.header().sequence() > limit(record.header().writer());
  }

  @Override
  public long[] writers() {
    return Arrays.stream(cache.writers()).filter(writer -> limit(writer) > 0).toArray();
  }

  @Override
  public long newestSequence(long writer) {
    return Math.min(cache.newestSequence(writer), limit(writer));
  }

  private static final int PIECE_BYTES = io.capsuledb.replication.protocol.Message.MAX_RECORD_BYTES;

  @Override
  public void scan(long writer, long fromSequence, Visitor visitor) {
    long[] next = {Math.max(1, fromSequence)};
    boolean[] stopped = {false};
    boolean[] visiting = {false};
    long newest = newestSequence(writer);
    while (!stopped[0] && next[0] <= newest) {
      try {
        cache.scan(
            writer,
            next[0],
            (w, sequence, bytes) -> {
              if (sequence != next[0] || sequence > newest) {
                return false;
              }
              byte[] mended = repaired.get(new At(w, sequence));
              next[0]++;
              visiting[0] = true;
              stopped[0] = !visitor.visit(w, sequence, mended == null ? bytes : mended.clone());
              visiting[0] = false;
              return !stopped[0];
            });
      } catch (IntegrityException damaged) {
        if (visiting[0]) {
          // The visitor's, not the cache's.
          throw damaged;
        }
      }
      if (!stopped[0] && next[0] <= newest) {
        // Damaged or missing here: the replicas have it.
        long sequence = next[0];
        byte[] bytes = read(writer, sequence);
        if (bytes == null) {
          throw new IntegrityException(
              Rejection.of(
                  Reason.MISSING_RECORD, CapsuleRecord.describe(writer, sequence) + " is nowhere"));
        }
        next[0]++;
        stopped[0] = !visitor.visit(writer, sequence, bytes);
      }
    }
  }

  @Override
  public void audit(java.util.function.Consumer<String> findings) {
    cache.audit(findings);
  }

  @Override
  public long sizeBytes() {
    return cache.sizeBytes();
  }

  // ------------------------------------------------------------------ certificates

  @Override
  public byte @Nullable [] certificate(long writer, long sequence) {
    Certificate certificate = certificateOf(writer, sequence);
    return certificate == null ? null : CertificateCodec.encode(certificate);
  }

  /**
   * The certificate of a record that was appended here: what shows to anybody, without a key and
   * without asking, that a quorum of replicas signed that it holds the record.
   *
   * @return null if it was not appended here or is not durable, or if so much was appended after it
   *     that replicas' newest statements are more than {@link Certificate#MAX_HEADERS} records away
   */
  @Nullable Certificate certificateOf(long writer, long sequence) {
    List<SignedStatement> statements = client.vouchers(writer, sequence);
    byte[] signed = metadata();
    byte[] claimed = read(writer, sequence);
    if (statements.isEmpty() || signed == null || claimed == null) {
      return null;
    }
    long farthest = sequence;
    for (SignedStatement statement : statements) {
      Statement.Entry entry = statement.statement().entry(writer);
      farthest = entry == null ? farthest : Math.max(farthest, entry.head().sequence());
    }
    if (farthest - sequence > Certificate.MAX_HEADERS) {
      return null;
    }
    List<Blob> headers = new ArrayList<>();
    for (long next = sequence + 1; next <= farthest; next++) {
      byte[] record = read(writer, next);
      if (record == null) {
        return null;
      }
      headers.add(
          Blob.of(RecordCodec.headerOf(RecordCodec.decodeStored(capsule, record).orThrow())));
    }
    Hash32 hash = RecordCodec.decodeStored(capsule, claimed).orThrow().hash();
    return new Certificate(
        Blob.of(signed),
        client.signedMemberships(),
        writer,
        new ChainHead(sequence, hash),
        statements,
        headers);
  }

  // ------------------------------------------------------------------ availability

  @Override
  public boolean isReplicated() {
    return true;
  }

  @Override
  public @Nullable CapsuleException unavailable() {
    return client.unavailable();
  }

  /** Counters, by stable names. */
  public Map<String, Long> counters() {
    Map<String, Long> counters = new HashMap<>();
    counters.put("client.fetched_on_read", fetchedOnRead.get());
    counters.put("client.repaired_bytes", repairedBytes.get());
    QuorumClientCore.Stats stats = client.stats();
    if (stats != null) {
      counters.put("client.struck", stats.struck());
      counters.put("client.accused", stats.accused() + accusations.get());
      counters.put("client.hedged", stats.hedged());
      counters.put("client.resent", stats.resent());
      counters.put("client.pending_bytes", stats.pendingBytes());
      counters.put("client.retained_bytes", stats.retainedBytes());
    }
    return counters;
  }

  /**
   * Ends the waiting of appends that no quorum answers: they fail, their outcome unknown. To be
   * called before the engine is closed, which waits for its appends, where that may take too long.
   */
  public void stopWaiting() {
    client.close();
  }

  /** Closes the client and the cache. */
  @Override
  public void close() {
    client.close();
    Fencing leader = fencing;
    if (leader != null) {
      leader.close();
    }
    cache.close();
  }
}
