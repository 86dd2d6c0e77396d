package io.sailfish.bench;

import java.util.List;
import java.util.Locale;

/**
 * Bars of figures against their bounds: the longer a bar, the better; the line is the bound. For a
 * "lower is better" figure the bar is must / value, otherwise value / must.
 */
final class FigurePlot {
  private static final int LABEL_WIDTH = 330;
  private static final int BOUND_AT = 250;
  private static final int MAX_BAR = 430;
  private static final int ROW = 20;

  /** A measured figure. */
  record Bar(Target target, double value) {
    double share() {
      boolean lower = target.better().equals("lower");
      double numerator = lower ? target.must() : value;
      double denominator = lower ? value : target.must();
      if (denominator == 0) {
        return numerator == 0 ? 1 : Double.POSITIVE_INFINITY;
      }
      return Math.max(0, numerator / denominator);
    }
  }

  private FigurePlot() {}

  static String svg(List<Bar> bars) {
    int height = bars.size() * ROW + 30;
    int width = LABEL_WIDTH + MAX_BAR + 90;
    StringBuilder svg = new StringBuilder();
    svg.append(
        """
        <svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">
        <rect width="%d" height="%d" fill="white"/>
        """
            .formatted(width, height, width, height));
    for (int i = 0; i < bars.size(); i++) {
      bar(bars.get(i), 10 + i * ROW, svg);
    }
    int line = LABEL_WIDTH + BOUND_AT;
    svg.append(
        """
        <line x1="%d" y1="4" x2="%d" y2="%d" stroke="black" stroke-dasharray="4 3"/>
        <text x="%d" y="%d" text-anchor="middle">bound</text>
        </svg>
        """
            .formatted(line, line, height - 18, line, height - 5));
    return svg.toString();
  }

  private static void bar(Bar bar, int y, StringBuilder svg) {
    double share = bar.share();
    int length = (int) Math.min(MAX_BAR, Math.round(share * BOUND_AT));
    svg.append(
        String.format(
            Locale.ROOT,
            """
            <text x="%d" y="%d" text-anchor="end">%s</text>
            <rect x="%d" y="%d" width="%d" height="14" fill="%s"/>
            <text x="%d" y="%d">%s %s</text>
            """,
            LABEL_WIDTH - 6,
            y + 11,
            bar.target.id(),
            LABEL_WIDTH,
            y,
            Math.max(1, length),
            share >= 1 ? "#4a8f5c" : "#c9713b",
            LABEL_WIDTH + length + 5,
            y + 11,
            PerformancePage.number(bar.value),
            bar.target.unit()));
  }
}
