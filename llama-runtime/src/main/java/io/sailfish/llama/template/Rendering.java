package io.sailfish.llama.template;

import java.time.Clock;

/**
 * State of one rendering: output, the line being run, and what is left of its limits. Templates
 * come with downloaded models, so an endless or exploding one has to end with an error.
 */
final class Rendering {
  private static final int MAX_MACRO_DEPTH = 32;

  /** Characters that cost as much as one step: copying them takes about as long. */
  private static final int CHARS_PER_STEP = 64;

  private final Clock clock;
  private final long maxSteps;
  private final long maxChars;
  private StringBuilder output = new StringBuilder();
  private long steps;
  private int macroDepth;
  private int line = 1;

  Rendering(Clock clock, long maxSteps, long maxChars) {
    this.clock = clock;
    this.maxSteps = maxSteps;
    this.maxChars = maxChars;
  }

  Clock clock() {
    return clock;
  }

  int line() {
    return line;
  }

  /** Counts a node about to run. */
  void step(int line) {
    this.line = line;
    spend(1);
  }

  void spend(long count) {
    steps += count;
    if (steps > maxSteps) {
      throw new TemplateException("the template takes more than " + maxSteps + " steps");
    }
  }

  /** Asks for a string of {@code length} characters, or a list of as many items, beforehand. */
  void reserve(long length) {
    checkLength(length);
    spend(length / CHARS_PER_STEP);
  }

  void print(String text) {
    checkLength(output.length() + (long) text.length());
    spend(text.length() / CHARS_PER_STEP);
    output.append(text);
  }

  private void checkLength(long length) {
    if (length > maxChars) {
      throw new TemplateException(
          "the template makes a value of " + length + " characters, more than " + maxChars);
    }
  }

  String output() {
    return output.toString();
  }

  /** Runs {@code body} and returns what it printed instead of printing it. */
  String capture(Runnable body) {
    StringBuilder outside = output;
    output = new StringBuilder();
    try {
      body.run();
      return output.toString();
    } finally {
      output = outside;
    }
  }

  Object callMacro(java.util.function.Supplier<Object> body) {
    if (++macroDepth > MAX_MACRO_DEPTH) {
      throw new TemplateException("macros call each other more than " + MAX_MACRO_DEPTH + " deep");
    }
    try {
      return body.get();
    } finally {
      macroDepth--;
    }
  }
}
