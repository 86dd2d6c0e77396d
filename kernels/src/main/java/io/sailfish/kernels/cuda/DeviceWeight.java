package io.sailfish.kernels.cuda;

import io.sailfish.kernels.format.packed.PackedLayout;

/**
 * A packed weight matrix on the card.
 *
 * @param name for messages
 * @param layout its shape and kinds
 * @param address device address of the first block, a multiple of 128
 * @param tablesAddress device address of the LUT tables, 0 for integer codes
 * @param tables number of LUT tables: 0, 1 or one for each 64 padded outputs
 * @param scaleExponent what scales are multiplied by, as a power of two, so that small ones keep
 *     their bits in fp16; see {@link ScaleExponent}
 */
public record DeviceWeight(
    String name,
    PackedLayout layout,
    long address,
    long tablesAddress,
    int tables,
    int scaleExponent) {
  private static final int ALIGNMENT = 128;

  public DeviceWeight {
    Arguments.aligned("weight " + name, "address", address, ALIGNMENT);
    Arguments.inRange("weight " + name, "scaleExponent", 0, ScaleExponent.MAX, scaleExponent);
    if (layout.code().hasTable()) {
      Arguments.aligned("weight " + name, "tables", tablesAddress, 16);
      Arguments.atLeast("weight " + name, "tables", 1, tables);
    } else {
      // By their number a kernel is chosen.
      Arguments.same("weight " + name, "tables of integer codes", 0, tables);
    }
  }

  /** An integer-coded weight. */
  public static DeviceWeight integer(
      String name, PackedLayout layout, long address, int scaleExponent) {
    return new DeviceWeight(name, layout, address, 0, 0, scaleExponent);
  }
}
