package io.sailfish.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Field;
import java.util.List;
import jdk.incubator.vector.VectorSpecies;
import org.junit.jupiter.api.Test;

class VectorWidthTest {
  /** With two of them HotSpot of Java 17 makes objects of vectors. */
  @Test
  void allVectorsOfAProcessHaveOneWidth() throws IllegalAccessException {
    int found = 0;
    for (Class<?> user :
        List.of(
            VectorBlocks.class,
            VectorDecode.class,
            VectorMath.class,
            VectorPlanes.class,
            VectorProduct.class,
            VectorSuperBlocks.class)) {
      for (Field field : user.getDeclaredFields()) {
        if (VectorSpecies.class.isAssignableFrom(field.getType())) {
          field.setAccessible(true);
          int bits = ((VectorSpecies<?>) field.get(null)).vectorBitSize();
          assertEquals(VectorWidth.FLOATS.vectorBitSize(), bits, field.toString());
          found++;
        }
      }
    }
    assertTrue(found >= 6, found + " species found");
  }
}
