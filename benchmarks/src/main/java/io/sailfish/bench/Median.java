package io.sailfish.bench;

import java.util.Arrays;
import java.util.List;

/**
 * What stands for repeated measurements: the middle one, of an even number the middle two's mean.
 */
public final class Median {
  private Median() {}

  public static double of(double... values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
  }

  public static double of(List<Double> values) {
    return of(values.stream().mapToDouble(Double::doubleValue).toArray());
  }
}
