package io.capsuledb.jepsen.check;

import io.capsuledb.jepsen.check.RegisterOperation.Kind;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Whether operations on one register can be put in an order that explains every answer and agrees
 * with real time. The search of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993)
 * with the memory of Lowe ("Testing for Linearizability", 2017): what was linearized, with the
 * state it left, is not looked at twice.
 *
 * <p>Operations that nobody knows the end of are what makes the search explode. Where every value
 * is written once, two rules take them away, and both lose nothing: one whose value nobody saw may
 * be left out, for an order with it stays one without it; one whose value was seen took effect
 * before the first who saw it was answered.
 */
public final class Linearizability {

  /** How many steps a search may take before it gives up. */
  static final long DEFAULT_MAX_STEPS = 4_000_000;

  /** How a search ended. */
  public enum Outcome {
    LINEARIZABLE,
    VIOLATION,
    /** The search was longer than its bound. */
    UNDECIDED
  }

  /**
   * The answer.
   *
   * @param outcome yes, no or unknown
   * @param stuck for a violation: an operation that fits nowhere after the longest order found
   */
  public record Answer(Outcome outcome, @Nullable RegisterOperation stuck) {}

  private Linearizability() {}

  /** Checks the operations of one register that is absent at first. */
  public static Answer check(List<RegisterOperation> operations) {
    return search(withoutTheUnknown(operations), DEFAULT_MAX_STEPS);
  }

  /** Applies the two rules, if no value is written twice. */
  private static List<RegisterOperation> withoutTheUnknown(List<RegisterOperation> operations) {
    Set<Long> written = new HashSet<>();
    Map<Long, Long> seenBefore = new HashMap<>();
    for (RegisterOperation operation : operations) {
      if (operation.kind() != Kind.READ
          && operation.written() != RegisterOperation.ABSENT
          && !written.add(operation.written())) {
        return operations;
      }
      if (operation.required() && operation.kind() != Kind.WRITE) {
        seenBefore.merge(operation.expected(), operation.end(), Math::min);
      }
    }
    // What only another unknown operation may have found is not seen for certain, and yet may have
    // been needed: those stay.
    Set<Long> wanted = new HashSet<>();
    for (RegisterOperation operation : operations) {
      if (!operation.required() && operation.kind() == Kind.CAS) {
        wanted.add(operation.expected());
      }
    }
    List<RegisterOperation> kept = new ArrayList<>();
    for (RegisterOperation operation : operations) {
      if (operation.required() || operation.written() == RegisterOperation.ABSENT) {
        kept.add(operation);
        continue;
      }
      if (operation.kind() == Kind.READ) {
        continue;
      }
      Long seen = seenBefore.get(operation.written());
      if (seen != null && seen > operation.begin()) {
        kept.add(
            new RegisterOperation(
                operation.begin(),
                seen,
                true,
                operation.kind(),
                operation.expected(),
                operation.written(),
                operation.tag()));
      } else if (seen != null || wanted.contains(operation.written())) {
        kept.add(operation);
      }
    }
    return kept;
  }

  /** An operation's beginning or end, in a list from which what was linearized is taken out. */
  private static final class Event {

    private final int operation;
    private final boolean isEnd;
    private final long time;
    private @Nullable Event match;
    private @Nullable Event previous;
    private @Nullable Event next;

    private Event(int operation, boolean isEnd, long time) {
      this.operation = operation;
      this.isEnd = isEnd;
      this.time = time;
    }

    private void takeOut() {
      unlink(this);
      if (match != null) {
        unlink(match);
      }
    }

    private void putBack() {
      if (match != null) {
        relink(match);
      }
      relink(this);
    }

    private static void unlink(Event event) {
      Event before = event.previous;
      Event after = event.next;
      if (before != null) {
        before.next = after;
      }
      if (after != null) {
        after.previous = before;
      }
    }

    private static void relink(Event event) {
      Event before = event.previous;
      Event after = event.next;
      if (before != null) {
        before.next = event;
      }
      if (after != null) {
        after.previous = event;
      }
    }
  }

  private record Seen(BitSet linearized, long state) {}

  private record Step(Event event, long stateBefore) {}

  static Answer search(List<RegisterOperation> operations, long maxSteps) {
    Event head = list(operations);
    Set<Seen> memory = new HashSet<>();
    List<Step> path = new ArrayList<>();
    BitSet linearized = new BitSet(operations.size());
    long state = RegisterOperation.ABSENT;
    int required = (int) operations.stream().filter(RegisterOperation::required).count();
    int best = -1;
    RegisterOperation stuck = null;
    Event event = head.next;
    for (long steps = 0; required > 0; steps++) {
      if (steps == maxSteps) {
        return new Answer(Outcome.UNDECIDED, null);
      }
      if (event != null && !event.isEnd) {
        RegisterOperation operation = operations.get(event.operation);
        if (operation.fits(state)) {
          linearized.set(event.operation);
          long after = operation.after(state);
          if (memory.add(new Seen((BitSet) linearized.clone(), after))) {
            path.add(new Step(event, state));
            state = after;
            event.takeOut();
            required -= operation.required() ? 1 : 0;
            event = head.next;
            continue;
          }
          linearized.clear(event.operation);
        }
        event = event.next;
        continue;
      }
      if (event != null && path.size() > best) {
        best = path.size();
        stuck = operations.get(event.operation);
      }
      if (path.isEmpty()) {
        return new Answer(Outcome.VIOLATION, stuck);
      }
      Step back = path.removeLast();
      state = back.stateBefore;
      linearized.clear(back.event.operation);
      back.event.putBack();
      required += operations.get(back.event.operation).required() ? 1 : 0;
      event = back.event.next;
    }
    return new Answer(Outcome.LINEARIZABLE, null);
  }

  /** All events in the order of time, behind a head. Only required operations have an end. */
  private static Event list(List<RegisterOperation> operations) {
    List<Event> events = new ArrayList<>();
    for (int i = 0; i < operations.size(); i++) {
      RegisterOperation operation = operations.get(i);
      Event begin = new Event(i, false, operation.begin());
      events.add(begin);
      if (operation.required()) {
        Event end = new Event(i, true, operation.end());
        begin.match = end;
        events.add(end);
      }
    }
    // Where an end was moved to that of another operation, beginnings come first: none is there.
    events.sort(Comparator.comparingLong((Event event) -> event.time).thenComparing(e -> e.isEnd));
    Event head = new Event(-1, false, Long.MIN_VALUE);
    Event last = head;
    for (Event event : events) {
      last.next = event;
      event.previous = last;
      last = event;
    }
    return head;
  }
}
