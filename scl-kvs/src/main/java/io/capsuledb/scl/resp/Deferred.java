package io.capsuledb.scl.resp;

import io.capsuledb.scl.lock.LockWish;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * Why a command has not replied yet. Its connection executes nothing more until the reply is there;
 * other connections go on.
 */
sealed interface Deferred {

  /** Which of the bounded pools does the work. */
  enum Lane {
    /** Password hashes: short, and worth several threads. */
    AUTHENTICATION,
    /** Reads that look at much: beside jobs, which may take minutes. */
    SWEEPS,
    /** Long work, one at a time. */
    JOBS,
    /** Procedures: each with a bound of its own. */
    PROCEDURES
  }

  /**
   * Work that takes too long for an event loop.
   *
   * @param lane where it runs
   * @param work runs on that pool; may throw what a command's body may throw
   * @param after once, when the work has ended, or will never begin; on any thread
   */
  record Offloaded(Lane lane, Supplier<CommandSpec.Body> work, Runnable after) implements Deferred {

    Offloaded(Lane lane, Supplier<CommandSpec.Body> work) {
      this(lane, work, () -> {});
    }
  }

  /**
   * A reply that comes later.
   *
   * @param delayMs after how long; 0 means not by itself
   * @param unblockable whether CLIENT UNBLOCK ends it
   * @param then what writes the reply
   */
  record Delayed(long delayMs, boolean unblockable, CommandSpec.Body then) implements Deferred {}

  /**
   * Something that others have to do.
   *
   * @param ask asks them; what it is given may be called on any thread, once
   */
  record Awaited(Consumer<Consumer<CommandSpec.Body>> ask) implements Deferred {}

  /** The command is executed again, from the beginning, once it has these locks. */
  record Locked(List<LockWish> wishes) implements Deferred {
    public Locked {
      wishes = List.copyOf(wishes);
    }
  }

  /** The command is executed again, from the beginning, once CLIENT PAUSE has ended. */
  record Paused() implements Deferred {}
}
