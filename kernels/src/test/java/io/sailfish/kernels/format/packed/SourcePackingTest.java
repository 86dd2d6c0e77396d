package io.sailfish.kernels.format.packed;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.EncodedSource;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.kernels.format.TwoByteFloat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What would be uploaded, unpacked again, against what the format's codec decodes. */
class SourcePackingTest {
  private static final int COLS = 768;

  /** Rows of integers with given scales and zero points, a group of inputs each. */
  private record Integers(QuantFormat format, int rows, int cols, byte[] bytes)
      implements WeightSource {
    interface Value {
      float of(int row, int group);
    }

    static Integers of(QuantFormat format, int rows, int group, Value scale, Value zero) {
      ByteBuffer out =
          ByteBuffer.allocate((int) (rows * format.rowBytes(COLS))).order(ByteOrder.LITTLE_ENDIAN);
      Random random = new Random(5);
      byte[] codes = new byte[32];
      for (int row = 0; row < rows; row++) {
        for (int k = 0; k < COLS; k += 32) {
          for (int i = 0; i < 32; i++) {
            codes[i] = (byte) random.nextInt(1 << GroupBlocks.bits(format));
          }
          float s = scale.of(row, k / group);
          GroupBlocks.putIntegers(format, s, (int) zero.of(row, k / group), codes, 0, out);
        }
      }
      return new Integers(format, rows, COLS, out.array());
    }

    @Override
    public String name() {
      return format.id();
    }

    @Override
    public void readRows(int firstRow, int numRows, ByteBuffer dst) {
      int rowBytes = Math.toIntExact(format.rowBytes(cols));
      dst.put(bytes, firstRow * rowBytes, numRows * rowBytes);
    }
  }

  private static float half(float value) {
    return TwoByteFloat.F16.decode(TwoByteFloat.F16.encode(value));
  }

  private static Integers halves(QuantFormat format, int group, Integers.Value zero) {
    return Integers.of(format, 70, group, (row, g) -> half(0.01f + 1e-4f * row + 1e-3f * g), zero);
  }

  private static SourcePacking packing(WeightSource... parts) {
    return SourcePacking.of(List.of(parts));
  }

  /** Largest error of a weight as a share of {@code unit} of its row, after a round trip. */
  private static double error(SourcePacking packing, List<WeightSource> parts, boolean gated) {
    PackedLayout layout = packing.layout();
    CodeMatrix matrix =
        gated
            ? FusedCodes.interleaved(packing.parts().get(0), packing.parts().get(1))
            : FusedCodes.stacked(
                packing.parts(), parts.stream().mapToInt(WeightSource::rows).toArray());
    byte[] packed = PackedCodec.pack(layout, matrix);
    CodeArrays unpacked = new CodeArrays(layout);
    for (int panel = 0; panel < layout.panels(); panel++) {
      new PackedCodec(layout).unpackPanel(packed, panel * layout.panelBytes(), panel, unpacked);
    }
    WeightValues values = new WeightValues(layout, unpacked, packing.tables());
    double worst = 0;
    double[] got = new double[layout.inputs()];
    for (int output = 0; output < layout.outputs(); output++) {
      float[] expected = row(parts, gated, output);
      values.row(output, got);
      for (int k = 0; k < got.length; k++) {
        double error = Math.abs(got[k] - expected[k]);
        worst = Math.max(worst, error / Math.max(Math.abs(expected[k]), 1e-30));
      }
    }
    return worst;
  }

  private static float[] row(List<WeightSource> parts, boolean gated, int output) {
    int part = gated ? output % 2 : 0;
    int row = gated ? output / 2 : output;
    while (!gated && row >= parts.get(part).rows()) {
      row -= parts.get(part++).rows();
    }
    WeightSource source = parts.get(part);
    int bytes = (int) source.format().rowBytes(source.cols());
    ByteBuffer encoded = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    source.readRows(row, 1, encoded);
    float[] values = new float[source.cols()];
    source.format().codec().decode(encoded, 0, values, 0, values.length);
    return values;
  }

