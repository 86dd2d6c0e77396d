package io.sailfish.kernels.cpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.BackendProvider;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The host's processors. Activations and weights in Java arrays, KV cache in direct buffers; the
 * garbage collector frees them after {@link #close()}.
 */
public final class CpuBackend implements Backend {
  private static final Logger LOG = LoggerFactory.getLogger(CpuBackend.class);
  private static final String VECTOR_MODULE = "jdk.incubator.vector";
  private static final AtomicBoolean SAID_MODULE_IS_MISSING = new AtomicBoolean();

  private final Parallel parallel;
  private final Ops ops;
  private final Packing packing;
  private final GramProduct gram;
  private final String description;

  private interface Packing {
    Weight pack(String name, List<WeightSource> parts);
  }

  private CpuBackend(
      Parallel parallel, Ops ops, Packing packing, PanelMath math, String description) {
    this.parallel = parallel;
    this.ops = ops;
    this.packing = packing;
    this.gram = new GramProduct(math, parallel);
    this.description = description;
  }

  /**
   * @param threads threads to compute on, 0 = all processors the JVM sees
   */
  public static CpuBackend open(int threads) {
    return open(threads, ModuleLayer.boot().findModule(VECTOR_MODULE).isPresent());
  }

  private static CpuBackend open(int threads, boolean vectors) {
    if (threads < 0) {
      throw new IllegalArgumentException(
          "threads=%d must be positive, or 0 for all processors".formatted(threads));
    }
    if (!vectors && SAID_MODULE_IS_MISSING.compareAndSet(false, true)) {
      LOG.warn(
          "this JVM runs without {}: CPU operators run in plain loops, several times slower; start"
              + " it with --add-modules={}",
          VECTOR_MODULE,
          VECTOR_MODULE);
    }
    int count = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
    // VectorMath must not be loaded, nor even verified, where the module is missing.
    return over(new Parallel(count), vectors ? VectorModule.math() : plainMath());
  }

  private static final class VectorModule {
    static PanelMath math() {
      return new VectorMath();
    }
  }

  private static PanelMath plainMath() {
    return new PlainMath("plain loops (no --add-modules=" + VECTOR_MODULE + ")");
  }

  /** Plain loops instead of vectors: the same bits, slower. For tests. */
  public static CpuBackend plain(int threads) {
    return over(new Parallel(threads), new PlainMath("plain loops"));
  }

  private static CpuBackend over(Parallel parallel, PanelMath math) {
    String description = "CPU, %d threads, %s".formatted(parallel.threads(), math.describe());
    PanelPacker packer = new PanelPacker(parallel);
    return new CpuBackend(parallel, new VectorOps(parallel, math), packer::pack, math, description);
  }

  /** The oracle: {@link ReferenceOps} over rows as the checkpoint has them. For tests. */
  public static CpuBackend reference() {
    return new CpuBackend(
        new Parallel(1),
        new ReferenceOps(),
        EncodedWeight::new,
        plainMath(),
        "CPU, reference in double");
  }

  /** Name of the layout that weights of a format get here, lower case; for docs/formats.md. */
  public static String layoutOf(QuantFormat format) {
    return PanelLayout.of(format, format.blockLength()).kind().name().toLowerCase(Locale.ROOT);
  }

  /** For {@link io.sailfish.kernels.Backends}. */
  public static BackendProvider provider() {
    return new BackendProvider() {
      @Override
      public String id() {
        return "cpu";
      }

      @Override
      public String refusal(BackendRequest request) {
        return null;
      }

      @Override
      public Backend open(BackendRequest request) {
        return CpuBackend.open(request.threads());
      }
    };
  }

  @Override
  public String id() {
    return "cpu";
  }

  @Override
  public String describe() {
    return description;
  }

  @Override
  public Ops ops() {
    return ops;
  }

  @Override
  public Tensor floats(int rows, int cols, String purpose) {
    return new CpuTensor(rows, cols, purpose);
  }

  /** A tensor over an array as it is: what is written to one is in the other. */
  public Tensor over(float[] values, int rows, int cols, String purpose) {
    return new CpuTensor(rows, cols, purpose, values);
  }

  @Override
  public IntTensor ints(int length, String purpose) {
    return new CpuInts(length);
  }

  @Override
  public Weight weight(String name, List<WeightSource> parts) {
    if (parts.isEmpty()) {
      throw new KernelException("weight " + name, "parts", "at least one", 0);
    }
    int cols = parts.get(0).cols();
    for (WeightSource part : parts) {
      if (part.cols() != cols) {
        throw new KernelException("weight " + name, part.name() + ".cols", cols, part.cols());
      }
      if (part.rows() <= 0 || cols <= 0 || cols % part.format().blockLength() != 0) {
        throw new KernelException(
            "weight " + name,
            part.name(),
            "rows > 0 and cols a multiple of " + part.format().blockLength(),
            part.rows() + " x " + cols);
      }
    }
    return packing.pack(name, parts);
  }

  /**
   * Adds the second moments of activations, which quantizers weigh errors with: gram[i, j] += Σ
   * x[r, i] · x[r, j] over the first {@code rows} rows. The same bits whatever the threads.
   *
   * @param gram {@code [x.cols(), x.cols()]}; of elements below the diagonal some are left alone
   */
  public void addGram(double[] gram, Tensor x, int rows) {
    long elements = (long) x.cols() * x.cols();
    if (gram.length != elements) {
      throw new KernelException("addGram", "gram", elements + " elements", gram.length);
    }
    if (rows < 0 || rows > x.rows()) {
      throw new KernelException("addGram", "rows", "0.." + x.rows(), rows);
    }
    this.gram.add(gram, ((CpuTensor) x).data, rows, x.cols());
  }

  @Override
  public KvCache kvCache(int layers, int numBlocks, int blockTokens, AttentionShape shape) {
    return new CpuKvCache(layers, numBlocks, blockTokens, shape);
  }

  @Override
  public long kvBlockBytes(int layers, int blockTokens, AttentionShape shape) {
    return CpuKvCache.blockBytes(layers, blockTokens, shape);
  }

  @Override
  public long freeBytes() {
    return HostMemory.freeBytes();
  }

  @Override
  public void write(Tensor dst, long offset, float[] src, int srcOffset, int count) {
    float[] data = ((CpuTensor) dst).data;
    range("write", offset, count, (long) dst.rows() * dst.cols());
    System.arraycopy(src, srcOffset, data, (int) offset, count);
  }

  @Override
  public void write(IntTensor dst, int[] src, int count) {
    range("write", 0, count, dst.length());
    System.arraycopy(src, 0, ((CpuInts) dst).data, 0, count);
  }

  @Override
  public void read(Tensor src, long offset, float[] dst, int dstOffset, int count) {
    range("read", offset, count, (long) src.rows() * src.cols());
    System.arraycopy(((CpuTensor) src).data, (int) offset, dst, dstOffset, count);
  }

  private static void range(String op, long offset, int count, long length) {
    if (offset < 0 || count < 0 || offset > length - count) {
      throw new KernelException(
          op, "elements", "a range within 0.." + length, offset + " + " + count);
    }
  }

  @Override
  public void close() {
    parallel.close();
  }
}
