package io.sailfish.kernels.cuda;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.format.TwoByteFloat;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Twins of rope_append.cu. Shapes have been checked by {@link CudaOps}; counts are checked here.
 */
final class RopeKernels {
  private static final int PIECE = 8;
  private static final int THREADS = 256;
  private static final int BLOCK_ROWS = 8;

  /** Heads that share a thread's angles. */
  private static final int HEADS = 4;

  private static final int UNITS = THREADS / BLOCK_ROWS;

  /** What {@link #launch} does, in the bits of the kernel's mode. */
  static final int ROTATE = 1;

  static final int APPEND = 2;

  private static final KernelSpec PLAIN = parameters().build();
  private static final KernelSpec VARIANT =
      parameters().in("bias").in("qNorm").in("kNorm").f32("eps").build();

  private RopeKernels() {}

  static List<KernelSpec> specs() {
    List<KernelSpec> specs = new ArrayList<>();
    for (TwoByteFloat type : TwoByteFloat.values()) {
      specs.add(spec(type, true));
      specs.add(spec(type, false));
    }
    return specs;
  }

  private static KernelSpec spec(TwoByteFloat type, boolean plain) {
    return plain
        ? PLAIN.withEntry("rope_append", "rope_append_" + type.id())
        : VARIANT.withEntry("rope_append", "rope_append_variant_" + type.id());
  }

  private static KernelSpec.Builder parameters() {
    return KernelSpec.kernel("", "")
        .out("qkv")
        .in("cosSin")
        .in("positions")
        .in("slots")
        .out("cache")
        .i32("rows")
        .i32("tileRows")
        .i32("pieces")
        .i32("heads")
        .i32("kvHeads")
        .i32("headDim")
        .i32("interleaved")
        .i32("mode");
  }

  /** Device addresses; 0 where a mode does not need one. */
  record Inputs(long cosSin, long positions, long slots, long layerCache) {}

  /**
   * What comes ahead of the rotation: addresses of fp32 vectors, 0 where there is none.
   *
   * @param bias of all columns of q, k and v
   * @param qNorm of the dims of a query head; 0 like {@code kNorm} where heads are not normed
   * @param kNorm of the dims of a key head
   * @param eps of the norms
   */
  record Variant(long bias, long qNorm, long kNorm, float eps) {
    static final Variant NONE = new Variant(0, 0, 0, 0);
  }

  /**
   * Queues the rotation of q and k, the append of k and v to the cache, or both.
   *
   * @param mode {@link #ROTATE}, {@link #APPEND} or both; with a variant not {@link #APPEND} alone
   * @param in {@code cosSin} and {@code positions} are 0 unless it rotates, {@code layerCache} and
   *     {@code slots} unless it appends
   */
  static void launch(
      CudaStream stream,
      TiledActivations qkv,
      Inputs in,
      Variant variant,
      AttentionShape shape,
      boolean interleaved,
      int mode,
      int rows) {
    Arguments.inRange("rope", "rows", 1, qkv.rows(), rows);
    boolean plain = variant.equals(Variant.NONE);
    LaunchGeometry geometry =
        LaunchGeometry.of(1, THREADS)
            .withGrid((rows - 1) / BLOCK_ROWS + 1, unitBlocks(shape, plain), 1)
            .overlapping();
    Object[] arguments = {
      qkv.address(),
      in.cosSin(),
      in.positions(),
      in.slots(),
      in.layerCache(),
      rows,
      qkv.tileRows(),
      qkv.paddedCols() / PIECE,
      shape.heads(),
      shape.kvHeads(),
      shape.headDim(),
      interleaved ? 1 : 0,
      mode
    };
    Object[] all = plain ? arguments : with(arguments, variant);
    stream.launch(spec(qkv.type(), plain), geometry, all);
  }

  /** The kernel's arguments with those of a variant behind them. */
  static Object[] with(Object[] arguments, Variant variant, Object... more) {
    Object[] own = {variant.bias(), variant.qNorm(), variant.kNorm(), variant.eps()};
    Object[] all = Arrays.copyOf(arguments, arguments.length + own.length + more.length);
    System.arraycopy(own, 0, all, arguments.length, own.length);
    System.arraycopy(more, 0, all, arguments.length + own.length, more.length);
    return all;
  }

  /** Blocks over a row's heads; those of a variant have whole heads each. */
  static int unitBlocks(AttentionShape shape, boolean plain) {
    int heads = shape.heads() + 2 * shape.kvHeads();
    boolean byPieces = shape.headDim() % 16 == 0;
    int perHead = byPieces ? shape.headDim() / 16 : 1;
    int units = byPieces ? (heads + HEADS - 1) / HEADS * perHead : heads;
    int blockUnits = plain ? UNITS : UNITS / perHead * perHead;
    return (units - 1) / blockUnits + 1;
  }
}
