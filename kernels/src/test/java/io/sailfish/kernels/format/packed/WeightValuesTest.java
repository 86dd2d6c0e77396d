package io.sailfish.kernels.format.packed;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;
import java.util.List;
import org.junit.jupiter.api.Test;

class WeightValuesTest {
  private static PackedLayout layout(PackedCode code, ZeroKind zero, int outputs) {
    return new PackedLayout(code, zero, outputs, 64, 32, TwoByteFloat.F16);
  }

  private static double[] row(PackedLayout layout, LutTables tables, int output) {
    CodeArrays matrix = new CodeArrays(layout);
    byte[] codes = new byte[64];
    codes[0] = 3;
    codes[33] = 1;
    matrix.setCodes(output, codes);
    matrix.setScale(output, 0, TwoByteFloat.F16.encode(0.5f));
    matrix.setScale(output, 1, TwoByteFloat.F16.encode(2f));
    if (layout.hasZeros()) {
      matrix.setZero(output, 0, TwoByteFloat.F16.encode(1.5f));
      matrix.setZero(output, 1, TwoByteFloat.F16.encode(-4f));
    }
    double[] values = new double[64];
    new WeightValues(layout, matrix, tables).row(output, values);
    return values;
  }

  @Test
  void integerCodes() {
    double[] symmetric = row(layout(PackedCode.W4, ZeroKind.SYMMETRIC, 2), null, 1);
    assertEquals(0.5 * (3 - 8), symmetric[0]);
    assertEquals(2.0 * (1 - 8), symmetric[33]);
    double[] zero = row(layout(PackedCode.W4, ZeroKind.ZERO, 2), null, 1);
    assertEquals(0.5 * (3 - 1.5), zero[0]);
    assertEquals(2.0 * (1 + 4), zero[33]);
    double[] offset = row(layout(PackedCode.W4, ZeroKind.OFFSET, 2), null, 1);
    assertEquals(0.5 * 3 + 1.5, offset[0]);
    assertEquals(2.0 - 4, offset[33]);
  }

  @Test
  void tablesOfTheMatrixAndOfItsStrips() {
    float[] one = {0, 10, 20, 30};
    LutTables whole = new LutTables(PackedCode.LUT2, TwoByteFloat.F16, one);
    assertEquals(15, row(layout(PackedCode.LUT2, ZeroKind.SYMMETRIC, 2), whole, 1)[0]);
    float[] two = {0, 10, 20, 30, 0, 1, 2, 3};
    LutTables strips = new LutTables(PackedCode.LUT2, TwoByteFloat.F16, two);
    assertEquals(1.5, row(layout(PackedCode.LUT2, ZeroKind.SYMMETRIC, 66), strips, 65)[0]);
    assertEquals(15, row(layout(PackedCode.LUT2, ZeroKind.SYMMETRIC, 66), strips, 63)[0]);
    assertThrows(
        KernelException.class,
        () -> row(layout(PackedCode.LUT2, ZeroKind.SYMMETRIC, 200), strips, 1));
    assertThrows(
        KernelException.class,
        () -> row(layout(PackedCode.LUT4, ZeroKind.SYMMETRIC, 66), strips, 1));
  }

  @Test
  void fusedMatricesKeepTheirOrder() {
    PackedLayout small = layout(PackedCode.W4, ZeroKind.SYMMETRIC, 2);
    CodeArrays[] parts = new CodeArrays[3];
    for (int i = 0; i < 3; i++) {
      parts[i] = new CodeArrays(small);
      for (int n = 0; n < 2; n++) {
        byte[] codes = new byte[64];
        codes[0] = (byte) (4 * i + n);
        parts[i].setCodes(n, codes);
      }
    }
    assertArrayEquals(
        new int[] {0, 1, 4, 5, 8, 9},
        firstCodes(FusedCodes.stacked(List.of(parts), new int[] {2, 2, 2}), 6));
    assertArrayEquals(
        new int[] {0, 4, 1, 5}, firstCodes(FusedCodes.interleaved(parts[0], parts[1]), 4));
  }

  private static int[] firstCodes(CodeMatrix matrix, int outputs) {
    int[] firsts = new int[outputs];
    byte[] codes = new byte[64];
    for (int n = 0; n < outputs; n++) {
      matrix.codes(n, codes, 0);
      firsts[n] = codes[0];
    }
    return firsts;
  }
}
