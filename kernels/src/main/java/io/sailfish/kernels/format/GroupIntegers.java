package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * 32 weights as unsigned integers of b bits with a scale and a whole zero point, weight = s · (q -
 * z), in 5 + 4b bytes: what GPTQ, AWQ and compressed-tensors hold, whatever their order of bits.
 *
 * <pre>
 * byte 0      4    5                                      5 + 4b
 *      | s    | z  | codes: weight i is bits bi .. bi+b-1   |
 *      | f32  | u8 | of the stream, lowest bits first       |
 * </pre>
 *
 * A group of 64, 128 or a whole channel repeats scale and zero point in each of its blocks. s is a
 * binary32, so that scales of every 16-bit type are kept as they are.
 */
final class GroupIntegers implements Codec {
  private static final int LENGTH = 32;
  static final int ZERO = 4;
  static final int CODES = 5;

  private final int bits;

  GroupIntegers(int bits) {
    this.bits = bits;
  }

  int bits() {
    return bits;
  }

  private int blockBytes() {
    return CODES + 4 * bits;
  }

  @Override
  public void decode(ByteBuffer src, int srcOffset, float[] dst, int dstOffset, int count) {
    for (int block = 0; block < count / LENGTH; block++) {
      int at = srcOffset + block * blockBytes();
      float scale = GroupBlocks.scale(src, at);
      int zero = src.get(at + ZERO) & 0xFF;
      for (int i = 0; i < LENGTH; i++) {
        dst[dstOffset + block * LENGTH + i] = scale * (code(src, at + CODES, i) - zero);
      }
    }
  }

  int code(ByteBuffer src, int at, int i) {
    int bit = i * bits;
    int low = src.get(at + bit / 8) & 0xFF;
    int high = bit % 8 + bits > 8 ? src.get(at + bit / 8 + 1) & 0xFF : 0;
    return (low | high << 8) >>> bit % 8 & (1 << bits) - 1;
  }

  /** Range of each 32 weights, zero always in it. */
  @Override
  public void encode(float[] src, int srcOffset, int count, ByteBuffer dst, int dstOffset) {
    int most = (1 << bits) - 1;
    byte[] codes = new byte[LENGTH];
    for (int block = 0; block < count / LENGTH; block++) {
      int from = srcOffset + block * LENGTH;
      float low = 0;
      float high = 0;
      for (int i = 0; i < LENGTH; i++) {
        low = Math.min(low, src[from + i]);
        high = Math.max(high, src[from + i]);
      }
      float scale = (high - low) / most;
      int zero = SuperBlock.nearest(-low, scale, 0, most);
      for (int i = 0; i < LENGTH; i++) {
        codes[i] = (byte) SuperBlock.nearest(src[from + i] + scale * zero, scale, 0, most);
      }
      put(scale, zero, codes, 0, dst, dstOffset + block * blockBytes());
    }
  }

  /** Writes a block of {@code codes[from..from + 31]}. */
  void put(float scale, int zero, byte[] codes, int from, ByteBuffer dst, int at) {
    int word = Float.floatToRawIntBits(scale);
    HalfFloat.put(dst, at, word);
    HalfFloat.put(dst, at + 2, word >>> 16);
    dst.put(at + ZERO, (byte) zero);
    long pending = 0;
    int pendingBits = 0;
    int to = at + CODES;
    for (int i = 0; i < LENGTH; i++) {
      pending |= (long) (codes[from + i] & 0xFF) << pendingBits;
      pendingBits += bits;
      for (; pendingBits >= 8; pendingBits -= 8) {
        dst.put(to++, (byte) pending);
        pending >>>= 8;
      }
    }
  }

  @Override
  public boolean scalesFinite(ByteBuffer src, int offset) {
    return Float.isFinite(GroupBlocks.scale(src, offset));
  }
}
