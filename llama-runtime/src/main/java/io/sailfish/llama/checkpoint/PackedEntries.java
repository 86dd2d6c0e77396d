package io.sailfish.llama.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.PackedForm;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.ZeroKind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Locale;

/** What the header of our file says of a packed weight ({@link PackedForm}). */
final class PackedEntries {
  /** In the place of a code: weights of 16 bits that have none. */
  private static final String DENSE = "f16";

  private PackedEntries() {}

  static void write(PackedForm form, ObjectNode entry) {
    PackedLayout layout = form.layout();
    entry.put("code", layout == null ? DENSE : id(layout.code()));
    entry.put("rows", form.rows()).put("cols", form.cols()).put("gated", form.gated());
    if (layout != null) {
      entry.put("group", layout.group()).put("zeros", id(layout.zeroKind()));
      entry.put("scales", id(layout.scaleType())).put("largest_scale", form.largestScale());
    }
    if (form.tables() != null) {
      entry.put("table_type", id(form.tables().type())).put("tables", form.tables().count());
    }
  }

  /**
   * @param tables bytes of so many tables of a code
   * @throws io.sailfish.llama.RuntimeFailure for what no packed weight is
   */
  static PackedForm read(JsonFields entry, int mostDim, Tables tables) {
    int rows = entry.integer("rows", 1, mostDim);
    int cols = entry.integer("cols", 1, mostDim);
    boolean gated = entry.flag("gated", false);
    try {
      if (entry.text("code").equals(DENSE)) {
        return PackedForm.dense(rows, cols, gated);
      }
      PackedCode code = value(entry, "code", PackedCode.values());
      PackedLayout layout =
          new PackedLayout(
              code,
              value(entry, "zeros", ZeroKind.values()),
              rows,
              cols,
              entry.integer("group", 1, Integer.MAX_VALUE),
              value(entry, "scales", TwoByteFloat.values()));
      LutTables lut = code.hasTable() ? tables(entry, code, layout, tables) : null;
      float largest = entry.has("largest_scale") ? largest(entry) : 0;
      return new PackedForm(layout, lut, rows, cols, gated, largest);
    } catch (IllegalArgumentException e) {
      throw entry.fail("code", entry.value("code"), e.getMessage());
    }
  }

  private static float largest(JsonFields entry) {
    double value = entry.value("largest_scale").asDouble(-1);
    if (!(value >= 0 && value <= Float.MAX_VALUE)) {
      throw entry.fail("largest_scale", entry.value("largest_scale"), "must be a number from 0 on");
    }
    return (float) value;
  }

  /** Reads bytes that an entry names, once it is known how many. */
  interface Tables {
    byte[] read(long bytes);
  }

  private static LutTables tables(
      JsonFields entry, PackedCode code, PackedLayout layout, Tables tables) {
    TwoByteFloat type = value(entry, "table_type", TwoByteFloat.values());
    int count = entry.integer("tables", 1, layout.paddedOutputs() / LutTables.STRIP);
    ByteBuffer bytes =
        ByteBuffer.wrap(tables.read(2L * count * code.codes())).order(ByteOrder.LITTLE_ENDIAN);
    float[] values = new float[count * code.codes()];
    for (int i = 0; i < values.length; i++) {
      values[i] = type.decode(bytes.getShort());
    }
    return new LutTables(code, type, values);
  }

  private static String id(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  private static <E extends Enum<E>> E value(JsonFields entry, String key, E[] values) {
    String id = entry.text(key);
    return Arrays.stream(values)
        .filter(value -> id(value).equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                entry.fail(
                    key, id, "known are " + Arrays.stream(values).map(PackedEntries::id).toList()));
  }
}
