package io.sailfish.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class RunFactsTest {
  private static final String UNKNOWN =
      "cards that nvidia-smi does not name, %d processors"
          .formatted(Runtime.getRuntime().availableProcessors());

  @Test
  void cardsAreCountedByTheirNames() {
    assertEquals("A, driver 1.2, 16 processors", RunFacts.cards(List.of("A, 1.2"), 16));
    assertEquals(
        "2 x A, driver 1.2, 32 processors", RunFacts.cards(List.of("A, 1.2", "A, 1.2"), 32));
    assertEquals(
        "2 x A, driver 1.2 and B, driver 1.2, 8 processors",
        RunFacts.cards(List.of("A, 1.2", "B, 1.2", "A, 1.2"), 8));
  }

  @Test
  void aRunOnOneCardIsNoRunOnAll() {
    assertEquals("A, driver 1, 2 processors", RunFacts.oneOf("A, driver 1, 2 processors"));
    String four = RunFacts.cards(List.of("A, 1", "A, 1", "A, 1", "A, 1"), 64);
    assertEquals("one of 4 x A, driver 1, 64 processors", RunFacts.oneOf(four));
  }

  /** nvidia-smi tells of its failure where it would name the cards. */
  @Test
  void aFailureIsNoCard() {
    assertEquals(UNKNOWN, RunFacts.cards("sh", "-c", "echo NVIDIA-SMI has failed; exit 9"));
    assertEquals(UNKNOWN, RunFacts.cards("true"));
  }

  /** As in a container that was given the driver alone: hours of a run must not end in nothing. */
  @Test
  void aResultIsKeptWhereNothingNamesItsCard() {
    assertEquals(UNKNOWN, RunFacts.cards("nvidia-smi-that-is-not-there"));
  }
}
