package io.capsuledb.engine.lsm;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.capsule.KeyRing;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.core.port.RecordStore;
import io.capsuledb.core.port.Telemetry;
import io.capsuledb.core.record.CapsuleRecord;
import io.capsuledb.core.record.RecordCodec;
import io.capsuledb.core.record.RecordOpener;
import io.capsuledb.core.record.RecordType;
import io.capsuledb.engine.block.EntriesBlock;
import io.capsuledb.engine.block.IndexBlock;
import io.capsuledb.engine.block.PackedEntries;
import io.capsuledb.engine.block.ValueBlock;
import io.capsuledb.engine.block.ValuePointer;
import io.capsuledb.engine.entry.Entry;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Blocks by their hash: from a cache bounded in bytes, or from the store.
 *
 * <p>What comes from the store is a record that must have exactly the hash that was asked for; that
 * is checked before anything is decrypted. The cache holds what passed all checks, by that hash, in
 * memory that only this process writes. Anything wrong is an {@link IntegrityException} that names
 * the block and what referred to it; nothing is cached then, and nothing else is affected.
 *
 * <p>Thread-safe.
 */
final class BlockStore implements AutoCloseable {

  /** The part of the cache that unpacked blocks may take. */
  private static final int UNPACKED_PART = 8;

  /** Larger blocks are unpacked into memory of their own. */
  private static final int SCRATCH_BYTES = 64 << 10;

  private static final byte[] NO_SCRATCH = {};

  /** Where a thread unpacks what it looks at only once: memory that is warm. */
  private static final ThreadLocal<byte[]> SCRATCH =
      ThreadLocal.withInitial(() -> new byte[SCRATCH_BYTES]);

  /** What a cached block takes beside its bytes. */
  private static final int OVERHEAD_BYTES = 200;

  private final CapsuleName name;
  private final KeyRing keys;
  private final RecordStore store;
  private final Telemetry telemetry;

  /** Index blocks; blocks of entries as they are stored. */
  private final Cache<Hash32, Object> cache;

  /** Blocks of entries that are asked for often, ready to be searched: also in {@link #cache}. */
  private final Cache<Hash32, EntriesBlock> unpacked;

  /** To what {@link #unpacked} holds, and {@link #cache} ready to be searched. */
  private final NearBlocks near;

  /** Ciphers are used by one thread at a time. */
  private final ConcurrentLinkedQueue<RecordOpener> openers = new ConcurrentLinkedQueue<>();

  BlockStore(
      CapsuleName name, KeyRing keys, RecordStore store, long cacheBytes, Telemetry telemetry) {
    this.name = name;
    this.keys = keys;
    this.store = store;
    this.telemetry = telemetry;
    this.near = new NearBlocks(cacheBytes);
    this.unpacked =
        Caffeine.newBuilder()
            .maximumWeight(cacheBytes / UNPACKED_PART)
            .<Hash32, EntriesBlock>weigher((hash, block) -> weight(block))
            .executor(Runnable::run)
            .removalListener((hash, block, cause) -> left(hash, block))
            .build();
    this.cache =
        Caffeine.newBuilder()
            .maximumWeight(cacheBytes - cacheBytes / UNPACKED_PART)
            .<Hash32, Object>weigher((hash, block) -> weight(block))
            .executor(Runnable::run)
            .removalListener((hash, block, cause) -> left(hash, block))
            .build();
  }

  /** A block has left a cache. */
  private void left(@Nullable Hash32 hash, @Nullable Object block) {
    if (hash != null && block instanceof EntriesBlock entries) {
      near.remove(hash.bits(), entries);
    }
  }

  private static int weight(Object block) {
    return OVERHEAD_BYTES
        + switch (block) {
          case EntriesBlock entries -> entries.sizeBytes();
          case IndexBlock index -> index.sizeBytes();
          case PackedEntries packed -> packed.sizeBytes();
          default -> throw new IllegalStateException("a block of unknown kind in the cache");
        };
  }

  /**
   * A block of entries. When it is read it has to be what its index says of it, as far as order
   * depends on that.
   *
   * @param number which one of the index
   * @param place where its record is
   * @param keep whether others are likely to ask for it soon
   */
  EntriesBlock entries(IndexBlock index, int number, Place place, boolean keep) {
    return entries(index, number, place, keep, NO_SCRATCH);
  }

  /**
   * What {@link EntriesBlock#find} finds in a block of entries; others are likely to ask for the
   * block soon.
   */
  @Nullable Entry find(IndexBlock index, int number, Place place, byte[] key, long time) {
    return entries(index, number, place, true, SCRATCH.get()).find(key, time);
  }

  private EntriesBlock entries(
      IndexBlock index, int number, Place place, boolean keep, byte[] scratch) {
    EntriesBlock ready = near.get(index, number);
    if (ready != null) {
      telemetry.count(Telemetry.Counter.BLOCK_CACHE_HITS, 1);
      return ready;
    }
    Hash32 hash = index.record(number);
    ready = unpacked.getIfPresent(hash);
    if (ready != null) {
      near.put(index, number, ready, () -> unpacked.asMap().containsKey(hash));
    } else {
      ready =
          switch (cache.getIfPresent(hash)) {
            case EntriesBlock block -> {
              near.put(index, number, block, () -> cache.asMap().containsKey(hash));
              yield block;
            }
            case PackedEntries packed -> unpack(hash, packed, keep, scratch);
            case null, default -> null;
          };
    }
    if (ready != null) {
      telemetry.count(Telemetry.Counter.BLOCK_CACHE_HITS, 1);
      return ready;
    }
    byte[] payload = read(hash, place, place.read());
    EntriesBlock block = decoded(hash, place, EntriesBlock.decodeInto(payload, scratch));
    check(index, number, block, place);
    if (keep) {
      PackedEntries packed = PackedEntries.of(payload, block);
      cache.put(hash, packed == null ? block : packed);
    }
    return block;
  }

