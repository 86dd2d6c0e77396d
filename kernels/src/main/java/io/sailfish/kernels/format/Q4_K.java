package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * 256 weights in 144 bytes, weight = (d · s) · q - (dmin · m), q in 0..15, s and m in 0..63 for
 * each 32 weights (ggml's block_q4_K):
 *
 * <pre>
 * byte 0      2       4                    16                        144
 *      | d    | dmin  | s and m, 6 bits each | codes, 4 bits each     |
 *      | f16  | f16   | 12 bytes             | 128 bytes              |
 * </pre>
 *
 * Weight n = 64 c + 32 t + l has its code in byte 32 c + l of the codes, low nibble for t = 0.
 * Scale j &lt; 4 is the low six bits of byte j of the 12, minimum j those of byte 4 + j; for j ≥ 4
 * the low four bits of both are byte 4 + j (scale in the low nibble), the high two bits 6 and 7 of
 * bytes j - 4 and j.
 */
final class Q4_K implements Codec {
  private static final int LENGTH = SuperBlock.LENGTH;
  private static final int BYTES = 144;
  private static final int SUB = 32;
  private static final int DMIN = 2;
  private static final int SCALES = 4;
  private static final int CODES = 16;

  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int block = 0; block < count / LENGTH; block++) {
      int at = srcOffset + block * BYTES;
      float d = HalfFloat.read(src, at);
      float dmin = HalfFloat.read(src, at + DMIN);
      for (int n = 0; n < LENGTH; n++) {
        int q = src.get(at + CODES + n / 64 * 32 + n % 32) >>> n % 64 / 32 * 4 & 15;
        float scale = d * SuperBlock.scale(src, at + SCALES, n / SUB);
        float minimum = dmin * SuperBlock.minimum(src, at + SCALES, n / SUB);
        dst[dstOffset + block * LENGTH + n] = scale * q - minimum;
      }
    }
  }

  /** Scale of the 32 weights that {@code sub} counts from the start of a row. */
  static float scale(ByteBuffer row, int sub) {
    int at = sub / (LENGTH / SUB) * BYTES;
    return HalfFloat.read(row, at) * SuperBlock.scale(row, at + SCALES, sub % (LENGTH / SUB));
  }

  /** What is taken off them. */
  static float minimum(ByteBuffer row, int sub) {
    int at = sub / (LENGTH / SUB) * BYTES;
    return HalfFloat.read(row, at + DMIN)
        * SuperBlock.minimum(row, at + SCALES, sub % (LENGTH / SUB));
  }

  /** Their codes. */
  static void codes(ByteBuffer row, int sub, byte[] dst, int from) {
    int at = sub / (LENGTH / SUB) * BYTES + CODES + sub % (LENGTH / SUB) / 2 * SUB;
    int shift = sub % 2 * 4;
    for (int i = 0; i < SUB; i++) {
      dst[from + i] = (byte) (row.get(at + i) >>> shift & 15);
    }
  }

  /** Range of each 32 weights; llama.cpp searches for smaller squared errors. */
  @Override
  public void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset) {
    for (int block = 0; block < count / LENGTH; block++) {
      int from = srcOffset + block * LENGTH;
      int at = dstOffset + block * BYTES;
      SuperBlock.Pairs pairs = SuperBlock.Pairs.put(src, from, 16, dst, at);
      byte[] packed = new byte[BYTES - CODES];
      for (int n = 0; n < LENGTH; n++) {
        int q = pairs.code(src[from + n], n);
        packed[n / 64 * 32 + n % 32] |= (byte) ((q & 15) << n % 64 / 32 * 4);
      }
      for (int i = 0; i < packed.length; i++) {
        dst.put(at + CODES + i, packed[i]);
      }
    }
  }

  @Override
  public boolean scalesFinite(ByteBuffer src, int offset) {
    return HalfFloat.isFinite(src, offset) && HalfFloat.isFinite(src, offset + DMIN);
  }
}
