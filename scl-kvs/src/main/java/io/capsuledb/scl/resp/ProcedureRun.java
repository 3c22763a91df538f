package io.capsuledb.scl.resp;

import io.capsuledb.core.error.CapsuleException;
import io.capsuledb.core.error.DeniedException;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.UnavailableException;
import io.capsuledb.engine.CapsuleDb;
import io.capsuledb.engine.Transaction;
import io.capsuledb.scl.procedure.ProcedureCall;
import io.capsuledb.scl.procedure.ProcedureOutcome;
import io.capsuledb.scl.procedure.ProcedureValue;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One FCALL: runs the function, makes what it wrote visible as one transaction, and says what to
 * reply.
 *
 * <p>Invariants: what a run wrote becomes visible only if it returned, all of it at once; nothing
 * is told of a run before what it saw and wrote is durable.
 *
 * <p>A run outside MULTI holds no lock but those that it, or the run before, asked for. In a shared
 * capsule the locks of all it read and wrote are taken when it has returned, and kept if it has to
 * be run again. If others changed meanwhile what it read, it is; after {@link #OPTIMISTIC_RUNS}
 * such runs once more within a transaction, which makes others wait, and so for {@link #HELD_MS} at
 * most. Runs on a worker thread.
 */
final class ProcedureRun {

  /** Runs that others may spoil before one excludes them. */
  private static final int OPTIMISTIC_RUNS = 4;

  /** After how long it is not run another time, in nanoseconds. */
  private static final long MAX_RERUNS_NANOS = TimeUnit.SECONDS.toNanos(30);

  /** How long a script may keep other transactions waiting, in milliseconds. */
  static final long HELD_MS = 100;

  /** Instead of the number of a call that is too short to be noted. */
  private static final long NOT_NOTED = -1;

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

  /**
   * Runs outside any transaction, on an event loop, if that is short and nobody has to be waited
   * for.
   *
   * @return null if it has to be run by {@link #alone} after all; then nothing has happened
   */
  CommandSpec.@Nullable Body quick() {
    if (procedures.shared() || !bound.pace().isShort()) {
      return null;
    }
    // Not noted as running: before anybody could ask to stop it, it has ended or been given up.
    try (CallLocks locks = procedures.locks();
        StoreView view = StoreView.quick(db, user, readOnly, procedures.clock(), locks)) {
      ProcedureOutcome outcome = call.tryRun(view);
      if (outcome == null || view.gaveUp()) {
        bound.pace().wasLong();
        return null;
      }
      if (!(outcome instanceof ProcedureOutcome.Returned(ProcedureValue value))) {
        return failing(view, outcome, NOT_NOTED, false);
      }
      long fence = publish(view);
      if (fence == StoreView.CONFLICT) {
        return null;
      }
      keepLines(view, "");
      return returning(value, fence);
    }
  }

  /** Runs outside any transaction. */
  CommandSpec.Body alone() {
    long id = procedures.began(bound.function().name(), call);
    long began = procedures.clock().monotonicNanos();
    try (CallLocks locks = procedures.locks()) {
      int spoilt = 0;
      while (spoilt < OPTIMISTIC_RUNS) {
        if (procedures.clock().monotonicNanos() - began > MAX_RERUNS_NANOS) {
          throw new UnavailableException("the call was run again and again for too long: repeat");
        }
        try (StoreView view = StoreView.optimistic(db, user, readOnly, procedures.clock(), locks)) {
          ProcedureOutcome outcome = run(view, id);
          byte[] wanted = view.wanted();
          if (wanted != null && !(outcome instanceof ProcedureOutcome.Cancelled)) {
            locks.acquire(List.of(wanted));
            continue;
          }
          if (!(outcome instanceof ProcedureOutcome.Returned(ProcedureValue value))) {
            // It may have failed for what it saw, half of it from before a change.
            if (!locks.shared()
                || outcome instanceof ProcedureOutcome.Cancelled
                || view.unchanged()) {
              return failing(view, outcome, id, false);
            }
            spoilt++;
            continue;
          }
          locks.acquire(view.wishes());
          long fence = publish(view);
          if (fence != StoreView.CONFLICT) {
            locks.checkLease();
            keepLines(view, "");
            return returning(value, fence);
          }
          spoilt++;
        }
      }
      locks.acquireAll();
      return held(id, locks);
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

  private CommandSpec.Body held(long id, CallLocks locks) {
    try (Transaction transaction = db.begin();
        StoreView view = StoreView.within(db, user, readOnly, transaction)) {
      ProcedureOutcome outcome = runBounded(view, id, HELD_MS);
      if (!(outcome instanceof ProcedureOutcome.Returned(ProcedureValue value))) {
        return failing(view, outcome, id, true);
      }
      view.stage(transaction);
      if (transaction.hasStaged()) {
        locks.wrote();
      } else {
        locks.checkLease();
      }
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
    if (failure.isEmpty() && view.lines().isEmpty()) {
      return;
    }
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
