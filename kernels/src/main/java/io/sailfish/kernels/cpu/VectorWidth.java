package io.sailfish.kernels.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The one choice of vector width: the widest that the processor likes, 128 to 512 bits.
 *
 * <p>No more than 256 before Java 25. {@link VectorPlanes} never uses more, and where a process has
 * vectors of two widths HotSpot of Java 17 no longer knows which of them a loop's sums are, makes
 * objects of them, and takes more than five times as long as with 256 bits alone. Java 25 does not
 * mind, and is 1.6 times as fast with 512 (SmolLM2 Q4_1, AMD EPYC with AVX-512).
 */
final class VectorWidth {
  /** Test hook: forces a width in bits. */
  static final String TEST_PROPERTY = "sailfish.test.vectorBits";

  static final VectorSpecies<Float> FLOATS = VectorSpecies.of(float.class, shape());
  static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, shape());

  private static final int JAVA_OF_MIXED_WIDTHS = 25;

  private VectorWidth() {}

  private static VectorShape shape() {
    int preferred = FloatVector.SPECIES_PREFERRED.vectorBitSize();
    int widest = widest(Runtime.version().feature());
    int bits = Integer.getInteger(TEST_PROPERTY, Math.min(widest, Math.max(128, preferred)));
    return VectorShape.forBitSize(bits);
  }

  /** Bits of the widest vectors that a Java of this feature version is given. */
  static int widest(int java) {
    return java < JAVA_OF_MIXED_WIDTHS ? 256 : 512;
  }
}
