package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * 256 weights in 176 bytes, weight = (d · s) · q - (dmin · m), q in 0..31, s and m in 0..63 for
 * each 32 weights (ggml's block_q5_K):
 *
 * <pre>
 * byte 0      2       4                    16           48                   176
 *      | d    | dmin  | s and m, 6 bits each | fifth bits | low four bits     |
 *      | f16  | f16   | 12 bytes             | 32 bytes   | 128 bytes         |
 * </pre>
 *
 * Scales, minima and low bits as in {@link Q4_K}; the fifth bit of weight n is bit n / 32 of byte n
 * % 32 of the fifth bits.
 */
final class Q5_K implements Codec {
  private static final int LENGTH = SuperBlock.LENGTH;
  private static final int BYTES = 176;
  private static final int SUB = 32;
  private static final int DMIN = 2;
  private static final int SCALES = 4;
  private static final int FIFTH = 16;
  private static final int CODES = 48;

  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int block = 0; block < count / LENGTH; block++) {
      int at = srcOffset + block * BYTES;
      float d = HalfFloat.read(src, at);
      float dmin = HalfFloat.read(src, at + DMIN);
      for (int n = 0; n < LENGTH; n++) {
        int low = src.get(at + CODES + n / 64 * 32 + n % 32) >>> n % 64 / 32 * 4 & 15;
        int q = low | (src.get(at + FIFTH + n % 32) >>> n / 32 & 1) << 4;
        float scale = d * SuperBlock.scale(src, at + SCALES, n / SUB);
        float minimum = dmin * SuperBlock.minimum(src, at + SCALES, n / SUB);
        dst[dstOffset + block * LENGTH + n] = scale * q - minimum;
      }
    }
  }

  /** Range of each 32 weights; llama.cpp searches for smaller squared errors. */
  @Override
  public void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset) {
    for (int block = 0; block < count / LENGTH; block++) {
      int from = srcOffset + block * LENGTH;
      int at = dstOffset + block * BYTES;
      SuperBlock.Pairs pairs = SuperBlock.Pairs.put(src, from, 32, dst, at);
      byte[] packed = new byte[BYTES - FIFTH];
      for (int n = 0; n < LENGTH; n++) {
        int q = pairs.code(src[from + n], n);
        packed[32 + n / 64 * 32 + n % 32] |= (byte) ((q & 15) << n % 64 / 32 * 4);
        packed[n % 32] |= (byte) (q >> 4 << n / 32);
      }
      for (int i = 0; i < packed.length; i++) {
        dst.put(at + FIFTH + i, packed[i]);
      }
    }
  }

  @Override
  public boolean scalesFinite(ByteBuffer src, int offset) {
    return HalfFloat.isFinite(src, offset) && HalfFloat.isFinite(src, offset + DMIN);
  }
}
