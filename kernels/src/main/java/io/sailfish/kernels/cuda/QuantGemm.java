package io.sailfish.kernels.cuda;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedLayout;

/**
 * y = x · Wᵀ with packed weights, on one stream: picks the kernel, refuses wrong arguments before
 * the launch. A row's result depends on that row alone, bit for bit.
 *
 * <p>Tiles of up to 64 rows go to {@link DecodeGemm}, tiles of 128 to {@link PrefillGemm}: the same
 * bits. What neither takes goes to {@link PortableGemm}, whatever the number of rows. Some weights
 * with tables are {@link PrefillGemm}'s in tiles of 128 alone (bf16 activations, four bits with
 * several tables): there a row's bits are those of its kind of tile.
 */
public final class QuantGemm implements AutoCloseable {
  private static final String OPERATOR = "gemm";

  /** The kernels of their own use Hopper's instructions. */
  private static final int OWN_COMPUTE_CAPABILITY = 90;

  private static final int MAX_PARTS = 4;
  private static final long SUM_BYTES = 128L * 128 * Float.BYTES;

  private final CudaStream stream;
  private final PrefillGemm prefill;
  private final MemoryScope workspace;

  public QuantGemm(CudaStream stream) {
    this.stream = stream;
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

  /** Whether this card has kernels for packed weights at all. */
  public boolean isSupported() {
    return stream.device().properties().computeCapability() >= PortableGemm.MIN_COMPUTE_CAPABILITY;
  }

  private boolean hasDecodeKernels(PackedLayout layout, TwoByteFloat activations, int tables) {
    return stream.device().properties().computeCapability() == OWN_COMPUTE_CAPABILITY
        && DecodeGemm.supports(layout, activations, tables);
  }

  /**
   * Whether a row has the same bits in tiles of {@value PrefillGemm#TILE_ROWS} rows as in others.
   */
  public boolean takesPromptTiles(PackedLayout layout, TwoByteFloat activations, int tables) {
    return hasDecodeKernels(layout, activations, tables) == prefill.supports(layout, activations);
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
    if (!isSupported()) {
      throw new KernelException(
          OPERATOR,
          "card",
          "sm_" + PortableGemm.MIN_COMPUTE_CAPABILITY + " or later",
          "sm_" + stream.device().properties().computeCapability());
    }
    boolean promptTiles = x.tileRows() == PrefillGemm.TILE_ROWS;
    int tileRows = promptTiles ? PrefillGemm.TILE_ROWS : TiledActivations.tileRowsFor(rows);
    check(epilogue, x, weight, rows, tileRows);
    boolean own =
        promptTiles
            ? prefill.supports(layout, x.type())
            : hasDecodeKernels(layout, x.type(), weight.tables());
    if (!own) {
      PortableGemm.launch(stream, epilogue, x, weight, rows);
    } else if (promptTiles) {
      prefill.launch(epilogue, x, weight, rows);
    } else {
      for (int tile = 0; tile < (rows - 1) / tileRows + 1; tile++) {
        DecodeGemm.launch(stream, epilogue.tile(tile), x.tile(tile), weight);
      }
    }
  }

  static void check(
      GemmEpilogue epilogue, TiledActivations x, DeviceWeight weight, int rows, int tileRows) {
    PackedLayout layout = weight.layout();
    Arguments.inRange(OPERATOR, "rows", 1, x.rows(), rows);
    Arguments.same(OPERATOR, "columns of x", layout.inputs(), x.cols());
    Arguments.same(OPERATOR, "tile rows of x", tileRows, x.tileRows());
    epilogue.check(layout.outputs(), x.type(), x.tileRows(), (rows - 1) / x.tileRows() + 1);
    if (weight.tables() > 1) {
      Arguments.same(
          OPERATOR,
          "tables of " + weight.name(),
          layout.paddedOutputs() / LutTables.STRIP,
          weight.tables());
    }
  }

  @Override
  public void close() {
    workspace.close();
  }
}
