package io.capsuledb.engine.lsm;

import io.capsuledb.engine.block.EntriesBlock;
import io.capsuledb.engine.block.IndexBlock;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A short way to blocks that the cache holds: one place for each, by bits of its hash, and the
 * whole hash has to agree. A look-up in the cache itself costs about a dozen misses of the
 * processor's caches, half of them to keep its order of use; here it is three.
 *
 * <p>What is here the cache holds as well, so that nothing stays longer than the cache's bound
 * allows:
 *
 * <ul>
 *   <li>a block is {@linkplain #put put} here after it was put there, and taken back if it is not
 *       there any more;
 *   <li>when it leaves the cache, afterwards, it is {@linkplain #remove removed} here.
 * </ul>
 *
 * <p>So that the cache learns what is used, every {@link #TOLD}th use goes to it.
 *
 * <p>Thread-safe.
 */
final class NearBlocks {

  /** One in so many uses has to be told to the cache. */
  static final int TOLD = 8;

  private static final int MIN_PLACES = 64;
  private static final int MAX_PLACES = 1 << 18;

  /** What a block that is ready to be searched takes, about. */
  private static final int BYTES_PER_PLACE = 4 << 10;

  /** A block and the hash of its record, spelled out so that it is on one line of the cache. */
  private static final class Near {
    private final long bits0;
    private final long bits1;
    private final long bits2;
    private final long bits3;
    private final EntriesBlock block;

    /** Not exact: threads may count over each other. */
    private int uses;

    Near(IndexBlock index, int number, EntriesBlock block) {
      this.bits0 = index.recordBits(number, 0);
      this.bits1 = index.recordBits(number, 1);
      this.bits2 = index.recordBits(number, 2);
      this.bits3 = index.recordBits(number, 3);
      this.block = block;
    }

    boolean isRecord(IndexBlock index, int number) {
      return bits0 == index.recordBits(number, 0)
          && bits1 == index.recordBits(number, 1)
          && bits2 == index.recordBits(number, 2)
          && bits3 == index.recordBits(number, 3);
    }
  }

  private final AtomicReferenceArray<@Nullable Near> places;

  /** For a cache of so many bytes. */
  NearBlocks(long cacheBytes) {
    long wanted = Math.clamp(cacheBytes / BYTES_PER_PLACE, MIN_PLACES, MAX_PLACES);
    this.places = new AtomicReferenceArray<>(Integer.highestOneBit((int) wanted));
  }

  private int place(long bits) {
    return (int) bits & (places.length() - 1);
  }

  /** A block that an index names, or null: it may be in the cache all the same. */
  @Nullable EntriesBlock get(IndexBlock index, int number) {
    Near near = places.get(place(index.recordBits(number, 0)));
    if (near == null || !near.isRecord(index, number) || ++near.uses % TOLD == 0) {
      return null;
    }
    return near.block;
  }

  /**
   * Remembers a block that is in the cache.
   *
   * @param isCached whether it still is
   */
  void put(IndexBlock index, int number, EntriesBlock block, BooleanSupplier isCached) {
    int place = place(index.recordBits(number, 0));
    Near known = places.get(place);
    if (known != null && known.block == block) {
      return;
    }
    Near near = new Near(index, number, block);
    places.set(place, near);
    if (!isCached.getAsBoolean()) {
      places.compareAndSet(place, near, null);
    }
  }

  /**
   * Forgets a block that has left the cache.
   *
   * @param bits the first of its {@link IndexBlock#recordBits}
   */
  void remove(long bits, EntriesBlock block) {
    int place = place(bits);
    Near near = places.get(place);
    if (near != null && near.block == block) {
      places.compareAndSet(place, near, null);
    }
  }

  /** How many blocks are here, for tests. */
  int count() {
    int count = 0;
    for (int i = 0; i < places.length(); i++) {
      count += places.get(i) == null ? 0 : 1;
    }
    return count;
  }
}
