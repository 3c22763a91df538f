package io.capsuledb.jepsen.check;

import io.capsuledb.jepsen.history.Completed;
import io.capsuledb.jepsen.history.Op;
import io.capsuledb.jepsen.history.Term;
import java.util.List;

/**
 * Money is moved, never made or lost. Operations: {@code transfer}, and {@code read} or {@code
 * final-read} of the balances of all accounts at one time. Every read has the same sum, and no
 * balance is below nothing.
 */
public final class BankChecker {

  private BankChecker() {}

  /**
   * Checks a history.
   *
   * @param total the sum of all balances
   */
  public static Verdict check(List<Op> history, long total) {
    Verdict.Collector found = new Verdict.Collector();
    for (Completed completed : Completed.of(history)) {
      if (!completed.isOk() || completed.invoke().function().equals("transfer")) {
        found.count("transfers", completed.isOk() && completed.end().applied() ? 1 : 0);
        continue;
      }
      found.count("reads", 1);
      long sum = 0;
      for (Term balance : completed.end().value().items()) {
        if (balance.isNil()) {
          found.found("bank-account-lost", "an account is absent at " + at(completed));
          continue;
        }
        sum += balance.asLong();
        if (balance.asLong() < 0) {
          found.found("bank-negative", "a balance is " + balance.asLong() + " at " + at(completed));
        }
      }
      if (sum != total) {
        found.found("bank-total", "the sum is " + sum + ", not " + total + ", at " + at(completed));
      }
    }
    return found.verdict();
  }

  private static String at(Completed read) {
    return "the read of events " + read.begin() + " to " + read.finish();
  }
}
