package io.sailfish.kernels.cuda;

/**
 * How a decode product is cut up: a pure function of its shape and the card's multiprocessors,
 * never of the number of rows, since it fixes the order of every sum. As stated in
 * gemm_w4_decode_sm90.cu.
 *
 * @param slices parts of K
 * @param runs parts of the panels; {@code slices * runs} blocks work at once
 * @param groupsPerSlice 128-input groups of the largest slice
 */
record DecodeGeometry(int slices, int runs, int groupsPerSlice) {
  /** The x of more groups does not fit into shared memory at 64 rows. */
  private static final int MAX_GROUPS = 8;

  private static final int STAGE_BLOCKS = 2;
  private static final int STAGES = 4;

  /** Tiles of more rows are multiplied by wgmma. */
  private static final int MAX_MMA_ROWS = 16;

  private static final int MMA_THREADS = 640;
  private static final int WGMMA_THREADS = 384;

  /** The ring of weights of the wgmma kernels: deeper ones are slower. */
  private static final int WGMMA_RING_BYTES = 40 << 10;

  /**
   * @param groups blocks of a panel
   */
  static DecodeGeometry of(int groups, int panels, int multiprocessors) {
    DecodeGeometry best = null;
    long bestCost = Long.MAX_VALUE;
    for (int slices = 1; slices <= Math.min(groups, multiprocessors); slices++) {
      int perSlice = ceilDiv(groups, slices);
      int runs = Math.min(multiprocessors / slices, panels);
      long cost = (long) ceilDiv(panels, runs) * perSlice;
      if (perSlice <= MAX_GROUPS && cost < bestCost) {
        bestCost = cost;
        best = new DecodeGeometry(slices, runs, perSlice);
      }
    }
    if (best == null) {
      throw new IllegalArgumentException(
          "%d groups of inputs need more than %d multiprocessors of %d groups"
              .formatted(groups, multiprocessors, MAX_GROUPS));
    }
    return best;
  }

  static int threads(int rows) {
    return rows <= MAX_MMA_ROWS ? MMA_THREADS : WGMMA_THREADS;
  }

  /**
   * Depth of the ring of weights: in pairs of blocks for few rows, where it is a whole number of
   * panels, so that a warp meets its blocks in the same stages every round; else in blocks.
   */
  int stages(int rows, int blockBytes) {
    if (rows > MAX_MMA_ROWS) {
      return WGMMA_RING_BYTES / blockBytes;
    }
    int panel = ceilDiv(groupsPerSlice, STAGE_BLOCKS);
    return Math.max(panel, STAGES / panel * panel);
  }

  private static int ceilDiv(int a, int b) {
    return (a - 1) / b + 1;
  }

  int blocks() {
    return slices * runs;
  }

  /** Bytes of shared memory without a format's own. */
  int sharedBytes(int rows, int blockBytes, int scaleRowsPerBlock) {
    int ring = stages(rows, blockBytes) * blockBytes;
    int rings = rows <= MAX_MMA_ROWS ? ring * STAGE_BLOCKS + rows * 2048 : ring;
    return rings
        + groupsPerSlice * rows * 256
        + groupsPerSlice * scaleRowsPerBlock * rows * Float.BYTES;
  }

  /** Bytes of the partial sums' workspace. */
  long partialBytes(int panels, int rows) {
    return (long) panels * slices * rows * 512;
  }
}
