package io.sailfish.bench.gpu;

import io.sailfish.kernels.cuda.CudaStream;
import io.sailfish.kernels.cuda.DeviceBuffer;
import io.sailfish.kernels.cuda.DeviceWeight;
import io.sailfish.kernels.cuda.GemmEpilogue;
import io.sailfish.kernels.cuda.MemoryScope;
import io.sailfish.kernels.cuda.PinnedMemory;
import io.sailfish.kernels.cuda.QuantGemm;
import io.sailfish.kernels.cuda.TiledActivations;
import io.sailfish.kernels.cuda.WeightUpload;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.WeightValues;
import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.Set;
import java.util.zip.CRC32C;

/** Runs products of one weight matrix on the card and holds them against the reference. */
final class GemmChecker implements AutoCloseable {
  /** Every byte of y before a product: a NaN that no product writes, so gaps are seen. */
  private static final int POISON = 0xff;

  static final int PROMPT_TILE_ROWS = 128;

  private static final short NEIGHBOUR_F16 = 0x7e00;
  private static final short NEIGHBOUR_BF16 = 0x7fc0;

  private final CudaStream stream;
  private final QuantGemm gemm;
  private final GemmCheckCase checkCase;
  private final PackedLayout layout;
  private final MemoryScope scope;
  private final DeviceWeight weight;
  private final DeviceBuffer x;
  private final DeviceBuffer y;
  private final PinnedMemory hostX;
  private final PinnedMemory hostY;
  private long paddingWritten;
  final HostMatrix inputs;
  final double[][] reference;

  GemmChecker(CudaStream stream, QuantGemm gemm, GemmCheckCase checkCase) {
    this.stream = stream;
    this.gemm = gemm;
    this.checkCase = checkCase;
    WeightKind kind = checkCase.kind();
    layout = kind.layout(checkCase.outputs(), checkCase.inputs());
    LutTables tables =
        kind.tables(checkCase.tableForEachStrip() ? layout.paddedOutputs() / LutTables.STRIP : 1);
    NoiseCodes codes =
        new NoiseCodes(kind, layout, checkCase.describe().hashCode(), checkCase.scaleFactor());
    inputs = HostMatrix.random(kind.activations(), checkCase.maxRows(), checkCase.inputs(), 5);
    reference =
        ReferenceProduct.compute(
            inputs, new WeightValues(layout, codes, tables), checkCase.outputs());
    scope = stream.device().memory().scope();
    try (WeightUpload upload = new WeightUpload(stream)) {
      weight = upload.upload(checkCase.describe(), layout, codes, tables, scope);
    }
    int tiles = (checkCase.maxRows() - 1) / PROMPT_TILE_ROWS + 1;
    long xBytes = TiledActivations.bytes(PROMPT_TILE_ROWS, tiles, checkCase.inputs());
    long yBytes = TiledActivations.bytes(PROMPT_TILE_ROWS, tiles, checkCase.outputs());
    x = scope.allocate(xBytes, "x");
    y = scope.allocate(yBytes, "y");
    hostX = stream.device().pinned(Math.toIntExact(xBytes), "x");
    hostY = stream.device().pinned(Math.toIntExact(yBytes), "y");
  }

  private TiledActivations shape(DeviceBuffer buffer, int rows, int cols) {
    return shape(buffer, rows, cols, TiledActivations.tileRowsFor(rows));
  }

  private TiledActivations shape(DeviceBuffer buffer, int rows, int cols, int tileRows) {
    return new TiledActivations(
        checkCase.kind().activations(),
        tileRows,
        (rows - 1) / tileRows + 1,
        cols,
        buffer.address());
  }

  /** One product of the first rows of {@code source}; rows beyond them in the tile are NaN. */
  HostMatrix run(HostMatrix source, int rows) {
    return run(source, rows, TiledActivations.tileRowsFor(rows));
  }

  /** Whether the weight is multiplied in the tiles of prompts too. */
  boolean takesPromptTiles() {
    return gemm.takesPromptTiles(layout, checkCase.kind().activations(), weight.tables());
  }

  /** The same in tiles of so many rows. */
  HostMatrix run(HostMatrix source, int rows, int tileRows) {
    TiledActivations xShape = shape(x, rows, checkCase.inputs(), tileRows);
    TiledActivations yShape = shape(y, rows, checkCase.outputs(), tileRows);
    ByteBuffer staged = hostX.buffer().clear();
    source.tile(xShape, rows, neighbour(), staged);
    stream.upload(staged.limit(Math.toIntExact(xShape.bytes())), x.address());
    stream.fill(y.address(), POISON, yShape.bytes());
    gemm.launch(yShape, xShape, weight, rows);
    HostMatrix padded = HostMatrix.untile(yShape, rows, yShape.paddedCols(), fetch(yShape));
    for (int row = 0; row < rows; row++) {
      for (int col = checkCase.outputs(); col < padded.cols; col++) {
        // A row with a NaN or an infinity has them in its padding as well.
        paddingWritten += padded.value(row, col) == 0 || !source.isFinite(row) ? 0 : 1;
      }
    }
    return padded.firstColumns(checkCase.outputs());
  }

  /** What the epilogues made of a product. */
  record Epilogues(HostMatrix gated, HostMatrix sums, boolean splitsAlike) {
    /** Values that differ in any bit from those of the same rows in other company. */
    long differingValues(Epilogues other) {
      return gated.differingValues(other.gated) + sums.differingValues(other.sums);
    }
  }

