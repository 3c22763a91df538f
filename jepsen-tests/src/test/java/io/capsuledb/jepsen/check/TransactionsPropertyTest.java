package io.capsuledb.jepsen.check;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.jepsen.history.Completed;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.OpCodec;
import io.capsuledb.jepsen.history.OpType;
import io.capsuledb.jepsen.history.Term;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.statistics.Statistics;

/**
 * The searches for cycles against all serial orders that there are, on histories of a small store
 * that takes steps of several transactions by turns and so is sometimes serializable and sometimes
 * not.
 */
final class TransactionsPropertyTest {

  private static final List<String> KEYS = List.of("x", "y", "z");

  /** Lists show all orders of writes, so with a final read of each the search is complete. */
  @Property(tries = 3000)
  void listAppendAgreesWithAllOrders(
      @ForAll Random random, @ForAll @IntRange(min = 1, max = 5) int count) {
    List<Op> history = history(random, count, true);
    boolean expected = someSerialOrder(history);

    Verdict verdict = ListAppendChecker.check(history);

    Statistics.collect(expected);
    assertThat(verdict.clean()).as("%s%n%s", verdict, edn(history)).isEqualTo(expected);
  }

  /** Registers show part of the order: what is found is there, and nothing is found otherwise. */
  @Property(tries = 3000)
  void rwRegisterFindsOnlyWhatIsThere(
      @ForAll Random random, @ForAll @IntRange(min = 1, max = 5) int count) {
    List<Op> history = history(random, count, false);
    boolean expected = someSerialOrder(history);

    Verdict verdict = RwRegisterChecker.check(history);

    Statistics.collect(expected + " " + verdict.clean());
    if (expected) {
      assertThat(verdict.clean()).as("%s%n%s", verdict, edn(history)).isTrue();
    }
  }

  /** The same store, one transaction at a time: nothing is found, however many there are. */
  @Property(tries = 30)
  void acceptsWhatASerialStoreDid(@ForAll Random random, @ForAll boolean lists) {
    Store store = new Store(random, lists);
    for (int i = 0; i < 300; i++) {
      store.begin();
      if (random.nextInt(3) > 0) {
        store.runAll();
      }
      while (store.active.size() > 5) {
        store.runAll();
      }
    }
    while (!store.active.isEmpty()) {
      store.runAll();
    }
    store.finish();
    List<Op> history = store.builder.build();

    Verdict verdict = lists ? ListAppendChecker.check(history) : RwRegisterChecker.check(history);

    assertThat(verdict.clean()).as("%s", verdict).isTrue();
  }

  private static String edn(List<Op> history) {
    return String.join("\n", history.stream().map(OpCodec::toEdn).toList());
  }

  private static List<Op> history(Random random, int count, boolean lists) {
    Store store = new Store(random, lists);
    int begun = 0;
    while (begun < count || !store.active.isEmpty()) {
      if (begun < count && (store.active.isEmpty() || random.nextInt(3) == 0)) {
        store.begin();
        begun++;
      } else {
        store.step();
      }
    }
    store.finish();
    return store.builder.build();
  }

  /** A store without any protection. */
  private static final class Store {

    private final Random random;
    private final boolean lists;
    private final HistoryBuilder builder = new HistoryBuilder();
    private final Map<String, List<Long>> content = new HashMap<>();
    private final List<Active> active = new ArrayList<>();
    private int processes;
    private long values;

    private Store(Random random, boolean lists) {
      this.random = random;
      this.lists = lists;
    }

    private static final class Active {

      private final int process;
      private final List<Term> steps;
      private final List<Term> done = new ArrayList<>();

      private Active(int process, List<Term> steps) {
        this.process = process;
        this.steps = steps;
      }
    }

