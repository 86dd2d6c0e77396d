package io.sailfish.kernels.format.packed;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Reads single values of a packed matrix by the formulas of docs/adr/0001, one at a time and
 * without looking at the codec.
 */
final class DrawnLayout {
  private static final int[] INTEGER_NIBBLE = {0, 4, 2, 6}; // k, k+1, k+8, k+9 of n0; n1 one above
  private static final int[] TABLE_NIBBLE = {0, 1, 4, 5}; // likewise; n1 two above

  private final PackedLayout layout;
  private final ByteBuffer bytes;

  DrawnLayout(PackedLayout layout, byte[] bytes) {
    this.layout = layout;
    this.bytes = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private int block(int n, int k) {
    return (n / 128 * (layout.paddedInputs() / 128) + k / 128) * layout.blockBytes();
  }

  private int scaleRows() {
    return layout.group() == 32 ? 4 : layout.group() == 64 ? 2 : 1;
  }

  short scale(int n, int k) {
    int row = k % 128 / (128 / scaleRows());
    return bytes.getShort(block(n, k) + row * 256 + n % 128 * 2);
  }

  short zero(int n, int k) {
    int row = scaleRows() + k % 128 / (128 / scaleRows());
    return bytes.getShort(block(n, k) + row * 256 + n % 128 * 2);
  }

  int code(int n, int k) {
    int bits = layout.code().bits();
    int column = n % 128;
    int half = column / 64;
    int w = column % 64 / 16;
    int r = column % 16 / 2;
    int step = k % 128 / 16;
    int inStep = k % 16;
    int c = inStep % 8 / 2;
    int which = inStep / 8 * 2 + inStep % 2; // k, k+1, k+8, k+9
    boolean integer = layout.code() == PackedCode.W4;
    int nibble =
        integer ? INTEGER_NIBBLE[which] + column % 2 : TABLE_NIBBLE[which] + 2 * (column % 2);
    int t = 32 * w + 4 * r + c;
    int base = block(n, k) + scaleRows() * 256 * (layout.hasZeros() ? 2 : 1) + half * bits * 1024;
    return switch (bits) {
      case 4 -> bytes.getInt(base + step / 4 * 2048 + 16 * t + step % 4 * 4) >>> 4 * nibble & 15;
      case 3 -> threeBits(base, t, step, nibble);
      default -> bytes.getInt(base + 16 * t + step / 2 * 4) >>> 4 * nibble + 2 * (step % 2) & 3;
    };
  }

  private int threeBits(int base, int t, int step, int nibble) {
    int triple = step / 4 * 3;
    if (step % 4 < 3) {
      return bytes.getInt(word(base, t, triple + step % 4)) >>> 4 * nibble & 7;
    }
    int code = 0;
    for (int bit = 0; bit < 3; bit++) {
      code |= (bytes.getInt(word(base, t, triple + bit)) >>> 4 * nibble + 3 & 1) << bit;
    }
    return code;
  }

  private static int word(int base, int t, int u) {
    return u < 4 ? base + 16 * t + 4 * u : base + 2048 + 8 * t + 4 * (u - 4);
  }
}
