package io.sailfish.kernels.format.packed;

import io.sailfish.kernels.KernelException;

/**
 * What the bytes of a weight are that lies as a card keeps it: everything but the bytes.
 *
 * @param layout of codes; null for dense fp16 as in {@link HalfPanels}
 * @param tables what codes stand for; null for integers and for dense weights
 * @param rows outputs
 * @param cols inputs
 * @param gated whether outputs 2j are gates and 2j+1 ups
 * @param largestScale largest magnitude of a scale; 0 for dense weights
 */
public record PackedForm(
    PackedLayout layout, LutTables tables, int rows, int cols, boolean gated, float largestScale) {
  /** Of the order of bytes that this package describes; to be raised when it changes. */
  public static final int VERSION = 2;

  public PackedForm {
    if (layout == null) {
      require(rows > 0 && cols > 0, "shape", "positive", rows + " x " + cols);
      require(tables == null, "tables", "none for dense weights", tables);
    } else {
      require(
          layout.outputs() == rows && layout.inputs() == cols,
          "shape",
          layout.outputs() + " x " + layout.inputs(),
          rows + " x " + cols);
      require(layout.code().hasTable() == (tables != null), "tables", "as the code has", tables);
      if (tables != null) {
        tables.requireFits(layout);
      }
    }
    require(!gated || rows % 2 == 0, "rows", "even for gates and ups", rows);
    require(largestScale >= 0 && largestScale <= 65504, "largest scale", "in fp16", largestScale);
  }

  private static void require(boolean holds, String argument, String expected, Object got) {
    if (!holds) {
      throw new KernelException("packed form", argument, expected, got);
    }
  }

  /** Dense fp16. */
  public static PackedForm dense(int rows, int cols, boolean gated) {
    return new PackedForm(null, null, rows, cols, gated, 0);
  }

  /** Bytes of the whole weight, tables not counted. */
  public long bytes() {
    return layout == null ? HalfPanels.bytes(rows, cols) : layout.bytes();
  }

  /** Bytes of 128 outputs. */
  public int panelBytes() {
    return layout == null ? Math.toIntExact(HalfPanels.panelBytes(cols)) : layout.panelBytes();
  }

  public int panels() {
    return HalfPanels.panels(rows);
  }
}
