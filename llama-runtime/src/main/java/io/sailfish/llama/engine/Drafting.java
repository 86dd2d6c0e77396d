package io.sailfish.llama.engine;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;

/** Whether an engine guesses how rows go on (docs/adr/0012). The answers are the same. */
public enum Drafting {
  /** It does not. */
  OFF,
  /** While it makes answers faster, as measured, and mistakes have not cost too much. */
  AUTO,
  /** While it makes answers faster, as measured, whatever mistakes have cost. */
  ON,
  /** Wherever there is anything to guess from, whether that pays or not: for checks. */
  ALWAYS;

  static final String KEY = "spark.sailfish.engine.speculation";

  /**
   * @param setting {@code auto}, {@code on}, {@code always} or {@code off}
   */
  static Drafting of(String setting) {
    return switch (setting) {
      case "on" -> ON;
      case "always" -> ALWAYS;
      case "auto" -> AUTO;
      case "off" -> OFF;
      default ->
          throw new RuntimeFailure(
              Kind.USER, KEY + "=" + setting + " must be auto, on, always or off", null);
    };
  }

  /** Whether guesses are made by what they gain. */
  boolean isMeasured() {
    return this == AUTO || this == ON;
  }
}
