package io.capsuledb.jepsen.workload;

import io.capsuledb.jepsen.check.BankChecker;
import io.capsuledb.jepsen.check.Verdict;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.Term;
import io.capsuledb.jepsen.resp.Reply;
import io.capsuledb.jepsen.resp.RespConnection;
import io.capsuledb.jepsen.resp.ServerFaultException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/** Accounts: transfers under WATCH, with MULTI, SET and EXEC, and reads of all balances by MGET. */
final class BankWorkload implements Workload {

  private static final int ACCOUNTS = 8;
  private static final long BALANCE = 100;
  private static final int MAX_AMOUNT = 5;

  private final String prefix;

  BankWorkload(String prefix) {
    this.prefix = prefix + "bank-";
  }

  @Override
  public String name() {
    return "bank";
  }

  @Override
  public void prepare(RespConnection connection) throws IOException, ServerFaultException {
    List<String> command = new ArrayList<>(List.of("MSET"));
    for (String account : accounts()) {
      command.add(account);
      command.add(Long.toString(BALANCE));
    }
    connection.pipeline(List.of(command)).getFirst().check();
  }

  private List<String> accounts() {
    List<String> accounts = new ArrayList<>();
    for (int i = 0; i < ACCOUNTS; i++) {
      accounts.add(prefix + i);
    }
    return accounts;
  }

  @Override
  public Invocation next(int client, int process, RandomGenerator random) {
    if (random.nextInt(100) < 40) {
      return new Invocation("read", null, Term.nil());
    }
    int from = random.nextInt(ACCOUNTS);
    int to = (from + 1 + random.nextInt(ACCOUNTS - 1)) % ACCOUNTS;
    return new Invocation(
        "transfer",
        null,
        Term.of(Term.of(from), Term.of(to), Term.of(1L + random.nextInt(MAX_AMOUNT))));
  }

  @Override
  public Answer perform(RespConnection connection, Invocation invocation)
      throws IOException, ServerFaultException {
    if (!invocation.function().equals("transfer")) {
      List<String> command = new ArrayList<>(List.of("MGET"));
      command.addAll(accounts());
      return Answer.ok(Replies.numbers(connection.pipeline(List.of(command)).getFirst()));
    }
    Term asked = invocation.value();
    String from = prefix + asked.items().get(0).asLong();
    String to = prefix + asked.items().get(1).asLong();
    long amount = asked.items().get(2).asLong();
    List<Reply> replies =
        connection.pipeline(
            List.of(List.of("WATCH", from, to), List.of("GET", from), List.of("GET", to)));
    long fromBalance;
    long toBalance;
    try {
      replies.getFirst().check();
      Term first = Replies.numberOrNil(replies.get(1));
      Term second = Replies.numberOrNil(replies.get(2));
      if (first.isNil() || second.isNil()) {
        return Answer.fail(asked, "an account is absent");
      }
      fromBalance = first.asLong();
      toBalance = second.asLong();
    } catch (ServerFaultException e) {
      // Nothing was written yet, whatever the reason is.
      return Answer.fail(asked, String.valueOf(e.getMessage()));
    }
    if (fromBalance < amount) {
      connection.call("UNWATCH").check();
      return Answer.notApplied(asked);
    }
    Reply exec =
        connection.transaction(
            List.of(
                List.of("SET", from, Long.toString(fromBalance - amount)),
                List.of("SET", to, Long.toString(toBalance + amount))));
    return exec.array() == null ? Answer.notApplied(asked) : Answer.ok(asked);
  }

  @Override
  public List<Invocation> finalReads() {
    return List.of(new Invocation("final-read", null, Term.nil()));
  }

  @Override
  public Verdict check(List<Op> history) {
    return BankChecker.check(history, ACCOUNTS * BALANCE);
  }
}
