package io.sailfish.bench.gpu;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sailfish.bench.BenchmarkResult;
import io.sailfish.kernels.cuda.CudaAvailability;
import io.sailfish.kernels.cuda.CudaDevice;
import io.sailfish.kernels.cuda.CudaStream;
import io.sailfish.kernels.cuda.DeviceBuffer;
import io.sailfish.kernels.cuda.MemoryProbe;
import io.sailfish.kernels.cuda.MemoryScope;
import io.sailfish.kernels.cuda.QuantGemm;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.ZeroKind;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Times the product kernels on the card: read ceiling first, then chains of a Llama block's four
 * layers in one graph, weights rotated past L2, normal noise as input, median of the replays. Run
 * GpuCheck first: a wrong kernel can be fast.
 *
 * <p>Options: {@code --cublas FILE} (what benchmarks/gpu/cublas.py wrote on the same card), {@code
 * --commit ID}, {@code --results FOLDER}, {@code --only TEXT} (names of chains to run), {@code
 * --rows N} (that count alone), {@code --rested} (not under load that lasts).
 */
public final class KernelBench {
  private static final long CEILING_BYTES = 4L << 30;

  /** What the tensor cores reach on large fp16 products of random data, FLOP/s. */
  private static final double COMPUTE_CEILING = 800e12;

  /** A chain to time; figure ids are {@code gemm.NAME.SET.mROWS.us}. */
  private record Chain(String name, WeightKind kind, LayerSet set, int[] rows) {}

  private static final List<Chain> CHAINS =
      List.of(
          new Chain(
              "w4",
              WeightKind.W4_G128,
              LayerSet.LLAMA_8B,
              new int[] {1, 8, 16, 32, 64, 128, 256, 2048}),
          new Chain(
              "w4", WeightKind.W4_G128, LayerSet.LLAMA_70B, new int[] {1, 16, 32, 64, 128, 256}),
          lut("lut4", PackedCode.LUT4),
          lut("lut3", PackedCode.LUT3),
          lut("lut2", PackedCode.LUT2),
          eightB("w4 zeros", PackedCode.W4, ZeroKind.ZERO, 128, TwoByteFloat.F16),
          eightB("w4 g32", PackedCode.W4, ZeroKind.SYMMETRIC, 32, TwoByteFloat.F16),
          eightB("w4 bf16", PackedCode.W4, ZeroKind.SYMMETRIC, 128, TwoByteFloat.BF16));

  private final Options options;
  private final CudaStream stream;
  private final QuantGemm gemm;
  private final JsonNode cublas;
  private final List<BenchmarkResult.Figure> figures = new ArrayList<>();
  private final List<List<String>> rows = new ArrayList<>();

  private KernelBench(Options options, CudaStream stream, QuantGemm gemm) throws IOException {
    this.options = options;
    this.stream = stream;
    this.gemm = gemm;
    cublas =
        options.has("cublas")
            ? new ObjectMapper().readTree(Path.of(options.text("cublas", "")).toFile())
            : new ObjectMapper().createObjectNode();
  }

  private static Chain lut(String name, PackedCode code) {
    WeightKind kind =
        new WeightKind(code, ZeroKind.SYMMETRIC, 128, TwoByteFloat.F16, TwoByteFloat.F16);
    return new Chain(
        name, kind, LayerSet.LLAMA_8B, new int[] {1, 16, 32, 64, 65, 128, 256, 512, 2048});
  }

  private static Chain eightB(
      String name, PackedCode code, ZeroKind zero, int group, TwoByteFloat type) {
    WeightKind kind = new WeightKind(code, zero, group, type, type);
    return new Chain(name, kind, LayerSet.LLAMA_8B, new int[] {1, 16, 32, 64});
  }

  public static void main(String[] args) throws IOException {
    Options options = new Options(args);
    CudaAvailability availability = CardProgram.requireCard("measured");
    try (CudaDevice device = CudaDevice.open(0);
        CudaStream stream = device.newStream();
        QuantGemm gemm = new QuantGemm(stream)) {
      System.out.println(device.properties().describe() + ", " + availability.reason());
      new KernelBench(options, stream, gemm).run();
    }
  }

  private void run() throws IOException {
    double ceiling = readCeiling();
    System.out.printf("read ceiling %.2f TB/s%n", ceiling / 1e12);
    for (Chain chain : CHAINS) {
      String title = chain.name + " " + chain.set.name();
      if (title.contains(options.text("only", ""))) {
        time(chain, ceiling);
      }
    }
    new CardProgram(KernelBench.class, "kernel-bench", options)
        .write(figures, List.of(table(ceiling)));
  }

