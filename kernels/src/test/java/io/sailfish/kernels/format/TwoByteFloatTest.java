package io.sailfish.kernels.format;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TwoByteFloatTest {
  @ParameterizedTest
  @EnumSource
  void everyValueSurvivesTheRoundTrip(TwoByteFloat type) {
    for (int bits = 0; bits < 1 << 16; bits++) {
      float value = type.decode((short) bits);
      if (Float.isNaN(value)) {
        assertTrue(Float.isNaN(type.decode(type.encode(value))));
      } else {
        assertEquals((short) bits, type.encode(value), "bits " + Integer.toHexString(bits));
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void roundsToNearestAndTiesToEven(TwoByteFloat type) {
    int infinity = type == TwoByteFloat.F16 ? 0x7c00 : 0x7f80;
    for (int bits = 0; bits < infinity - 1; bits++) {
      double low = type.decode((short) bits);
      double high = type.decode((short) (bits + 1));
      float middle = (float) ((low + high) / 2); // exact: both have at most 11 significant bits
      int even = bits + (bits & 1);
      assertEquals((short) even, type.encode(middle), () -> "between " + low + " and " + high);
      assertEquals((short) bits, type.encode(Math.nextDown(middle)));
      assertEquals((short) (bits + 1), type.encode(Math.nextUp(middle)));
      assertEquals((short) (even | 0x8000), type.encode(-middle));
    }
  }

  @Test
  void knownValues() {
    assertEquals(1f, TwoByteFloat.F16.decode((short) 0x3c00));
    assertEquals(-2f, TwoByteFloat.F16.decode((short) 0xc000));
    assertEquals(65504f, TwoByteFloat.F16.decode((short) 0x7bff));
    assertEquals(0x1p-24f, TwoByteFloat.F16.decode((short) 1));
    assertEquals(Float.POSITIVE_INFINITY, TwoByteFloat.F16.decode((short) 0x7c00));
    assertEquals((short) 0x7c00, TwoByteFloat.F16.encode(65520f));
    assertEquals((short) 0x7bff, TwoByteFloat.F16.encode(65519f));
    assertEquals((short) 0xfc00, TwoByteFloat.F16.encode(Float.NEGATIVE_INFINITY));
    assertEquals((short) 0x3f80, TwoByteFloat.BF16.encode(1f));
    assertEquals((short) 0x7f80, TwoByteFloat.BF16.encode(Float.MAX_VALUE));
  }
}
