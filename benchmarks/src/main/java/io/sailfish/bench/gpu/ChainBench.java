package io.sailfish.bench.gpu;

import io.sailfish.bench.Median;
import io.sailfish.kernels.cuda.CudaDevice;
import io.sailfish.kernels.cuda.CudaGraph;
import io.sailfish.kernels.cuda.CudaStream;
import io.sailfish.kernels.cuda.DeviceBuffer;
import io.sailfish.kernels.cuda.DeviceWeight;
import io.sailfish.kernels.cuda.MemoryScope;
import io.sailfish.kernels.cuda.PinnedMemory;
import io.sailfish.kernels.cuda.QuantGemm;
import io.sailfish.kernels.cuda.TiledActivations;
import io.sailfish.kernels.cuda.WeightUpload;
import io.sailfish.kernels.format.packed.PackedLayout;
import java.nio.ShortBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Times the four products of a Llama block, each reading what the one before wrote and the first
 * one noise, many blocks with weights of their own in one graph: what decoding does, without the
 * rest of the model.
 */
final class ChainBench implements AutoCloseable {
  /** Weights must not survive in L2 from one replay to the next; 50 MB is the largest cache yet. */
  private static final long ROTATION_BYTES = 4L << 30;

  private static final int MAX_BLOCKS = 32;

  /**
   * Of a graph: some 8 µs go by between the event ahead of it and its first kernel, which a model
   * pays once a step.
   */
  private static final double GRAPH_MICROS = 2000;

  private static final int MAX_GRAPH_BLOCKS = 128;

  /**
   * A card that has rested runs at its highest clock for some 30 ms of such work; then its power
   * limit lowers it by up to a third wherever the tensor cores are busy. Peers are measured rested.
   */
  private static final long REST_MILLIS = 250;

  private static final int WARM_UP = 2;
  private static final int REPLAYS = 5;
  private static final double LASTING_MICROS = 400_000;

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

  /** What is done with a graph of some blocks. */
  private interface Replay<T> {
    T of(CudaGraph graph, int graphBlocks);
  }

  /**
   * Times {@code rows} rows of a rested card.
   *
   * @param floorMicros about what a block takes at the least
   */
  Time time(QuantGemm gemm, int rows, double floorMicros) {
    return replay(
        gemm,
        rows,
        floorMicros,
        (graph, graphBlocks) -> {
          rest();
          double[] micros = micros(graph, graphBlocks, WARM_UP, REPLAYS);
          List<Double> all = Arrays.stream(micros).map(ChainBench::rounded).boxed().toList();
          return new Time(rounded(Median.of(micros)), all);
        });
  }

  /** Microseconds a block under load that lasts: median of the second half of 0.4 s. */
  double lasting(QuantGemm gemm, int rows, double floorMicros) {
    return replay(
        gemm,
        rows,
        floorMicros,
        (graph, graphBlocks) -> {
          double once = micros(graph, graphBlocks, 1, 1)[0];
          int half = (int) (LASTING_MICROS / (2 * graphBlocks * once)) + 1;
          return rounded(Median.of(micros(graph, graphBlocks, half, half)));
        });
  }

  private <T> T replay(QuantGemm gemm, int rows, double floorMicros, Replay<T> replay) {
    CudaDevice device = stream.device();
    int tileRows = tileRows(gemm, rows);
    int tiles = (rows - 1) / tileRows + 1;
    int graphBlocks = Math.min(MAX_GRAPH_BLOCKS, (int) (GRAPH_MICROS / floorMicros) + 1);
    try (MemoryScope activations = device.memory().scope()) {
      List<Long> buffers = new ArrayList<>();
      buffers.add(noise(activations, tileRows, tiles));
      long bytes = TiledActivations.bytes(tileRows, tiles, set.widest());
      for (int i = 0; i < set.shapes().size(); i++) {
        buffers.add(activations.allocate(bytes, "activations").address());
      }
      try (CudaGraph graph =
          stream.capture(
              "%s chain, %d rows".formatted(set.name(), rows),
              () -> queueChain(gemm, rows, tileRows, tiles, buffers, graphBlocks))) {
        return replay.of(graph, graphBlocks);
      }
    }
  }

  /**
   * What a block begins with: normal noise, other in every row. Equal rows or a constant would take
   * less power and be up to a fifth faster, where the tensor cores are the limit.
   */
  private long noise(MemoryScope scope, int tileRows, int tiles) {
    int inputs = set.shapes().get(0)[0];
    DeviceBuffer buffer =
        scope.allocate(TiledActivations.bytes(tileRows, tiles, inputs), "input of the chain");
    try (PinnedMemory host =
        stream.device().pinned(Math.toIntExact(buffer.bytes()), "input of the chain")) {
      Random random = new Random(5);
      ShortBuffer values = host.buffer().clear().asShortBuffer();
      while (values.hasRemaining()) {
        values.put(kind.activations().encode((float) random.nextGaussian()));
      }
      stream.upload(host.buffer().clear(), buffer.address());
      stream.synchronize();
    }
    return buffer.address();
  }

  /** As the engine does it: more than 64 rows in tiles of 128 where the weights allow it. */
  private int tileRows(QuantGemm gemm, int rows) {
    boolean large =
        rows > 64
            && set.layouts(kind).stream()
                .allMatch(layout -> gemm.takesPromptTiles(layout, kind.activations(), 1));
    return large ? 128 : TiledActivations.tileRowsFor(rows);
  }

  private void queueChain(
      QuantGemm gemm, int rows, int tileRows, int tiles, List<Long> buffers, int graphBlocks) {
    for (int block = 0; block < graphBlocks; block++) {
      for (int layer = 0; layer < set.shapes().size(); layer++) {
        DeviceWeight weight = blocks.get(block % blocks.size()).get(layer);
        PackedLayout layout = weight.layout();
        TiledActivations x = view(tileRows, tiles, layout.inputs(), buffers.get(layer));
        TiledActivations y = view(tileRows, tiles, layout.outputs(), buffers.get(layer + 1));
        gemm.launch(y, x, weight, rows);
      }
    }
  }

  private TiledActivations view(int tileRows, int tiles, int cols, long address) {
    return new TiledActivations(kind.activations(), tileRows, tiles, cols, address);
  }

  private double[] micros(CudaGraph graph, int graphBlocks, int warmUp, int count) {
    return Arrays.stream(CardTime.each(stream, warmUp, count, () -> graph.launch(stream)))
        .map(chain -> chain / graphBlocks)
        .toArray();
  }

  private static double rounded(double micros) {
    return Math.rint(micros * 100) / 100;
  }

  private static void rest() {
    try {
      Thread.sleep(REST_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    stream.synchronize();
    scope.close();
  }
}
