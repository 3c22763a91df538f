package io.capsuledb.host.attest.verdict;

import io.capsuledb.host.attest.verdict.Check.Outcome;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What came of judging one piece of evidence.
 *
 * <p>Invariants: there is exactly one answer for each question on the list of its type, in that
 * list's order, and a question that was never reached is a failed one; {@link #accepted} is that no
 * check failed. So a verifier that stops early, for whatever reason, has rejected. Immutable.
 */
public final class Verdict {

  private final String type;
  private final List<Check> checks;
  private final List<Claim> claims;
  private final @Nullable TcbStatus tcbStatus;
  private final List<String> advisories;
  private final @Nullable Boolean debug;
  private final String anchor;
  private final boolean simulated;
  private final @Nullable Instant validUntil;
  private final int tcbEvaluationNumber;

  private Verdict(Draft draft) {
    this.type = draft.type;
    this.claims = List.copyOf(draft.claims);
    this.tcbStatus = draft.tcbStatus;
    this.advisories = List.copyOf(draft.advisories);
    this.debug = draft.debug;
    this.anchor = draft.anchor;
    this.simulated = draft.simulated;
    this.validUntil = draft.validUntil;
    this.tcbEvaluationNumber = draft.tcbEvaluationNumber;
    List<Check> all = new ArrayList<>();
    draft.answers.forEach(
        (name, check) ->
            all.add(
                check == null
                    ? new Check(name, Outcome.FAILED, "not reached: " + draft.firstFailure())
                    : check));
    this.checks = List.copyOf(all);
  }

  /** The kind and version of the evidence, such as {@code tdx-quote-v4}. */
  public String type() {
    return type;
  }

  /** Whether no check failed. */
  public boolean accepted() {
    return checks.stream().noneMatch(check -> check.outcome() == Outcome.FAILED);
  }

  /** Every check, in the order in which they are made. */
  public List<Check> checks() {
    return checks;
  }

  /** The check of that name, or null. */
  public @Nullable Check check(String name) {
    return checks.stream().filter(check -> check.name().equals(name)).findFirst().orElse(null);
  }

  /** What the evidence says: to be believed only if the verdict is accepted. */
  public List<Claim> claims() {
    return claims;
  }

  /**
   * The platform's status, where the evidence's signatures and everything supplied for it are in
   * order; otherwise null, and null for AMD's evidence.
   */
  public @Nullable TcbStatus tcbStatus() {
    return tcbStatus;
  }

  /** Known weaknesses of the platform at its level, sorted. */
  public List<String> advisories() {
    return advisories;
  }

  /** Whether the host may read the memory of what is attested; null if that could not be read. */
  public @Nullable Boolean debug() {
    return debug;
  }

  /** The name of the root that the evidence leads to; empty if to none. */
  public String anchor() {
    return anchor;
  }

  /** Whether that root is a simulated one. */
  public boolean simulated() {
    return simulated;
  }

  /** When the first of the certificates, lists and documents runs out; null if none was read. */
  public @Nullable Instant validUntil() {
    return validUntil;
  }

  /** Intel's number of the TCB evaluation; negative where there is none. */
  public int tcbEvaluationNumber() {
    return tcbEvaluationNumber;
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(type).append(accepted() ? " accepted" : " rejected");
    for (Check check : checks) {
      if (check.outcome() == Outcome.FAILED) {
        text.append("; ").append(check.name()).append(": ").append(check.reason());
      }
    }
    return text.toString();
  }

  /** A verdict in the making. Not thread-safe. */
  public static final class Draft {

    private final String type;
    private final Map<String, @Nullable Check> answers = new LinkedHashMap<>();
    private final List<Claim> claims = new ArrayList<>();
    private @Nullable TcbStatus tcbStatus;
    private final NavigableSet<String> advisories = new TreeSet<>();
    private @Nullable Boolean debug;
    private String anchor = "";
    private boolean simulated;
    private @Nullable Instant validUntil;
    private int tcbEvaluationNumber = -1;

    /**
     * A draft without any answer.
     *
     * @param questions the names of all checks, in their order
     */
    public Draft(String type, List<String> questions) {
      this.type = type;
      for (String question : questions) {
        answers.put(question, null);
      }
    }

    private String firstFailure() {
      return answers.values().stream()
          .filter(check -> check != null && check.outcome() == Outcome.FAILED)
          .map(check -> check.name() + " failed")
          .findFirst()
          .orElse("the checks ended before it");
    }

    /** Records an answer; a question that is not on the list, or twice, is a defect. */
    private void answer(String name, Outcome outcome, String reason) {
      if (!answers.containsKey(name) || answers.get(name) != null) {
        throw new IllegalStateException(name + " is not an open question of " + type);
      }
      answers.put(name, new Check(name, outcome, reason));
    }

    public void pass(String name, String reason) {
      answer(name, Outcome.PASSED, reason);
    }

    public void fail(String name, String reason) {
      answer(name, Outcome.FAILED, reason);
    }

    public void notApplicable(String name, String reason) {
      answer(name, Outcome.NOT_APPLICABLE, reason);
    }

    /**
     * Records a check that finds faults.
     *
     * @param fault one sentence, or null if there is none
     * @return whether it passed
     */
    public boolean judge(String name, @Nullable String fault, String goodReason) {
      if (fault == null) {
        pass(name, goodReason);
      } else {
        fail(name, fault);
      }
      return fault == null;
    }

    /** Records every question that has no answer yet. */
    public void openQuestions(Consumer<String> each) {
      List<String> open = new ArrayList<>();
      answers.forEach(
          (name, check) -> {
            if (check == null) {
              open.add(name);
            }
          });
      open.forEach(each);
    }

    /** Whether nothing failed so far. */
    public boolean clean() {
      return answers.values().stream()
          .noneMatch(check -> check != null && check.outcome() == Outcome.FAILED);
    }

    /** Whether {@code name} was answered, and passed. */
    public boolean passed(String name) {
      Check check = answers.get(name);
      return check != null && check.outcome() == Outcome.PASSED;
    }

    public void claims(List<Claim> all) {
      claims.addAll(all);
    }

    public void status(TcbStatus status) {
      this.tcbStatus = status;
    }

    public void advisories(Iterable<String> names) {
      names.forEach(advisories::add);
    }

    public void debug(boolean on) {
      this.debug = on;
    }

    public void anchor(String name, boolean isSimulated) {
      this.anchor = name;
      this.simulated = isSimulated;
    }

    public void tcbEvaluationNumber(int number) {
      this.tcbEvaluationNumber = number;
    }

    /** Something runs out at {@code end}. */
    public void validUntil(Instant end) {
      if (validUntil == null || end.isBefore(validUntil)) {
        validUntil = end;
      }
    }

    /** The verdict so far. */
    public Verdict finish() {
      return new Verdict(this);
    }
  }
}
