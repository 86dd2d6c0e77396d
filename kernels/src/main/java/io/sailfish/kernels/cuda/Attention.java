package io.sailfish.kernels.cuda;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.cuda.RopeKernels.Variant;
import io.sailfish.kernels.format.TwoByteFloat;
import java.util.ArrayList;
import java.util.List;

/**
 * Twin of attention_decode_*_sm90.cu and attention_prefill_*_sm90.cu. Owns the workspace in which a
 * row's spans meet; launches on one stream share it.
 */
final class Attention implements AutoCloseable {
  private static final int THREADS = 128;

  /** Rows of so many tokens are one block's work: adding spans up costs more than it gains. */
  private static final int WHOLE = 1024;

  private static final int SPAN = 512;
  private static final int MAX_SPANS = 64;
  private static final int GROUP_HEADS = 8;
  private static final int PROMPT_ROWS = 64;
  private static final int PROMPT_STAGES = 2;
  private static final int PROMPT_BLOCKS = 4;
  private static final int WARP = 32;
  private static final int DECODE_WARPS = 4;
  private static final int LEAST_RING = 2;
  private static final int LARGEST_RING = 8;

  /** Shared memory of a multiprocessor that blocks under way may take. */
  private static final int RING_BYTES = 220 << 10;

  /** What a block may take that is alone there, so that one of a product fits beside it. */
  private static final int BESIDE_RING_BYTES = 96 << 10;

  private static final int LARGEST_SPLIT_RING = 10;

  /** Blocks under way of a split launch: more take bandwidth from the product ahead. */
  private static final int SPLIT_SLOTS = 768;

  private static final List<Integer> SPLIT_DIMS = List.of(64, 128);

  /** More blocks a multiprocessor hide each other's latencies without longer rings. */
  private static final int MOST_RESIDENT = 3;

  private static final double LOG2_E = 1 / Math.log(2);

  private static final List<Integer> BRAIN_DIMS = List.of(16, 32, 64, 80, 96, 128);
  private static final List<Integer> BRAIN_VARIANT_DIMS = List.of(16, 32, 64, 128);

  private static final KernelSpec DECODE = decodeParameters().build();
  private static final KernelSpec DECODE_VARIANT =
      decodeParameters().in("bias").in("qNorm").in("kNorm").f32("eps").i32("window").build();
  private static final KernelSpec PREFILL = prefillParameters().build();
  private static final KernelSpec PREFILL_WINDOW = prefillParameters().i32("window").build();

  private final CudaStream stream;

  /** The last of each is in use; older ones stay, because captured graphs know their addresses. */
  private final List<DeviceBuffer> partials = new ArrayList<>();

  private final List<DeviceBuffer> arrivals = new ArrayList<>();

  Attention(CudaStream stream) {
    this.stream = stream;
  }

  private static KernelSpec.Builder decodeParameters() {
    return KernelSpec.kernel("", "")
        .out("y")
        .in("qkv")
        .out("cache")
        .in("positions")
        .in("rowSequences")
        .in("blockTables")
        .in("cosSin")
        .in("slots")
        .out("partials")
        .out("arrivals")
        .i32("stride")
        .i32("tileRows")
        .i32("heads")
        .i32("kvHeads")
        .i32("headDim")
        .i32("interleaved")
        .i32("ring")
        .f32("scale");
  }

  private static KernelSpec.Builder prefillParameters() {
    return KernelSpec.kernel("", "")
        .out("y")
        .in("qkv")
        .in("cache")
        .in("positions")
        .in("rowSequences")
        .in("blockTables")
        .i32("stride")
        .i32("rows")
        .i32("tileRows")
        .i32("heads")
        .i32("kvHeads")
        .i32("headDim")
        .f32("scale");
  }

  static List<KernelSpec> specs() {
    List<KernelSpec> specs = new ArrayList<>();
    for (TwoByteFloat type : TwoByteFloat.values()) {
      for (int dim = 16; dim <= CudaKvCache.MAX_HEAD_DIM; dim += 16) {
        for (boolean plain : new boolean[] {true, false}) {
          if (isBuilt(type, dim, plain)) {
            specs.add(decodeSpec(type, dim, plain));
            specs.add(prefillSpec(type, dim, plain));
          }
        }
      }
      SPLIT_DIMS.forEach(dim -> specs.add(splitSpec(type, dim)));
    }
    return specs;
  }

  /** Head dims with kernels for bf16: those of models, as every entry costs build time. */
  private static boolean isBuilt(TwoByteFloat type, int dim, boolean plain) {
    return type == TwoByteFloat.F16 || (plain ? BRAIN_DIMS : BRAIN_VARIANT_DIMS).contains(dim);
  }

