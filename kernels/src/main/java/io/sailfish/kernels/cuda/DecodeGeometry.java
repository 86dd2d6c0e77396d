package io.sailfish.kernels.cuda;

/**
 * How a decode product uses a multiprocessor, as stated in gemm_w4_decode_sm90.cu. Nothing here
 * touches a result's bits: those hang on {@link PrefillPlan#parts} alone.
 *
 * @param stages blocks in the ring of weights, of both warpgroups
 * @param xSlots groups of 128 inputs in the ring of activations, of both warpgroups
 * @param sharedBytes shared memory of a block of threads
 */
record DecodeGeometry(int stages, int xSlots, int sharedBytes) {
  static final int THREADS = 384;

  /** Deeper rings gain nothing: activations then queue behind the weights. */
  private static final int RING_BYTES = 80 << 10;

  private static final int MAX_SHARED_BYTES = 225 << 10;

  /** Two blocks of threads of one launch on a multiprocessor would leave another one idle. */
  private static final int MIN_SHARED_BYTES = 116 << 10;

  private static final int MAX_STAGES = 16;
  private static final int FEWEST_STAGES = 6;

  /** Inputs of a group times the bytes of an element. */
  private static final int X_ROW_BYTES = 128 * Short.BYTES;

  /** Sums of both warpgroups that await addition, for a row. */
  private static final int SUM_ROW_BYTES = 1024;

  /**
   * @param tileRows rows of a tile
   * @param blockBytes bytes of a packed block
   * @param ownBytes shared memory of the format
   */
  static DecodeGeometry of(int tileRows, int blockBytes, int ownBytes) {
    int xSlots = tileRows == 8 ? 16 : tileRows == 16 ? 12 : tileRows == 32 ? 8 : 6;
    int fixed = ownBytes + tileRows * (SUM_ROW_BYTES + xSlots * X_ROW_BYTES);
    if (MAX_SHARED_BYTES - fixed < FEWEST_STAGES * blockBytes) {
      fixed -= 2 * tileRows * X_ROW_BYTES;
      xSlots -= 2;
    }
    int room = Math.min(RING_BYTES, MAX_SHARED_BYTES - fixed);
    int stages = Math.min(MAX_STAGES, room / blockBytes);
    return new DecodeGeometry(
        stages, xSlots, Math.max(MIN_SHARED_BYTES, fixed + stages * blockBytes));
  }

  /** Blocks of threads: clusters of two, no more than there is work for. */
  static int blocks(int strips, int multiprocessors) {
    return 2 * Math.max(1, Math.min(strips, multiprocessors / 2));
  }
}
