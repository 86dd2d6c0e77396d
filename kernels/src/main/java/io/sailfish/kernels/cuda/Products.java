package io.sailfish.kernels.cuda;

import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedLayout;

/** y = x · Wᵀ on the card, whatever the weight. */
final class Products implements AutoCloseable {
  private final CudaStream stream;
  private final QuantGemm quant;

  Products(CudaStream stream) {
    this.stream = stream;
    quant = new QuantGemm(stream);
  }

  /**
   * Whether rows have the same bits in tiles of prompts as in smaller ones.
   *
   * @param tables null for integer codes
   */
  boolean takesPromptTiles(PackedLayout layout, TwoByteFloat activations, LutTables tables) {
    return quant.takesPromptTiles(layout, activations, tables == null ? 0 : tables.count());
  }

  void store(TiledActivations y, TiledActivations x, CudaWeight w, int rows) {
    CudaWeight there = arrive(w);
    if (there instanceof DenseMatrix dense) {
      DenseGemm.launch(stream, DenseGemm.Epilogue.STORE, y.address(), x, dense, rows);
    } else {
      packed(GemmEpilogue.store(y), x, (PackedMatrix) there, rows);
    }
    used(w);
  }

  /** y += product. */
  void add(TiledActivations y, TiledActivations x, CudaWeight w, int rows) {
    CudaWeight there = arrive(w);
    if (there instanceof DenseMatrix dense) {
      DenseGemm.launch(stream, DenseGemm.Epilogue.ADD, y.address(), x, dense, rows);
    } else {
      packed(GemmEpilogue.add(y, y), x, (PackedMatrix) there, rows);
    }
    used(w);
  }

  void swiGlu(TiledActivations y, TiledActivations x, CudaWeight w, int rows) {
    CudaWeight there = arrive(w);
    if (there instanceof DenseMatrix dense) {
      DenseGemm.launch(stream, DenseGemm.Epilogue.SWIGLU, y.address(), x, dense, rows);
    } else {
      packed(GemmEpilogue.swiGlu(y), x, (PackedMatrix) there, rows);
    }
    used(w);
  }

  /** The weight on the card, for the next product alone. */
  private CudaWeight arrive(CudaWeight w) {
    return w instanceof StreamedWeight streamed ? streamed.stream().arrive(stream, streamed) : w;
  }

  private void used(CudaWeight w) {
    if (w instanceof StreamedWeight streamed) {
      streamed.stream().used(stream, streamed);
    }
  }

  private void packed(GemmEpilogue epilogue, TiledActivations x, PackedMatrix w, int rows) {
    quant.launch(epilogue, x, w.device(), rows);
  }

  @Override
  public void close() {
    quant.close();
  }
}
