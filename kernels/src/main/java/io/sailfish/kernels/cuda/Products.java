package io.sailfish.kernels.cuda;

import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedLayout;

/**
 * y = x · Wᵀ on the card, whatever the weight: packed weights of prompts go to {@link PrefillGemm}
 * where it serves them, all other packed ones to {@link QuantGemm}, dense ones to {@link
 * DenseGemm}.
 */
final class Products implements AutoCloseable {
  /** Of a decode product; more rows run tile by tile. */
  private static final int LARGEST_DECODE_TILE = 64;

  private static final int MAX_PARTS = 4;
  private static final long SUM_BYTES = 128L * 128 * Float.BYTES;

  private final CudaStream stream;
  private final QuantGemm quant;
  private final PrefillGemm prefill;
  private final MemoryScope workspace;

  Products(CudaStream stream) {
    this.stream = stream;
    quant = new QuantGemm(stream);
    CudaDevice device = stream.device();
    int multiprocessors = device.properties().multiprocessors();
    workspace = device.memory().scope();
    // A product leaves less than one tile a multiprocessor to be split.
    DeviceBuffer partials =
        workspace.allocate(multiprocessors * MAX_PARTS * SUM_BYTES, "prefill partial sums");
    DeviceBuffer arrivals =
        workspace.allocate(PrefillGemm.arrivalBytes(multiprocessors), "prefill arrivals");
    stream.fill(arrivals.address(), 0, arrivals.bytes());
    prefill =
        new PrefillGemm(stream, new PrefillGemm.Workspace(partials.address(), arrivals.address()));
  }

  /** Makes room for products with such weights. */
  void reserve(PackedLayout layout) {
    quant.reserve(layout, TwoByteFloat.F16, LARGEST_DECODE_TILE);
  }

  void store(TiledActivations y, TiledActivations x, CudaWeight w, int rows, boolean prompt) {
    if (w instanceof DenseMatrix dense) {
      DenseGemm.launch(stream, DenseGemm.Epilogue.STORE, y.address(), x, dense, rows);
    } else {
      packed(GemmEpilogue.store(y), x, (PackedMatrix) w, rows, prompt);
    }
  }

  /** y += product. */
  void add(TiledActivations y, TiledActivations x, CudaWeight w, int rows, boolean prompt) {
    if (w instanceof DenseMatrix dense) {
      DenseGemm.launch(stream, DenseGemm.Epilogue.ADD, y.address(), x, dense, rows);
    } else {
      packed(GemmEpilogue.add(y, y), x, (PackedMatrix) w, rows, prompt);
    }
  }

  void swiGlu(TiledActivations y, TiledActivations x, CudaWeight w, int rows, boolean prompt) {
    if (w instanceof DenseMatrix dense) {
      DenseGemm.launch(stream, DenseGemm.Epilogue.SWIGLU, y.address(), x, dense, rows);
    } else {
      packed(GemmEpilogue.swiGlu(y), x, (PackedMatrix) w, rows, prompt);
    }
  }

  private void packed(
      GemmEpilogue epilogue, TiledActivations x, PackedMatrix w, int rows, boolean prompt) {
    if (prompt) {
      prefill.launch(epilogue, x, w.device(), rows, w.scaleExponent());
    } else {
      quant.launch(epilogue, x, w.device(), rows);
    }
  }

  @Override
  public void close() {
    quant.close();
    workspace.close();
  }
}
