package io.sailfish.llama.quantize;

/**
 * A grid fitted to a matrix: scale and zero point of each group of each output, and the table. A
 * weight is s · (q - z) of integers, s · T[q] of tables. Scales and learned tables are binary16
 * values, which every layout of weights keeps as they are.
 *
 * @param group inputs that share a scale
 * @param groups of an output
 * @param scales {@code [rows][groups]}
 * @param zeros {@code [rows][groups]}; null with tables
 * @param tables {@code [strips of 64 outputs][codes]} where learned, {@code [codes]} where fixed,
 *     null for integers
 */
public record FittedGrid(
    Grid grid,
    int rows,
    int cols,
    int group,
    int groups,
    float[] scales,
    int[] zeros,
    float[] tables) {
  /** Outputs that share a learned table, as in packed layouts. */
  static final int STRIP = 64;

  static int groups(int cols, int group) {
    return (cols + group - 1) / group;
  }

  private int at(int row, int col) {
    return row * groups + col / group;
  }

  private int table(int row) {
    return grid.learned() ? row / STRIP * grid.codes() : 0;
  }

  /** Code of the value that is nearest to a weight; the lower one of equals. */
  int nearest(int row, int col, float weight) {
    return nearestInGroup(row, at(row, col), weight);
  }

  /**
   * The same where the place of the group is known.
   *
   * @param at index of its scale
   */
  int nearestInGroup(int row, int at, float weight) {
    float scale = scales[at];
    if (tables != null) {
      return nearestOfTable(table(row), scale, weight);
    }
    int zero = zeros[at];
    // Division and not a product with 1/s: it is what the reference tools round.
    return scale == 0 ? zero : clamp((int) Math.rint(weight / scale) + zero, grid.codes() - 1);
  }

  private int nearestOfTable(int first, float scale, float weight) {
    int best = 0;
    float least = Float.POSITIVE_INFINITY;
    for (int q = 0; q < grid.codes(); q++) {
      float distance = Math.abs(weight - tables[first + q] * scale);
      if (distance < least) {
        least = distance;
        best = q;
      }
    }
    return best;
  }

  static int clamp(int code, int most) {
    return Math.max(0, Math.min(most, code));
  }

  /** What a code stands for. */
  float value(int row, int col, int code) {
    return valueInGroup(row, at(row, col), code);
  }

  float valueInGroup(int row, int at, int code) {
    return tables == null
        ? scales[at] * (code - zeros[at])
        : tables[table(row) + code] * scales[at];
  }
}
