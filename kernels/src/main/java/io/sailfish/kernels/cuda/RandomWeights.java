package io.sailfish.kernels.cuda;

import io.sailfish.kernels.Weight;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.ZeroKind;

/**
 * Weights made on the card from a seed, to measure shapes without a checkpoint. Their variance is
 * about 1 / inputs, so that products of unit activations are of order one.
 */
public final class RandomWeights {
  private static final int GROUP = 128;
  private static final int STREAM_PLACES = 4;

  /** Standard deviation of a uniform code of 1 to 15 about 8, and a little for the scales. */
  private static final double CODE_DEVIATION = 4.5;

  private final CudaBackend backend;
  private final WeightHome packed;
  private int seed;

  public RandomWeights(CudaBackend backend, int seed) {
    this(backend, seed, WeightHome.on(backend.scope()));
  }

  private RandomWeights(CudaBackend backend, int seed, WeightHome packed) {
    this.backend = backend;
    this.seed = seed;
    this.packed = packed;
  }

  /**
   * The same weights, of which the packed ones are streamed.
   *
   * @param largestBytes of one of them
   */
  public static RandomWeights streamed(CudaBackend backend, int seed, long largestBytes) {
    backend.streamed().packer(largestBytes, STREAM_PLACES);
    return new RandomWeights(backend, seed, backend.streamed());
  }

  /** Symmetric 4-bit codes, a scale for 128 inputs. Both sizes are multiples of 128. */
  public Weight packed(String name, int outputs, int inputs, boolean gated) {
    Arguments.same(name, "padding", 0, outputs % GROUP + inputs % GROUP);
    PackedLayout layout =
        new PackedLayout(
            PackedCode.W4, ZeroKind.SYMMETRIC, outputs, inputs, GROUP, TwoByteFloat.F16);
    CudaStream stream = backend.stream();
    long address = packed.place(layout.bytes(), name);
    float base = (float) (1 / (CODE_DEVIATION * Math.sqrt(inputs)));
    MemoryProbe.fillW4(stream, address, layout.bytes() / layout.blockBytes(), seed++, base);
    DeviceWeight weight =
        DeviceWeight.integer(name, layout, address, ScaleExponent.of(base * 1.5f));
    return packed.use(new PackedMatrix(gated, weight));
  }

  /** Dense weights of the activations' type. Both sizes are multiples of 128. */
  public Weight dense(String name, int outputs, int inputs) {
    Arguments.same(name, "padding", 0, outputs % GROUP + inputs % GROUP);
    CudaStream stream = backend.stream();
    DeviceBuffer buffer = backend.scope().allocate(DenseMatrix.bytes(outputs, inputs), name);
    float amplitude = (float) Math.sqrt(3.0 / inputs);
    TwoByteFloat type = backend.activations();
    long count = (long) outputs * inputs;
    MemoryProbe.fill(stream, type, buffer.address(), count, seed++, amplitude);
    return new DenseMatrix(name, type, outputs, inputs, false, buffer.address());
  }
}
