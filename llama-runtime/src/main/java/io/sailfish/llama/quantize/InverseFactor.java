package io.sailfish.llama.quantize;

import org.netlib.lapack.Dpotrf;
import org.netlib.lapack.Dtrtri;
import org.netlib.util.intW;

/**
 * L⁻¹ of a symmetric positive definite matrix H = LLᵀ, in blocks: LAPACK does those on the
 * diagonal, everything between them is rows that lose multiples of other rows, which HotSpot turns
 * into vectors and which falls into independent pieces. LAPACK alone, as it was translated from
 * Fortran, takes ten times as long and one thread.
 *
 * <p>Each element is one fixed sequence of double operations, without fused ones: the same bits
 * whatever the threads, the width of vectors or the machine.
 */
final class InverseFactor {
  private static final int BLOCK = 64;

  /** Rows that a thread takes at a time. */
  private static final int STEP = 16;

  /** Columns that such rows lose multiples in before the next ones do: they stay in the cache. */
  private static final int WIDTH = 256;

  private final double[][] rows;
  private final int n;
  private final Workers workers;

  private InverseFactor(double[][] rows, Workers workers) {
    this.rows = rows;
    this.n = rows.length;
    this.workers = workers;
  }

  /**
   * Replaces H by L⁻¹.
   *
   * @param rows {@code [n, n]}, the lower triangle; what lies above is undefined afterwards
   * @return 0, or the order of the first leading minor that is not positive
   */
  static int of(double[][] rows, Workers workers) {
    InverseFactor factor = new InverseFactor(rows, workers);
    int failed = factor.decompose();
    if (failed == 0) {
      factor.invert();
    }
    return failed;
  }

  /** H becomes L, but for the blocks on the diagonal, which become those of L⁻¹. */
  private int decompose() {
    for (int first = 0; first < n; first += BLOCK) {
      int size = Math.min(BLOCK, n - first);
      double[] diagonal = block(first, size);
      intW info = new intW(0);
      Dpotrf.dpotrf("L", size, diagonal, 0, size, info);
      if (info.val != 0) {
        return first + info.val;
      }
      Dtrtri.dtrtri("L", "N", size, diagonal, 0, size, info);
      putBlock(first, size, diagonal);
      below(first, size);
    }
    return 0;
  }

  /** Column-major, as LAPACK has it. */
  private double[] block(int first, int size) {
    double[] block = new double[size * size];
    for (int i = 0; i < size; i++) {
      for (int j = 0; j <= i; j++) {
        block[i + j * size] = rows[first + i][first + j];
      }
    }
    return block;
  }

  private void putBlock(int first, int size, double[] block) {
    for (int i = 0; i < size; i++) {
      for (int j = 0; j < size; j++) {
        rows[first + i][first + j] = j <= i ? block[i + j * size] : 0;
      }
    }
  }

  /** The block column below a block of the diagonal, and what it takes from the rest of H. */
  private void below(int first, int size) {
    int next = first + size;
    int left = n - next;
    // [inputs of the block][rows below], so that a row of H loses multiples of contiguous numbers.
    double[][] column = new double[size][left];
    workers.run(
        pieces(left),
        (from, to) -> {
          for (int i = next + from * STEP; i < Math.min(n, next + to * STEP); i++) {
            solve(first, size, i);
            for (int t = 0; t < size; t++) {
              column[t][i - next] = rows[i][first + t];
            }
          }
        });
    workers.run(
        pieces(left),
        (from, to) -> {
          for (int piece = from; piece < to; piece++) {
            int start = next + piece * STEP;
            update(first, start, Math.min(n, start + STEP), column);
          }
        });
  }

  /** Takes from some rows, up to the diagonal, what a block column contributes. */
  private void update(int first, int from, int to, double[][] column) {
    int next = first + column.length;
    for (int at = 0; at < to - next; at += WIDTH) {
      for (int i = Math.max(from, next + at); i < to; i++) {
        int end = Math.min(i - next + 1, at + WIDTH);
        for (int t = 0; t < column.length; t += 4) {
          subtract(rows[i], next, rows[i], first + t, column, t, at, end);
        }
      }
    }
  }

  /** Row i of H times the transposed inverse of the diagonal's block. */
  private void solve(int first, int size, int i) {
    double[] row = rows[i];
    for (int j = size - 1; j >= 0; j--) {
      double sum = 0;
      double[] inverse = rows[first + j];
      for (int t = 0; t <= j; t++) {
        sum += row[first + t] * inverse[first + t];
      }
      row[first + j] = sum;
    }
  }

  /** L becomes L⁻¹, block row by block row from the top. */
  private void invert() {
    for (int first = BLOCK; first < n; first += BLOCK) {
      int start = first;
      int size = Math.min(BLOCK, n - first);
      double[][] sums = new double[size][first];
      workers.run(
          size,
          (from, to) -> {
            for (int t = 0; t < start; t += 4) {
              int end = t - t % BLOCK + BLOCK;
              for (int i = from; i < to; i++) {
                subtract(sums[i], 0, rows[start + i], t, rows, t, 0, end);
              }
            }
          });
      workers.run(
          size,
          (from, to) -> {
            for (int i = from; i < to; i++) {
              double[] row = new double[start];
              for (int t = 0; t <= i; t++) {
                add(row, rows[start + i][start + t], sums[t], start);
              }
              System.arraycopy(row, 0, rows[start + i], 0, start);
            }
          });
    }
  }

  private static int pieces(int count) {
    return (count + STEP - 1) / STEP;
  }

  /** y[yAt + j] -= Σ factors[at + t] · x[from + t][j] over four t, for j in [start, end). */
  private static void subtract(
      double[] y, int yAt, double[] factors, int at, double[][] x, int from, int start, int end) {
    double f0 = factors[at];
    double f1 = factors[at + 1];
    double f2 = factors[at + 2];
    double f3 = factors[at + 3];
    double[] x0 = x[from];
    double[] x1 = x[from + 1];
    double[] x2 = x[from + 2];
    double[] x3 = x[from + 3];
    for (int j = start; j < end; j++) {
      y[yAt + j] -= f0 * x0[j] + f1 * x1[j] + f2 * x2[j] + f3 * x3[j];
    }
  }

  private static void add(double[] y, double factor, double[] x, int count) {
    for (int j = 0; j < count; j++) {
      y[j] += factor * x[j];
    }
  }
}
