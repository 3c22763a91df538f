package io.capsuledb.engine.block;

import net.jpountz.lz4.LZ4Exception;
import net.jpountz.lz4.LZ4Factory;
import org.jspecify.annotations.Nullable;

/**
 * How a block's body is made smaller before it is encrypted. The number is persisted and never
 * changes meaning.
 */
public enum Compression {
  /** Not at all. */
  NONE(0),
  /** The LZ4 block format, without a frame. */
  LZ4(1);

  /** An LZ4 sequence makes at most 255 bytes of one. */
  private static final int LZ4_MAX_RATIO = 255;

  private final int number;

  Compression(int number) {
    this.number = number;
  }

  /** The persisted number. */
  public int number() {
    return number;
  }

  static @Nullable Compression ofNumber(int number) {
    return switch (number) {
      case 0 -> NONE;
      case 1 -> LZ4;
      default -> null;
    };
  }

  /** Whether {@code compressed} bytes can be what {@code raw} bytes were compressed to. */
  static boolean plausible(int compressed, int raw) {
    return (long) compressed * LZ4_MAX_RATIO >= raw;
  }

  /**
   * Compresses a range into the LZ4 block format.
   *
   * @return how many bytes were written to the start of {@code target}
   */
  static int compress(byte[] source, int offset, int length, byte[] target) {
    return Lz4.FACTORY.fastCompressor().compress(source, offset, length, target, 0);
  }

  /** Room that {@link #compress} may need. */
  static int bound(int length) {
    return Lz4.FACTORY.fastCompressor().maxCompressedLength(length);
  }

  /**
   * Decompresses a range in the LZ4 block format. Takes any bytes.
   *
   * @return whether it decompressed to exactly the first {@code targetLength} bytes of {@code
   *     target}
   */
  static boolean decompress(
      byte[] source, int offset, int length, byte[] target, int targetLength) {
    try {
      return Lz4.FACTORY
              .safeDecompressor()
              .decompress(source, offset, length, target, 0, targetLength)
          == targetLength;
    } catch (LZ4Exception e) {
      return false;
    }
  }

  /**
   * Loaded, with the native library behind it, when first used. The library falls back to Java by
   * itself where it cannot load that. Only its safe decompressor is used, which trusts no length.
   */
  private static final class Lz4 {
    static final LZ4Factory FACTORY = LZ4Factory.fastestInstance();

    private Lz4() {}
  }
}
