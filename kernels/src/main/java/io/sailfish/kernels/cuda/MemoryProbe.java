package io.sailfish.kernels.cuda;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedLayout;
import java.util.List;

/**
 * Measuring tools on the card: a kernel that reads memory as fast as plain loads can, and one that
 * fills memory with noise. Twin of memory_probe.cu.
 */
public final class MemoryProbe {
  private static final String MODULE = "memory_probe";
  private static final int LOAD_BYTES = 16;
  private static final int THREADS = 512;

  private static final KernelSpec READ =
      KernelSpec.kernel(MODULE, "memory_probe_read").in("src").i64("loads").out("sink").build();
  private static final KernelSpec FILL =
      KernelSpec.kernel(MODULE, "memory_probe_fill").out("dst").i64("words").i32("seed").build();

  private static final KernelSpec W4 =
      KernelSpec.kernel(MODULE, "memory_probe_w4")
          .out("dst")
          .i64("blocks")
          .i32("seed")
          .f32("base")
          .build();
  private static final KernelSpec UNIFORM =
      KernelSpec.kernel("", "").out("dst").i64("words").i32("seed").f32("amplitude").build();

  static final List<KernelSpec> SPECS =
      List.of(READ, FILL, W4, uniform(TwoByteFloat.F16), uniform(TwoByteFloat.BF16));

  private MemoryProbe() {}

  private static KernelSpec uniform(TwoByteFloat type) {
    return UNIFORM.withEntry(MODULE, "memory_probe_" + type.id());
  }

  /**
   * Queues one pass over {@code bytes} bytes.
   *
   * @param bytes a multiple of 16
   * @param sink 4 writable bytes, hardly ever written
   * @param blocksPerMultiprocessor blocks of 512 threads
   */
  public static void read(
      CudaStream stream, long src, long bytes, long sink, int blocksPerMultiprocessor) {
    Arguments.aligned("memory probe", "src", src, LOAD_BYTES);
    if (bytes <= 0 || bytes % LOAD_BYTES != 0) {
      throw new KernelException("memory probe", "bytes", "a positive multiple of 16", bytes);
    }
    int blocks = stream.device().properties().multiprocessors() * blocksPerMultiprocessor;
    stream.launch(READ, LaunchGeometry.of(blocks, THREADS), src, bytes / LOAD_BYTES, sink);
  }

  /** Queues filling {@code bytes} bytes (a multiple of 4) with noise. */
  public static void fill(CudaStream stream, long dst, long bytes, int seed) {
    Arguments.aligned("memory probe", "dst", dst, Integer.BYTES);
    if (bytes <= 0 || bytes % Integer.BYTES != 0) {
      throw new KernelException("memory probe", "bytes", "a positive multiple of 4", bytes);
    }
    int blocks = stream.device().properties().multiprocessors() * 8;
    stream.launch(FILL, LaunchGeometry.of(blocks, THREADS), dst, bytes / Integer.BYTES, seed);
  }

  /** Queues filling packed symmetric w4 blocks of group 128: random codes, scales about base. */
  static void fillW4(CudaStream stream, long dst, long blocks, int seed, float base) {
    Arguments.aligned("memory probe", "dst", dst, PackedLayout.BLOCK);
    stream.launch(W4, filling(stream), dst, blocks, seed, base);
  }

  /** Queues filling an even number of values with noise, uniform in -amplitude .. amplitude. */
  static void fill(
      CudaStream stream, TwoByteFloat type, long dst, long values, int seed, float amplitude) {
    Arguments.aligned("memory probe", "dst", dst, Integer.BYTES);
    stream.launch(uniform(type), filling(stream), dst, values / 2, seed, amplitude);
  }

  private static LaunchGeometry filling(CudaStream stream) {
    return LaunchGeometry.of(stream.device().properties().multiprocessors() * 8, THREADS);
  }
}
