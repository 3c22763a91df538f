package io.capsuledb.engine.block;

import org.jspecify.annotations.Nullable;

/**
 * A block of entries as it is stored, compressed, that was {@linkplain EntriesBlock#decode decoded}
 * and found to be right before: it takes less memory, and unpacking it costs a fraction of loading
 * it, because nothing has to be hashed, decrypted or checked again.
 *
 * <p>Thread-safe; immutable but for a count of its uses.
 */
public final class PackedEntries {

  private static final int POPULAR_USES = 4;

  private final byte[] payload;
  private final EntriesBlock.Shape shape;

  /** Not exact: threads may count over each other. */
  private int uses;

  private PackedEntries(byte[] payload, EntriesBlock.Shape shape) {
    this.payload = payload;
    this.shape = shape;
  }

  /**
   * The block that {@code payload} was just decoded to, to be kept; null if it is not compressed,
   * so that nothing can be gained.
   *
   * @param payload kept, not to be modified
   */
  public static @Nullable PackedEntries of(byte[] payload, EntriesBlock decoded) {
    return BlockFrame.isCompressed(payload) ? new PackedEntries(payload, decoded.shape()) : null;
  }

  /** The block, in memory of its own. */
  public EntriesBlock unpack() {
    return unpackInto(BlockFrame.NO_SCRATCH);
  }

  /**
   * The block, in {@code scratch} if it fits: good until that is used for something else, and not
   * to be kept.
   */
  public EntriesBlock unpackInto(byte[] scratch) {
    return EntriesBlock.known(BlockFrame.decodeAgain(payload, scratch), shape);
  }

  /** Counts a use; true if there were so many that it should be kept unpacked. */
  public boolean use() {
    uses++;
    return uses % POPULAR_USES == 0;
  }

  /** About how much memory it takes. */
  public int sizeBytes() {
    return payload.length + shape.sizeBytes();
  }
}
