package io.sailfish.bench;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedWeight;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * Seconds to bring all weights of an 8B model into the layout in which a card keeps them, on all
 * processors and with no card: rows of a checkpoint in, panels out to where a card would copy them
 * from. Rows and that staging memory lie outside of the heap, so heap limit and staging together
 * are all the memory that packing takes; more than 1.5 times a packed layer of them is refused.
 *
 * <pre>
 * SAILFISH_BENCH_JVM='-Xmx112m -XX:MaxDirectMemorySize=1g' benchmarks/run.sh PackBench q4_0|u4 RESULTS_FOLDER
 * </pre>
 */
public final class PackBench {
  private static final int LAYERS = 32;
  private static final int HIDDEN = 4096;
  private static final int INNER = 14336;
  private static final int KEYS = 1024;
  private static final int VOCABULARY = 128_256;
  private static final int RUNS = 3;
  private static final int STAGING_BYTES = 32 << 20;
  private static final double MOST_LAYERS = 1.5;

  /** Rows of a source, over and over; far more than caches hold. */
  private static final int SOURCE_BYTES = 64 << 20;

  private static final int GROUP = 128;

  private final ByteBuffer staging = ByteBuffer.allocateDirect(STAGING_BYTES);

  private PackBench() {}

  public static void main(String[] args) throws IOException {
    if (args.length != 2) {
      throw new IllegalArgumentException("PackBench q4_0|u4 RESULTS_FOLDER");
    }
    QuantFormat format = format(args[0]);
    List<String> row = new PackBench().measure(format);
    System.out.println(
        BenchmarkResult.here(
                "pack-" + format.id(),
                "SAILFISH_BENCH_JVM='-Xmx112m -XX:MaxDirectMemorySize=1g' benchmarks/run.sh PackBench "
                    + format.id()
                    + " benchmarks/results",
                List.of(),
                List.of(
                    new BenchmarkResult.Table(
                        "An 8B model in %s packed for a card, without one".formatted(format.id()),
                        ("Llama 8B shapes, %d layers of 4-bit weights; embedding and head fp16, once"
                                + " each. Rows come from memory outside of the heap, panels go to"
                                + " staging memory as a card's upload has it; median of %d runs."
                                + " Heap limit and staging are all the memory beside source and"
                                + " target.")
                            .formatted(LAYERS, RUNS),
                        List.of(
                            "linears",
                            "layers, s",
                            "runs, s",
                            "embedding and head, s",
                            "packed, GB",
                            "heap limit and staging, MB",
                            "in packed layers"),
                        List.of(row))))
            .write(Path.of(args[1])));
  }

  static QuantFormat format(String id) {
    return switch (id) {
      case "q4_0" -> QuantFormat.Q4_0;
      case "u4" -> QuantFormat.U4;
      default -> throw new IllegalArgumentException("expected q4_0 or u4, got " + id);
    };
  }

  /** Where a model's rows come from. */
  private static final class Model {
    private final Source hidden;
    private final Source inner;
    private final Source halves = new Source(QuantFormat.F16, HIDDEN);

    Model(QuantFormat format) {
      hidden = new Source(format, HIDDEN);
      inner = new Source(format, INNER);
    }

    /** A layer's products. Looks at all scales, as loading does. */
    List<PackedWeight> layer() {
      return List.of(
          PackedWeight.of(List.of(hidden.of(HIDDEN + 2 * KEYS)), false, false),
          PackedWeight.of(List.of(hidden.of(HIDDEN)), false, false),
          PackedWeight.of(List.of(hidden.of(INNER), hidden.of(INNER)), true, false),
          PackedWeight.of(List.of(inner.of(HIDDEN)), false, false));
    }

    PackedWeight table() {
      return PackedWeight.of(List.of(halves.of(VOCABULARY)), false, true);
    }
  }

  private static long bytes(List<PackedWeight> weights) {
    return weights.stream().mapToLong(weight -> weight.form().bytes()).sum();
  }

