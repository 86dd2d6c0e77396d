package io.sailfish.llama.quantize;

import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import java.util.Arrays;
import java.util.stream.Collectors;

/** The values that codes may stand for, up to each group's scale and zero point. */
public enum Grid {
  INT8("int8", 8, false),
  INT4("int4", 4, false),
  INT3("int3", 3, false),
  INT2("int2", 2, false),
  INT4_SYM("int4-sym", 4, true),
  INT3_SYM("int3-sym", 3, true),
  INT2_SYM("int2-sym", 2, true),
  NF4("nf4", QuantFormat.NF4),
  FP4("fp4", QuantFormat.FP4),
  LUT4("lut4", 4),
  LUT3("lut3", 3),
  LUT2("lut2", 2);

  private final String id;
  private final int bits;
  private final boolean symmetric;
  private final boolean learned;
  private final QuantFormat format;
  private final float[] table;

  /** Integers: s · (q - z). */
  Grid(String id, int bits, boolean symmetric) {
    this.id = id;
    this.bits = bits;
    this.symmetric = symmetric;
    this.learned = false;
    this.format = GroupBlocks.integers(bits);
    this.table = null;
  }

  /** A fixed table: s · T[q]. */
  Grid(String id, QuantFormat format) {
    this.id = id;
    this.bits = 4;
    this.symmetric = true;
    this.learned = false;
    this.format = format;
    this.table = GroupBlocks.table(format);
  }

  /** A table learned for each strip of outputs: s · T[q]. */
  Grid(String id, int bits) {
    this.id = id;
    this.bits = bits;
    this.symmetric = true;
    this.learned = true;
    this.format = null;
    this.table = null;
  }

  /** Name in recipes and files. */
  public String id() {
    return id;
  }

  /**
   * @throws IllegalArgumentException for an unknown name, with those known
   */
  public static Grid byId(String id) {
    return Arrays.stream(values())
        .filter(grid -> grid.id.equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "grid '%s' is unknown; known are %s".formatted(id, ids())));
  }

  /** All names, for messages. */
  public static String ids() {
    return Arrays.stream(values()).map(Grid::id).collect(Collectors.joining(", "));
  }

  public int bits() {
    return bits;
  }

  /** Number of different codes. */
  int codes() {
    return 1 << bits;
  }

  boolean symmetric() {
    return symmetric;
  }

  boolean learned() {
    return learned;
  }

  boolean integers() {
    return table == null && !learned;
  }

  /** The fixed table, or null. */
  float[] table() {
    return table;
  }

  /** Format of rows that hold such codes; null where they need a table beside them. */
  QuantFormat format() {
    return format;
  }
}
