package io.capsuledb.engine.block;

import io.capsuledb.core.bytes.LittleEndian;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.error.Rejection.Reason;

/**
 * What blocks of every kind have in common: the header, and the body after it, compressed or not.
 *
 * <p>Invariant of a frame: the body is inside the array, and its length is the one the header
 * names. The body is not copied where it is stored uncompressed.
 */
final class BlockFrame {

  /** A compressed body is kept only if it is at least one eighth smaller. */
  private static final int LEAST_GAIN_SHIFT = 3;

  static final byte[] NO_SCRATCH = {};

  private final byte[] bytes;
  private final int start;
  private final int end;

  private BlockFrame(byte[] bytes, int start, int end) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  /** The array that holds the body; not to be modified. */
  byte[] bytes() {
    return bytes;
  }

  /** Where the body begins. */
  int start() {
    return start;
  }

  /** Where the body ends. */
  int end() {
    return end;
  }

  /** An array with room for a header and a body of {@code bodyLength} bytes. */
  static byte[] allocate(long bodyLength) {
    if (bodyLength > BlockLayout.MAX_BODY_BYTES) {
      throw new IllegalStateException(
          "a block body of " + bodyLength + " bytes, at most " + BlockLayout.MAX_BODY_BYTES);
    }
    return new byte[BlockLayout.BODY_OFFSET + (int) bodyLength];
  }

  /** Completes what {@link #allocate} made, once its body is written: header and compression. */
  static byte[] encode(BlockKind kind, byte[] framed, Compression compression) {
    int length = framed.length - BlockLayout.BODY_OFFSET;
    if (compression == Compression.LZ4) {
      byte[] target = new byte[Compression.bound(length)];
      int compressed = Compression.compress(framed, BlockLayout.BODY_OFFSET, length, target);
      if (compressed <= length - (length >> LEAST_GAIN_SHIFT) && compressed < length) {
        byte[] payload = new byte[BlockLayout.BODY_OFFSET + compressed];
        System.arraycopy(target, 0, payload, BlockLayout.BODY_OFFSET, compressed);
        return header(payload, kind, Compression.LZ4, length);
      }
    }
    return header(framed, kind, Compression.NONE, length);
  }

  private static byte[] header(
      byte[] payload, BlockKind kind, Compression compression, int bodyLength) {
    payload[BlockLayout.FORMAT_OFFSET] = BlockLayout.FORMAT;
    payload[BlockLayout.KIND_OFFSET] = (byte) kind.number();
    payload[BlockLayout.COMPRESSION_OFFSET] = (byte) compression.number();
    LittleEndian.putInt(payload, BlockLayout.BODY_LENGTH_OFFSET, bodyLength);
    return payload;
  }

  /** The body of a payload that has to be of {@code wanted} kind. Takes any bytes, keeps them. */
  static Decoded<BlockFrame> decode(byte[] payload, BlockKind wanted) {
    return decode(payload, wanted, NO_SCRATCH);
  }

  /**
   * The same, with room that a decompressed body is put into if it fits: such a frame is good until
   * that is used for something else.
   */
  static Decoded<BlockFrame> decode(byte[] payload, BlockKind wanted, byte[] scratch) {
    return BlockKind.of(payload)
        .then(
            kind ->
                kind == wanted
                    ? decode(payload, scratch)
                    : Decoded.reject(Reason.MISPLACED, "a block of " + kind + ", not " + wanted));
  }

  /** Whether the body of a payload that was decoded is stored compressed. */
  static boolean isCompressed(byte[] payload) {
    return payload[BlockLayout.COMPRESSION_OFFSET] != Compression.NONE.number();
  }

  /** The body of a payload that was decoded without complaint before. */
  static BlockFrame decodeAgain(byte[] payload, byte[] scratch) {
    return switch (decode(payload, scratch)) {
      case Decoded.Accepted<BlockFrame>(BlockFrame frame) -> frame;
      case Decoded.Rejected<BlockFrame>(Rejection r) ->
          throw new IllegalStateException("a decoded block changed: " + r.detail());
    };
  }

  private static Decoded<BlockFrame> decode(byte[] payload, byte[] scratch) {
    Compression compression = Compression.ofNumber(payload[BlockLayout.COMPRESSION_OFFSET]);
    if (compression == null) {
      return Decoded.reject(
          Reason.UNKNOWN_TYPE, "block compression " + payload[BlockLayout.COMPRESSION_OFFSET]);
    }
    if (payload[BlockLayout.RESERVED_OFFSET] != 0) {
      return Decoded.reject(Reason.RESERVED_BITS, "block byte 3 is not zero");
    }
    int length = LittleEndian.getInt(payload, BlockLayout.BODY_LENGTH_OFFSET);
    if (length < 0 || length > BlockLayout.MAX_BODY_BYTES) {
      return Decoded.reject(
          Reason.TOO_LARGE,
          "block body of "
              + Integer.toUnsignedString(length)
              + " bytes, at most "
              + BlockLayout.MAX_BODY_BYTES);
    }
    int stored = payload.length - BlockLayout.BODY_OFFSET;
    return switch (compression) {
      case NONE ->
          stored == length
              ? Decoded.accept(new BlockFrame(payload, BlockLayout.BODY_OFFSET, payload.length))
              : Decoded.reject(
                  stored < length ? Reason.TRUNCATED : Reason.TRAILING_BYTES,
                  "block body of " + stored + " bytes where its header says " + length);
      case LZ4 -> decompress(payload, stored, length, scratch);
    };
  }

  private static Decoded<BlockFrame> decompress(
      byte[] payload, int stored, int length, byte[] scratch) {
    if (stored > length - (length >> LEAST_GAIN_SHIFT)
        || stored >= length
        || !Compression.plausible(stored, length)) {
      return Decoded.reject(
          Reason.PAYLOAD,
          "block body of " + length + " bytes compressed to " + stored + ": not as blocks are");
    }
    byte[] body = length <= scratch.length ? scratch : new byte[length];
    if (!Compression.decompress(payload, BlockLayout.BODY_OFFSET, stored, body, length)) {
      return Decoded.reject(
          Reason.PAYLOAD, "block body does not decompress to " + length + " bytes");
    }
    return Decoded.accept(new BlockFrame(body, 0, length));
  }
}
