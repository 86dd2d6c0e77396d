package io.sailfish.kernels.cpu;

/**
 * Runs of inputs of one block and one plane ({@link PanelLayout}): all that a loop over them needs
 * stands still meanwhile.
 *
 * <p>A code is left where it is in its word, so it comes out 2^(bits · plane) as large; the scale
 * makes up for it, exactly. The uppermost plane would come out negative: it is moved down first.
 */
final class PlaneRun {
  private final PanelPiece piece;
  private final int unitInner;
  private final int planeInner;
  private final int bits;
  private int unitAt;
  private int inUnit;

  /** Inputs of the piece before this run. */
  int done;

  /** Inputs of the run. */
  int count;

  /** The run's first word of codes. */
  int codes;

  /** First word of its block's scales, or negative if they are those of the run before. */
  int scales;

  /** Whether words are to be moved down by {@link #TOP_SHIFT} before the mask. */
  boolean top;

  /** What to leave of a word. */
  int mask;

  /** What the scale is to be multiplied with. */
  float factor;

  /** Down to the lowest byte. */
  static final int TOP_SHIFT = 24;

  PlaneRun(PanelPiece piece) {
    this.piece = piece;
    unitInner = piece.layout.unitInner();
    planeInner = piece.layout.planeInner();
    bits = piece.layout.bits();
    unitAt = piece.at + piece.from / unitInner * piece.layout.unitWords();
    inUnit = piece.from % unitInner;
  }

  /** Goes to the next run, if there is one. */
  boolean next() {
    done += count;
    inUnit += count;
    if (done >= piece.inner) {
      return false;
    }
    if (inUnit == unitInner) {
      inUnit = 0;
      unitAt += piece.layout.unitWords();
    }
    int blockLength = piece.layout.format().blockLength();
    int plane = inUnit / planeInner;
    int row = inUnit - plane * planeInner;
    int inBlock = inUnit % blockLength;
    count = Math.min(piece.inner - done, Math.min(planeInner - row, blockLength - inBlock));
    codes = unitAt + piece.layout.codeWords() + row * PanelLayout.COLUMNS;
    scales = inBlock == 0 ? unitAt + inUnit / blockLength * piece.layout.scaleWords() : -1;
    top = (plane + 1) * bits == Integer.SIZE;
    int shift = top ? Byte.SIZE - bits : plane * bits;
    mask = (1 << bits) - 1 << shift;
    factor = Float.intBitsToFloat(127 - shift << 23);
    return true;
  }
}
