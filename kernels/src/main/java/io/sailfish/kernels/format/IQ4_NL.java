package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * 32 weights in 18 bytes, weight = d · T[q] with a fixed table T of 16 whole numbers that lie
 * denser around zero (ggml's kvalues_iq4nl); the bytes lie as in {@link Q4_0}.
 */
final class IQ4_NL implements Codec {
  private static final int LENGTH = 32;
  private static final int BYTES = 18;
  private static final int[] TABLE = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
  };

  static float[] table() {
    float[] table = new float[TABLE.length];
    for (int q = 0; q < table.length; q++) {
      table[q] = TABLE[q];
    }
    return table;
  }

  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int block = 0; block < count / LENGTH; block++) {
      int at = srcOffset + block * BYTES;
      int to = dstOffset + block * LENGTH;
      float d = HalfFloat.read(src, at);
      for (int i = 0; i < LENGTH / 2; i++) {
        int pair = src.get(at + 2 + i);
        dst[to + i] = d * TABLE[pair & 15];
        dst[to + LENGTH / 2 + i] = d * TABLE[pair >>> 4 & 15];
      }
    }
  }

  /** The nearest value of the table with the block's extreme at -127; llama.cpp searches on. */
  @Override
  public void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset) {
    for (int block = 0; block < count / LENGTH; block++) {
      int from = srcOffset + block * LENGTH;
      int at = dstOffset + block * BYTES;
      float extreme = 0;
      for (int i = 0; i < LENGTH; i++) {
        extreme = Math.abs(src[from + i]) > Math.abs(extreme) ? src[from + i] : extreme;
      }
      int half = HalfFloat.fromFloat(extreme / TABLE[0]);
      HalfFloat.put(dst, at, half);
      float d = HalfFloat.toFloat(half);
      for (int i = 0; i < LENGTH / 2; i++) {
        int first = nearest(src[from + i], d);
        int second = nearest(src[from + LENGTH / 2 + i], d);
        dst.put(at + 2 + i, (byte) (first | second << 4));
      }
    }
  }

  private static int nearest(float value, float d) {
    int best = 0;
    for (int q = 1; q < TABLE.length; q++) {
      if (Math.abs(value - d * TABLE[q]) < Math.abs(value - d * TABLE[best])) {
        best = q;
      }
    }
    return best;
  }

  @Override
  public boolean scalesFinite(ByteBuffer src, int offset) {
    return HalfFloat.isFinite(src, offset);
  }
}