  /**
   * Refuses head dims that have no kernel for a type of activations.
   *
   * @param plain whether layers have neither biases nor norms of heads nor a window
   */
  static void check(TwoByteFloat type, AttentionShape shape, boolean plain) {
    if (!isBuilt(type, CudaKvCache.paddedDim(shape), plain)) {
      throw new KernelException(
          "attention",
          plain ? "headDim" : "headDim with biases, norms or a window",
          "one of %s for %s activations (fp16 takes others)"
              .formatted(plain ? BRAIN_DIMS : BRAIN_VARIANT_DIMS, type.describe()),
          shape.headDim());
    }
  }

  private static KernelSpec decodeSpec(TwoByteFloat type, int dim, boolean plain) {
    return named(
        plain ? DECODE : DECODE_VARIANT, "attention_decode", plain ? "" : "_variant", type, dim);
  }

  /** The four warps of a block as a cluster of blocks. */
  private static KernelSpec splitSpec(TwoByteFloat type, int dim) {
    return named(DECODE, "attention_decode", "_split", type, dim);
  }

  private static KernelSpec prefillSpec(TwoByteFloat type, int dim, boolean plain) {
    return named(
        plain ? PREFILL : PREFILL_WINDOW, "attention_prefill", plain ? "" : "_window", type, dim);
  }

  private static KernelSpec named(
      KernelSpec parameters, String kernel, String variant, TwoByteFloat type, int dim) {
    String ofType = type == TwoByteFloat.F16 ? "" : "_" + type.id();
    return parameters.withEntry(
        kernel + ofType + "_sm90", "%s%s%s_d%d".formatted(kernel, variant, ofType, dim));
  }

  private static float scale(AttentionShape shape) {
    return (float) (LOG2_E / Math.sqrt(shape.headDim()));
  }

  /**
   * Most spans of a row whose block table has {@code stride} entries.
   *
   * @param window keys that it sees, from the beginning of a block on; 0 = all
   */
  static int spans(int stride, int window) {
    long tokens = (long) stride * CudaKvCache.TOKENS;
    if (window > 0) {
      tokens = Math.min(tokens, (long) window + CudaKvCache.TOKENS - 1);
    }
    return tokens <= WHOLE ? 1 : (int) Math.min(MAX_SPANS, (tokens - 1) / SPAN + 1);
  }

  /** Blocks of the grid that share a kv head, 8 query heads each. */
  private static int groups(AttentionShape shape) {
    return shape.kvHeads() * ((shape.heads() / shape.kvHeads() - 1) / GROUP_HEADS + 1);
  }

  static long partialBytes(AttentionShape shape, int rows, int spans) {
    return (long) rows
        * groups(shape)
        * spans
        * GROUP_HEADS
        * (CudaKvCache.paddedDim(shape) + 2 * DECODE_WARPS)
        * Float.BYTES;
  }

  /**
   * Blocks of 16 tokens that each warp keeps under way: as many as fit where few blocks of the grid
   * share a multiprocessor. Changes no bit.
   *
   * @param blocks of the grid
   */
  static int ring(int paddedDim, long blocks, int multiprocessors) {
    long resident = Math.min(MOST_RESIDENT, (blocks - 1) / multiprocessors + 1);
    long bytes = resident == 1 ? BESIDE_RING_BYTES : RING_BYTES / resident;
    int fits = (int) (bytes / (DECODE_WARPS * slotBytes(paddedDim)));
    return Math.max(LEAST_RING, Math.min(LARGEST_RING, fits));
  }

  /**
   * Whether so few blocks become clusters of one for each warp.
   *
   * @param plain whether there are neither biases nor norms of heads nor a window
   */
  static boolean splits(int paddedDim, boolean plain, long blocks, int multiprocessors) {
    return plain && SPLIT_DIMS.contains(paddedDim) && blocks * DECODE_WARPS <= multiprocessors;
  }

  /** The same as {@link #ring} where they do. */
  static int splitRing(long blocks) {
    return (int) Math.min(LARGEST_SPLIT_RING, SPLIT_SLOTS / (blocks * DECODE_WARPS));
  }

  /** Bytes of 16 tokens of a head. */
  private static int slotBytes(int paddedDim) {
    return 2 * paddedDim * CudaKvCache.TOKENS * Short.BYTES;
  }

  /**
   * What {@link #decode} does before it attends, for rows whose q and k are as the product left
   * them.
   *
   * @param cosSin address of the rope table
   * @param variant what comes ahead of the rotation
   */
  record Rotation(long cosSin, boolean interleaved, Variant variant) {}

  /** Whether {@link #decode} can rotate heads of such a shape. */
  static boolean rotates(AttentionShape shape) {
    return shape.headDim() == CudaKvCache.paddedDim(shape);
  }

