package io.capsuledb.jepsen.workload;

import io.capsuledb.jepsen.check.SetChecker;
import io.capsuledb.jepsen.check.Verdict;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.Term;
import io.capsuledb.jepsen.resp.RespConnection;
import io.capsuledb.jepsen.resp.ServerFaultException;
import java.io.IOException;
import java.util.List;
import java.util.random.RandomGenerator;

/** Sets that grow: SADD and SMEMBERS. No acknowledged element is lost. */
final class SetWorkload implements Workload {

  private static final int ACTIVE_KEYS = 4;

  private final Keys keys;

  SetWorkload(String prefix) {
    this.keys = new Keys(prefix + "set-", ACTIVE_KEYS);
  }

  @Override
  public String name() {
    return "set";
  }

  @Override
  public Invocation next(int client, int process, RandomGenerator random) {
    if (random.nextInt(100) < 20) {
      return new Invocation("read", keys.any(random), Term.nil());
    }
    Keys.Write write = keys.write(random);
    return new Invocation("add", write.key(), Term.of(write.value()));
  }

  @Override
  public Answer perform(RespConnection connection, Invocation invocation)
      throws IOException, ServerFaultException {
    String key = invocation.on();
    if (invocation.function().equals("add")) {
      connection.call("SADD", key, Long.toString(invocation.value().asLong())).check();
      return Answer.ok(invocation.value());
    }
    return Answer.ok(Replies.numbers(connection.call("SMEMBERS", key)));
  }

  @Override
  public List<Invocation> finalReads() {
    return keys.all().stream().map(key -> new Invocation("final-read", key, Term.nil())).toList();
  }

  @Override
  public Verdict check(List<Op> history) {
    return SetChecker.check(history);
  }
}