  private List<String> measure(QuantFormat format) {
    Model model = new Model(format);
    List<PackedWeight> tables = List.of(model.table(), model.table());
    long layerBytes = bytes(model.layer());
    long extra = Runtime.getRuntime().maxMemory() + STAGING_BYTES;
    double inLayers = (double) extra / layerBytes;
    if (inLayers > MOST_LAYERS) {
      throw new IllegalStateException(
          "heap limit and staging are %,d bytes, more than %.1f packed layers of %,d: lower -Xmx"
              .formatted(extra, MOST_LAYERS, layerBytes));
    }
    pack(model.layer()); // warms up
    List<Double> layers = new ArrayList<>();
    for (int run = 0; run < RUNS; run++) {
      long start = System.nanoTime();
      for (int layer = 0; layer < LAYERS; layer++) {
        pack(model.layer());
      }
      layers.add((System.nanoTime() - start) / 1e9);
    }
    long start = System.nanoTime();
    pack(tables);
    double tableSeconds = (System.nanoTime() - start) / 1e9;
    double median = Median.of(layers);
    long packed = LAYERS * layerBytes + bytes(tables);
    List<String> row =
        List.of(
            format.id(),
            text("%.2f", median),
            String.join(", ", layers.stream().map(s -> text("%.2f", s)).toList()),
            text("%.2f", tableSeconds),
            text("%.2f", packed / 1e9),
            text("%.0f", extra / 1e6),
            text("%.2f", inLayers));
    System.out.println(row);
    return row;
  }

  private static String text(String format, double value) {
    return String.format(Locale.ROOT, format, value);
  }

  private void pack(List<PackedWeight> weights) {
    weights.forEach(weight -> weight.pack((panel, offset, bytes) -> send(bytes)));
  }

  private synchronized void send(byte[] bytes) {
    if (staging.remaining() < bytes.length) {
      staging.clear();
    }
    staging.put(bytes);
  }

  /** Rows of one length, outside of the heap. */
  private static final class Source {
    private final QuantFormat format;
    private final int cols;
    private final int rowBytes;
    private final int count;
    private final ByteBuffer encoded;

    Source(QuantFormat format, int cols) {
      this.format = format;
      this.cols = cols;
      this.rowBytes = Math.toIntExact(format.rowBytes(cols));
      this.count = SOURCE_BYTES / rowBytes;
      this.encoded = ByteBuffer.allocateDirect(count * rowBytes).order(ByteOrder.LITTLE_ENDIAN);
      Random random = new Random(cols);
      for (int row = 0; row < count; row++) {
        encode(row, random);
      }
    }

    private void encode(int row, Random random) {
      if (format == QuantFormat.U4) {
        encoded.position(row * rowBytes);
        byte[] codes = new byte[cols];
        for (int k = 0; k < cols; k++) {
          codes[k] = (byte) random.nextInt(16);
        }
        float scale = 0;
        for (int k = 0; k < cols; k += GroupBlocks.LENGTH) {
          scale = k % GROUP == 0 ? half(0.01f * (1 + random.nextFloat())) : scale;
          GroupBlocks.putIntegers(format, scale, 8, codes, k, encoded);
        }
        return;
      }
      float[] values = new float[cols];
      for (int k = 0; k < cols; k++) {
        values[k] = random.nextFloat() - 0.5f;
      }
      format.codec().encode(values, 0, cols, encoded, row * rowBytes);
    }

    private static float half(float value) {
      return TwoByteFloat.F16.decode(TwoByteFloat.F16.encode(value));
    }

    WeightSource of(int rows) {
      return new Matrix(this, rows);
    }
  }

  private record Matrix(Source source, int rows) implements WeightSource {
    @Override
    public String name() {
      return source.format.id();
    }

    @Override
    public QuantFormat format() {
      return source.format;
    }

    @Override
    public int cols() {
      return source.cols;
    }

    @Override
    public void readRows(int firstRow, int numRows, ByteBuffer dst) {
      for (int row = firstRow; row < firstRow + numRows; row++) {
        int at = row % source.count * source.rowBytes;
        dst.put(source.encoded.slice(at, source.rowBytes));
      }
    }
  }
}
