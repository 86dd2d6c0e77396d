package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class StepCostsTest {
  private final StepCosts costs = new StepCosts(64, 0);

  @Test
  void betweenMeasurementsLiesALineAndBeyondThemItGoesOn() {
    assertEquals(0, costs.largest(1));
    costs.note(2, 100, 1);
    assertEquals(100, costs.nanos(1, 1));
    assertEquals(100 * (1 + 7 / 18.0), costs.nanos(9, 1), 1e-9, "cheap, so that it is tried");
    costs.note(6, 140, 1);
    assertEquals(100, costs.nanos(1, 1));
    assertEquals(120, costs.nanos(4, 1));
    assertEquals(140, costs.nanos(6, 1));
    assertEquals(180, costs.nanos(10, 1));
    costs.note(7, 90, 1);
    assertEquals(90, costs.nanos(10, 1), "more rows are never cheaper");
  }

  @Test
  void aMeasurementCountsForAWhileThatGrowsWithTheirNumber() {
    costs.note(4, 100, 1);
    assertTrue(costs.knows(4, 33));
    assertFalse(costs.knows(4, 34));
    costs.note(4, 300, 34);
    assertEquals(300, costs.nanos(4, 34), "what it was before no longer counts");
    assertTrue(costs.knows(4, 34 + 64));
    assertFalse(costs.knows(4, 34 + 65));
    for (int step = 100; step < 200; step++) {
      costs.note(4, 300, step);
    }
    assertTrue(costs.knows(4, 199 + 512));
    assertFalse(costs.knows(4, 199 + 513));
  }

  @Test
  void delayedStepsChangeNothingUntilTheyGoOn() {
    for (int step = 1; step < 20; step++) {
      costs.note(4, 100, step);
    }
    for (int step = 20; step < 23; step++) {
      costs.note(4, 1_000_000, step);
    }
    assertEquals(100, costs.nanos(4, 22));
    costs.note(4, 300, 23);
    assertEquals(140, costs.nanos(4, 23), 1e-9);
  }

  @Test
  void stepsThatMayTakeLongerDoNotCount() {
    StepCosts recorded = new StepCosts(64, 2);
    recorded.note(4, 10_000, 1);
    recorded.note(4, 5_000, 2);
    assertFalse(recorded.knows(4, 2));
    recorded.note(4, 100, 3);
    assertTrue(recorded.knows(4, 3));
    assertEquals(100, recorded.nanos(4, 3));
    assertEquals(4, recorded.largest(3));
  }

  @Test
  void moreRowsThanAreKeptAreLeftOut() {
    costs.note(65, 100, 1);
    assertFalse(costs.knows(65, 1));
    assertEquals(0, costs.largest(1));
  }
}