  /** Runs every epilogue on the first rows. */
  Epilogues epilogues(int rows) {
    HostMatrix plain = run(inputs, rows);
    try (MemoryScope parts = stream.device().memory().scope()) {
      TiledActivations xShape = shape(x, rows, checkCase.inputs());
      boolean splitsAlike = splitsAlike(parts, xShape, plain);
      TiledActivations gated = part(parts, rows, checkCase.outputs() / 2);
      gemm.launch(GemmEpilogue.swiGlu(gated), xShape, weight, rows);
      HostMatrix products = HostMatrix.untile(gated, rows, gated.cols(), fetch(gated));
      // y still holds the plain product: adding in place doubles it.
      TiledActivations yShape = shape(y, rows, checkCase.outputs());
      gemm.launch(GemmEpilogue.add(yShape, yShape), xShape, weight, rows);
      HostMatrix sums = HostMatrix.untile(yShape, rows, checkCase.outputs(), fetch(yShape));
      return new Epilogues(products, sums, splitsAlike);
    }
  }

  private boolean splitsAlike(MemoryScope parts, TiledActivations xShape, HostMatrix plain) {
    int rows = plain.rows;
    int half = checkCase.outputs() / 2 / 8 * 8;
    TiledActivations low = part(parts, rows, half);
    TiledActivations high = part(parts, rows, checkCase.outputs() - half - 8);
    TiledActivations last = part(parts, rows, 8);
    gemm.launch(GemmEpilogue.split(low, high, last), xShape, weight, rows);
    HostMatrix first = HostMatrix.untile(low, rows, half, fetch(low));
    HostMatrix rest = HostMatrix.untile(last, rows, 8, fetch(last));
    boolean same = true;
    for (int row = 0; row < rows; row++) {
      same &= first.bits(row, half - 1) == plain.bits(row, half - 1);
      for (int col = 0; col < 8; col++) {
        same &= rest.bits(row, col) == plain.bits(row, checkCase.outputs() - 8 + col);
      }
    }
    return same;
  }

  /**
   * The worst relative error of what {@link #epilogues} made, against the double product; NaN if a
   * split product differs from the plain one in a single bit.
   */
  double epilogueError(Epilogues epilogues) {
    int rows = epilogues.sums.rows;
    HostMatrix plain = run(inputs, rows);
    double[][] gatedReference = new double[rows][epilogues.gated.cols];
    double[][] doubled = new double[rows][checkCase.outputs()];
    for (int row = 0; row < rows; row++) {
      for (int col = 0; col < epilogues.gated.cols; col++) {
        double gate = reference[row][2 * col];
        gatedReference[row][col] = gate / (1 + Math.exp(-gate)) * reference[row][2 * col + 1];
      }
      for (int col = 0; col < checkCase.outputs(); col++) {
        doubled[row][col] = reference[row][col] + plain.value(row, col);
      }
    }
    double error = ReferenceProduct.relativeError(epilogues.sums, doubled);
    // A gate's product is the square of a scale: at the edges of the range fp16 cannot hold it.
    if (checkCase.scaleFactor() == 1) {
      error = Math.max(error, ReferenceProduct.relativeError(epilogues.gated, gatedReference));
    }
    return epilogues.splitsAlike ? error : Double.NaN;
  }

  private TiledActivations part(MemoryScope parts, int rows, int cols) {
    int tileRows = TiledActivations.tileRowsFor(rows);
    int tiles = (rows - 1) / tileRows + 1;
    DeviceBuffer buffer =
        parts.allocate(TiledActivations.bytes(tileRows, tiles, cols), "epilogue check");
    stream.fill(buffer.address(), POISON, buffer.bytes());
    return new TiledActivations(
        checkCase.kind().activations(), tileRows, tiles, cols, buffer.address());
  }

  /** Padded elements, over all runs, that a product left other than zero. */
  long paddingWritten() {
    return paddingWritten;
  }

  private ByteBuffer fetch(TiledActivations shape) {
    ByteBuffer buffer = hostY.buffer().clear().limit(Math.toIntExact(shape.bytes()));
    stream.download(shape.address(), buffer);
    stream.synchronize();
    return buffer;
  }

  private short neighbour() {
    return checkCase.kind().activations() == TwoByteFloat.F16 ? NEIGHBOUR_F16 : NEIGHBOUR_BF16;
  }

  /** Number of different results of {@code repeats} runs of one product over the same x. */
  int distinctResults(int rows, int repeats) {
    int tileRows =
        rows > TiledActivations.tileRowsFor(rows) && takesPromptTiles()
            ? PROMPT_TILE_ROWS
            : TiledActivations.tileRowsFor(rows);
    TiledActivations xShape = shape(x, rows, checkCase.inputs(), tileRows);
    TiledActivations yShape = shape(y, rows, checkCase.outputs(), tileRows);
    ByteBuffer staged = hostX.buffer().clear();
    inputs.tile(xShape, rows, (short) 0, staged);
    stream.upload(staged.limit(Math.toIntExact(xShape.bytes())), x.address());
    Set<Long> hashes = new HashSet<>();
    for (int i = 0; i < repeats; i++) {
      stream.fill(y.address(), POISON, yShape.bytes());
      gemm.launch(yShape, xShape, weight, rows);
      CRC32C hash = new CRC32C();
      hash.update(fetch(yShape));
      hashes.add(hash.getValue());
    }
    return hashes.size();
  }

  @Override
  public void close() {
    stream.synchronize();
    hostX.close();
    hostY.close();
    scope.close();
  }
}
