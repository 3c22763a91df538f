package io.capsuledb.core.rotation;

import io.capsuledb.core.capsule.CapsuleMetadata;
import io.capsuledb.core.capsule.RosterEntry;
import io.capsuledb.core.keys.DataRoot;
import io.capsuledb.core.keys.GenerationCertificate;
import io.capsuledb.core.seal.ChainHead;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a ROTATE record says: from here on key generation {@link #generation} is in force, and the
 * chains of the generation before end where it says. A chain of that generation that it does not
 * name has no record that counts. Immutable.
 */
public final class Rotation {

  /** Most chains that one rotation can end. */
  public static final int MAX_ENDS = 1 << 16;

  /**
   * Where a chain of the retired generation ends.
   *
   * @param writer whose chain it is
   * @param last its last record; {@link ChainHead#NONE} leaves it with nothing
   */
  public record End(long writer, ChainHead last) {}

  private final int generation;
  private final GenerationCertificate certificate;
  private final byte[] wrapped;
  private final List<End> ends;

  /**
   * A rotation.
   *
   * @param generation that begins, from 1
   * @param certificate of its application key
   * @param wrapped the root of the generation before, {@link DataRoot#wrap}
   * @param ends ascending by writer, each writer once; at most {@link #MAX_ENDS}
   * @throws IllegalArgumentException if a bound or rule is broken
   */
  public Rotation(
      int generation, GenerationCertificate certificate, byte[] wrapped, List<End> ends) {
    String wrong = wrong(generation, ends);
    if (wrong != null || wrapped.length != DataRoot.WRAPPED_BYTES) {
      throw new IllegalArgumentException("a rotation with " + wrong);
    }
    this.generation = generation;
    this.certificate = certificate;
    this.wrapped = wrapped.clone();
    this.ends = List.copyOf(ends);
  }

  static @Nullable String wrong(int generation, List<End> ends) {
    if (generation < 1 || generation > CapsuleMetadata.MAX_GENERATION) {
      return "generation " + generation;
    }
    if (ends.size() > MAX_ENDS) {
      return ends.size() + " ends";
    }
    long before = 0;
    for (End end : ends) {
      if (end.writer <= before || end.writer > RosterEntry.MAX_WRITER) {
        return "writer " + Long.toHexString(end.writer) + " after " + Long.toHexString(before);
      }
      before = end.writer;
    }
    return null;
  }

  /** The generation that begins. */
  public int generation() {
    return generation;
  }

  /** The owner's word on its key. */
  public GenerationCertificate certificate() {
    return certificate;
  }

  /** The root of the generation before, wrapped; a fresh array. */
  public byte[] wrapped() {
    return wrapped.clone();
  }

  /** Where the chains of the generation before end, ascending by writer. */
  public List<End> ends() {
    return ends;
  }

  /** The last record that counts in a chain of the generation before. */
  public ChainHead endOf(long writer) {
    int low = 0;
    int high = ends.size() - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      End end = ends.get(middle);
      if (end.writer == writer) {
        return end.last;
      }
      if (end.writer < writer) {
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    return ChainHead.NONE;
  }

  @Override
  public String toString() {
    return "Rotation[to generation " + generation + ", ends " + ends.size() + " chains]";
  }
}
