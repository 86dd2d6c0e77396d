package io.sailfish.kernels;

import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;

/**
 * A weight matrix as a checkpoint holds it: {@code rows} output features by {@code cols} inputs,
 * each row encoded on its own in {@link #format()}. A backend reads it once, in row order, and
 * keeps its own packed copy; the source may be closed afterwards.
 */
public interface WeightSource {
  /** Name for messages, as the checkpoint spells it. */
  String name();

  QuantFormat format();

  /** N, the number of output features. */
  int rows();

  /** K, the number of inputs. A multiple of the format's block length. */
  int cols();

  /**
   * Order in which the rows hold their inputs: column j is input {@code inputOrder()[j]} of the
   * layer (GPTQ's desc_act sorts inputs by group). Null: as they are. Whoever multiplies has to
   * reorder its activations likewise, see {@link Ops#gatherCols}.
   */
  default int[] inputOrder() {
    return null;
  }

  /**
   * Copies the encoded bytes of rows {@code [firstRow, firstRow + numRows)}, {@code numRows *
   * format().rowBytes(cols())} of them, to {@code dst} from its position on. Safe to call from
   * several threads.
   */
  void readRows(int firstRow, int numRows, ByteBuffer dst);
}
