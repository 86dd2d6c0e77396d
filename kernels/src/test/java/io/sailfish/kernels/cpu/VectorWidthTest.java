package io.sailfish.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class VectorWidthTest {
  @Test
  void mixesNoWidthsWhereHotSpotMakesObjectsOfThem() {
    assertEquals(256, VectorWidth.widest(17));
    assertEquals(256, VectorWidth.widest(24));
    assertEquals(512, VectorWidth.widest(25));
    int bits = VectorWidth.FLOATS.vectorBitSize();
    assertTrue(bits <= VectorWidth.widest(Runtime.version().feature()), bits + " bits");
    assertEquals(bits, VectorWidth.INTS.vectorBitSize());
  }
}
