package io.capsuledb.jepsen.workload;

import io.capsuledb.jepsen.check.SessionChecker;
import io.capsuledb.jepsen.check.Verdict;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.Term;
import io.capsuledb.jepsen.resp.RespConnection;
import io.capsuledb.jepsen.resp.ServerFaultException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;

/**
 * Sessions: each process writes keys of its own, with growing values, and reads everybody's. Where
 * there are several servers of one system it goes from one to another and takes its token along.
 */
final class SessionWorkload implements Workload {

  private static final int KEYS_PER_PROCESS = 2;

  private final String prefix;
  private final Map<String, Long> versions = new ConcurrentHashMap<>();
  private final Map<Integer, Integer> processes = new ConcurrentHashMap<>();

  SessionWorkload(String prefix) {
    this.prefix = prefix + "session-";
  }

  @Override
  public String name() {
    return "session";
  }

  @Override
  public boolean wanders() {
    return true;
  }

  @Override
  public Invocation next(int client, int process, RandomGenerator random) {
    processes.put(client, process);
    if (random.nextInt(100) < 40) {
      String key = key(process, random.nextInt(KEYS_PER_PROCESS));
      return new Invocation("write", key, Term.of(versions.merge(key, 1L, Long::sum)));
    }
    List<Integer> alive = new ArrayList<>(processes.values());
    int other = alive.get(random.nextInt(alive.size()));
    return new Invocation("read", key(other, random.nextInt(KEYS_PER_PROCESS)), Term.nil());
  }

  private String key(int process, int number) {
    return prefix + process + "-" + number;
  }

  @Override
  public Answer perform(RespConnection connection, Invocation invocation)
      throws IOException, ServerFaultException {
    String key = invocation.on();
    if (invocation.function().equals("write")) {
      connection.call("SET", key, Long.toString(invocation.value().asLong())).check();
      return Answer.ok(invocation.value());
    }
    return Answer.ok(Replies.numberOrNil(connection.call("GET", key)));
  }

  @Override
  public List<Invocation> finalReads() {
    return versions.keySet().stream()
        .sorted()
        .map(key -> new Invocation("final-read", key, Term.nil()))
        .toList();
  }

  @Override
  public Versioned versioned() {
    return Versioned.BY_PROCESS;
  }

  @Override
  public Verdict check(List<Op> history) {
    return SessionChecker.check(history);
  }
}
