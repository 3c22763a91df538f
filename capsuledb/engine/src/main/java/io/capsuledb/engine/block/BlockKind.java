package io.capsuledb.engine.block;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.Rejection.Reason;
import org.jspecify.annotations.Nullable;

/** What a BLOCK record holds. The number is persisted and never changes meaning. */
public enum BlockKind {
  /** Sorted entries: {@link EntriesBlock}. */
  ENTRIES(1),
  /** Descriptors of a table's entries blocks, and its filter: {@link IndexBlock}. */
  INDEX(2),
  /** One large value: {@link ValueBlock}. */
  VALUE(3);

  private final int number;

  BlockKind(int number) {
    this.number = number;
  }

  /** The persisted number. */
  public int number() {
    return number;
  }

  private static @Nullable BlockKind ofNumber(int number) {
    return switch (number) {
      case 1 -> ENTRIES;
      case 2 -> INDEX;
      case 3 -> VALUE;
      default -> null;
    };
  }

  /** The kind that a payload says it is, to choose its decoder by. Takes any bytes. */
  public static Decoded<BlockKind> of(byte[] payload) {
    if (payload.length < BlockLayout.BODY_OFFSET) {
      return Decoded.reject(
          Reason.TRUNCATED,
          "block has " + payload.length + " bytes, at least " + BlockLayout.BODY_OFFSET);
    }
    if (payload[BlockLayout.FORMAT_OFFSET] != BlockLayout.FORMAT) {
      return Decoded.reject(
          Reason.UNKNOWN_FORMAT, "block format " + payload[BlockLayout.FORMAT_OFFSET]);
    }
    BlockKind kind = ofNumber(payload[BlockLayout.KIND_OFFSET]);
    return kind == null
        ? Decoded.reject(Reason.UNKNOWN_TYPE, "block kind " + payload[BlockLayout.KIND_OFFSET])
        : Decoded.accept(kind);
  }
}
