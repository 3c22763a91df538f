package io.capsuledb.jepsen.check;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a checker says of a history.
 *
 * @param findings violations, at most {@link #MAX_FINDINGS}, the first ones
 * @param violations how many there are in all
 * @param undecided parts of the history that could not be decided within the checker's bounds: a
 *     run with any of them has not passed
 * @param figures what was looked at, by name
 */
public record Verdict(
    List<Finding> findings, long violations, List<String> undecided, Map<String, Long> figures) {

  /** Most violations that are told in full. */
  public static final int MAX_FINDINGS = 20;

  /** Copies the collections. */
  public Verdict {
    findings = List.copyOf(findings);
    undecided = List.copyOf(undecided);
    figures = Map.copyOf(figures);
  }

  /** Whether all was decided and nothing is wrong. */
  public boolean clean() {
    return violations == 0 && undecided.isEmpty();
  }

  /** The names of the properties that do not hold. */
  public Set<String> properties() {
    Set<String> names = new TreeSet<>();
    findings.forEach(finding -> names.add(finding.property()));
    return names;
  }

  /** Both in one. */
  public Verdict and(Verdict other) {
    Collector all = new Collector();
    all.add(this);
    all.add(other);
    return all.verdict();
  }

  /** Gathers findings. Not thread-safe. */
  static final class Collector {

    private final List<Finding> findings = new ArrayList<>();
    private final Set<String> told = new TreeSet<>();
    private final List<String> undecided = new ArrayList<>();
    private final Map<String, Long> figures = new LinkedHashMap<>();
    private long violations;

    void found(String property, String detail) {
      violations++;
      // The first of each property is told in any case.
      if (findings.size() < MAX_FINDINGS || told.add(property)) {
        told.add(property);
        findings.add(new Finding(property, detail));
      }
    }

    void undecided(String what) {
      if (undecided.size() < MAX_FINDINGS) {
        undecided.add(what);
      }
    }

    void count(String name, long amount) {
      figures.merge(name, amount, Long::sum);
    }

    private void add(Verdict verdict) {
      findings.addAll(verdict.findings);
      violations += verdict.violations;
      undecided.addAll(verdict.undecided);
      verdict.figures.forEach(this::count);
    }

    Verdict verdict() {
      return new Verdict(findings, violations, undecided, figures);
    }
  }
}
