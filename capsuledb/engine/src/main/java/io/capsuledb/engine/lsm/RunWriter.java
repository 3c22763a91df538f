package io.capsuledb.engine.lsm;

import io.capsuledb.core.port.Entropy;
import io.capsuledb.engine.entry.Entry;
import org.jspecify.annotations.Nullable;

/**
 * Writes the entries of a sieve as tables of one run, a table at a time, so that whoever flushes or
 * merges can stop between two of them. Of one thread at a time.
 */
final class RunWriter {

  private final EntrySieve entries;
  private final TreeChain chain;
  private final TreeChain.Work work;
  private final TreeOptions options;
  private final Entropy entropy;

  /** Read and not written yet: what the last table ended before. Null at the end. */
  private @Nullable Entry pending;

  /**
   * A writer that has written nothing.
   *
   * @param entries read from the first on, and as the tables are written
   * @param work what the tables are part of
   */
  RunWriter(
      EntrySieve entries,
      TreeChain chain,
      TreeChain.Work work,
      TreeOptions options,
      Entropy entropy) {
    this.entries = entries;
    this.chain = chain;
    this.work = work;
    this.options = options;
    this.entropy = entropy;
    this.pending = entries.next();
  }

  /** Whether every entry is in a table. */
  boolean isDone() {
    return pending == null;
  }

  /** Writes the next table, of which there must be one; it is durable when this returns. */
  TableDescriptor next() {
    Entry entry = pending;
    if (entry == null) {
      throw new IllegalStateException("all tables of the run are written");
    }
    TableBuilder builder = new TableBuilder(chain, work, options, entropy);
    while (entry != null && !builder.endsBefore(entry)) {
      builder.add(entry);
      entry = entries.next();
    }
    pending = entry;
    return builder.finish();
  }
}
