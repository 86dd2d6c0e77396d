package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * 256 weights in 84 bytes, weight = (d · s) · q - (dmin · m), q in 0..3, s and m in 0..15 for each
 * 16 weights (ggml's block_q2_K):
 *
 * <pre>
 * byte 0             16                     80     82      84
 *      | s | m<<4 ... | codes, 2 bits each   | d    | dmin  |
 *      | 16 bytes     | 64 bytes             | f16  | f16   |
 * </pre>
 *
 * Weight n = 128 h + 32 t + l has its code in byte 32 h + l of the codes, bits 2t and 2t + 1.
 */
final class Q2_K implements Codec {
  private static final int LENGTH = SuperBlock.LENGTH;
  private static final int BYTES = 84;
  private static final int SUB = 16;
  private static final int CODES = 16;
  private static final int D = 80;
  private static final int DMIN = 82;

  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int block = 0; block < count / LENGTH; block++) {
      int at = srcOffset + block * BYTES;
      float d = HalfFloat.read(src, at + D);
      float dmin = HalfFloat.read(src, at + DMIN);
      for (int n = 0; n < LENGTH; n++) {
        int pair = src.get(at + n / SUB);
        int q = src.get(at + CODES + n / 128 * 32 + n % 32) >>> shift(n) & 3;
        dst[dstOffset + block * LENGTH + n] = d * (pair & 15) * q - dmin * (pair >>> 4 & 15);
      }
    }
  }

  private static int shift(int n) {
    return n % 128 / 32 * 2;
  }

  /** Range of each 16 weights; llama.cpp searches for smaller squared errors. */
  @Override
  public void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset) {
    float[] scales = new float[LENGTH / SUB];
    float[] minima = new float[LENGTH / SUB];
    for (int block = 0; block < count / LENGTH; block++) {
      int from = srcOffset + block * LENGTH;
      int at = dstOffset + block * BYTES;
      SuperBlock.fitRange(src, from, SUB, 4, scales, minima);
      float d = SuperBlock.putLargest(scales, 15, dst, at + D);
      float dmin = SuperBlock.putLargest(minima, 15, dst, at + DMIN);
      byte[] codes = new byte[64];
      for (int n = 0; n < LENGTH; n++) {
        int s = SuperBlock.nearest(scales[n / SUB], d, 0, 15);
        int m = SuperBlock.nearest(minima[n / SUB], dmin, 0, 15);
        dst.put(at + n / SUB, (byte) (s | m << 4));
        int q = SuperBlock.nearest(src[from + n] + dmin * m, d * s, 0, 3);
        codes[n / 128 * 32 + n % 32] |= (byte) (q << shift(n));
      }
      for (int i = 0; i < codes.length; i++) {
        dst.put(at + CODES + i, codes[i]);
      }
    }
  }

  @Override
  public boolean scalesFinite(ByteBuffer src, int offset) {
    return HalfFloat.isFinite(src, offset + D) && HalfFloat.isFinite(src, offset + DMIN);
  }
}
