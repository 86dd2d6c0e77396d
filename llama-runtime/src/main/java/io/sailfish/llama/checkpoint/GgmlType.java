package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.format.QuantFormat;

/**
 * Numbers that GGUF files use for tensor types (enum ggml_type of ggml.h), as far as we read them.
 */
final class GgmlType {
  private static final String[] NAMES = {
    "F32", "F16", "Q4_0", "Q4_1", null, null, "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K",
    "Q4_K", "Q5_K", "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S",
    "IQ2_S", "IQ4_XS", "I8", "I16", "I32", "I64", "F64", "IQ1_M", "BF16"
  };

  private GgmlType() {}

  /** The weight format of a type number, or null when we have none. */
  static QuantFormat format(long type) {
    return switch ((int) Math.min(type, Integer.MAX_VALUE)) {
      case 0 -> QuantFormat.F32;
      case 1 -> QuantFormat.F16;
      case 2 -> QuantFormat.Q4_0;
      case 3 -> QuantFormat.Q4_1;
      case 6 -> QuantFormat.Q5_0;
      case 7 -> QuantFormat.Q5_1;
      case 8 -> QuantFormat.Q8_0;
      case 10 -> QuantFormat.Q2_K;
      case 11 -> QuantFormat.Q3_K;
      case 12 -> QuantFormat.Q4_K;
      case 13 -> QuantFormat.Q5_K;
      case 14 -> QuantFormat.Q6_K;
      case 20 -> QuantFormat.IQ4_NL;
      case 30 -> QuantFormat.BF16;
      default -> null;
    };
  }

  /** Name and number for messages. */
  static String describe(long type) {
    String name = type >= 0 && type < NAMES.length ? NAMES[(int) type] : null;
    return name == null ? "number " + type : name + " (number " + type + ")";
  }
}
