package io.sailfish.kernels.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Off-heap scratch in which one stream's launches are spelt out; the driver copies it before the
 * launch call returns. Layout (offsets in bytes), after the driver's header cuda.h:
 *
 * <pre>
 *   0     CUlaunchConfig: grid 3 x u32, block 3 x u32, sharedMemBytes u32, pad, stream at 32,
 *         attributes at 40, number of attributes at 48
 *   64    CUlaunchAttribute, 72 bytes each, at most 2: id u32 at 0, value at 8
 *   256   void*[64], one for each argument
 *   768   the arguments, 8 bytes each
 * </pre>
 */
final class LaunchBlock {
  private static final int ATTRIBUTES = 64;
  private static final int ATTRIBUTE_BYTES = 72;
  private static final int POINTERS = 256;
  private static final int ARGUMENTS = 768;
  private static final int MAX_ARGUMENTS = 64;
  private static final int ATTRIBUTE_CLUSTER = 4;
  private static final int ATTRIBUTE_OVERLAP = 6;

  private final ByteBuffer block =
      ByteBuffer.allocateDirect(ARGUMENTS + 8 * MAX_ARGUMENTS).order(ByteOrder.nativeOrder());
  private final long address = HostAddress.addressOf(block);

  LaunchBlock() {
    for (int i = 0; i < MAX_ARGUMENTS; i++) {
      block.putLong(POINTERS + 8 * i, address + ARGUMENTS + 8L * i);
    }
  }

  long config() {
    return address;
  }

  long pointers() {
    return address + POINTERS;
  }

  void fill(LaunchGeometry geometry, long stream, Object[] arguments) {
    block.putInt(0, geometry.gridX()).putInt(4, geometry.gridY()).putInt(8, geometry.gridZ());
    block.putInt(12, geometry.threads()).putInt(16, 1).putInt(20, 1);
    block.putInt(24, geometry.sharedBytes()).putInt(28, 0);
    block.putLong(32, stream).putLong(40, address + ATTRIBUTES);
    int attributes = 0;
    if (geometry.overlap()) {
      attribute(attributes++, ATTRIBUTE_OVERLAP, 1, 0, 0);
    }
    if (geometry.cluster() > 1) {
      attribute(attributes++, ATTRIBUTE_CLUSTER, geometry.cluster(), 1, 1);
    }
    block.putInt(48, attributes);
    for (int i = 0; i < arguments.length; i++) {
      argument(ARGUMENTS + 8 * i, arguments[i]);
    }
  }

  private void attribute(int index, int id, int x, int y, int z) {
    int at = ATTRIBUTES + index * ATTRIBUTE_BYTES;
    block.putInt(at, id).putInt(at + 8, x).putInt(at + 12, y).putInt(at + 16, z);
  }

  private void argument(int at, Object value) {
    if (value instanceof Long number) {
      block.putLong(at, number);
    } else if (value instanceof Integer number) {
      block.putInt(at, number);
    } else {
      block.putFloat(at, (Float) value);
    }
  }
}
