package io.sailfish.kernels.format.packed;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.kernels.format.RowCodes;
import io.sailfish.kernels.format.TwoByteFloat;
import java.util.ArrayList;
import java.util.List;

/**
 * How weights of a checkpoint go into the packed layout. Codes are never changed. What is rounded:
 *
 * <ul>
 *   <li>Q4_0, Q4_1, IQ4_NL: nothing.
 *   <li>U2, U3, U4: nothing where all scales are fp16 or all are bf16 numbers, as those of GPTQ,
 *       AWQ and compressed-tensors are; else each scale to fp16, relative error at most 2^-11.
 *   <li>NF4, FP4: each scale likewise, and the table to fp16 (together at most 2^-10).
 *   <li>Q4_K: scale and minimum of each 32 weights to fp16: an error of at most 2^-11 of 15 scales
 *       plus the minimum, where llama.cpp's own step between codes is a whole scale.
 * </ul>
 *
 * @param layout of all parts together
 * @param tables null for integer codes
 * @param parts one a weight, in their order
 */
public record SourcePacking(PackedLayout layout, LutTables tables, List<CodeMatrix> parts) {
  /** What becomes of a format's matrices on a card, for documentation. */
  public static String describe(QuantFormat format) {
    return switch (format) {
      case Q4_0, Q4_1, U4 -> "4 bit";
      case Q4_K -> "4 bit, scales rounded";
      case U3 -> "3 bit if symmetric, else 4";
      case U2 -> "2 bit if symmetric, else 4";
      case IQ4_NL, NF4, FP4 -> "4 bit table";
      default -> "fp16";
    };
  }

  /**
   * The packing of weights that are multiplied together; null where they do not pack: formats
   * without codes of 4 bits or less, parts of different formats, scales beyond fp16.
   */
  public static SourcePacking of(List<WeightSource> parts) {
    QuantFormat format = parts.get(0).format();
    RowCodes reader = RowCodes.of(format);
    if (reader == null || parts.stream().anyMatch(part -> part.format() != format)) {
      return null;
    }
    return switch (reader) {
      case NIBBLES -> nibbles(parts, format);
      case SUPER_BLOCKS -> packing(parts, PackedCode.W4, ZeroKind.OFFSET, Scales.HALVES, null);
      case INTEGERS -> integers(parts, GroupBlocks.bits(format));
      case TABLE -> table(parts, format);
    };
  }

  private record Scales(int group, TwoByteFloat type) {
    static final Scales HALVES = new Scales(RowCodes.UNIT, TwoByteFloat.F16);

    /** Null where neither type holds them. */
    static Scales of(ScaleSurvey survey) {
      if (survey.halfExact() || !survey.brainExact() && survey.halfNormal()) {
        return new Scales(survey.group(), TwoByteFloat.F16);
      }
      return survey.brainExact() ? new Scales(survey.group(), TwoByteFloat.BF16) : null;
    }

    /** The decode kernels of tables have no groups of 64. */
    Scales forTables() {
      return group == 64 ? new Scales(RowCodes.UNIT, type) : this;
    }
  }

  private static SourcePacking nibbles(List<WeightSource> parts, QuantFormat format) {
    return switch (format) {
      case Q4_0 -> packing(parts, PackedCode.W4, ZeroKind.SYMMETRIC, Scales.HALVES, null);
      case Q4_1 -> packing(parts, PackedCode.W4, ZeroKind.OFFSET, Scales.HALVES, null);
      default -> {
        LutTables table =
            new LutTables(PackedCode.LUT4, TwoByteFloat.F16, GroupBlocks.table(format));
        yield packing(parts, PackedCode.LUT4, ZeroKind.SYMMETRIC, Scales.HALVES, table);
      }
    };
  }

  /**
   * With the middle code for zero, 3 and 2 bits go into tables of 8 and 4 whole numbers. Other zero
   * points of 3 and 2 bits are packed as 4-bit codes: the kernels for tables with zero points are
   * the slow ones.
   */
  private static SourcePacking integers(List<WeightSource> parts, int bits) {
    ScaleSurvey survey = ScaleSurvey.of(parts);
    Scales scales = Scales.of(survey);
    if (scales == null) {
      return null;
    }
    if (!survey.central() || bits == 4) {
      ZeroKind zeros = survey.central() ? ZeroKind.SYMMETRIC : ZeroKind.ZERO;
      return packing(parts, PackedCode.W4, zeros, scales, null);
    }
    PackedCode code = bits == 3 ? PackedCode.LUT3 : PackedCode.LUT2;
    float[] values = new float[code.codes()];
    for (int q = 0; q < values.length; q++) {
      values[q] = q - values.length / 2;
    }
    LutTables table = new LutTables(code, TwoByteFloat.F16, values);
    return packing(parts, code, ZeroKind.SYMMETRIC, scales.forTables(), table);
  }

  private static SourcePacking table(List<WeightSource> parts, QuantFormat format) {
    Scales scales = Scales.of(ScaleSurvey.of(parts));
    if (scales == null) {
      return null;
    }
    LutTables table = new LutTables(PackedCode.LUT4, TwoByteFloat.F16, GroupBlocks.table(format));
    return packing(parts, PackedCode.LUT4, ZeroKind.SYMMETRIC, scales.forTables(), table);
  }

  private static SourcePacking packing(
      List<WeightSource> parts, PackedCode code, ZeroKind zeros, Scales scales, LutTables tables) {
    int outputs = parts.stream().mapToInt(WeightSource::rows).sum();
    PackedLayout layout =
        new PackedLayout(code, zeros, outputs, parts.get(0).cols(), scales.group(), scales.type());
    List<CodeMatrix> codes = new ArrayList<>();
    for (WeightSource part : parts) {
      codes.add(new SourceCodes(part, scales.group(), scales.type()));
    }
    return new SourcePacking(layout, tables, List.copyOf(codes));
  }
}
