package io.sailfish.kernels.cuda;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedLayout;

/**
 * y = x · Wᵀ with packed weights, on one stream: picks the kernel for the number of rows, refuses
 * wrong arguments before the launch. A row's result depends on that row alone, bit for bit.
 *
 * <p>A weight kind has one family of kernels for every number of rows, so that the order of sums
 * never changes with the batch.
 */
public final class QuantGemm {
  private static final String OPERATOR = "gemm";

  private final CudaStream stream;

  public QuantGemm(CudaStream stream) {
    this.stream = stream;
  }

  /** Whether this build and card have a kernel for such products. */
  public boolean supports(PackedLayout layout, TwoByteFloat activations, int rows) {
    return rows > 0
        && stream.device().properties().computeCapability() >= PortableGemm.MIN_COMPUTE_CAPABILITY;
  }

  /** y[M, N] = x[M, K] · Wᵀ. */
  public void launch(TiledActivations y, TiledActivations x, DeviceWeight weight, int rows) {
    launch(GemmEpilogue.store(y), x, weight, rows);
  }

  /**
   * Queues a product of {@code rows} rows and what follows it. Rows of x beyond them in the last
   * tile are computed as well; what they hold does not matter.
   */
  public void launch(GemmEpilogue epilogue, TiledActivations x, DeviceWeight weight, int rows) {
    PackedLayout layout = weight.layout();
    check(epilogue, x, weight, rows);
    if (!supports(layout, x.type(), rows)) {
      throw new KernelException(
          OPERATOR,
          "card",
          "sm_" + PortableGemm.MIN_COMPUTE_CAPABILITY + " or later",
          "sm_" + stream.device().properties().computeCapability());
    }
    if (weight.tables() > 1) {
      Arguments.same(
          OPERATOR,
          "tables of " + weight.name(),
          layout.paddedOutputs() / LutTables.STRIP,
          weight.tables());
    }
    PortableGemm.launch(stream, epilogue, x, weight, rows);
  }

  static void check(GemmEpilogue epilogue, TiledActivations x, DeviceWeight weight, int rows) {
    PackedLayout layout = weight.layout();
    Arguments.inRange(OPERATOR, "rows", 1, x.rows(), rows);
    Arguments.same(OPERATOR, "columns of x", layout.inputs(), x.cols());
    Arguments.same(OPERATOR, "tile rows of x", TiledActivations.tileRowsFor(rows), x.tileRows());
    epilogue.check(layout.outputs(), x.type(), x.tileRows(), (rows - 1) / x.tileRows() + 1);
  }
}
