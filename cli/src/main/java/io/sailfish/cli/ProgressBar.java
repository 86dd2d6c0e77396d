package io.sailfish.cli;

import java.io.PrintStream;
import java.util.Locale;

/** How far a long command is: redrawn in place on a terminal, a line now and then in a log. */
final class ProgressBar {
  private static final int WIDTH = 30;
  private static final long LOG_NANOS = 10_000_000_000L;

  private final PrintStream err;
  private final boolean terminal;
  private final String unit;
  private final long start = System.nanoTime();
  private long shown = start;

  /**
   * @param unit what is counted, such as {@code layers}
   */
  ProgressBar(String unit) {
    this(unit, System.err, onTerminal());
  }

  /** Whether lines can be redrawn in place. */
  static boolean onTerminal() {
    return System.console() != null && !"dumb".equals(System.getenv().getOrDefault("TERM", "dumb"));
  }

  ProgressBar(String unit, PrintStream err, boolean terminal) {
    this.unit = unit;
    this.err = err;
    this.terminal = terminal;
  }

  void show(int done, int of, String detail) {
    long now = System.nanoTime();
    if (!terminal && now - shown < LOG_NANOS && done < of) {
      return;
    }
    shown = now;
    double seconds = (now - start) / 1e9;
    int full = (int) ((long) WIDTH * done / Math.max(1, of));
    String line =
        String.format(
            Locale.ROOT,
            "[%s%s] %d of %d %s, %.0f s, %.0f s to go  %s",
            "#".repeat(full),
            ".".repeat(WIDTH - full),
            done,
            of,
            unit,
            seconds,
            seconds / Math.max(1, done) * (of - done),
            detail);
    if (terminal) {
      err.printf("\r%-90s%s", line, done == of ? "\n" : "");
    } else {
      err.println(line);
    }
  }
}