  private EntriesBlock unpack(Hash32 hash, PackedEntries packed, boolean keep, byte[] scratch) {
    if (keep && packed.use()) {
      EntriesBlock block = packed.unpack();
      unpacked.put(hash, block);
      return block;
    }
    return packed.unpackInto(scratch);
  }

  /**
   * Checks that a block is where it belongs in the order of its table.
   *
   * @throws IntegrityException if it is not
   */
  void check(IndexBlock index, int number, EntriesBlock block, Object referrer) {
    if (!index.describes(number, block)) {
      throw refuse(
          index.record(number),
          referrer,
          Rejection.of(Reason.PAYLOAD, "its keys, times or number are not those its index has"));
    }
  }

  /** The index of a table. */
  IndexBlock index(Hash32 hash, Place place) {
    if (cache.getIfPresent(hash) instanceof IndexBlock cached) {
      return cached;
    }
    IndexBlock block = load(hash, place, place.read(), IndexBlock::decode);
    cache.put(hash, block);
    return block;
  }

  /** A value that is kept apart. Not cached: it is large, and so is the cost of sending it. */
  byte[] value(ValuePointer pointer, Object referrer) {
    Hash32 hash = pointer.record();
    return load(
        hash, referrer, () -> store.read(hash), payload -> ValueBlock.decode(payload, pointer));
  }

  /** Where a block is said to be, and what says so: finding it there saves looking for its hash. */
  final class Place {
    private final long writer;
    private final long sequence;
    private final Object referrer;

    Place(long writer, long sequence, Object referrer) {
      this.writer = writer;
      this.sequence = sequence;
      this.referrer = referrer;
    }

    private Source read() {
      return () -> store.read(writer, sequence);
    }

    @Override
    public String toString() {
      return referrer.toString();
    }
  }

  /** Where bytes come from. */
  private interface Source {
    byte @Nullable [] read();
  }

  private <T> T load(
      Hash32 hash, Object referrer, Source source, Function<byte[], Decoded<T>> decoder) {
    return decoded(hash, referrer, decoder.apply(read(hash, referrer, source)));
  }

  private byte[] read(Hash32 hash, Object referrer, Source source) {
    telemetry.count(Telemetry.Counter.BLOCKS_READ, 1);
    return payload(hash, referrer, source);
  }

  private <T> T decoded(Hash32 hash, Object referrer, Decoded<T> decoded) {
    return switch (decoded) {
      case Decoded.Accepted<T>(T block) -> block;
      case Decoded.Rejected<T>(Rejection r) -> throw refuse(hash, referrer, r);
    };
  }

  /** The payload in clear of the BLOCK record with a hash. */
  private byte[] payload(Hash32 hash, Object referrer, Source source) {
    byte[] bytes;
    try {
      bytes = source.read();
    } catch (IntegrityException damaged) {
      throw refuse(hash, referrer, damaged.rejection());
    }
    if (bytes == null) {
      throw refuse(hash, referrer, Rejection.of(Reason.MISSING_RECORD, "it is not stored"));
    }
    CapsuleRecord record =
        switch (RecordCodec.decode(name, bytes)) {
          case Decoded.Accepted<CapsuleRecord>(CapsuleRecord decoded) -> decoded;
          case Decoded.Rejected<CapsuleRecord>(Rejection r) -> throw refuse(hash, referrer, r);
        };
    if (!record.hash().equals(hash)) {
      throw refuse(hash, referrer, Rejection.of(Reason.MISPLACED, record + " is in its place"));
    }
    if (record.header().type() != RecordType.BLOCK) {
      throw refuse(hash, referrer, Rejection.of(Reason.UNKNOWN_TYPE, record + " is no BLOCK"));
    }
    RecordOpener opener = openers.poll();
    if (opener == null) {
      opener = new RecordOpener(name, keys);
    }
    try {
      return switch (opener.open(record)) {
        case Decoded.Accepted<byte[]>(byte[] payload) -> payload;
        case Decoded.Rejected<byte[]>(Rejection r) -> throw refuse(hash, referrer, r);
      };
    } finally {
      openers.add(opener);
    }
  }

  IntegrityException refuse(Hash32 hash, Object referrer, Rejection rejection) {
    telemetry.rejected(rejection.reason());
    return new IntegrityException(
        Rejection.of(
            rejection.reason(),
            "block " + hash + ", named by " + referrer + ": " + rejection.detail()));
  }

  /** Bytes the cache accounts. */
  long cachedBytes() {
    return weight(cache) + weight(unpacked);
  }

  private static long weight(Cache<?, ?> cache) {
    return cache
        .policy()
        .eviction()
        .flatMap(e -> e.weightedSize().stream().boxed().findFirst())
        .orElse(0L);
  }

  @Override
  public void close() {
    cache.invalidateAll();
    unpacked.invalidateAll();
    for (RecordOpener opener = openers.poll(); opener != null; opener = openers.poll()) {
      opener.close();
    }
  }
}
