package io.capsuledb.scl.resp;

import io.capsuledb.scl.lock.LockGrant;
import io.capsuledb.scl.lock.LockMode;
import io.capsuledb.scl.lock.LockWish;
import io.capsuledb.scl.resp.CommandSpec.Flag;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;

/**
 * Which locks a command needs in a shared capsule: those that read before they write, so that what
 * they read is still so when they have written. What only writes needs none, unless everything is
 * to be linearizable. One thread.
 */
final class LockPlan {

  /** Writes whose effect does not depend on what there was, or not on when it was there. */
  private static final Set<String> BLIND =
      Set.of("SET", "MSET", "SETEX", "PSETEX", "DEL", "UNLINK", "CAPSULE.MERGE");

  private static final String[] READING_OPTIONS = {"NX", "XX", "GET", "KEEPTTL"};
  private static final int FIRST_OPTION_OF_SET = 3;

  private final Sharing sharing;
  private final TreeMap<Long, LockMode> wanted = new TreeMap<>(Long::compareUnsigned);
  private boolean alone;

  LockPlan(Sharing sharing) {
    this.sharing = sharing;
  }

  /** Locks for one command. */
  List<LockWish> of(CommandTable.Command command, byte[][] arguments) {
    begin();
    if (command.procedure()) {
      // What a procedure reads and writes is known when it has run: StoreView locks it then.
      return wishes();
    }
    if (sharing.linearizable() || isConditional(command.spec(), arguments)) {
      add(command, arguments);
    }
    return wishes();
  }

  /** Locks for EXEC: of all that is queued, and of what is watched. */
  List<LockWish> of(MultiState multi) {
    begin();
    boolean writes = multi.queued().stream().anyMatch(one -> one.command().writes());
    boolean reads = multi.queued().stream().anyMatch(one -> one.command().reads());
    if (writes || reads || !multi.watched().isEmpty()) {
      for (MultiState.Queued one : multi.queued()) {
        add(one.command(), one.arguments());
      }
      for (MultiState.Watched watched : multi.watched()) {
        add(watched.key(), LockMode.SHARED);
      }
    }
    return wishes();
  }

  private void begin() {
    wanted.clear();
    alone = false;
  }

  /** Whether what a write does depends on what it reads. */
  static boolean isConditional(CommandSpec spec, byte[][] arguments) {
    if (!spec.has(Flag.WRITE)) {
      return false;
    }
    if (!BLIND.contains(spec.name())) {
      return true;
    }
    if (spec.name().equals("SET")) {
      for (int i = FIRST_OPTION_OF_SET; i < arguments.length; i++) {
        for (String option : READING_OPTIONS) {
          if (Operands.is(arguments[i], option)) {
            return true;
          }
        }
      }
    }
    return false;
  }

  private void add(CommandTable.Command command, byte[][] arguments) {
    CommandSpec spec = command.spec();
    if (!command.writes() && !command.reads()) {
      return;
    }
    if (spec.firstKey() == 0) {
      // Of all keys there are.
      alone = true;
      return;
    }
    LockMode mode = command.writes() ? LockMode.EXCLUSIVE : LockMode.SHARED;
    int last = spec.lastKey() >= 0 ? spec.lastKey() : arguments.length + spec.lastKey();
    for (int i = spec.firstKey(); i <= last && i < arguments.length; i += spec.keyStep()) {
      add(arguments[i], mode);
    }
  }

  private void add(byte[] key, LockMode mode) {
    wanted.merge(sharing.lockOf(key), mode, (a, b) -> a == LockMode.EXCLUSIVE ? a : b);
  }

  private List<LockWish> wishes() {
    if (alone) {
      return List.of(new LockWish(LockGrant.ALL, LockMode.EXCLUSIVE));
    }
    if (wanted.isEmpty()) {
      return List.of();
    }
    List<LockWish> wishes = new ArrayList<>(wanted.size() + 1);
    wishes.add(new LockWish(LockGrant.ALL, LockMode.SHARED));
    wanted.forEach((lock, mode) -> wishes.add(new LockWish(lock, mode)));
    return wishes;
  }
}