    private void begin() {
      List<Term> steps = new ArrayList<>();
      int count = 1 + random.nextInt(3);
      for (int i = 0; i < count; i++) {
        String key = KEYS.get(random.nextInt(KEYS.size()));
        steps.add(
            random.nextBoolean()
                ? Term.of(new Term.Word("r"), new Term.Text(key), Term.nil())
                : lists
                    ? HistoryBuilder.append(key, ++values)
                    : HistoryBuilder.write(key, ++values));
      }
      Active begun = new Active(processes++, steps);
      builder.invoke(begun.process, "txn", null, new Term.Seq(steps));
      active.add(begun);
    }

    /** One step of one transaction, or its end. */
    private void step() {
      Active next = active.get(random.nextInt(active.size()));
      if (next.done.size() < next.steps.size()) {
        next.done.add(perform(next.steps.get(next.done.size())));
      } else {
        end(next);
      }
    }

    private void runAll() {
      Active next = active.get(random.nextInt(active.size()));
      while (next.done.size() < next.steps.size()) {
        next.done.add(perform(next.steps.get(next.done.size())));
      }
      end(next);
    }

    private void end(Active ended) {
      active.remove(ended);
      if (random.nextInt(8) == 0) {
        builder.end(ended.process, OpType.INFO);
      } else {
        builder.ok(ended.process, new Term.Seq(ended.done));
      }
    }

    private Term perform(Term step) {
      List<Term> parts = step.items();
      String key = OpCodec.word(parts.get(1));
      List<Long> value = content.computeIfAbsent(key, _ -> new ArrayList<>());
      if (!OpCodec.word(parts.get(0)).equals("r")) {
        value.add(parts.get(2).asLong());
        return step;
      }
      Term read =
          lists ? Term.numbers(value) : value.isEmpty() ? Term.nil() : Term.of(value.getLast());
      return Term.of(parts.get(0), parts.get(1), read);
    }

    private void finish() {
      while (!active.isEmpty()) {
        step();
      }
      List<Term> reads = new ArrayList<>();
      for (String key : KEYS) {
        reads.add(perform(Term.of(new Term.Word("r"), new Term.Text(key), Term.nil())));
      }
      builder.txn(processes++, reads.toArray(Term[]::new));
    }
  }

  /** Whether some order of all that happened, and of some of what may have, explains all reads. */
  private static boolean someSerialOrder(List<Op> history) {
    return extend(Completed.of(history), new ArrayList<>(), new HashMap<>());
  }

  private static boolean extend(
      List<Completed> all, List<Completed> done, Map<String, List<Long>> state) {
    if (all.stream().noneMatch(c -> c.isOk() && !done.contains(c))) {
      return true;
    }
    for (Completed next : all) {
      if (done.contains(next)
          || all.stream()
              .anyMatch(c -> c.isOk() && !done.contains(c) && c.finish() < next.begin())) {
        continue;
      }
      Map<String, List<Long>> after = new HashMap<>();
      state.forEach((key, value) -> after.put(key, new ArrayList<>(value)));
      if (!apply(next, after)) {
        continue;
      }
      done.add(next);
      boolean found = extend(all, done, after);
      done.removeLast();
      if (found) {
        return true;
      }
    }
    return false;
  }

  private static boolean apply(Completed transaction, Map<String, List<Long>> state) {
    Term value = transaction.isOk() ? transaction.end().value() : transaction.invoke().value();
    for (Term step : value.items()) {
      List<Term> parts = step.items();
      List<Long> there = state.computeIfAbsent(OpCodec.word(parts.get(1)), _ -> new ArrayList<>());
      if (!OpCodec.word(parts.get(0)).equals("r")) {
        there.add(parts.get(2).asLong());
      } else if (transaction.isOk()) {
        boolean fits =
            switch (parts.get(2)) {
              case Term.Seq(List<Term> items) ->
                  items.stream().map(Term::asLong).toList().equals(there);
              case Term.Num(long read) -> !there.isEmpty() && there.getLast() == read;
              default -> there.isEmpty();
            };
        if (!fits) {
          return false;
        }
      }
    }
    return true;
  }
}
