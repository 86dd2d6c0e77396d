package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * 256 weights in 110 bytes, weight = (d · (s - 32)) · (q - 4), q in 0..7, s in 0..63 for each 16
 * weights (ggml's block_q3_K):
 *
 * <pre>
 * byte 0            32                  96                            108   110
 *      | third bits | low bits of codes  | s: 8 bytes low, 4 bytes high | d   |
 *      | 32 bytes   | 64 bytes           | 12 bytes                     | f16 |
 * </pre>
 *
 * Weight n = 128 h + 32 t + l has its low bits in byte 32 h + l, bits 2t and 2t + 1, and its third
 * bit in byte l of the third bits, bit 4h + t. Scale j has its low four bits in byte j % 8 (high
 * nibble from j = 8 on), its high two in byte 8 + j % 4, bits 2 (j / 4).
 */
final class Q3_K implements Codec {
  private static final int LENGTH = SuperBlock.LENGTH;
  private static final int BYTES = 110;
  private static final int SUB = 16;
  private static final int CODES = 32;
  private static final int SCALES = 96;
  private static final int D = 108;

  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int block = 0; block < count / LENGTH; block++) {
      int at = srcOffset + block * BYTES;
      float d = HalfFloat.read(src, at + D);
      for (int n = 0; n < LENGTH; n++) {
        int low = src.get(at + CODES + n / 128 * 32 + n % 32) >>> n % 128 / 32 * 2 & 3;
        int third = src.get(at + n % 32) >>> n / 32 & 1;
        float scale = d * (scale(src, at + SCALES, n / SUB) - 32);
        dst[dstOffset + block * LENGTH + n] = scale * ((low | third << 2) - 4);
      }
    }
  }

  private static int scale(ByteBuffer src, int at, int j) {
    int low = src.get(at + j % 8) >>> j / 8 * 4 & 15;
    int high = src.get(at + 8 + j % 4) >>> j / 4 * 2 & 3;
    return low | high << 4;
  }

  /** Extreme of each 16 weights; llama.cpp searches for smaller squared errors. */
  @Override
  public void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset) {
    float[] scales = new float[LENGTH / SUB];
    for (int block = 0; block < count / LENGTH; block++) {
      int from = srcOffset + block * LENGTH;
      int at = dstOffset + block * BYTES;
      SuperBlock.fitExtreme(src, from, SUB, 8, scales);
      float d = SuperBlock.putLargest(scales, 31, dst, at + D);
      byte[] packed = new byte[D];
      for (int n = 0; n < LENGTH; n++) {
        int s = SuperBlock.nearest(scales[n / SUB], d, -31, 31);
        int q = SuperBlock.nearest(src[from + n], d * s, -4, 3) + 4;
        packed[CODES + n / 128 * 32 + n % 32] |= (byte) ((q & 3) << n % 128 / 32 * 2);
        packed[n % 32] |= (byte) (q >> 2 << n / 32);
        int j = n / SUB;
        packed[SCALES + j % 8] |= (byte) ((s + 32 & 15) << j / 8 * 4);
        packed[SCALES + 8 + j % 4] |= (byte) (s + 32 >> 4 << j / 4 * 2);
      }
      for (int i = 0; i < D; i++) {
        dst.put(at + i, packed[i]);
      }
    }
  }

  @Override
  public boolean scalesFinite(ByteBuffer src, int offset) {
    return HalfFloat.isFinite(src, offset + D);
  }
}
