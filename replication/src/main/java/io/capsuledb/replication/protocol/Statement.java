package io.capsuledb.replication.protocol;

import io.capsuledb.core.capsule.CapsuleName;
import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.seal.ChainHead;
import java.util.List;

/**
 * What a replica says of itself and signs.
 *
 * @param kind what it is about
 * @param capsule the capsule
 * @param replica who says it
 * @param membership version of the membership it knows
 * @param incarnation drawn at random when the replica's store was made
 * @param number grows with every statement of an incarnation, whatever capsule it is about
 * @param nonce the reader's, in a {@link Kind#FRONTIER}; else zero
 * @param entries in ascending order of writers; at most {@link #MAX_ENTRIES}
 */
public record Statement(
    Kind kind,
    CapsuleName capsule,
    PublicKey replica,
    int membership,
    long incarnation,
    long number,
    Hash32 nonce,
    List<Entry> entries) {

  /** Most chains in one statement. */
  public static final int MAX_ENTRIES = 1 << 16;

  /** What a statement is about; the numbers are part of the format. */
  public enum Kind {
    /** Some chains: everything up to their heads is held durably. */
    HELD(1),
    /** All chains of the capsule that the replica holds a record of or has promised to seal. */
    FRONTIER(2),
    /** One writer: what was promised about it. */
    SEALED(3);

    private final int number;

    Kind(int number) {
      this.number = number;
    }

    /** The number in the format. */
    public int number() {
      return number;
    }
  }

  /**
   * One chain.
   *
   * @param writer whose chain
   * @param head up to where it is held
   * @param seal what was promised about the writer
   */
  public record Entry(long writer, ChainHead head, SealState seal) {}

  /** Keeps a copy of the list. */
  public Statement {
    entries = List.copyOf(entries);
  }

  /** The entry of a writer, or null. */
  public @org.jspecify.annotations.Nullable Entry entry(long writer) {
    int low = 0;
    int high = entries.size() - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      Entry entry = entries.get(middle);
      if (entry.writer == writer) {
        return entry;
      }
      if (entry.writer < writer) {
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    return null;
  }
}
