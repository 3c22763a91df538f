package io.capsuledb.engine.lsm;

import io.capsuledb.engine.lsm.Manifest.Chain;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Where a memtable ends in the capsule's chains: it holds the operations of records up to here, and
 * no later ones. Known when the memtable is frozen is only the Lamport time; the records follow
 * when they are durable, and not before that may the memtable become tables.
 */
public final class Cut {

  private final long time;
  private volatile @Nullable List<Chain> chains;

  /**
   * A cut whose records are not durable yet.
   *
   * @param time Lamport time of the memtable's last operation
   */
  public Cut(long time) {
    this.time = time;
  }

  /** Lamport time of the last operation before the cut. */
  public long time() {
    return time;
  }

  /** Says how far which chains go; once. */
  public void complete(List<Chain> heads) {
    if (chains != null) {
      throw new IllegalStateException("a cut is completed twice");
    }
    chains = List.copyOf(heads);
  }

  /** How far which chains go, or null as long as not all of it is durable. */
  @Nullable List<Chain> chains() {
    return chains;
  }
}
