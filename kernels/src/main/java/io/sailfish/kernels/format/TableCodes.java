package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * 32 weights in 20 bytes, weight = T[q] · s with a fixed table T of 16 values in [-1, 1]
 * (bitsandbytes' NF4 and FP4):
 *
 * <pre>
 * byte 0      4                                     20
 *      | s    | q1 | q0<<4 | q3 | q2<<4 | ...        |
 *      | f32  | an even weight is the high nibble    |
 * </pre>
 *
 * s is the largest magnitude of a run of 64 or more weights, repeated for each 32 of them.
 */
final class TableCodes implements Codec {
  private static final int LENGTH = 32;
  private static final int BYTES = 20;

  /** bitsandbytes, get_4bit_type("nf4"): quantiles of a normal distribution. */
  static final float[] NF4 = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f
  };

  /** bitsandbytes, get_4bit_type("fp4"): sign, two bits of exponent, one of fraction; over 12. */
  static final float[] FP4 = {
    0f, 0.0625f / 12, 8f / 12, 12f / 12, 4f / 12, 6f / 12, 2f / 12, 3f / 12,
    -0f, -0.0625f / 12, -8f / 12, -12f / 12, -4f / 12, -6f / 12, -2f / 12, -3f / 12
  };

  private final float[] table;

  TableCodes(float[] table) {
    this.table = table;
  }

  float[] table() {
    return table.clone();
  }

  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int block = 0; block < count / LENGTH; block++) {
      int at = srcOffset + block * BYTES;
      float scale = GroupBlocks.scale(src, at);
      for (int i = 0; i < LENGTH; i++) {
        int pair = src.get(at + 4 + i / 2);
        int code = i % 2 == 0 ? pair >>> 4 & 15 : pair & 15;
        dst[dstOffset + block * LENGTH + i] = table[code] * scale;
      }
    }
  }

  /** The nearest value of the table. */
  @Override
  public void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset) {
    for (int block = 0; block < count / LENGTH; block++) {
      int from = srcOffset + block * LENGTH;
      int at = dstOffset + block * BYTES;
      float largest = 0;
      for (int i = 0; i < LENGTH; i++) {
        largest = Math.max(largest, Math.abs(src[from + i]));
      }
      int word = Float.floatToRawIntBits(largest);
      HalfFloat.put(dst, at, word);
      HalfFloat.put(dst, at + 2, word >>> 16);
      for (int i = 0; i < LENGTH; i += 2) {
        int pair = nearest(src[from + i], largest) << 4 | nearest(src[from + i + 1], largest);
        dst.put(at + 4 + i / 2, (byte) pair);
      }
    }
  }

  private int nearest(float value, float scale) {
    int best = 0;
    for (int q = 1; q < table.length; q++) {
      if (Math.abs(value - table[q] * scale) < Math.abs(value - table[best] * scale)) {
        best = q;
      }
    }
    return best;
  }

  @Override
  public boolean scalesFinite(ByteBuffer src, int offset) {
    return Float.isFinite(GroupBlocks.scale(src, offset));
  }
}
