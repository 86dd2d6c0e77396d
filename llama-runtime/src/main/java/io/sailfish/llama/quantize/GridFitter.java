package io.sailfish.llama.quantize;

import io.sailfish.kernels.format.TwoByteFloat;

/** Chooses scales, zero points and tables for a matrix. */
final class GridFitter {
  /** Ranges tried when clipping: from the whole one down in steps of 1/50, to 1/2. */
  private static final int CLIP_STEPS = 25;

  private static final float CLIP_STEP = 0.02f;

  private final Recipe.Choice choice;
  private final Matrix matrix;
  private final double[] importance;
  private final int group;
  private final FittedGrid fitted;

  private GridFitter(Recipe.Choice choice, Matrix matrix, double[] importance) {
    Grid grid = choice.grid();
    this.choice = choice;
    this.matrix = matrix;
    this.importance = importance;
    this.group = choice.group() == 0 ? matrix.cols() : choice.group();
    int count = matrix.rows() * FittedGrid.groups(matrix.cols(), group);
    int strips = (matrix.rows() + FittedGrid.STRIP - 1) / FittedGrid.STRIP;
    this.fitted =
        new FittedGrid(
            grid,
            matrix.rows(),
            matrix.cols(),
            group,
            FittedGrid.groups(matrix.cols(), group),
            new float[count],
            grid.integers() ? new int[count] : null,
            grid.learned() ? new float[strips * grid.codes()] : grid.table());
  }

  /**
   * Fits the grid of a choice.
   *
   * @param importance {@code [cols]} weight of an error on each input, or null for equal ones
   */
  static FittedGrid fit(Recipe.Choice choice, Matrix matrix, double[] importance, Workers workers) {
    GridFitter fitter = new GridFitter(choice, matrix, importance);
    workers.run(matrix.rows(), fitter::fitRows);
    if (choice.grid().learned()) {
      int strips = (matrix.rows() + FittedGrid.STRIP - 1) / FittedGrid.STRIP;
      double[] shares = choice.sensitive() ? importance : null;
      workers.run(
          strips,
          (from, to) -> {
            for (int strip = from; strip < to; strip++) {
              new TableFitter(matrix, shares, fitter.fitted, strip).fit();
            }
          });
    }
    return fitter.fitted;
  }

  private void fitRows(int from, int to) {
    for (int row = from; row < to; row++) {
      for (int g = 0; g < fitted.groups(); g++) {
        int first = g * group;
        fitGroup(row, first, Math.min(matrix.cols(), first + group));
      }
    }
  }

  private void fitGroup(int row, int first, int end) {
    float low = 0;
    float high = 0;
    for (int c = first; c < end; c++) {
      float weight = matrix.values()[row * matrix.cols() + c];
      low = Math.min(low, weight);
      high = Math.max(high, weight);
    }
    int at = row * fitted.groups() + first / group;
    set(at, low, high);
    if (!choice.clip() || choice.grid().learned() || low == high) {
      return;
    }
    float bestShare = 1;
    double least = error(row, first, end, Double.POSITIVE_INFINITY);
    for (int step = 1; step <= CLIP_STEPS; step++) {
      float share = 1 - step * CLIP_STEP;
      set(at, share * low, share * high);
      double error = error(row, first, end, least);
      if (error < least) {
        least = error;
        bestShare = share;
      }
    }
    set(at, bestShare * low, bestShare * high);
  }

  /** Scale and zero point of a group whose weights lie in [low, high], zero included. */
  private void set(int at, float low, float high) {
    float largest = Math.max(-low, high);
    if (!choice.grid().integers()) {
      fitted.scales()[at] = half(largest);
      return;
    }
    int most = choice.grid().codes() - 1;
    if (choice.grid().symmetric()) {
      fitted.scales()[at] = half(2 * largest / most);
      fitted.zeros()[at] = (most + 1) / 2;
      return;
    }
    float scale = half((high - low) / most);
    fitted.scales()[at] = scale;
    fitted.zeros()[at] = scale == 0 ? 0 : FittedGrid.clamp((int) Math.rint(-low / scale), most);
  }

  private static float half(float value) {
    return TwoByteFloat.F16.decode(TwoByteFloat.F16.encode(value));
  }

  /** Squared error of a group; as soon as it is no less than {@code most}, only some of it. */
  private double error(int row, int first, int end, double most) {
    double sum = 0;
    int at = row * fitted.groups() + first / group;
    for (int c = first; c < end && sum < most; c++) {
      float weight = matrix.values()[row * matrix.cols() + c];
      int code = fitted.nearestInGroup(row, at, weight);
      double error = weight - fitted.valueInGroup(row, at, code);
      sum += error * error * (importance == null ? 1 : importance[c]);
    }
    return sum;
  }
}
