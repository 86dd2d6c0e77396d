package io.sailfish.bench.gpu;

import io.sailfish.bench.BenchmarkResult;
import io.sailfish.bench.Median;
import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.LayerAttention;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.cuda.CudaBackend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What biases, norms of heads and windows cost: rotation, append and attention of recorded decode
 * steps of 32 layers, 32 query heads and 8 kv heads of 128, against those of a plain Llama.
 *
 * <p>Options: {@code --commit ID}, {@code --results FOLDER}.
 */
public final class FamilyAttentionBench {
  private static final AttentionShape SHAPE = new AttentionShape(32, 8, 128);
  private static final int LAYERS = 32;
  private static final int BLOCK_TOKENS = 16;
  private static final int REPLAYS = 9;

  private final CudaBackend backend;
  private final List<List<String>> table = new ArrayList<>();

  private FamilyAttentionBench(CudaBackend backend) {
    this.backend = backend;
  }

  public static void main(String[] args) throws IOException {
    Options options = new Options(args);
    try (CudaBackend backend = CudaBackend.open(0)) {
      FamilyAttentionBench bench = new FamilyAttentionBench(backend);
      bench.run(1, 576, 256);
      bench.run(16, 576, 256);
      bench.run(64, 576, 256);
      bench.run(16, 8192, 4096);
      bench.write(options);
    }
  }

  private void run(int rows, int context, int window) {
    int stride = context / BLOCK_TOKENS;
    KvCache cache = backend.kvCache(LAYERS, rows * stride, BLOCK_TOKENS, SHAPE);
    IntTensor unused = backend.ints(1, "unused");
    int[] tables = new int[rows * stride];
    Arrays.setAll(tables, i -> i);
    int[] sequences = new int[rows];
    Arrays.setAll(sequences, i -> i);
    int[] positions = new int[rows];
    Arrays.fill(positions, context - 1);
    int[] slots = new int[rows];
    Arrays.setAll(slots, i -> (i + 1) * context - 1);
    StepInputs step =
        new StepInputs(
            unused,
            OpsCase.ints(backend, positions),
            OpsCase.ints(backend, slots),
            OpsCase.ints(backend, sequences),
            unused,
            OpsCase.ints(backend, tables),
            stride,
            unused);
    Tensor angles = OpsInputs.HALVES.exactRows(backend, context, SHAPE.headDim(), 1);
    Tensor bias = OpsInputs.HALVES.exactRows(backend, 1, SHAPE.qkvCols(), 2);
    Tensor norm = OpsInputs.HALVES.exactRows(backend, 1, SHAPE.headDim(), 3);
    List<String> line = new ArrayList<>(List.of(String.valueOf(rows), String.valueOf(context)));
    line.add(micros(cache, step, rows, LayerAttention.plain(angles, false)));
    line.add(micros(cache, step, rows, how(angles, bias, null, 0)));
    line.add(micros(cache, step, rows, how(angles, null, norm, 0)));
    line.add(micros(cache, step, rows, how(angles, null, null, window)));
    line.add(String.valueOf(window));
    table.add(line);
    System.out.println(String.join("  ", line));
  }

  private static LayerAttention how(Tensor angles, Tensor bias, Tensor norm, int window) {
    return new LayerAttention(angles, false, bias, norm, norm, 1e-6f, window);
  }

  /** Median time of a layer. */
  private String micros(KvCache cache, StepInputs step, int rows, LayerAttention how) {
    Tensor qkv = OpsInputs.HALVES.rows(backend, SHAPE.qkvCols(), 4, 0, rows);
    Tensor y = backend.floats(rows, SHAPE.qCols(), "y");
    Runnable layers =
        () -> {
          for (int i = 0; i < LAYERS; i++) {
            backend.ops().ropeAttention(y, qkv, how, step, cache, i, SHAPE, rows);
          }
        };
    Object key = new Object();
    double[] micros = // as queued, recorded, replayed
        CardTime.each(backend.stream(), 2, REPLAYS, () -> backend.replay(key, layers));
    return "%.2f".formatted(Median.of(micros) / LAYERS);
  }

  private void write(Options options) throws IOException {
    BenchmarkResult.Table result =
        new BenchmarkResult.Table(
            "Rotation, append and attention of families beside Llama's",
            "µs a layer, 32 query heads and 8 kv heads of 128, 32 layers in a graph",
            List.of("rows", "context", "Llama", "biases", "norms of heads", "window", "its keys"),
            table);
    new CardProgram(FamilyAttentionBench.class, "gpu-family-attention", options)
        .write(List.of(), List.of(result));
  }
}
