package io.capsuledb.host.attest.verdict;

import java.util.Locale;

/**
 * One question that was asked of evidence.
 *
 * @param name its stable name
 * @param outcome the answer
 * @param reason one sentence: what was found, or why the question does not arise
 */
public record Check(String name, Outcome outcome, String reason) {

  /** Answers. */
  public enum Outcome {
    PASSED,
    FAILED,
    NOT_APPLICABLE;

    /** In lower case, with a hyphen. */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }
}
