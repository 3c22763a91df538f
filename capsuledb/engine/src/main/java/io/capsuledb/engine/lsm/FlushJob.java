package io.capsuledb.engine.lsm;

import java.util.ArrayList;
import java.util.List;

/**
 * One frozen memtable on its way into tables, a table in a step. Between two steps the flush agent
 * may let clients go first, who are back: what is written so far stays good, because the view that
 * the job began with, the floor under which versions are dropped and the chain's {@link
 * TreeChain.Work} are the job's own until {@link #end}.
 *
 * <p>It holds the view with its memtables: what it reads stays though another worker's manifest may
 * cover it meanwhile. Of the flush agent.
 */
final class FlushJob {

  private final Tree.Frozen frozen;
  private final ReadView view;
  private final TreeChain.Work work;
  private final int tenure;
  private final RunWriter writer;
  private final List<TableDescriptor> tables = new ArrayList<>();
  private long nanos;
  private boolean ended;

  /**
   * A job that has written nothing.
   *
   * @param view held by the job from here on
   * @param tenure of the chain when the work began
   * @param writer of the memtable's entries
   */
  FlushJob(Tree.Frozen frozen, ReadView view, TreeChain.Work work, int tenure, RunWriter writer) {
    this.frozen = frozen;
    this.view = view;
    this.work = work;
    this.tenure = tenure;
    this.writer = writer;
  }

  Tree.Frozen frozen() {
    return frozen;
  }

  TreeChain.Work work() {
    return work;
  }

  int tenure() {
    return tenure;
  }

  /** The tables written so far, in the order of their keys. */
  List<TableDescriptor> tables() {
    return tables;
  }

  /** Whether all is written. */
  boolean isDone() {
    return writer.isDone();
  }

  /** Writes the next table. */
  void step() {
    tables.add(writer.next());
  }

  /** Notes how long a step took. */
  void took(long stepNanos) {
    nanos += stepNanos;
  }

  /** How long the steps took together: the pauses between them are not work. */
  long nanos() {
    return nanos;
  }

  /** Lets go of what the job reads. Idempotent. */
  void end() {
    if (!ended) {
      ended = true;
      view.release();
    }
  }
}
