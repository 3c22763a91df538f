package io.capsuledb.engine.lsm;

import io.capsuledb.core.crypto.Hash32;
import io.capsuledb.core.record.Checkpoint;
import io.capsuledb.engine.entry.Version;
import java.util.List;

/**
 * The state of the tree at one moment: which tables there are, and what they make superfluous to
 * replay. Immutable; docs/format/manifest.md has the bytes.
 *
 * @param previous hash of the MANIFEST record this one replaces; zero for the first
 * @param coveredTime every operation of a record in the frontier has a Lamport time at most this
 * @param floorTime the tree answers reads as of this Lamport time and later ones; of what was
 *     replaced before it nothing is promised
 * @param frontier for every chain, up to which record its operations are in the tables
 * @param clears the versions of the CLEAR operations that still matter, ascending
 * @param moments which Lamport time was reached when, ascending
 * @param runs sorted runs of tables, newest first; see {@link Run}
 * @param leftovers records of the tree's chains that this manifest does not need, and that no
 *     checkpoint up to its own has released: what was being written and is of use only if it is
 *     finished, and what somebody still reads. Whoever opens the capsule releases them. In order of
 *     writer and sequence number, apart from each other
 */
public record Manifest(
    Hash32 previous,
    long coveredTime,
    long floorTime,
    List<Chain> frontier,
    List<Version> clears,
    List<Moment> moments,
    List<Run> runs,
    List<Checkpoint.Range> leftovers) {

  /** Most chains in a frontier. */
  public static final int MAX_CHAINS = 1 << 16;

  /** Most CLEAR operations that are remembered. */
  public static final int MAX_CLEARS = 1024;

  /** Most moments. */
  public static final int MAX_MOMENTS = 1024;

  /** Most tables. */
  public static final int MAX_TABLES = 1 << 18;

  /** Most ranges of leftovers. */
  public static final int MAX_LEFTOVERS = 1 << 16;

  /** Levels are numbered 0 to one less than this. */
  public static final int LEVELS = 8;

  /** Most runs of level 0. */
  public static final int MAX_LEVEL_0_RUNS = 64;

  /** The manifest of a capsule that was never flushed. */
  public static final Manifest EMPTY =
      new Manifest(Hash32.ZERO, 0, 0, List.of(), List.of(), List.of(), List.of(), List.of());

  /**
   * How far a chain is covered.
   *
   * @param writer whose chain
   * @param sequence of the newest record whose operations are all in the tables
   * @param hash of that record
   * @param lamport of that record
   * @param joined whether another record names that one as parent
   * @param isTree whether it is a chain of the tree itself, which releases its records one by one
   */
  public record Chain(
      long writer, long sequence, Hash32 hash, long lamport, boolean joined, boolean isTree) {}

  /**
   * A point in time.
   *
   * @param lamport every operation with at most this Lamport time was made before {@code wallMs}
   * @param wallMs milliseconds since 1970
   */
  public record Moment(long lamport, long wallMs) {}

  /**
   * Tables whose ranges of keys do not overlap, ascending. Level 0 has any number of runs, newest
   * first, each from one flush; every other level has at most one, ascending by level.
   */
  public record Run(int level, List<TableDescriptor> tables) {
    /** Bytes of the tables' records and of the values they point to. */
    public long bytes() {
      long bytes = 0;
      for (TableDescriptor table : tables) {
        bytes += table.bytes();
      }
      return bytes;
    }
  }

  /** All tables. */
  public long tableCount() {
    long count = 0;
    for (Run run : runs) {
      count += run.tables.size();
    }
    return count;
  }
}
