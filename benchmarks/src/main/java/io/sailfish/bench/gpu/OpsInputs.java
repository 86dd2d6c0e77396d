package io.sailfish.bench.gpu;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.format.TwoByteFloat;
import java.util.stream.IntStream;

/**
 * Values about one in magnitude that a type holds exactly, so that a card and the reference see the
 * same.
 */
record OpsInputs(TwoByteFloat type) {
  private static final int CHUNK = 1 << 16;

  static final OpsInputs HALVES = new OpsInputs(TwoByteFloat.F16);

  /** How much coarser than fp16 the type is. */
  double coarseness() {
    return type == TwoByteFloat.F16 ? 1 : 8;
  }

  /**
   * Whether there is attention over heads of such a size.
   *
   * @param plain no biases, norms or window
   */
  boolean hasAttention(int headDim, boolean plain) {
    boolean some = headDim == 80 || headDim == 96;
    return type == TwoByteFloat.F16 || headDim <= 32 || headDim % 64 == 0 || plain && some;
  }

  float[] random(int count, long seed) {
    float[] values = new float[count];
    IntStream.range(0, (count + CHUNK - 1) / CHUNK)
        .parallel()
        .forEach(chunk -> fill(values, chunk * CHUNK, seed));
    return values;
  }

  private void fill(float[] values, int first, long seed) {
    for (int i = first; i < Math.min(values.length, first + CHUNK); i++) {
      long bits = NoiseCodes.mix(seed * 0x9e3779b97f4a7c15L + i);
      int spread = (int) (bits & 0xffff) + (int) (bits >>> 16 & 0xffff) - 0xffff;
      values[i] = type.decode(type.encode(spread * (1 / 26755f)));
    }
  }

  Tensor rows(Backend backend, int cols, long seed, int first, int count) {
    Tensor tensor = backend.floats(count, cols, "input");
    backend.write(tensor, 0, random((first + count) * cols, seed), first * cols, count * cols);
    return tensor;
  }

  Tensor exactRows(Backend backend, int rows, int cols, long seed) {
    Tensor tensor = backend.exact(rows, cols, "table");
    backend.write(tensor, 0, random(rows * cols, seed), 0, rows * cols);
    return tensor;
  }
}
