package io.capsuledb.jepsen.workload;

import io.capsuledb.jepsen.check.ListAppendChecker;
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
 * Transactions of one to four steps, each one call of a stored procedure: lists of numbers are kept
 * as text, and steps append to them or read them.
 */
final class ProcedureWorkload implements Workload {

  private static final int ACTIVE_KEYS = 6;
  private static final int MAX_STEPS = 4;
  private static final String READ = "r";
  private static final String FUNCTION = "jepsen_steps";

  /** keys[i] is read if args[i] is 'r', else args[i] is appended to it. */
  private static final String LIBRARY =
      """
      #!js name=jepsen
      register_function('jepsen_steps', function (keys, args) {
        var out = [];
        for (var i = 0; i < keys.length; i++) {
          var list = get(keys[i], 'text');
          if (args[i] === 'r') {
            out.push(list === null ? '' : list);
          } else {
            put(keys[i], list === null ? args[i] : list + ',' + args[i]);
            out.push('');
          }
        }
        return out;
      });
      """;

  private final Keys keys;

  ProcedureWorkload(String prefix) {
    this.keys = new Keys(prefix + Workloads.PROCEDURES + "-", ACTIVE_KEYS);
  }

  @Override
  public String name() {
    return Workloads.PROCEDURES;
  }

  @Override
  public void prepare(RespConnection connection) throws IOException, ServerFaultException {
    connection.call("FUNCTION", "LOAD", "REPLACE", LIBRARY).check();
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
            Term.of(new Term.Word("append"), new Term.Text(write.key()), Term.of(write.value())));
      }
    }
    return new Invocation("txn", null, new Term.Seq(steps));
  }

  private static Term read(String key) {
    return Term.of(new Term.Word(READ), new Term.Text(key), Term.nil());
  }

  private static boolean isRead(Term step) {
    return OpCodec.word(step.items().getFirst()).equals(READ);
  }

  @Override
  public Answer perform(RespConnection connection, Invocation invocation)
      throws IOException, ServerFaultException {
    List<Term> steps = invocation.value().items();
    List<String> command =
        new ArrayList<>(List.of("FCALL", FUNCTION, Integer.toString(steps.size())));
    steps.forEach(step -> command.add(OpCodec.word(step.items().get(1))));
    steps.forEach(
        step -> command.add(isRead(step) ? READ : Long.toString(step.items().get(2).asLong())));
    List<Reply> lists = connection.pipeline(List.of(command)).getFirst().array();
    if (lists == null || lists.size() != steps.size()) {
      throw new ServerFaultException("a procedure answers " + lists);
    }
    List<Term> filled = new ArrayList<>();
    for (int i = 0; i < steps.size(); i++) {
      Term step = steps.get(i);
      if (isRead(step)) {
        step =
            Term.of(
                step.items().get(0),
                step.items().get(1),
                list(String.valueOf(lists.get(i).text())));
      }
      filled.add(step);
    }
    return Answer.ok(new Term.Seq(filled));
  }

  private static Term list(String text) throws ServerFaultException {
    List<Term> numbers = new ArrayList<>();
    for (String number : text.isEmpty() ? new String[0] : text.split(",", -1)) {
      numbers.add(Replies.numberOrNil(new Reply.Bulk(number)));
    }
    return new Term.Seq(numbers);
  }

  @Override
  public List<Invocation> finalReads() {
    return keys.all().stream().map(key -> new Invocation("txn", null, Term.of(read(key)))).toList();
  }

  @Override
  public Verdict check(List<Op> history) {
    return ListAppendChecker.check(history);
  }
}
