package io.capsuledb.core.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class WorkBudgetTest {

  @Test
  void eventsAreCountedAndTheFirstBeyondTheBudgetIsAViolation() {
    WorkBudget budget = new WorkBudget(3, 10);
    for (int i = 0; i < 3; i++) {
      budget.spend(10);
    }
    assertThat(budget.events()).isEqualTo(3);
    assertThatThrownBy(() -> budget.spend(0))
        .isInstanceOfSatisfying(
            Violation.class,
            violation -> assertThat(violation.property()).isEqualTo(WorkBudget.PROPERTY));
  }

  @Test
  void tooManyThatWaitAreAViolation() {
    assertThatThrownBy(() -> new WorkBudget(3, 10).spend(11))
        .isInstanceOf(Violation.class)
        .hasMessageContaining("11 events wait");
  }

  @Test
  void whoeverWaitsForTheRunCanEndIt() {
    WorkBudget budget = new WorkBudget(Long.MAX_VALUE, 10);
    Thread.currentThread().interrupt();
    try {
      assertThatThrownBy(
              () -> {
                for (int i = 0; i < 10_000; i++) {
                  budget.spend(0);
                }
              })
          .isInstanceOf(Violation.class)
          .hasMessageContaining("interrupted");
    } finally {
      // The next test's thread is this one.
      assertThat(Thread.interrupted()).isTrue();
    }
  }
}
