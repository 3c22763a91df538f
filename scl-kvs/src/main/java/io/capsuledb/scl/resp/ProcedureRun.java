package io.capsuledb.scl.resp;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Transaction;
import io.capsuledb.scl.procedure.ProcedureCall;
import io.capsuledb.scl.procedure.ProcedureOutcome;
import io.capsuledb.scl.procedure.ProcedureValue;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * One FCALL: runs the function, makes what it wrote visible as one transaction, and says what to
 * reply.
 *
 * <p>Invariants: what a run wrote becomes visible only if it returned, all of it at once; nothing
 * is told of a run before what it saw and wrote is durable.
 *
 * <p>A run outside MULTI holds no lock. If others changed meanwhile what it read, it is run again;
 * after {@link #OPTIMISTIC_RUNS} such runs once more within a transaction, which makes others wait,
 * and so for {@link #HELD_MS} at most. Runs on a worker thread.
 */
final class ProcedureRun {

  /** Runs that others may spoil before one excludes them. */
  private static final int OPTIMISTIC_RUNS = 4;

  /** How long a script may keep other transactions waiting, in milliseconds. */
  static final long HELD_MS = 100;

  private static final String TOO_LONG =
      "ERR UNAVAILABLE the function keeps others waiting, which is allowed for "
          + HELD_MS
          + " ms: call it outside MULTI, or again when what it reads changes less";

  private final ServerState state;
  private final Procedures procedures;
  private final Procedures.Bound bound;
  private final boolean readOnly;
  private final ProcedureCall call;
  private final AclUser user;
  private final CapsuleDb db;
  private final long catalogFence;

  ProcedureRun(
      ServerState state,
      Procedures.Catalog catalog,
      Procedures.Bound bound,
      boolean readOnly,
      List<byte[]> keys,
      List<byte[]> arguments,
      AclUser user) {
    this.state = state;
    this.procedures = state.procedures();
    this.bound = bound;
    this.readOnly = readOnly || bound.function().noWrites();
    this.call = bound.library().call(bound.function().name(), this.readOnly, keys, arguments);
    this.user = user;
    this.db = state.db();
    this.catalogFence = catalog.fence();
  }

  /** Runs outside any transaction. */
  CommandSpec.Body alone() {
    long id = procedures.began(bound.function().name(), call);
    try {
      for (int i = 0; i < OPTIMISTIC_RUNS; i++) {
        try (StoreView view = StoreView.optimistic(db, user, readOnly, procedures.clock())) {
          ProcedureOutcome outcome = run(view, id);
          if (!(outcome instanceof ProcedureOutcome.Returned(ProcedureValue value))) {
            return failing(view, outcome, id, false);
          }
          long fence = publish(view);
          if (fence != StoreView.CONFLICT) {
            keepLines(view, "");
            return returning(value, fence);
          }
        }
      }
      return held(id);
    } finally {
      procedures.ended(id);
    }
  }

  private long publish(StoreView view) {
    try {
      return view.publish();
    } catch (CapsuleException e) {
      keepLines(view, ErrorReplies.of(e));
      throw e;
    }
  }

  private CommandSpec.Body held(long id) {
    try (Transaction transaction = db.begin();
        StoreView view = StoreView.within(db, user, readOnly, transaction)) {
      ProcedureOutcome outcome = runBounded(view, id, HELD_MS);
      if (!(outcome instanceof ProcedureOutcome.Returned(ProcedureValue value))) {
        return failing(view, outcome, id, true);
      }
      view.stage(transaction);
      long fence = Math.max(view.fence(), transaction.commit());
      keepLines(view, "");
      return returning(value, fence);
    }
  }

  /**
   * Runs inside a transaction that is not its own, and replies at once.
   *
   * @throws CommandException if it fails; nothing is staged then
   */
  void within(CommandContext context) {
    Transaction transaction = context.transaction();
    // One bound for all calls of an EXEC.
    long heldNanos = procedures.clock().monotonicNanos() - context.holdsSinceNanos();
    long leftMs = HELD_MS - TimeUnit.NANOSECONDS.toMillis(heldNanos);
    if (leftMs <= 0) {
      throw new CommandException(TOO_LONG);
    }
    long id = procedures.began(bound.function().name(), call);
    try (StoreView view = StoreView.within(db, user, readOnly, transaction)) {
      ProcedureOutcome outcome = runBounded(view, id, leftMs);
      CommandSpec.Body reply;
      if (outcome instanceof ProcedureOutcome.Returned(ProcedureValue value)) {
        view.stage(transaction);
        keepLines(view, "");
        reply = returning(value, view.fence());
      } else {
        reply = failing(view, outcome, id, true);
      }
      reply.run(context);
    } finally {
      procedures.ended(id);
    }
  }

  private ProcedureOutcome runBounded(StoreView view, long id, long limitMs) {
    Future<?> limit = state.workers().after(limitMs, call::cancel);
    try {
      return run(view, id);
    } finally {
      limit.cancel(false);
    }
  }

  private ProcedureOutcome run(StoreView view, long id) {
    ProcedureOutcome outcome = call.run(view);
    // Killed after its last instruction is killed all the same.
    return procedures.killed(id) ? new ProcedureOutcome.Cancelled() : outcome;
  }

  private void keepLines(StoreView view, String failure) {
    List<String> lines = new ArrayList<>(view.lines());
    if (!failure.isEmpty()) {
      lines.add(FunctionLogs.cut(failure));
    }
    procedures.logs().add(bound.function().name(), procedures.clock().wallMs(), lines);
  }

  private CommandSpec.Body returning(ProcedureValue value, long fence) {
    return later -> {
      later.waitFor(Math.max(fence, catalogFence));
      ProcedureReplies.write(later.reply(), value);
    };
  }

  private CommandSpec.Body failing(
      StoreView view, ProcedureOutcome outcome, long id, boolean bounded) {
    String message = message(outcome, procedures.killed(id), bounded);
    keepLines(view, message);
    long fence = Math.max(view.fence(), catalogFence);
    return later -> {
      later.waitFor(fence);
      throw new CommandException(message);
    };
  }

  private static String message(ProcedureOutcome outcome, boolean killed, boolean bounded) {
    return switch (outcome) {
      case ProcedureOutcome.Returned _ -> throw new IllegalStateException("it did not fail");
      case ProcedureOutcome.Cancelled _ -> {
        if (killed) {
          yield "ERR Error running function: Script killed by user with FUNCTION KILL.";
        }
        yield bounded ? TOO_LONG : ErrorReplies.SHUTTING_DOWN;
      }
      case ProcedureOutcome.Failed(String detail, CapsuleException cause) -> {
        boolean scripts =
            cause == null
                || cause instanceof InvalidRequestException
                || cause instanceof DeniedException;
        yield scripts ? "ERR " + detail : ErrorReplies.of(cause);
      }
    };
  }
}
