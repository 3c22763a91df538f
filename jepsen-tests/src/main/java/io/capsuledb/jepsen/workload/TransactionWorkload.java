package io.capsuledb.jepsen.workload;

import io.capsuledb.jepsen.check.ListAppendChecker;
import io.capsuledb.jepsen.check.RwRegisterChecker;
import io.capsuledb.jepsen.check.Verdict;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.OpCodec;
import io.capsuledb.jepsen.history.Term;
import io.capsuledb.jepsen.resp.Reply;
import io.capsuledb.jepsen.resp.RespConnection;
import io.capsuledb.jepsen.resp.ServerFaultException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * Transactions of one to four steps, as one MULTI and EXEC or, where all reads come first, with
 * reads under WATCH before it: either RPUSH and LRANGE of lists, or SET and GET of registers.
 */
final class TransactionWorkload implements Workload {

  private static final int ACTIVE_KEYS = 6;
  private static final int MAX_STEPS = 4;

  private final boolean lists;
  private final Keys keys;

  TransactionWorkload(boolean lists, String prefix) {
    this.lists = lists;
    this.keys = new Keys(prefix + (lists ? "list-append-" : "rw-register-"), ACTIVE_KEYS);
  }

  @Override
  public String name() {
    return lists ? "list-append" : "rw-register";
  }

  @Override
  public Invocation next(int client, int process, RandomGenerator random) {
    List<Term> steps = new ArrayList<>();
    int count = 1 + random.nextInt(MAX_STEPS);
    for (int i = 0; i < count; i++) {
      if (random.nextBoolean()) {
        steps.add(read(keys.any(random)));
      } else {
        Keys.Write write = keys.write(random);
        steps.add(
            Term.of(
                new Term.Word(lists ? "append" : "w"),
                new Term.Text(write.key()),
                Term.of(write.value())));
      }
    }
    return new Invocation("txn", null, new Term.Seq(steps));
  }

  private static Term read(String key) {
    return Term.of(new Term.Word("r"), new Term.Text(key), Term.nil());
  }

  @Override
  public Answer perform(RespConnection connection, Invocation invocation)
      throws IOException, ServerFaultException {
    List<Term> steps = invocation.value().items();
    int reads = 0;
    while (reads < steps.size() && isRead(steps.get(reads))) {
      reads++;
    }
    boolean readsFirst = steps.subList(reads, steps.size()).stream().noneMatch(this::isRead);
    List<Reply> replies = new ArrayList<>();
    // Which way is taken depends on the transaction alone, so that a seed draws the same.
    boolean watching = readsFirst && reads > 0 && steps.size() % 2 == 0;
    if (watching) {
      List<List<String>> commands = new ArrayList<>();
      List<String> watch = new ArrayList<>(List.of("WATCH"));
      steps.subList(0, reads).forEach(step -> watch.add(key(step)));
      commands.add(watch);
      steps.subList(0, reads).forEach(step -> commands.add(command(step)));
      for (Reply reply : connection.pipeline(commands)) {
        if (reply instanceof Reply.Fault(String message)) {
          return Answer.fail(invocation.value(), message);
        }
        replies.add(reply);
      }
      replies.removeFirst();
    }
    List<List<String>> commands = new ArrayList<>();
    steps.subList(watching ? reads : 0, steps.size()).forEach(step -> commands.add(command(step)));
    List<Reply> answers = connection.transaction(commands).array();
    if (answers == null) {
      return Answer.fail(invocation.value(), "what was read has changed");
    }
    replies.addAll(answers);
    return Answer.ok(filled(steps, replies));
  }

  private boolean isRead(Term step) {
    return OpCodec.word(step.items().getFirst()).equals("r");
  }

  private static String key(Term step) {
    return OpCodec.word(step.items().get(1));
  }

  private List<String> command(Term step) {
    String key = key(step);
    if (isRead(step)) {
      return lists ? List.of("LRANGE", key, "0", "-1") : List.of("GET", key);
    }
    String value = Long.toString(step.items().get(2).asLong());
    return List.of(lists ? "RPUSH" : "SET", key, value);
  }

  private Term filled(List<Term> steps, List<Reply> replies) throws ServerFaultException {
    List<Term> filled = new ArrayList<>();
    for (int i = 0; i < steps.size(); i++) {
      Term step = steps.get(i);
      if (isRead(step)) {
        Term value = lists ? Replies.numbers(replies.get(i)) : Replies.numberOrNil(replies.get(i));
        step = Term.of(step.items().get(0), step.items().get(1), value);
      }
      filled.add(step);
    }
    return new Term.Seq(filled);
  }

  @Override
  public List<Invocation> finalReads() {
    return keys.all().stream().map(key -> new Invocation("txn", null, Term.of(read(key)))).toList();
  }

  @Override
  public Verdict check(List<Op> history) {
    return lists ? ListAppendChecker.check(history) : RwRegisterChecker.check(history);
  }
}
