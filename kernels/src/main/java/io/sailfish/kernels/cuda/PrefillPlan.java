package io.sailfish.kernels.cuda;

/**
 * Who multiplies what in a prefill product: whole tiles first, then tiles cut into pieces, along K
 * or into 64 rows each. A tile is a pair of panels and 128 rows, the work of a cluster of two
 * blocks. Geometry as gemm_prefill_sm90.cu states it.
 *
 * @param parts ranges of K whose sums are added in order: fixed by K and N, so that a row's bits
 *     are
 * @param wholeRounds tiles that each cluster multiplies whole
 * @param splitTiles tiles left after those, each cut into {@code pieces}
 * @param pieces clusters that share a split tile; along K a power of two, at most {@code parts}
 * @param byRows whether split tiles are cut into two times 64 rows; each cluster has one at most
 * @param cost groups of 128 inputs that the busiest cluster works through, adding up included
 */
record PrefillPlan(
    int parts, int wholeRounds, int splitTiles, int pieces, boolean byRows, long cost) {
  /** The card that {@link #parts} is chosen for; never the card at hand: bits would differ. */
  private static final int REFERENCE_MULTIPROCESSORS = 132;

  private static final int MAX_PARTS = 4;
  private static final int MIN_GROUPS_A_PART = 4;

  /** What adding up the pieces of a tile costs, in groups. */
  private static final int ADDING_UP = 5;

  /**
   * What half of a tile's rows cost of the whole: each weight is made for fewer of them. With this,
   * the fastest plan is chosen for every layer of Llama 8B that was measured with each (H200, int4;
   * us by halves and without): 4096 x 28672 at 256 rows 88.2 and 92.5, 4096 x 4096 at 256 18.9 and
   * 20.5, 4096 x 6144 at 128 17.2 and 17.6; not by halves 14336 x 4096 at 256, 54.9 and 47.1.
   */
  private static final int HALF_ROWS_PERCENT = 60;

  /**
   * @param groups blocks of 128 inputs
   * @param panels blocks of 128 outputs
   * @param rowBlocks blocks of 128 rows
   */
  static PrefillPlan of(int groups, int panels, int rowBlocks, int multiprocessors) {
    int tiles = Math.multiplyExact((panels + 1) / 2, rowBlocks);
    int clusters = clusters(multiprocessors);
    PrefillPlan best = best(groups, tiles, parts(groups, panels), clusters);
    PrefillPlan halves = halves(groups, tiles, best.parts(), clusters);
    return halves.cost() < best.cost() ? halves : best;
  }

  /**
   * The parts that serve one and two blocks of rows best; more rows fill any card anyway. A strip
   * of 64 outputs for each warpgroup that multiplies in {@link DecodeGemm} needs no cut: a
   * multiprocessor has two. Cutting such a matrix gains 3 µs for 256 rows of Llama 8B and costs few
   * rows as much (4096 x 28672).
   */
  static int parts(int groups, int panels) {
    if (panels >= REFERENCE_MULTIPROCESSORS) {
      return 1;
    }
    int best = 1;
    long bestCost = Long.MAX_VALUE;
    for (int parts = 1; parts <= MAX_PARTS; parts *= 2) {
      if (parts == 1 || groups >= MIN_GROUPS_A_PART * parts) {
        long cost =
            best(groups, panels, parts, REFERENCE_MULTIPROCESSORS).cost()
                + best(groups, 2 * panels, parts, REFERENCE_MULTIPROCESSORS).cost();
        if (cost < bestCost) {
          best = parts;
          bestCost = cost;
        }
      }
    }
    return best;
  }

  private static int clusters(int multiprocessors) {
    return Math.max(1, multiprocessors / 2);
  }

  private static PrefillPlan halves(int groups, int tiles, int parts, int clusters) {
    int rounds = tiles / clusters;
    int rest = tiles % clusters;
    long cost =
        2 * rest > clusters
            ? Long.MAX_VALUE
            : (long) rounds * groups + ceilDiv(groups * HALF_ROWS_PERCENT, 100);
    return new PrefillPlan(parts, rounds, rest, 2, true, cost);
  }

  /**
   * Without halves: {@link #parts} is chosen by this.
   *
   * @param workers who take a tile each at a time
   */
  private static PrefillPlan best(int groups, int tiles, int parts, int workers) {
    int rounds = tiles / workers;
    int rest = tiles % workers;
    int wholeRounds = rounds + (rest > 0 ? 1 : 0);
    PrefillPlan best =
        new PrefillPlan(parts, wholeRounds, 0, 1, false, (long) wholeRounds * groups);
    if (rest > 0) {
      for (int pieces = 2; pieces <= parts; pieces *= 2) {
        long cost =
            (long) rounds * groups
                + (long) ceilDiv(rest * pieces, workers) * (ceilDiv(groups, pieces) + ADDING_UP);
        if (cost < best.cost()) {
          best = new PrefillPlan(parts, rounds, rest, pieces, false, cost);
        }
      }
    }
    return best;
  }

  private static int ceilDiv(int a, int b) {
    return (a + b - 1) / b;
  }

  int partsLog() {
    return Integer.numberOfTrailingZeros(parts);
  }

  int piecesLog() {
    return Integer.numberOfTrailingZeros(pieces);
  }

  int blocks(int multiprocessors) {
    int clusters = clusters(multiprocessors);
    return 2 * (wholeRounds > 0 ? clusters : Math.min(clusters, splitTiles * pieces));
  }
}