  private static void assertExact(SourcePacking packing, WeightSource... parts) {
    // The codec rounds a sum or product to fp32.
    assertTrue(error(packing, List.of(parts), false) <= 0x1p-22, packing.layout()::toString);
  }

  @ParameterizedTest
  @EnumSource(names = {"Q4_0", "Q4_1", "IQ4_NL"})
  void blocksOfGgufArePackedWithoutLoss(QuantFormat format) {
    EncodedSource source = new EncodedSource("w", format, 140, COLS, 1);
    SourcePacking packing = packing(source);
    assertEquals(4, packing.layout().code().bits());
    assertEquals(32, packing.layout().group());
    List<WeightSource> parts = List.of(source);
    // d·q + m in fp32 can lose bits of a value that all but cancels.
    assertTrue(error(packing, parts, false) <= (format == QuantFormat.Q4_1 ? 1e-3 : 0x1p-22));
  }

  @ParameterizedTest
  @EnumSource(names = {"U2", "U3", "U4"})
  void integersWithTheMiddleForZeroKeepTheirBits(QuantFormat format) {
    int bits = GroupBlocks.bits(format);
    for (int group : new int[] {32, 64, 128, COLS}) {
      Integers source = halves(format, group, (row, g) -> 1 << bits - 1);
      SourcePacking packing = packing(source);
      assertEquals(bits, packing.layout().code().bits());
      assertEquals(ZeroKind.SYMMETRIC, packing.layout().zeroKind());
      int longest = Math.min(group, 128);
      assertEquals(bits < 4 && longest == 64 ? 32 : longest, packing.layout().group());
      assertExact(packing, source);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"U2", "U3", "U4"})
  void integersWithOtherZeroPointsArePackedAsFourBits(QuantFormat format) {
    Integers source = halves(format, 64, (row, g) -> (row + g) % 4);
    SourcePacking packing = packing(source);
    assertEquals(PackedCode.W4, packing.layout().code());
    assertEquals(ZeroKind.ZERO, packing.layout().zeroKind());
    assertEquals(64, packing.layout().group());
    assertExact(packing, source);
  }

  @Test
  void theSmallestGroupOfAllPartsIsTaken() {
    Integers fine = halves(QuantFormat.U4, 32, (row, g) -> 8);
    Integers coarse = halves(QuantFormat.U4, 128, (row, g) -> 7);
    SourcePacking packing = packing(coarse, fine, coarse);
    assertEquals(32, packing.layout().group());
    assertEquals(ZeroKind.ZERO, packing.layout().zeroKind());
    assertExact(packing, coarse, fine, coarse);
    assertTrue(error(packing(coarse, fine), List.of(coarse, fine), true) <= 0x1p-22);
  }

  @Test
  void aZeroPointThatChangesWithinAGroupOfEqualScalesIsSeen() {
    Integers source =
        Integers.of(
            QuantFormat.U4, 3, 32, (row, g) -> 0.5f, (row, g) -> g == 5 && row == 2 ? 3 : 8);
    SourcePacking packing = packing(source);
    assertEquals(32, packing.layout().group());
    assertExact(packing, source);
  }

  @Test
  void scalesOfBf16StayAsTheyAre() {
    Integers.Value brain =
        (row, g) -> TwoByteFloat.BF16.decode(TwoByteFloat.BF16.encode(1e-6f * (row + 1) + g));
    Integers source = Integers.of(QuantFormat.U4, 70, 128, brain, (row, g) -> 8);
    SourcePacking packing = packing(source);
    assertEquals(TwoByteFloat.BF16, packing.layout().scaleType());
    assertExact(packing, source);
  }

