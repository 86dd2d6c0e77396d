package io.sailfish.kernels.cuda;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * y = x · Wᵀ with packed weights, on one stream: picks the kernel, refuses wrong arguments before
 * the launch. A row's result depends on that row alone, bit for bit.
 *
 * <p>A weight kind has one family of kernels for every number of rows, so that the order of sums
 * never changes with the batch.
 *
 * <p>Owns the kernels' workspace. Blocks of a decode product wait for each other across the grid,
 * so products of two streams of a card must never run side by side: one such object a card.
 */
public final class QuantGemm implements AutoCloseable {
  private static final String OPERATOR = "gemm";

  /** The decode kernels use Hopper's bulk copies. */
  private static final int DECODE_COMPUTE_CAPABILITY = 90;

  /** What a workspace byte holds when it is empty; no sum has these bits. */
  private static final int EMPTY = 0xff;

  private final CudaStream stream;

  /** The last one is in use; older ones stay, because captured graphs know their addresses. */
  private final List<DeviceBuffer> workspaces = new ArrayList<>();

  public QuantGemm(CudaStream stream) {
    this.stream = stream;
  }

  /** Whether this card has kernels for packed weights at all. */
  public boolean isSupported() {
    return stream.device().properties().computeCapability() >= PortableGemm.MIN_COMPUTE_CAPABILITY;
  }

  /**
   * Whether the decode kernels serve such weights; then they serve every number of rows. Only
   * entries that were held against the reference on a card are chosen, the portable kernels do the
   * rest.
   */
  private boolean hasOwnFamily(PackedLayout layout, TwoByteFloat activations, int tables) {
    boolean checkedOnACard =
        activations == TwoByteFloat.F16 && layout.scaleRowsPerBlock() == 1 && !layout.hasZeros();
    return checkedOnACard
        && stream.device().properties().computeCapability() == DECODE_COMPUTE_CAPABILITY
        && DecodeGemm.supports(layout, activations, tables);
  }

  /**
   * Makes room for products with such weights of up to {@code rows} rows. Call it at load: memory
   * cannot be taken while a graph is captured.
   */
  public void reserve(PackedLayout layout, TwoByteFloat activations, int rows) {
    if (!hasOwnFamily(layout, activations, 1)) {
      return;
    }
    long bytes = DecodeGemm.partialBytes(stream, layout, TiledActivations.tileRowsFor(rows));
    if (bytes > reservedBytes()) {
      DeviceBuffer buffer = stream.device().memory().allocate(bytes, "gemm workspace");
      stream.fill(buffer.address(), EMPTY, buffer.bytes());
      workspaces.add(buffer);
    }
  }

  private long reservedBytes() {
    return workspaces.isEmpty() ? 0 : workspaces.get(workspaces.size() - 1).bytes();
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
    check(epilogue, x, weight, rows, TiledActivations.tileRowsFor(rows));
    if (!hasOwnFamily(layout, x.type(), weight.tables())) {
      PortableGemm.launch(stream, epilogue, x, weight, rows);
      return;
    }
    if (DecodeGemm.partialBytes(stream, layout, x.tileRows()) > reservedBytes()) {
      throw new KernelException(
          OPERATOR, "workspace", "reserve() before the first product", reservedBytes() + " bytes");
    }
    long partials = workspaces.get(workspaces.size() - 1).address();
    for (int tile = 0; tile < (rows - 1) / x.tileRows() + 1; tile++) {
      DecodeGemm.launch(stream, epilogue.tile(tile), x.tile(tile), weight, partials);
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
    workspaces.forEach(DeviceBuffer::close);
    workspaces.clear();
  }
}