  private double readCeiling() {
    try (MemoryScope scope = stream.device().memory().scope()) {
      DeviceBuffer memory = scope.allocate(CEILING_BYTES, "read ceiling");
      DeviceBuffer sink = scope.allocate(4, "sink");
      MemoryProbe.fill(stream, memory.address(), memory.bytes(), 1);
      return ReadCeiling.measure(stream, memory, sink);
    }
  }

  private void time(Chain chain, double ceiling) {
    int[] counts = Arrays.stream(chain.rows).filter(n -> options.number("rows", n) == n).toArray();
    try (ChainBench bench = new ChainBench(stream, chain.set, chain.kind)) {
      double[] floors = Arrays.stream(counts).mapToDouble(n -> floor(chain, n, ceiling)).toArray();
      ChainBench.Time[] rested = new ChainBench.Time[counts.length];
      for (int i = 0; i < counts.length; i++) {
        rested[i] = bench.time(gemm, counts[i], floors[i]);
      }
      // Behind all others, as a card needs a while to raise its clock again.
      for (int i = 0; i < counts.length; i++) {
        double lasting = options.has("rested") ? 0 : bench.lasting(gemm, counts[i], floors[i]);
        note(chain, counts[i], rested[i], lasting, floors[i], computeMicros(chain, counts[i]));
      }
    }
  }

  private static double floor(Chain chain, int count, double ceiling) {
    double readMicros = chain.set.bytes(chain.kind) / ceiling * 1e6;
    return Math.max(readMicros, computeMicros(chain, count));
  }

  private static double computeMicros(Chain chain, int count) {
    return chain.set.operations() * count / COMPUTE_CEILING * 1e6;
  }

  private void note(
      Chain chain,
      int count,
      ChainBench.Time time,
      double lasting,
      double floor,
      double computeMicros) {
    JsonNode peer = cublas.path(chain.set.name()).path(String.valueOf(count));
    JsonNode peerLasting = cublas.path("lasting").path(chain.set.name()).path(count + "");
    List<String> row =
        List.of(
            chain.name,
            chain.set.name(),
            String.valueOf(count),
            text("%.1f", time.micros()),
            text("%.1f", floor) + (computeMicros == floor ? " (compute)" : ""),
            text("%.0f %%", 100 * floor / time.micros()),
            text("%.2f", chain.set.bytes(chain.kind) / time.micros() / 1e6),
            peer.isNumber() ? text("%.1f", peer.asDouble()) : "",
            lasting > 0 ? text("%.1f", lasting) : "",
            peerLasting.isNumber() ? text("%.1f", peerLasting.asDouble()) : "");
    rows.add(row);
    System.out.println(String.join("  ", row));
    String id = "gemm.%s.%s.m%d".formatted(chain.name, chain.set.name(), count);
    if (isFigure(chain, count)) {
      figures.add(new BenchmarkResult.Figure(id + ".us", time.micros(), time.replays()));
    }
    if (chain.name.equals("w4") && count == 2048 && peer.isNumber()) {
      figures.add(
          new BenchmarkResult.Figure(
              id + ".share_of_cublas", peer.asDouble() / time.micros(), null));
    }
  }

  /** Whether benchmarks/figures.json has a bound for it; the table shows the others as well. */
  private static boolean isFigure(Chain chain, int count) {
    return switch (chain.name) {
      case "w4" ->
          chain.set == LayerSet.LLAMA_8B ? count != 8 && count <= 256 : count != 1 && count != 128;
      case "lut4", "lut3" -> count == 16 || count == 32;
      case "lut2" -> count == 16;
      default -> false;
    };
  }

  private static String text(String format, double value) {
    return String.format(Locale.ROOT, format, value);
  }

  private BenchmarkResult.Table table(double ceiling) {
    return new BenchmarkResult.Table(
        "Products of a Llama block, chained",
        text("Read ceiling of the same run %.2f TB/s. ", ceiling / 1e12)
            + "Floor: the packed weights over that ceiling, or the arithmetic at 800 TFLOP/s."
            + " cuBLAS: fp16 weights, same shapes, same run. The card rests for a quarter of a second"
            + " before 20 ms of work; held for 0.4 s, it reaches its limit of power and lowers its"
            + " clock: the last two columns.",
        List.of(
            "weights",
            "set",
            "rows",
            "µs",
            "floor",
            "share",
            "TB/s",
            "cuBLAS fp16 µs",
            "µs, held",
            "cuBLAS fp16 µs, held"),
        rows);
  }
}