  @Test
  void otherScalesAreRoundedToFp16() {
    Integers source =
        Integers.of(QuantFormat.U4, 70, 128, (row, g) -> 0.01f / (3 + row + g), (row, g) -> 8);
    SourcePacking packing = packing(source);
    assertEquals(TwoByteFloat.F16, packing.layout().scaleType());
    double error = error(packing, List.of(source), false);
    assertTrue(error > 0 && error <= 0x1p-11, () -> "error " + error);
  }

  @Test
  void scalesThatFp16CannotHoldAreNotPacked() {
    assertNull(packing(Integers.of(QuantFormat.U4, 2, 128, (r, g) -> 1e-6f / 3, (r, g) -> 8)));
    assertNull(packing(Integers.of(QuantFormat.U4, 2, 128, (r, g) -> 1e5f, (r, g) -> 8)));
    assertNull(packing(Integers.of(QuantFormat.U4, 2, 128, (r, g) -> Float.NaN, (r, g) -> 8)));
  }

  @ParameterizedTest
  @EnumSource(names = {"NF4", "FP4"})
  void tablesAreRoundedToFp16(QuantFormat format) {
    EncodedSource source = new EncodedSource("w", format, 70, COLS, 2);
    SourcePacking packing = packing(source);
    assertEquals(PackedCode.LUT4, packing.layout().code());
    double error = error(packing, List.of(source), false);
    assertTrue(error <= 0x1p-10, () -> "error " + error);
  }

  /** At most 2^-11 of 15 scales plus the minimum. */
  @Test
  void superBlocksRoundScaleAndMinimum() {
    EncodedSource source = new EncodedSource("w", QuantFormat.Q4_K, 70, COLS, 3);
    SourcePacking packing = packing(source);
    assertEquals(ZeroKind.OFFSET, packing.layout().zeroKind());
    byte[] packed = PackedCodec.pack(packing.layout(), packing.parts().get(0));
    CodeArrays unpacked = new CodeArrays(packing.layout());
    new PackedCodec(packing.layout()).unpackPanel(packed, 0, 0, unpacked);
    double[] got = new double[COLS];
    short[] offsets = new short[COLS / 32];
    short[] scales = new short[COLS / 32];
    double worst = 0;
    for (int row = 0; row < 70; row++) {
      new WeightValues(packing.layout(), unpacked, null).row(row, got);
      unpacked.scales(row, scales, 0);
      unpacked.zeros(row, offsets, 0);
      float[] expected = row(List.of(source), false, row);
      for (int k = 0; k < COLS; k++) {
        double scale = Math.abs(TwoByteFloat.F16.decode(scales[k / 32]));
        double offset = Math.abs(TwoByteFloat.F16.decode(offsets[k / 32]));
        double bound = 0x1p-11 * (15 * scale + offset) + 16 * 0x1p-25;
        worst = Math.max(worst, Math.abs(got[k] - expected[k]) / bound);
      }
    }
    assertTrue(worst > 0 && worst <= 1.001, "error over bound " + worst);
  }

  @Test
  void otherFormatsAndMixedPartsStayDense() {
    List<QuantFormat> dense = new ArrayList<>();
    for (QuantFormat format : QuantFormat.values()) {
      if (packing(new EncodedSource("w", format, 2, COLS, 4)) == null) {
        dense.add(format);
        assertEquals("fp16", SourcePacking.describe(format));
      }
    }
    assertEquals(
        List.of(
            QuantFormat.F32,
            QuantFormat.F16,
            QuantFormat.BF16,
            QuantFormat.Q8_0,
            QuantFormat.Q5_0,
            QuantFormat.Q5_1,
            QuantFormat.Q2_K,
            QuantFormat.Q3_K,
            QuantFormat.Q5_K,
            QuantFormat.Q6_K,
            QuantFormat.U8),
        dense);
    assertNull(
        packing(
            new EncodedSource("q", QuantFormat.Q4_K, 2, COLS, 5),
            new EncodedSource("v", QuantFormat.Q4_0, 2, COLS, 6)));
  }
}
