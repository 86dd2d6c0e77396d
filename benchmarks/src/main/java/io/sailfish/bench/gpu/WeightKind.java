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
 */
record WeightKind(
    PackedCode code,
    ZeroKind zeroKind,
    int group,
    TwoByteFloat activations,
    TwoByteFloat scaleType) {
  /** The values of QLoRA's NormalFloat-4 (Dettmers et al. 2023, appendix E), rounded. */
  private static final float[] NF4 = {
    -1f, -0.6962f, -0.5251f, -0.3949f, -0.2844f, -0.1848f, -0.0911f, 0f,
    0.0796f, 0.1609f, 0.2461f, 0.3379f, 0.4407f, 0.5626f, 0.7230f, 1f
  };

  static final WeightKind W4_G128 =
      new WeightKind(PackedCode.W4, ZeroKind.SYMMETRIC, 128, TwoByteFloat.F16, TwoByteFloat.F16);

  PackedLayout layout(int outputs, int inputs) {
    return new PackedLayout(
        code, zeroKind, outputs, inputs, group == 0 ? Math.max(inputs, 128) : group, scaleType);
  }

  /** Uneven tables, a different one for each strip when {@code strips > 1}; null for integers. */
  LutTables tables(int strips) {
    if (!code.hasTable()) {
      return null;
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
            code.name().toLowerCase(Locale.ROOT),
            zeroKind.name().toLowerCase(Locale.ROOT),
            group == 0 ? "channel" : String.valueOf(group),
            activations.name().toLowerCase(Locale.ROOT),
            scaleType.name().toLowerCase(Locale.ROOT));
  }
}
