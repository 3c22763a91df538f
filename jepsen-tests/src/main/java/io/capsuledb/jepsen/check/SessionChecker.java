package io.capsuledb.jepsen.check;

import io.capsuledb.jepsen.history.Completed;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.OpType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The session guarantees of Terry and others ("Session Guarantees for Weakly Consistent Replicated
 * Data", 1994), and what follows from all of them together. Operations: {@code write} and {@code
 * read} (also {@code final-read}) of keys; each key is written by one process only, with growing
 * values, so that values tell the order of versions.
 *
 * <p>A session has a context: the least version of each key that it has to see, and why. A write
 * makes the context of its session part of itself; who reads it takes that over. A read of an older
 * version is a violation of the guarantee that the entry came by: <i>read-your-writes</i> from an
 * own write; <i>monotonic-reads</i> from an own read; <i>monotonic-writes</i> from an earlier write
 * by the author of something read; <i>writes-follow-reads</i> from what that author had read;
 * <i>causal</i> through more than one author.
 */
public final class SessionChecker {

  private static final String OWN_WRITE = "read-your-writes";
  private static final String OWN_READ = "monotonic-reads";
  private static final String AUTHORS_WRITE = "monotonic-writes";
  private static final String AUTHORS_READ = "writes-follow-reads";
  private static final String FARTHER = "causal";

  /** Growing values are at least this; a key that nobody wrote to is absent. */
  private static final long ABSENT = 0;

  private record Need(long version, String guarantee) {}

  private record Version(String key, long version) {}

  private record Write(Map<String, Need> context, OpType type) {}

  private final Map<Integer, Map<String, Need>> contexts = new HashMap<>();
  private final Map<Version, Write> writes = new HashMap<>();
  private final Map<String, Integer> authors = new HashMap<>();
  private final Verdict.Collector found = new Verdict.Collector();

  private SessionChecker() {}

  /**
   * Checks a history.
   *
   * @throws IllegalArgumentException if two processes write to a key, or one not growing values
   */
  public static Verdict check(List<Op> history) {
    return new SessionChecker().run(history);
  }

  private Verdict run(List<Op> history) {
    Map<Op, Completed> completions = new HashMap<>();
    Completed.of(history).forEach(completed -> completions.put(completed.invoke(), completed));
    Map<String, Long> last = new HashMap<>();
    Set<Integer> sessions = new HashSet<>();
    for (Op op : history) {
      sessions.add(op.process());
      Completed completed = completions.get(op);
      if (op.type() == OpType.INVOKE && op.function().equals("write") && completed != null) {
        begin(op, completed, last);
      } else if (op.type() == OpType.OK) {
        end(op);
      }
    }
    found.count("sessions", sessions.size());
    return found.verdict();
  }

  /** A write carries what its session knew when it was asked for. */
  private void begin(Op op, Completed completed, Map<String, Long> last) {
    String key = keyOf(op);
    long version = op.value().asLong();
    Integer author = authors.putIfAbsent(key, op.process());
    if (author != null && author != op.process()) {
      throw new IllegalArgumentException("two processes write to the key " + key);
    }
    if (version <= last.getOrDefault(key, ABSENT)) {
      throw new IllegalArgumentException("values of the key " + key + " do not grow");
    }
    last.put(key, version);
    found.count("writes", 1);
    writes.put(new Version(key, version), new Write(Map.copyOf(context(op)), completed.type()));
  }

  private void end(Op op) {
    String key = keyOf(op);
    if (op.function().equals("write")) {
      context(op).put(key, new Need(op.value().asLong(), OWN_WRITE));
      return;
    }
    found.count("reads", 1);
    long version = op.value().isNil() ? ABSENT : op.value().asLong();
    Map<String, Need> context = context(op);
    Need need = context.get(key);
    if (need != null && version < need.version) {
      found.found(
          need.guarantee,
          "process "
              + op.process()
              + " read "
              + version
              + " of key "
              + key
              + " at event "
              + op.index()
              + " and had to see "
              + need.version
              + " or newer");
      return;
    }
    if (version == ABSENT) {
      return;
    }
    Write write = writes.get(new Version(key, version));
    if (write == null) {
      found.found(
          "forged-value", "key " + key + ": " + version + " was read before it was written");
      return;
    }
    if (write.type == OpType.FAIL) {
      found.found(
          "failed-write", "key " + key + ": " + version + " was read, and its write failed");
    }
    raise(context, key, new Need(version, OWN_READ));
    boolean own = op.process() == authors.getOrDefault(key, -1);
    if (!own) {
      write.context.forEach(
          (other, carried) ->
              raise(context, other, new Need(carried.version, passedOn(carried.guarantee))));
    }
  }

  private static String passedOn(String guarantee) {
    return switch (guarantee) {
      case OWN_WRITE -> AUTHORS_WRITE;
      case OWN_READ -> AUTHORS_READ;
      default -> FARTHER;
    };
  }

  private static void raise(Map<String, Need> context, String key, Need need) {
    Need before = context.get(key);
    if (before == null || before.version < need.version) {
      context.put(key, need);
    }
  }

  private Map<String, Need> context(Op op) {
    return contexts.computeIfAbsent(op.process(), _ -> new HashMap<>());
  }

  private static String keyOf(Op op) {
    @Nullable String key = op.key();
    if (key == null) {
      throw new IllegalArgumentException("no key at event " + op.index());
    }
    return key;
  }

  /** The guarantees by name. */
  public static List<String> guarantees() {
    return new ArrayList<>(List.of(OWN_WRITE, OWN_READ, AUTHORS_WRITE, AUTHORS_READ, FARTHER));
  }
}
