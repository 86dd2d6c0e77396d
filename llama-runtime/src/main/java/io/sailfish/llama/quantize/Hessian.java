package io.sailfish.llama.quantize;

/**
 * Second moments Σ xᵀx of the activations that a matrix multiplies: the Hessian, up to a factor, of
 * the squared error of its outputs.
 *
 * @param cols inputs
 * @param gram {@code [cols, cols]}, the upper triangle
 */
record Hessian(int cols, double[] gram) {
  /** What an input that no activation reaches gets on the diagonal, where no damping helps. */
  private static final double FLOOR = 1;

  /** sum += part, element by element. */
  static void add(double[] sum, double[] part) {
    for (int i = 0; i < sum.length; i++) {
      sum[i] += part[i];
    }
  }

  /** The upper triangle, row by row: half of what would cross the wire. */
  double[] upper() {
    double[] upper = new double[Math.multiplyExact(cols, cols + 1) / 2];
    int to = 0;
    for (int i = 0; i < cols; i++) {
      System.arraycopy(gram, i * cols + i, upper, to, cols - i);
      to += cols - i;
    }
    return upper;
  }

  static Hessian ofUpper(int cols, double[] upper) {
    double[] gram = new double[Math.multiplyExact(cols, cols)];
    int from = 0;
    for (int i = 0; i < cols; i++) {
      System.arraycopy(upper, from, gram, i * cols + i, cols - i);
      from += cols - i;
    }
    return new Hessian(cols, gram);
  }

  double at(int i, int j) {
    return i <= j ? gram[i * cols + j] : gram[j * cols + i];
  }

  /** Second moment of each input. */
  double[] diagonal() {
    double[] diagonal = new double[cols];
    for (int i = 0; i < cols; i++) {
      diagonal[i] = gram[i * cols + i];
    }
    return diagonal;
  }

  /**
   * The upper factor R of the damped inverse, (P H Pᵀ + λI)⁻¹ = RᵀR, that GPTQ runs on; row-major
   * in fp32.
   *
   * <p>Not by inverting: with rows and columns in reverse order H = LLᵀ, and R is L⁻¹ reversed
   * again. That is half the work and one rounding less.
   *
   * @param order P: position i is input {@code order[i]}
   * @param damping λ as a share of the mean of the diagonal
   * @throws IllegalArgumentException when the damped matrix is not positive definite
   */
  float[] inverseFactor(int[] order, double damping, Workers workers) {
    double mean = 0;
    for (int i = 0; i < cols; i++) {
      mean += at(i, i) / cols;
    }
    double lambda = mean > 0 ? damping * mean : FLOOR;
    double[][] reversed = new double[cols][cols];
    for (int i = 0; i < cols; i++) {
      for (int j = 0; j <= i; j++) {
        reversed[i][j] = at(order[cols - 1 - i], order[cols - 1 - j]) + (i == j ? lambda : 0);
      }
    }
    int failed = InverseFactor.of(reversed, workers);
    if (failed != 0) {
      throw new IllegalArgumentException(
          ("the Hessian of %d inputs is not positive definite (minor %d) with damping %s;"
                  + " raise the damping or give more calibration text")
              .formatted(cols, failed, damping));
    }
    float[] factor = new float[cols * cols];
    for (int i = 0; i < cols; i++) {
      for (int j = i; j < cols; j++) {
        factor[i * cols + j] = (float) reversed[cols - 1 - i][cols - 1 - j];
      }
    }
    return factor;
  }

  /** The moments in fp32, row-major, the upper triangle. */
  float[] floats() {
    float[] floats = new float[gram.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) gram[i];
    }
    return floats;
  }

  /**
   * Σ over rows of δ H δᵀ: the squared error of outputs whose weights are off by δ.
   *
   * @param moments {@link #floats}
   * @param errors {@code [rows, cols]}
   */
  static double quadratic(float[] moments, float[][] errors) {
    int cols = errors[0].length;
    float[][] products = new float[errors.length][cols];
    for (int i = 0; i < cols; i++) {
      for (int r = 0; r < errors.length; r++) {
        addMultiple(products[r], errors[r][i], moments, i * cols, i + 1, cols);
      }
    }
    double sum = 0;
    for (int r = 0; r < errors.length; r++) {
      for (int i = 0; i < cols; i++) {
        double own = (double) moments[i * cols + i] * errors[r][i];
        sum += (2.0 * products[r][i] + own) * errors[r][i];
      }
    }
    return sum;
  }

  private static void addMultiple(
      float[] sum, float factor, float[] moments, int at, int from, int to) {
    for (int j = from; j < to; j++) {
      sum[j] += factor * moments[at + j];
    }
  }
}
