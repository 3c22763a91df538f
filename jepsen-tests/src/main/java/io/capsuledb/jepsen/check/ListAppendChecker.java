package io.capsuledb.jepsen.check;

import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.Term;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Transactions that append to lists and read them are strictly serializable, by the method of Elle
 * (Kingsbury and Alvaro, 2020): a list shows the order of its appends, so what depends on what is
 * known and a cycle is a proof. Operations: {@code txn}, whose value is a list of {@code [:append k
 * v]} and {@code [:r k [v …]]}; each element is appended once to a key.
 */
public final class ListAppendChecker {

  private final Verdict.Collector found = new Verdict.Collector();
  private final Transactions transactions;

  private ListAppendChecker(List<Op> history) {
    this.transactions = new Transactions(history, found);
  }

  /**
   * Checks a history.
   *
   * @throws IllegalArgumentException if an element is appended twice
   */
  public static Verdict check(List<Op> history) {
    return new ListAppendChecker(history).check();
  }

  /** A read that was answered. */
  private record Read(int node, List<Long> elements) {}

  private Verdict check() {
    Map<String, List<Read>> reads = new HashMap<>();
    for (int node = 0; node < transactions.size(); node++) {
      if (transactions.at(node).isOk()) {
        within(node, reads);
      }
    }
    TransactionGraph graph = transactions.graph();
    found.count("keys", reads.size());
    reads.forEach((key, of) -> key(key, of, graph));
    CycleSearch.search(graph, transactions::name, found);
    return found.verdict();
  }

  /** Reads of a transaction agree with each other and with its own appends; others are kept. */
  private void within(int node, Map<String, List<Read>> reads) {
    Map<String, List<Long>> known = new HashMap<>();
    Map<String, List<Long>> appended = new HashMap<>();
    for (MicroOp step : transactions.steps(node)) {
      String key = step.key();
      if (!step.isRead()) {
        long element = step.value().asLong();
        appended.computeIfAbsent(key, _ -> new ArrayList<>()).add(element);
        known.computeIfPresent(key, (_, list) -> with(list, element));
        continue;
      }
      if (step.value().isNil() && !transactions.at(node).isOk()) {
        continue;
      }
      List<Long> elements = elements(step.value());
      found.count("reads", 1);
      List<Long> expected = known.get(key);
      List<Long> own = appended.getOrDefault(key, List.of());
      boolean fits =
          expected != null
              ? expected.equals(elements)
              : elements.size() >= own.size()
                  && elements.subList(elements.size() - own.size(), elements.size()).equals(own);
      if (!fits) {
        found.found(
            "internal",
            transactions.name(node) + ": its read of " + key + " contradicts its own steps");
      }
      known.put(key, elements);
      if (expected == null && fits) {
        // What others had appended before this transaction did.
        List<Long> before = elements.subList(0, elements.size() - own.size());
        reads.computeIfAbsent(key, _ -> new ArrayList<>()).add(new Read(node, before));
      }
    }
  }

  private static List<Long> with(List<Long> list, long element) {
    List<Long> longer = new ArrayList<>(list);
    longer.add(element);
    return longer;
  }

  private static List<Long> elements(Term value) {
    return value.isNil() ? List.of() : value.items().stream().map(Term::asLong).toList();
  }

  private void key(String key, List<Read> reads, TransactionGraph graph) {
    List<Long> longest = List.of();
    for (Read read : reads) {
      if (read.elements.size() > longest.size()) {
        longest = read.elements;
      }
    }
    Set<Long> distinct = new HashSet<>();
    for (long element : longest) {
      if (!distinct.add(element)) {
        found.found("duplicate-elements", "list " + key + ": " + element + " is in it twice");
        return;
      }
    }
    for (Read read : reads) {
      if (!longest.subList(0, read.elements.size()).equals(read.elements)) {
        found.found(
            "incompatible-order",
            transactions.name(read.node)
                + ": its read of "
                + key
                + " is no prefix of a longer read of the same list");
        return;
      }
    }
    if (!aborted(key, longest)) {
      return;
    }
    order(key, longest, reads, graph);
  }

  /** Whether all that was read was written by somebody who did not fail. */
  private boolean aborted(String key, List<Long> longest) {
    boolean well = true;
    for (long element : longest) {
      Transactions.Written written = transactions.writer(key, element);
      if (written == null) {
        found.found("forged-element", "list " + key + ": nobody appended " + element);
        well = false;
      } else if (written.failed()) {
        found.found(
            "G1a", "list " + key + ": " + element + " was read, and the append of it failed");
        well = false;
      }
    }
    return well;
  }

  private void order(String key, List<Long> longest, List<Read> reads, TransactionGraph graph) {
    for (int i = 1; i < longest.size(); i++) {
      graph.add(node(key, longest.get(i - 1)), node(key, longest.get(i)), TransactionGraph.WW);
    }
    Set<Long> inList = new HashSet<>(longest);
    // What nobody has read and was acknowledged is behind all that was read.
    List<Integer> behind = new ArrayList<>();
    transactions
        .writes(key)
        .forEach(
            (element, written) -> {
              if (!inList.contains(element)
                  && !written.failed()
                  && transactions.at(written.node()).isOk()) {
                behind.add(written.node());
              }
            });
    if (!longest.isEmpty()) {
      int last = node(key, longest.getLast());
      behind.forEach(later -> graph.add(last, later, TransactionGraph.WW));
    }
    for (Read read : reads) {
      int length = read.elements.size();
      if (length > 0) {
        long last = read.elements.getLast();
        Transactions.Written written = transactions.writer(key, last);
        graph.add(node(key, last), read.node, TransactionGraph.WR);
        if (written != null && !written.isLast() && written.node() != read.node) {
          found.found(
              "G1b",
              transactions.name(read.node)
                  + " read "
                  + last
                  + " in "
                  + key
                  + ", which its writer had not finished with");
        }
      }
      if (length < longest.size()) {
        graph.add(read.node, node(key, longest.get(length)), TransactionGraph.RW);
      } else {
        behind.forEach(later -> graph.add(read.node, later, TransactionGraph.RW));
      }
    }
  }

  private int node(String key, long element) {
    Transactions.Written written = transactions.writer(key, element);
    return known(written).node();
  }

  private static Transactions.Written known(Transactions.@Nullable Written written) {
    if (written == null) {
      throw new AssertionError("an element without a writer was not sorted out");
    }
    return written;
  }
}
