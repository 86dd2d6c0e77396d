package io.sailfish.bench.gpu;

import io.sailfish.kernels.cuda.CudaDevice;
import io.sailfish.kernels.cuda.CudaGraph;
import io.sailfish.kernels.cuda.CudaStream;
import io.sailfish.kernels.cuda.DeviceBuffer;
import io.sailfish.kernels.cuda.DeviceWeight;
import io.sailfish.kernels.cuda.MemoryScope;
import io.sailfish.kernels.cuda.QuantGemm;
import io.sailfish.kernels.cuda.TiledActivations;
import io.sailfish.kernels.cuda.WeightUpload;
import io.sailfish.kernels.format.packed.PackedLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Times the four products of a Llama block, each reading what the one before wrote, many blocks
 * with weights of their own in one graph: what decoding does, without the rest of the model.
 */
final class ChainBench implements AutoCloseable {
  /** Weights must not survive in L2 from one replay to the next; 50 MB is the largest cache yet. */
  private static final long ROTATION_BYTES = 4L << 30;

  private static final int REPLAYS = 15;
  private static final int WARM_UP = 3;
  private static final int MAX_BLOCKS = 32;

  /**
   * Blocks of a graph at the least, up to {@link #FEW_ROWS}: some 8 µs go by between the event
   * ahead of a graph and its first kernel, which a model pays once a step and a chain of 32 short
   * blocks would count as half a percent of each.
   */
  private static final int GRAPH_BLOCKS = 128;

  private static final int FEW_ROWS = 64;

  private final CudaStream stream;
  private final LayerSet set;
  private final WeightKind kind;
  private final MemoryScope scope;
  private final List<List<DeviceWeight>> blocks = new ArrayList<>();

  /** Packs one block's weights and copies it until the set is far larger than any cache. */
  ChainBench(CudaStream stream, LayerSet set, WeightKind kind) {
    this.stream = stream;
    this.set = set;
    this.kind = kind;
    scope = stream.device().memory().scope();
    int copies = (int) Math.min(MAX_BLOCKS, ROTATION_BYTES / set.bytes(kind) + 1);
    List<DeviceWeight> first = new ArrayList<>();
    try (WeightUpload upload = new WeightUpload(stream)) {
      for (PackedLayout layout : set.layouts(kind)) {
        String name = set.name() + " layer " + first.size();
        NoiseCodes codes = new NoiseCodes(kind, layout, 7 + first.size(), 1);
        first.add(upload.upload(name, layout, codes, kind.tables(1), scope));
      }
    }
    blocks.add(first);
    for (int copy = 1; copy < copies; copy++) {
      blocks.add(first.stream().map(this::copyOf).toList());
    }
    stream.synchronize();
  }

  private DeviceWeight copyOf(DeviceWeight weight) {
    DeviceBuffer buffer = scope.allocate(weight.layout().bytes(), weight.name());
    stream.copy(weight.address(), buffer.address(), weight.layout().bytes());
    return new DeviceWeight(
        weight.name(),
        weight.layout(),
        buffer.address(),
        weight.tablesAddress(),
        weight.tables(),
        weight.scaleExponent());
  }

  /** Microseconds a block: median of the replays, and all of them. */
  record Time(double micros, List<Double> replays) {}

  /** Times {@code rows} rows. */
  Time time(QuantGemm gemm, int rows) {
    CudaDevice device = stream.device();
    int tileRows = tileRows(gemm, rows);
    int tiles = (rows - 1) / tileRows + 1;
    try (MemoryScope activations = device.memory().scope()) {
      List<Long> buffers = new ArrayList<>();
      long bytes = TiledActivations.bytes(tileRows, tiles, set.widest());
      for (int i = 0; i < set.shapes().size(); i++) {
        DeviceBuffer buffer = activations.allocate(bytes, "activations");
        // 0x3c in every byte is 1.06 in fp16 and 0.011 in bf16: finite, not zero, overwritten soon.
        stream.fill(buffer.address(), 0x3c, bytes);
        buffers.add(buffer.address());
      }
      try (CudaGraph graph =
          stream.capture(
              "%s chain, %d rows".formatted(set.name(), rows),
              () -> {
                for (int round = 0; round < rounds(rows); round++) {
                  queueChain(gemm, rows, tileRows, tiles, buffers);
                }
              })) {
        return replay(graph, rounds(rows) * blocks.size());
      }
    }
  }

  /** How often a graph goes through all blocks. */
  private int rounds(int rows) {
    return rows > FEW_ROWS ? 1 : (GRAPH_BLOCKS - 1) / blocks.size() + 1;
  }

  /** As the engine does it: more than 64 rows in tiles of 128 where the weights allow it. */
  private int tileRows(QuantGemm gemm, int rows) {
    boolean large =
        rows > 64
            && set.layouts(kind).stream()
                .allMatch(layout -> gemm.takesPromptTiles(layout, kind.activations(), 1));
    return large ? 128 : TiledActivations.tileRowsFor(rows);
  }

  private void queueChain(QuantGemm gemm, int rows, int tileRows, int tiles, List<Long> buffers) {
    int layers = set.shapes().size();
    for (List<DeviceWeight> block : blocks) {
      for (int layer = 0; layer < layers; layer++) {
        DeviceWeight weight = block.get(layer);
        PackedLayout layout = weight.layout();
        long from = buffers.get((layer + layers - 1) % layers);
        TiledActivations x = view(tileRows, tiles, layout.inputs(), from);
        TiledActivations y = view(tileRows, tiles, layout.outputs(), buffers.get(layer));
        gemm.launch(y, x, weight, rows);
      }
    }
  }

  private TiledActivations view(int tileRows, int tiles, int cols, long address) {
    return new TiledActivations(kind.activations(), tileRows, tiles, cols, address);
  }

  private Time replay(CudaGraph graph, int graphBlocks) {
    double[] micros =
        Arrays.stream(CardTime.each(stream, WARM_UP, REPLAYS, () -> graph.launch(stream)))
            .map(chain -> chain / graphBlocks)
            .toArray();
    List<Double> all = Arrays.stream(micros).map(t -> Math.rint(t * 100) / 100).boxed().toList();
    return new Time(Math.rint(CardTime.median(micros) * 100) / 100, all);
  }

  @Override
  public void close() {
    stream.synchronize();
    scope.close();
  }
}
