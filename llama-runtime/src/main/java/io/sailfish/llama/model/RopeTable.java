package io.sailfish.llama.model;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.Tensor;

/**
 * Cosines and sines of the rotary embedding for every position of the context, computed in double
 * and rounded once.
 */
public final class RopeTable {
  /** Writing costs a call each time. */
  private static final int ROWS_AT_ONCE = 1024;

  private RopeTable() {}

  /** {@code [context, headDim]}: a row is the cosines, then the sines of its position's angles. */
  public static Tensor make(Backend backend, RopeConfig rope, int headDim, int context) {
    double[] frequencies = frequencies(rope, headDim);
    Tensor table = backend.exact(context, headDim, "rope table");
    float[] rows = new float[Math.min(context, ROWS_AT_ONCE) * headDim];
    float[] row = new float[headDim];
    for (int first = 0; first < context; first += ROWS_AT_ONCE) {
      int count = Math.min(ROWS_AT_ONCE, context - first);
      for (int i = 0; i < count; i++) {
        fillRow(row, first + i, frequencies);
        System.arraycopy(row, 0, rows, i * headDim, headDim);
      }
      backend.write(table, (long) first * headDim, rows, 0, count * headDim);
    }
    return table;
  }

  static void fillRow(float[] row, int position, double[] frequencies) {
    for (int i = 0; i < frequencies.length; i++) {
      double angle = position * frequencies[i];
      row[i] = (float) StrictMath.cos(angle);
      row[frequencies.length + i] = (float) StrictMath.sin(angle);
    }
  }

  /** Radians a position of each of the headDim / 2 pairs. */
  static double[] frequencies(RopeConfig rope, int headDim) {
    if (headDim % 2 != 0) {
      throw new IllegalArgumentException("rope: head dim must be even, got " + headDim);
    }
    double[] frequencies = new double[headDim / 2];
    for (int i = 0; i < frequencies.length; i++) {
      double base = StrictMath.pow(rope.theta(), -2.0 * i / headDim);
      frequencies[i] = scaled(base, i, rope.scaling());
    }
    return frequencies;
  }

  private static double scaled(double frequency, int pair, RopeConfig.Scaling scaling) {
    if (scaling instanceof RopeConfig.None) {
      return frequency;
    }
    if (scaling instanceof RopeConfig.Linear linear) {
      return frequency / linear.factor();
    }
    if (scaling instanceof RopeConfig.Llama3 llama3) {
      return llama3(frequency, llama3);
    }
    if (scaling instanceof RopeConfig.Factors factors) {
      return frequency / factors.divisors()[pair];
    }
    throw new IllegalArgumentException("rope: unknown scaling " + scaling);
  }

  /**
   * Llama 3.1's rule: waves longer than the original context over lowFreqFactor are stretched by
   * factor, those shorter than it over highFreqFactor are kept, between them a linear blend.
   */
  private static double llama3(double frequency, RopeConfig.Llama3 s) {
    double wavesInContext = s.originalContext() * frequency / (2 * StrictMath.PI);
    double blend = (wavesInContext - s.lowFreqFactor()) / (s.highFreqFactor() - s.lowFreqFactor());
    double kept = Math.max(0, Math.min(1, blend));
    return kept * frequency + (1 - kept) * frequency / s.factor();
  }
}
