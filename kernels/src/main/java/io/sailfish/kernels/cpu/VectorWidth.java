package io.sailfish.kernels.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The one choice of vector width: the widest that the processor likes, 128 to 512 bits.
 *
 * <p>Of all vectors: where a process has two widths, HotSpot of Java 17 no longer knows which of
 * them a loop's sums are, makes objects of them, and takes more than five times as long.
 */
final class VectorWidth {
  /** Test hook: forces a width in bits. */
  static final String TEST_PROPERTY = "sailfish.test.vectorBits";

  static final VectorSpecies<Float> FLOATS = VectorSpecies.of(float.class, shape());
  static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, shape());

  private VectorWidth() {}

  private static VectorShape shape() {
    int preferred = FloatVector.SPECIES_PREFERRED.vectorBitSize();
    int bits = Integer.getInteger(TEST_PROPERTY, Math.min(512, Math.max(128, preferred)));
    return VectorShape.forBitSize(bits);
  }
}
