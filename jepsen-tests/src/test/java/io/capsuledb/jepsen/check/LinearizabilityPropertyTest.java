package io.capsuledb.jepsen.check;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.jepsen.check.Linearizability.Outcome;
import io.capsuledb.jepsen.check.RegisterOperation.Kind;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.statistics.Statistics;

/** The search against all orders that there are, and against histories that are right by making. */
final class LinearizabilityPropertyTest {

  private static final long A = RegisterOperation.ABSENT;

  /** Small random histories: some linearizable, some not. */
  @Property(tries = 3000)
  void agreesWithAllOrders(
      @ForAll Random random,
      @ForAll @IntRange(min = 1, max = 6) int count,
      @ForAll boolean uniqueValues) {
    List<RegisterOperation> operations = random(random, count, uniqueValues);
    boolean expected = someOrderExplains(operations);

    Outcome outcome = Linearizability.check(operations).outcome();

    Statistics.collect(expected);
    assertThat(outcome)
        .as("%s", operations)
        .isEqualTo(expected ? Outcome.LINEARIZABLE : Outcome.VIOLATION);
    assertThat(Linearizability.search(operations, Linearizability.DEFAULT_MAX_STEPS).outcome())
        .as("without the rules for unknown operations")
        .isEqualTo(outcome);
  }

  private static List<RegisterOperation> random(Random random, int count, boolean uniqueValues) {
    List<Integer> times = new ArrayList<>();
    for (int i = 0; i < 2 * count; i++) {
      times.add(i);
    }
    Collections.shuffle(times, random);
    List<RegisterOperation> operations = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      long first = Math.min(times.get(2 * i), times.get(2 * i + 1));
      long second = Math.max(times.get(2 * i), times.get(2 * i + 1));
      boolean required = random.nextInt(4) > 0;
      Kind kind = List.of(Kind.READ, Kind.WRITE, Kind.CAS).get(random.nextInt(3));
      long written = random.nextInt(8) == 0 ? A : uniqueValues ? i : random.nextInt(3);
      long expected = random.nextInt(4) == 0 ? A : random.nextInt(uniqueValues ? count : 3);
      operations.add(
          new RegisterOperation(
              first,
              required ? second : Long.MAX_VALUE,
              required,
              kind,
              expected,
              written,
              "o" + i));
    }
    return operations;
  }

  /** Tries every order of every choice of the operations that may not have happened. */
  private static boolean someOrderExplains(List<RegisterOperation> operations) {
    return extend(operations, new ArrayList<>(), A);
  }

  private static boolean extend(
      List<RegisterOperation> operations, List<RegisterOperation> done, long state) {
    if (operations.stream().noneMatch(o -> o.required() && !done.contains(o))) {
      return true;
    }
    for (RegisterOperation next : operations) {
      if (done.contains(next) || (next.kind() != Kind.WRITE && state != next.expected())) {
        continue;
      }
      boolean tooEarly =
          operations.stream()
              .anyMatch(o -> o.required() && !done.contains(o) && o.end() < next.begin());
      if (tooEarly) {
        continue;
      }
      done.add(next);
      boolean found = extend(operations, done, next.kind() == Kind.READ ? state : next.written());
      done.removeLast();
      if (found) {
        return true;
      }
    }
    return false;
  }

  /** Long histories of a real register are accepted, also with many operations unknown. */
  @Property(tries = 50)
  void acceptsWhatARegisterDid(@ForAll Random random, @ForAll @IntRange(max = 40) int unknown) {
    List<RegisterOperation> operations = simulated(random, 300, unknown);

    assertThat(Linearizability.check(operations).outcome()).isEqualTo(Outcome.LINEARIZABLE);
  }

  /** One stale read in a long history is found. */
  @Property(tries = 50)
  void findsOneStaleRead(@ForAll Random random) {
    List<RegisterOperation> operations = new ArrayList<>(simulated(random, 200, 10));
    long end =
        operations.stream()
            .filter(RegisterOperation::required)
            .mapToLong(RegisterOperation::end)
            .max()
            .orElseThrow();
    long last = end + 1;
    operations.add(new RegisterOperation(last, last + 1, true, Kind.WRITE, A, 1_000_000, "new"));
    operations.add(
        new RegisterOperation(last + 2, last + 3, true, Kind.WRITE, A, 1_000_001, "newer"));
    operations.add(
        new RegisterOperation(last + 4, last + 5, true, Kind.READ, 1_000_000, A, "stale"));

    Linearizability.Answer answer = Linearizability.check(operations);

    assertThat(answer.outcome()).isEqualTo(Outcome.VIOLATION);
    assertThat(answer.stuck().tag()).isEqualTo("stale");
  }

  /** A register whose operations take effect at one moment between their beginnings and ends. */
  private static List<RegisterOperation> simulated(Random random, int count, int unknown) {
    record Started(long begin, long moment, long end) {}
    List<Started> started = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      long begin = random.nextInt(count * 100);
      long moment = begin + 1 + random.nextInt(300);
      started.add(new Started(begin, moment, moment + 1 + random.nextInt(300)));
    }
    started.sort((a, b) -> Long.compare(a.moment, b.moment));
    List<RegisterOperation> operations = new ArrayList<>();
    long state = A;
    for (int i = 0; i < count; i++) {
      Started at = started.get(i);
      // Times are made distinct by their place.
      long begin = at.begin * 1000 + i;
      long end = at.end * 1000 + 500 + i;
      boolean lost = i < unknown;
      boolean happens = !lost || random.nextBoolean();
      int dice = random.nextInt(3);
      Kind kind = dice == 0 ? Kind.READ : dice == 1 || state == A ? Kind.WRITE : Kind.CAS;
      operations.add(
          new RegisterOperation(
              begin, lost ? Long.MAX_VALUE : end, !lost, kind, state, i, "o" + i));
      if (happens && kind != Kind.READ) {
        state = i;
      }
    }
    return operations;
  }
}
