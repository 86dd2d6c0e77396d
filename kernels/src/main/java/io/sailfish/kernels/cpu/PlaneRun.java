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
  private final int blockLength;
  private final int planeInner;
  private final int bits;

  /** The unit's first word. */
  private int unitAt;

  /** First word of the scales of the block that the run is of. */
  private int blockAt;

  private int inBlock;
  private int plane;
  private int inPlane;

  /** Inputs of the piece before this run. */
  int done;

  /** Inputs of the run, a multiple of four: planes are, and blocks. */
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
    PanelLayout layout = piece.layout;
    blockLength = layout.format().blockLength();
    planeInner = layout.planeInner();
    bits = layout.bits();
    int unit = piece.from / layout.unitInner();
    int inUnit = piece.from - unit * layout.unitInner();
    unitAt = piece.at + unit * layout.unitWords();
    blockAt = unitAt + inUnit / blockLength * layout.scaleWords();
    inPlane = inUnit % planeInner;
    enter(inUnit / planeInner);
  }

  /** Goes to the next run, if there is one. By additions alone: a run is some hundred cycles. */
  boolean next() {
    done += count;
    if (done >= piece.inner) {
      return false;
    }
    inBlock += count;
    inPlane += count;
    if (inBlock == blockLength) {
      inBlock = 0;
      blockAt += piece.layout.scaleWords();
    }
    if (inPlane == planeInner) {
      inPlane = 0;
      if (top) {
        unitAt += piece.layout.unitWords();
        blockAt = unitAt;
        enter(0);
      } else {
        enter(plane + 1);
      }
    }
    count = Math.min(piece.inner - done, Math.min(planeInner - inPlane, blockLength - inBlock));
    codes = unitAt + piece.layout.codeWords() + inPlane * PanelLayout.COLUMNS;
    scales = inBlock == 0 ? blockAt : -1;
    return true;
  }

  private void enter(int plane) {
    this.plane = plane;
    top = (plane + 1) * bits == Integer.SIZE;
    int shift = top ? Byte.SIZE - bits : plane * bits;
    mask = (1 << bits) - 1 << shift;
    factor = Float.intBitsToFloat(127 - shift << 23);
  }
}
