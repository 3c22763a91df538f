package io.capsuledb.scl.resp;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Lookup;
import io.capsuledb.engine.Transaction;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One EXEC: runs what MULTI queued as one transaction, unless a watched key changed. On the event
 * loop or on a pool, with a context and a writer that are that thread's.
 */
final class Execution {

  private final CapsuleDb db;
  private final CommandContext context;
  private final RespWriter writer;
  private final MultiState multi;
  private final CommandCounters counters;
  private boolean wrote;

  Execution(
      CapsuleDb db,
      CommandContext context,
      RespWriter writer,
      MultiState multi,
      CommandCounters counters) {
    this.db = db;
    this.context = context;
    this.writer = writer;
    this.multi = multi;
    this.counters = counters;
  }

  /**
   * Writes the reply of EXEC.
   *
   * @return its fence
   * @throws CommandException if all of it is discarded; what was read is in the context's fence
   */
  long run(List<MultiState.Queued> queued) {
    int mark = writer.mark();
    long fence = 0;
    multi.executing(true);
    try {
      // Only who writes waits for room.
      boolean writes = queued.stream().anyMatch(one -> one.command().writes());
      try (Transaction transaction = writes ? db.begin() : db.beginReading()) {
        boolean touched = false;
        for (MultiState.Watched watched : multi.watched()) {
          Lookup now = transaction.describe(watched.key());
          fence = Math.max(fence, now.fence());
          touched |= watched.touched(now);
        }
        if (touched) {
          writer.nullArray();
          return fence;
        }
        writer.array(queued.size());
        context.holdsSince(context.clock().monotonicNanos());
        for (MultiState.Queued one : queued) {
          fence = Math.max(fence, run(one, transaction));
        }
        wrote = transaction.hasStaged();
        return Math.max(fence, transaction.commit());
      }
    } catch (CommandException e) {
      throw aborted(mark, fence, e.getMessage());
    } catch (CapsuleException e) {
      throw aborted(mark, fence, ErrorReplies.of(e));
    } finally {
      multi.executing(false);
      multi.unwatch();
    }
  }

  /** Whether it committed, or tried to commit, anything. */
  boolean wrote() {
    return wrote;
  }

  private CommandException aborted(int mark, long fence, @Nullable String cause) {
    writer.rollback(mark);
    // That it came this far tells what was read.
    context.waitFor(fence);
    return new CommandException("EXECABORT Transaction discarded because of: " + cause);
  }

  private long run(MultiState.Queued one, Transaction transaction) {
    int mark = writer.mark();
    counters.called(one.command().id());
    context.prepare(one.arguments(), transaction, writer);
    try {
      one.command().spec().body().run(context);
    } catch (CommandException e) {
      // As in Redis, one command's refusal does not undo the others. It staged nothing.
      error(mark, e.getMessage());
    } catch (IntegrityException e) {
      if (one.command().writes()) {
        // It may have staged something: all or nothing.
        throw e;
      }
      error(mark, ErrorReplies.of(e));
    }
    return context.fence();
  }

  private void error(int mark, @Nullable String message) {
    writer.rollback(mark);
    writer.error(message == null ? ErrorReplies.INTERNAL : message);
    counters.failed();
  }
}
