package io.capsuledb.jepsen.check;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.statistics.Statistics;

/** The names of cycles against all cycles that there are. */
final class CycleSearchPropertyTest {

  @Property(tries = 3000)
  void findsTheWorstCycle(
      @ForAll Random random,
      @ForAll @IntRange(min = 2, max = 6) int nodes,
      @ForAll @IntRange(max = 12) int edges) {
    TransactionGraph graph = new TransactionGraph(nodes);
    int[] kinds = {TransactionGraph.WW, TransactionGraph.WR, TransactionGraph.RW};
    for (int i = 0; i < edges; i++) {
      graph.add(random.nextInt(nodes), random.nextInt(nodes), kinds[random.nextInt(3)]);
    }
    Set<String> all = new TreeSet<>();
    for (int start = 0; start < nodes; start++) {
      cycles(graph, start, start, new ArrayList<>(List.of(start)), 0, 0, all);
    }

    Verdict.Collector found = new Verdict.Collector();
    CycleSearch.search(graph, node -> "T" + node, found);
    Set<String> names = found.verdict().properties();

    Statistics.collect(all.isEmpty() ? "none" : all.iterator().next());
    assertThat(all).containsAll(names);
    assertThat(names.isEmpty()).isEqualTo(all.isEmpty());
    // Names are in the order of badness: G-single, G0, G1c, G2 sorted by hand.
    if (!all.isEmpty()) {
      assertThat(names).contains(worst(all));
    }
  }

  private static String worst(Set<String> names) {
    for (String name : List.of("G0", "G1c", "G-single", "G2")) {
      if (names.contains(name)) {
        return name;
      }
    }
    throw new AssertionError(names);
  }

  /** All simple cycles, by each choice of one kind for each edge. */
  private static void cycles(
      TransactionGraph graph,
      int start,
      int node,
      List<Integer> path,
      int reads,
      int skews,
      Set<String> found) {
    for (Map.Entry<Integer, Integer> edge : graph.from(node).entrySet()) {
      int next = edge.getKey();
      if (next != start && path.contains(next)) {
        continue;
      }
      for (int kind : new int[] {TransactionGraph.WW, TransactionGraph.WR, TransactionGraph.RW}) {
        if ((edge.getValue() & kind) == 0) {
          continue;
        }
        int newReads = reads + (kind == TransactionGraph.WR ? 1 : 0);
        int newSkews = skews + (kind == TransactionGraph.RW ? 1 : 0);
        if (next == start) {
          found.add(newSkews > 1 ? "G2" : newSkews == 1 ? "G-single" : newReads > 0 ? "G1c" : "G0");
        } else {
          path.add(next);
          cycles(graph, start, next, path, newReads, newSkews, found);
          path.removeLast();
        }
      }
    }
  }
}
