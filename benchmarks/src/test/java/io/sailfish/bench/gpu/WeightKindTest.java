package io.sailfish.bench.gpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedLayout;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What random weights of each kind are, which needs no card. */
final class WeightKindTest {
  private static final int OUTPUTS = 70;
  private static final int INPUTS = 4096;

  /** Codes s ee m: 2^(ee - 1) · 1.m, or 0.m where ee is 0. */
  @Test
  void mxfp4HasTheNumbersOfItsBits() {
    for (TwoByteFloat type : TwoByteFloat.values()) {
      LutTables tables = WeightKind.mxfp4(type).tables(3);
      assertEquals(1, tables.count());
      for (int code = 0; code < 16; code++) {
        int exponent = code >> 1 & 3;
        double fraction = (code & 1) / 2.0;
        double magnitude = exponent == 0 ? fraction : Math.scalb(1 + fraction, exponent - 1);
        assertEquals(
            code < 8 ? magnitude : -magnitude, type.decode(tables.encoded()[code]), "code " + code);
      }
    }
  }

  /** E8M0: powers of two, one for each 32 inputs, and more than one of them. */
  @Test
  void mxfp4HasPowersOfTwoForScales() {
    WeightKind kind = WeightKind.mxfp4(TwoByteFloat.F16);
    PackedLayout layout = kind.layout(OUTPUTS, INPUTS);
    assertEquals(INPUTS / 32, layout.groups());
    short[] encoded = new short[layout.groups()];
    Set<Float> scales = new HashSet<>();
    for (int output = 0; output < OUTPUTS; output++) {
      new NoiseCodes(kind, layout, 5, 1).scales(output, encoded, 0);
      for (short scale : encoded) {
        float value = TwoByteFloat.BF16.decode(scale);
        assertEquals(Math.scalb(1f, Math.getExponent(value)), value);
        scales.add(value);
      }
    }
    assertEquals(3, scales.size(), scales::toString);
  }

  @Test
  void everyKindIsCheckedUnderANameOfItsOwn() {
    List<GemmCheckCase> cases = GemmCheckCase.all(257);
    Set<String> names = new HashSet<>();
    cases.forEach(c -> names.add(c.describe() + c.dense()));
    assertEquals(cases.size(), names.size());
    for (TwoByteFloat type : TwoByteFloat.values()) {
      String kind = WeightKind.mxfp4(type).describe();
      assertTrue(names.stream().anyMatch(name -> name.startsWith(kind)), kind);
    }
  }

  /** Products of unit inputs are of order one, whatever the kind. */
  @Test
  void weightsHaveTheVarianceOfTheirInputs() {
    for (GemmCheckCase c : GemmCheckCase.all(1)) {
      WeightKind kind = c.kind();
      if (c.inputs() != 4096 || c.scaleFactor() != 1) {
        continue;
      }
      PackedLayout layout = kind.layout(1, INPUTS);
      NoiseCodes noise = new NoiseCodes(kind, layout, 3, 1);
      byte[] codes = new byte[INPUTS];
      short[] scales = new short[layout.groups()];
      noise.codes(0, codes, 0);
      noise.scales(0, scales, 0);
      LutTables tables = kind.tables(1);
      double middle = (layout.code().codes() - 1) / 2.0;
      double squares = 0;
      for (int k = 0; k < INPUTS; k++) {
        double value =
            tables == null ? codes[k] - middle : tables.type().decode(tables.encoded()[codes[k]]);
        double scale = layout.scaleType().decode(scales[k / layout.group()]);
        squares += value * scale * value * scale;
      }
      assertTrue(squares > 0.2 && squares < 4, c.describe() + ": " + squares);
    }
  }
}
