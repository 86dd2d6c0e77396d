package io.sailfish.kernels.cuda;

/** y = x · Wᵀ on the card, whatever the weight. */
final class Products implements AutoCloseable {
  private final CudaStream stream;
  private final QuantGemm quant;

  Products(CudaStream stream) {
    this.stream = stream;
    quant = new QuantGemm(stream);
  }

  void store(TiledActivations y, TiledActivations x, CudaWeight w, int rows) {
    if (w instanceof DenseMatrix dense) {
      DenseGemm.launch(stream, DenseGemm.Epilogue.STORE, y.address(), x, dense, rows);
    } else {
      packed(GemmEpilogue.store(y), x, (PackedMatrix) w, rows);
    }
  }

  /** y += product. */
  void add(TiledActivations y, TiledActivations x, CudaWeight w, int rows) {
    if (w instanceof DenseMatrix dense) {
      DenseGemm.launch(stream, DenseGemm.Epilogue.ADD, y.address(), x, dense, rows);
    } else {
      packed(GemmEpilogue.add(y, y), x, (PackedMatrix) w, rows);
    }
  }

  void swiGlu(TiledActivations y, TiledActivations x, CudaWeight w, int rows) {
    if (w instanceof DenseMatrix dense) {
      DenseGemm.launch(stream, DenseGemm.Epilogue.SWIGLU, y.address(), x, dense, rows);
    } else {
      packed(GemmEpilogue.swiGlu(y), x, (PackedMatrix) w, rows);
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
