package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * 256 weights in 210 bytes, weight = (d · s) · (q - 32), q in 0..63, s a signed byte for each 16
 * weights (ggml's block_q6_K):
 *
 * <pre>
 * byte 0               128             192        208   210
 *      | low four bits | high two bits | s        | d   |
 *      | 128 bytes     | 64 bytes      | 16 bytes | f16 |
 * </pre>
 *
 * Weight n = 128 h + 32 t + l has its low bits in byte 64 h + 32 (t % 2) + l, high nibble from t =
 * 2 on, and its high bits in byte 32 h + l, bits 2t and 2t + 1.
 */
final class Q6_K implements Codec {
  private static final int LENGTH = SuperBlock.LENGTH;
  private static final int BYTES = 210;
  private static final int SUB = 16;
  private static final int HIGH = 128;
  private static final int SCALES = 192;
  private static final int D = 208;

  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int block = 0; block < count / LENGTH; block++) {
      int at = srcOffset + block * BYTES;
      float d = HalfFloat.read(src, at + D);
      for (int n = 0; n < LENGTH; n++) {
        int low = src.get(at + n / 128 * 64 + n % 64) >>> n % 128 / 64 * 4 & 15;
        int high = src.get(at + HIGH + n / 128 * 32 + n % 32) >>> n % 128 / 32 * 2 & 3;
        float scale = d * src.get(at + SCALES + n / SUB);
        dst[dstOffset + block * LENGTH + n] = scale * ((low | high << 4) - 32);
      }
    }
  }

  /** Extreme of each 16 weights; llama.cpp searches for smaller squared errors. */
  @Override
  public void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset) {
    float[] scales = new float[LENGTH / SUB];
    for (int block = 0; block < count / LENGTH; block++) {
      int from = srcOffset + block * LENGTH;
      int at = dstOffset + block * BYTES;
      SuperBlock.fitExtreme(src, from, SUB, 64, scales);
      float d = SuperBlock.putLargest(scales, 127, dst, at + D);
      byte[] packed = new byte[SCALES];
      for (int n = 0; n < LENGTH; n++) {
        int s = SuperBlock.nearest(scales[n / SUB], d, -127, 127);
        dst.put(at + SCALES + n / SUB, (byte) s);
        int q = SuperBlock.nearest(src[from + n], d * s, -32, 31) + 32;
        packed[n / 128 * 64 + n % 64] |= (byte) ((q & 15) << n % 128 / 64 * 4);
        packed[HIGH + n / 128 * 32 + n % 32] |= (byte) (q >> 4 << n % 128 / 32 * 2);
      }
      for (int i = 0; i < SCALES; i++) {
        dst.put(at + i, packed[i]);
      }
    }
  }

  @Override
  public boolean scalesFinite(ByteBuffer src, int offset) {
    return HalfFloat.isFinite(src, offset + D);
  }
}
