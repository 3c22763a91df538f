package io.capsuledb.jepsen.workload;

import io.capsuledb.jepsen.check.CounterChecker;
import io.capsuledb.jepsen.check.Verdict;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.Term;
import io.capsuledb.jepsen.resp.RespConnection;
import io.capsuledb.jepsen.resp.ServerFaultException;
import java.io.IOException;
import java.util.List;
import java.util.random.RandomGenerator;

/** Counters: INCR and GET. */
final class CounterWorkload implements Workload {

  private static final int ACTIVE_KEYS = 4;

  private final Keys keys;

  CounterWorkload(String prefix) {
    this.keys = new Keys(prefix + "counter-", ACTIVE_KEYS);
  }

  @Override
  public String name() {
    return "counter";
  }

  @Override
  public Invocation next(int client, int process, RandomGenerator random) {
    return random.nextInt(100) < 30
        ? new Invocation("read", keys.any(random), Term.nil())
        : new Invocation("increment", keys.write(random).key(), Term.of(1));
  }

  @Override
  public Answer perform(RespConnection connection, Invocation invocation)
      throws IOException, ServerFaultException {
    String key = invocation.on();
    if (invocation.function().equals("increment")) {
      return Answer.ok(Term.of(connection.call("INCR", key).number()));
    }
    return Answer.ok(Replies.numberOrNil(connection.call("GET", key)));
  }

  @Override
  public List<Invocation> finalReads() {
    return keys.all().stream().map(key -> new Invocation("final-read", key, Term.nil())).toList();
  }

  @Override
  public Verdict check(List<Op> history) {
    return CounterChecker.check(history);
  }
}
