package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.CodeMatrix;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.ZeroKind;
import org.junit.jupiter.api.Test;

class ScaleExponentTest {
  private static final PackedLayout LAYOUT =
      new PackedLayout(PackedCode.LUT2, ZeroKind.SYMMETRIC, 3, 256, 128, TwoByteFloat.F16);

  /** Scales of outputs 0, 1, 2: 1/4, -1/2, 1, each twice. */
  private static final CodeMatrix MATRIX =
      new CodeMatrix() {
        @Override
        public void codes(int output, byte[] dst, int dstOffset) {}

        @Override
        public void scales(int output, short[] dst, int dstOffset) {
          float scale = output == 1 ? -0.5f : 0.25f * (1 << output);
          dst[dstOffset] = TwoByteFloat.F16.encode(scale);
          dst[dstOffset + 1] = TwoByteFloat.F16.encode(scale);
        }

        @Override
        public void zeros(int output, short[] dst, int dstOffset) {}
      };

  @Test
  void scalesKeepTheirBits() {
    assertEquals(30, ScaleExponent.of(0f));
    assertEquals(23, ScaleExponent.of(0x1p-8f));
    assertEquals(0, ScaleExponent.of(65504f));
    assertThrows(KernelException.class, () -> ScaleExponent.of(70000f));
    assertThrows(KernelException.class, () -> ScaleExponent.of(Float.NaN));
  }

  @Test
  void seesTheLargestScaleAndTheLargestTableValue() {
    ScaleExponent seen = new ScaleExponent(MATRIX, LAYOUT);
    short[] scales = new short[4];
    seen.scales(0, scales, 2);
    assertEquals(0x3400, scales[3]);
    assertEquals(17, seen.value(null));
    seen.scales(1, scales, 0);
    assertEquals(16, seen.value(null));
    float[] small = {0.1f, -0.5f, 0, 0.25f};
    assertEquals(16, seen.value(new LutTables(PackedCode.LUT2, TwoByteFloat.F16, small)));
    float[] large = {1, -8, 0, 3};
    assertEquals(13, seen.value(new LutTables(PackedCode.LUT2, TwoByteFloat.F16, large)));
  }
}