  /**
   * Queues the attention of rows that go on by one token.
   *
   * @param rotation null if q is rotated and the rows' own keys and values are in the cache;
   *     otherwise both are done on the way. Then the step's inputs and the keys of earlier tokens
   *     have to have been there before the running graph began, and no two rows may be of one
   *     sequence
   * @param window keys that a row sees, its own the last; 0 = all
   */
  void decode(
      TiledActivations y,
      TiledActivations qkv,
      CudaKvCache cache,
      int layer,
      CudaStep step,
      int rows,
      Rotation rotation,
      int window) {
    AttentionShape shape = cache.shape();
    int dim = CudaKvCache.paddedDim(shape);
    int spans = spans(step.stride(), window);
    reserve(shape, rows, step.stride());
    long blocks = (long) spans * groups(shape) * rows;
    Variant variant = rotation == null ? Variant.NONE : rotation.variant();
    boolean plain = window == 0 && variant.equals(Variant.NONE);
    int multiprocessors = stream.device().properties().multiprocessors();
    boolean split = splits(dim, plain, blocks, multiprocessors);
    int ring = split ? splitRing(blocks) : ring(dim, blocks, multiprocessors);
    int warps = split ? 1 : DECODE_WARPS;
    LaunchGeometry geometry =
        LaunchGeometry.of(1, WARP * warps)
            .withGrid(spans * (DECODE_WARPS / warps), groups(shape), rows)
            .withShared(warps * ring * slotBytes(dim))
            .overlapping();
    Object[] arguments = {
      y.address(),
      qkv.address(),
      cache.layerAddress(layer),
      step.positions(),
      step.rowSequences(),
      step.blockTables(),
      rotation == null ? 0L : rotation.cosSin(),
      rotation == null ? 0L : step.slots(),
      last(partials).address(),
      last(arrivals).address(),
      step.stride(),
      y.tileRows(),
      shape.heads(),
      shape.kvHeads(),
      shape.headDim(),
      rotation != null && rotation.interleaved() ? 1 : 0,
      ring,
      scale(shape)
    };
    check(qkv.type(), shape, plain);
    Object[] all = plain ? arguments : RopeKernels.with(arguments, variant, window);
    KernelSpec spec = split ? splitSpec(qkv.type(), dim) : decodeSpec(qkv.type(), dim, plain);
    stream.launch(spec, geometry, all);
  }

  /**
   * Queues the attention of rows of prompts.
   *
   * @param window keys that a row sees, its own the last; 0 = all
   */
  void prefill(
      TiledActivations y,
      TiledActivations qkv,
      CudaKvCache cache,
      int layer,
      CudaStep step,
      int rows,
      int window) {
    AttentionShape shape = cache.shape();
    int dim = CudaKvCache.paddedDim(shape);
    int stageBytes = PROMPT_BLOCKS * 2 * dim * CudaKvCache.TOKENS * Short.BYTES;
    LaunchGeometry geometry =
        LaunchGeometry.of(1, THREADS)
            .withGrid((rows - 1) / PROMPT_ROWS + 1, shape.heads(), 1)
            .withShared(PROMPT_STAGES * stageBytes)
            .overlapping();
    List<Object> arguments =
        new ArrayList<>(
            List.of(
                y.address(),
                qkv.address(),
                cache.layerAddress(layer),
                step.positions(),
                step.rowSequences(),
                step.blockTables(),
                step.stride(),
                rows,
                y.tileRows(),
                shape.heads(),
                shape.kvHeads(),
                shape.headDim(),
                scale(shape)));
    if (window > 0) {
      arguments.add(window);
    }
    check(qkv.type(), shape, window == 0);
    KernelSpec spec = prefillSpec(qkv.type(), dim, window == 0);
    stream.launch(spec, geometry, arguments.toArray());
  }

  /** Bytes that {@link #decode} needs for so many rows and entries of a block table. */
  static long decodeBytes(AttentionShape shape, int rows, int stride) {
    return partialBytes(shape, rows, spans(stride, 0)) + arrivalBytes(shape, rows);
  }

  private static long arrivalBytes(AttentionShape shape, int rows) {
    return (long) rows * groups(shape) * DECODE_WARPS * Integer.BYTES;
  }

  /** Takes {@link #decodeBytes}, so that no later launch has to. */
  void reserve(AttentionShape shape, int rows, int stride) {
    reserve(partials, partialBytes(shape, rows, spans(stride, 0)), false);
    reserve(arrivals, arrivalBytes(shape, rows), true);
  }

  private void reserve(List<DeviceBuffer> buffers, long bytes, boolean zeroed) {
    if (buffers.isEmpty() || last(buffers).bytes() < bytes) {
      DeviceBuffer buffer = stream.device().memory().allocate(bytes, "attention workspace");
      if (zeroed) {
        stream.fill(buffer.address(), 0, bytes);
      }
      buffers.add(buffer);
    }
  }

  private static DeviceBuffer last(List<DeviceBuffer> buffers) {
    return buffers.get(buffers.size() - 1);
  }

  @Override
  public void close() {
    partials.forEach(DeviceBuffer::close);
    arrivals.forEach(DeviceBuffer::close);
  }
}
