package io.sailfish.kernels.cuda;

/**
 * How a decode product uses a multiprocessor, as stated in gemm_w4_decode_sm90.cu. Nothing here
 * touches a result's bits: those hang on {@link PrefillPlan#parts} alone.
 *
 * @param stages blocks in the ring of weights, of both warpgroups
 * @param xSlots groups of 128 inputs in the ring of activations, of both warpgroups; a warpgroup
 *     waits for one or two of them at a time and has to have two such slots, three where one goes
 *     back only once the next but one is there ({@link DecodeGemm#isPlaced})
 * @param sharedBytes shared memory of a block of threads
 */
record DecodeGeometry(int stages, int xSlots, int sharedBytes) {
  static final int THREADS = 384;

  /** Deeper rings gain nothing: activations then queue behind the weights. */
  private static final int RING_BYTES = 80 << 10;

  private static final int MAX_SHARED_BYTES = 225 << 10;

  /** Two blocks of threads of one launch on a multiprocessor would leave another one idle. */
  private static final int MIN_SHARED_BYTES = 116 << 10;

  /** Shared memory by turns: a second block beside one of the first size is of the second. */
  private static final int[] BESIDE_SHARED_BYTES = {112 << 10, 109 << 10};

  /** Two blocks of this turn share a multiprocessor. */
  static final int SMALLER_TURN = 1;

  /** Where a placed table begins and ends, in addresses of shared memory. */
  private static final int PLACE_BEGIN = 0x10000;

  private static final int PLACE_END = 0x20000;

  /** What of the addresses before a placed table a block may not have. */
  private static final int PLACE_RESERVED = 4 << 10;

  /** First address of a block's dynamic shared memory, at the least. */
  private static final int FIRST_ADDRESS = 1 << 10;

  private static final int MAX_STAGES = 16;
  private static final int FEWEST_STAGES = 6;

  /** Inputs of a group times the bytes of an element. */
  private static final int X_ROW_BYTES = 128 * Short.BYTES;

  /** Sums of both warpgroups, of a strip each, that await addition, for a row. */
  private static final int SUM_ROW_BYTES = 512;

  /**
   * For 32 and 64 rows: a multiprocessor for each block of threads.
   *
   * @param tileRows rows of a tile
   * @param blockBytes bytes of a packed block
   * @param ownBytes shared memory of the format
   */
  static DecodeGeometry alone(int tileRows, int blockBytes, int ownBytes) {
    int xSlots = xSlots(tileRows);
    int fixed = ownBytes + tileRows * (2 * SUM_ROW_BYTES + xSlots * X_ROW_BYTES);
    if (MAX_SHARED_BYTES - fixed < FEWEST_STAGES * blockBytes) {
      fixed -= 2 * tileRows * X_ROW_BYTES;
      xSlots -= 2;
    }
    int stages = stages(Math.min(RING_BYTES, MAX_SHARED_BYTES - fixed), blockBytes);
    return new DecodeGeometry(
        stages, xSlots, Math.max(MIN_SHARED_BYTES, fixed + stages * blockBytes));
  }

  /** For up to 32 rows and a table of all pairs of 4-bit codes, which has a place of its own. */
  static DecodeGeometry placed(int tileRows, int blockBytes) {
    int xSlots = xSlots(tileRows);
    return new DecodeGeometry(
        stages(PLACE_BEGIN - PLACE_RESERVED, blockBytes),
        xSlots,
        PLACE_END - FIRST_ADDRESS + tileRows * (2 * SUM_ROW_BYTES + xSlots * X_ROW_BYTES));
  }

  /**
   * For 8 and 16 rows, 32 too where registers allow it: half a multiprocessor, so that the next
   * kernel's block starts beside this.
   *
   * @param parts of K; four: each warpgroup has activations of its own
   * @param turn 1 behind a kernel of turn 0, else 0
   */
  static DecodeGeometry beside(int tileRows, int parts, int blockBytes, int turn) {
    int xSlots = tileRows == 8 ? 16 : tileRows == 16 ? 12 : parts == 4 ? 6 : 5;
    int fixed = tileRows * (SUM_ROW_BYTES + xSlots * X_ROW_BYTES);
    return new DecodeGeometry(
        stages(BESIDE_SHARED_BYTES[1] - fixed, blockBytes), xSlots, BESIDE_SHARED_BYTES[turn]);
  }

  /** The same with a table of 3 or 2 bits in its place, the ring and x before it; to 32 rows. */
  static DecodeGeometry placedBeside(int tileRows, int blockBytes, int turn) {
    int xSlots = tileRows == 32 ? 4 : 8;
    int room = PLACE_BEGIN - PLACE_RESERVED - tileRows * xSlots * X_ROW_BYTES;
    return new DecodeGeometry(stages(room, blockBytes), xSlots, BESIDE_SHARED_BYTES[turn]);
  }

  /**
   * Whether both halves of a multiprocessor take a block of a launch: where every warpgroup has a
   * strip of its own.
   */
  static boolean takesBothHalves(int strips, int multiprocessors) {
    return strips >= 2 * everywhere(multiprocessors);
  }

  private static int xSlots(int tileRows) {
    return tileRows == 8 ? 16 : tileRows == 16 ? 12 : tileRows == 32 ? 8 : 6;
  }

  private static int stages(int room, int blockBytes) {
    return Math.min(MAX_STAGES, room / blockBytes);
  }

  /** Blocks of threads: clusters of two, no more than there is work for. */
  static int blocks(int strips, int multiprocessors) {
    return Math.min(2 * strips, everywhere(multiprocessors));
  }

  /** Blocks of threads, one for each multiprocessor of a pair. */
  static int everywhere(int multiprocessors) {
    return 2 * Math.max(1, multiprocessors / 2);
  }
}
