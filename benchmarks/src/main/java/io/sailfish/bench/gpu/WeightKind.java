package io.sailfish.bench.gpu;

import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.ZeroKind;
import java.util.Locale;

/**
 * A kind of quantized weight and the activations it meets.
 *
 * @param code what the codes are
 * @param zeroKind second value of a group
 * @param group inputs that share a scale; 0 for a whole channel
 * @param activations type of x, y and tables
 * @param scaleType type of scales and zeros
 * @param values what codes with a table and scales are
 */
record WeightKind(
    PackedCode code,
    ZeroKind zeroKind,
    int group,
    TwoByteFloat activations,
    TwoByteFloat scaleType,
    Values values) {
  enum Values {
    /** Uneven tables, several for a matrix or one, and scales of all bits. */
    UNEVEN,
    /** One table of E2M1 numbers, and powers of two for scales. */
    MXFP4
  }

  /** The values of QLoRA's NormalFloat-4 (Dettmers et al. 2023, appendix E), rounded. */
  private static final float[] NF4 = {
    -1f, -0.6962f, -0.5251f, -0.3949f, -0.2844f, -0.1848f, -0.0911f, 0f,
    0.0796f, 0.1609f, 0.2461f, 0.3379f, 0.4407f, 0.5626f, 0.7230f, 1f
  };

  /**
   * Magnitudes of E2M1, code 0 .. 7; 8 .. 15 are their negatives. From the "OCP Microscaling
   * Formats (MX) Specification", version 1.0, whose mxfp4 has a scale E8M0 for each 32 of them.
   */
  private static final float[] E2M1 = {0f, 0.5f, 1f, 1.5f, 2f, 3f, 4f, 6f};

  /**
   * Deviations of codes that are all as likely, so that products of unit inputs are of order one.
   */
  private static final double INTEGER_DEVIATION = 4.6;

  private static final double E2M1_DEVIATION = 2.9;

  static final WeightKind W4_G128 =
      new WeightKind(PackedCode.W4, ZeroKind.SYMMETRIC, 128, TwoByteFloat.F16, TwoByteFloat.F16);

  static final WeightKind LUT4_G128 =
      new WeightKind(PackedCode.LUT4, ZeroKind.SYMMETRIC, 128, TwoByteFloat.F16, TwoByteFloat.F16);

  WeightKind(
      PackedCode code,
      ZeroKind zeroKind,
      int group,
      TwoByteFloat activations,
      TwoByteFloat scaleType) {
    this(code, zeroKind, group, activations, scaleType, Values.UNEVEN);
  }

  /** As a card has mxfp4: its scales are exact in bf16. */
  static WeightKind mxfp4(TwoByteFloat activations) {
    return new WeightKind(
        PackedCode.LUT4, ZeroKind.SYMMETRIC, 32, activations, TwoByteFloat.BF16, Values.MXFP4);
  }

  /** Standard deviation of what the codes stand for, before they are scaled. */
  double deviation() {
    return values == Values.MXFP4 ? E2M1_DEVIATION : code.hasTable() ? 1 : INTEGER_DEVIATION;
  }

  PackedLayout layout(int outputs, int inputs) {
    return new PackedLayout(
        code, zeroKind, outputs, inputs, group == 0 ? Math.max(inputs, 128) : group, scaleType);
  }

  /**
   * Tables, a different one for each strip when {@code strips > 1} and they are uneven; null for
   * integers.
   */
  LutTables tables(int strips) {
    if (!code.hasTable()) {
      return null;
    }
    if (values == Values.MXFP4) {
      float[] e2m1 = new float[code.codes()];
      for (int q = 0; q < e2m1.length; q++) {
        e2m1[q] = q < E2M1.length ? E2M1[q] : -E2M1[q - E2M1.length];
      }
      return new LutTables(code, activations, e2m1);
    }
    float[] values = new float[strips * code.codes()];
    for (int strip = 0; strip < strips; strip++) {
      for (int q = 0; q < code.codes(); q++) {
        float value = NF4[q * (NF4.length - 1) / (code.codes() - 1)];
        values[strip * code.codes() + q] = value * (1 + strip % 5 * 0.05f);
      }
    }
    return new LutTables(code, activations, values);
  }

  String describe() {
    return "%s %s g%s %s/%s"
        .formatted(
            (values == Values.MXFP4 ? values.name() : code.name()).toLowerCase(Locale.ROOT),
            zeroKind.name().toLowerCase(Locale.ROOT),
            group == 0 ? "channel" : String.valueOf(group),
            activations.name().toLowerCase(Locale.ROOT),
            scaleType.name().toLowerCase(Locale.ROOT));
  }
}
