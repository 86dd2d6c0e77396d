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
 */
public record DeviceWeight(
    String name, PackedLayout layout, long address, long tablesAddress, int tables) {
  private static final int ALIGNMENT = 128;

  public DeviceWeight {
    Arguments.aligned("weight " + name, "address", address, ALIGNMENT);
    if (layout.code().hasTable()) {
      Arguments.aligned("weight " + name, "tables", tablesAddress, 16);
      Arguments.atLeast("weight " + name, "tables", 1, tables);
    }
  }

  /** An integer-coded weight. */
  public static DeviceWeight integer(String name, PackedLayout layout, long address) {
    return new DeviceWeight(name, layout, address, 0, 0);
  }
}
