package io.capsuledb.jepsen.workload;

import io.capsuledb.jepsen.check.RegisterChecker;
import io.capsuledb.jepsen.check.Verdict;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.Term;
import io.capsuledb.jepsen.resp.Reply;
import io.capsuledb.jepsen.resp.RespConnection;
import io.capsuledb.jepsen.resp.ServerFaultException;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;

/**
 * Registers: reads, writes, and, if asked for, compare-and-set by WATCH, GET, MULTI, SET and EXEC.
 * Each key is a register of its own that has to be linearizable.
 */
final class RegisterWorkload implements Workload {

  private static final int ACTIVE_KEYS = 8;

  private final String name;
  private final boolean withCas;
  private final Keys keys;
  // What was last known of a key: a guess that lets some compare-and-set succeed.
  private final Map<String, Long> guesses = new ConcurrentHashMap<>();

  RegisterWorkload(String name, boolean withCas, String prefix) {
    this.name = name;
    this.withCas = withCas;
    this.keys = new Keys(prefix + name + "-", ACTIVE_KEYS);
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public Invocation next(int client, int process, RandomGenerator random) {
    int dice = random.nextInt(100);
    if (dice < 45) {
      return new Invocation("read", keys.any(random), Term.nil());
    }
    Keys.Write write = keys.write(random);
    Long guess = guesses.get(write.key());
    if (withCas && dice < 75 && guess != null) {
      return new Invocation("cas", write.key(), Term.of(Term.of(guess), Term.of(write.value())));
    }
    return new Invocation("write", write.key(), Term.of(write.value()));
  }

  @Override
  public Answer perform(RespConnection connection, Invocation invocation)
      throws IOException, ServerFaultException {
    String key = invocation.on();
    Term value = invocation.value();
    return switch (invocation.function()) {
      case "write" -> {
        connection.call("SET", key, Long.toString(value.asLong())).check();
        guesses.put(key, value.asLong());
        yield Answer.ok(value);
      }
      case "cas" -> {
        List<Term> pair = value.items();
        Answer answer = compareAndSet(connection, key, value, pair.get(0), pair.get(1));
        if (answer.applied()) {
          guesses.put(key, pair.get(1).asLong());
        }
        yield answer;
      }
      default -> {
        Term read = Replies.numberOrNil(connection.call("GET", key));
        if (!read.isNil()) {
          guesses.put(key, read.asLong());
        }
        yield Answer.ok(read);
      }
    };
  }

  private static Answer compareAndSet(
      RespConnection connection, String key, Term asked, Term expected, Term written)
      throws IOException, ServerFaultException {
    List<Reply> replies = connection.pipeline(List.of(List.of("WATCH", key), List.of("GET", key)));
    Term there;
    try {
      replies.getFirst().check();
      there = Replies.numberOrNil(replies.getLast());
    } catch (ServerFaultException e) {
      // Nothing was written yet, whatever the reason is.
      return Answer.fail(asked, String.valueOf(e.getMessage()));
    }
    if (!there.equals(expected)) {
      connection.call("UNWATCH").check();
      return Answer.notApplied(asked);
    }
    Reply exec =
        connection.transaction(List.of(List.of("SET", key, Long.toString(written.asLong()))));
    return exec.array() == null ? Answer.notApplied(asked) : Answer.ok(asked);
  }

  @Override
  public List<Invocation> finalReads() {
    return keys.all().stream().map(key -> new Invocation("final-read", key, Term.nil())).toList();
  }

  @Override
  public Versioned versioned() {
    return Versioned.IN_REAL_TIME;
  }

  @Override
  public Verdict check(List<Op> history) {
    return RegisterChecker.check(history);
  }
}
