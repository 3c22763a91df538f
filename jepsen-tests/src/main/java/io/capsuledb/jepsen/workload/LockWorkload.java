package io.capsuledb.jepsen.workload;

import io.capsuledb.jepsen.check.LockChecker;
import io.capsuledb.jepsen.check.Verdict;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.OpType;
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
 * Locks: SET NX with a token that is used once, released by WATCH, GET, MULTI, DEL and EXEC. They
 * have no expiry, so one whose holder retired is held for ever, until its key is replaced.
 */
final class LockWorkload implements Workload {

  private static final int ACTIVE_KEYS = 3;

  private final Keys keys;
  private final Map<Integer, Invocation> held = new ConcurrentHashMap<>();

  LockWorkload(String prefix) {
    this.keys = new Keys(prefix + "lock-", ACTIVE_KEYS);
  }

  @Override
  public String name() {
    return "lock";
  }

  @Override
  public Invocation next(int client, int process, RandomGenerator random) {
    Invocation hold = held.get(client);
    if (hold != null) {
      return new Invocation("release", hold.key(), hold.value());
    }
    Keys.Write write = keys.write(random);
    return new Invocation("acquire", write.key(), Term.of(write.value()));
  }

  @Override
  public Answer perform(RespConnection connection, Invocation invocation)
      throws IOException, ServerFaultException {
    String key = invocation.on();
    Term token = invocation.value();
    String text = Long.toString(token.asLong());
    if (invocation.function().equals("acquire")) {
      boolean got = connection.call("SET", key, text, "NX").text() != null;
      return got ? Answer.ok(token) : Answer.notApplied(token);
    }
    List<Reply> replies = connection.pipeline(List.of(List.of("WATCH", key), List.of("GET", key)));
    try {
      replies.getFirst().check();
      if (!text.equals(replies.getLast().text())) {
        connection.call("UNWATCH").check();
        return Answer.notApplied(token);
      }
    } catch (ServerFaultException e) {
      // Nothing was written yet, whatever the reason is.
      return Answer.fail(token, String.valueOf(e.getMessage()));
    }
    Reply exec = connection.transaction(List.of(List.of("DEL", key)));
    return exec.array() == null ? Answer.notApplied(token) : Answer.ok(token);
  }

  @Override
  public void ended(int client, Invocation invocation, Answer answer) {
    boolean isAcquire = invocation.function().equals("acquire");
    if (isAcquire && answer.type() == OpType.OK && answer.applied()) {
      held.put(client, invocation);
    } else if (answer.type() == OpType.INFO || (!isAcquire && answer.type() == OpType.OK)) {
      held.remove(client);
    }
  }

  @Override
  public List<Invocation> finalReads() {
    return List.of();
  }

  @Override
  public Verdict check(List<Op> history) {
    return LockChecker.check(history);
  }
}
