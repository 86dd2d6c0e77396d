package io.sailfish.bench;

import io.sailfish.llama.evaluate.BarPlot;
import java.util.List;

/**
 * Bars of figures against their bounds: the longer a bar, the better; the line is the bound. For a
 * "lower is better" figure the bar is must / value, otherwise value / must.
 */
final class FigurePlot {
  private static final int LABEL_WIDTH = 330;
  private static final int BOUND_AT = 250;

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
    BarPlot plot = new BarPlot(LABEL_WIDTH);
    for (Bar bar : bars) {
      double share = bar.share();
      plot.bar(
          bar.target.id(),
          share * BOUND_AT,
          share >= 1 ? BarPlot.GOOD : BarPlot.BAD,
          PerformancePage.number(bar.value) + " " + bar.target.unit());
    }
    return plot.line(BOUND_AT, "bound").svg();
  }
}
