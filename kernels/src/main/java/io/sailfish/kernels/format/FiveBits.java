package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * The 32 codes of ggml's 5-bit blocks, in 20 bytes:
 *
 * <pre>
 * byte 0            4                              20
 *      | fifth bits | q0 | q16<<4 | ... q15 | q31<<4 |
 *      | bit i: i   | the low four bits of each      |
 * </pre>
 */
final class FiveBits {
  static final int COUNT = 32;
  private static final int LOW = 4;

  private FiveBits() {}

  /** The fifth bits of all codes, for {@link #code}. */
  static int fifth(ByteBuffer src, int at) {
    return HalfFloat.bits(src, at) | HalfFloat.bits(src, at + 2) << 16;
  }

  static int code(ByteBuffer src, int at, int fifth, int i) {
    int low = src.get(at + LOW + i % 16) >>> (i < 16 ? 0 : 4) & 15;
    return low | (fifth >>> i & 1) << 4;
  }

  static void put(int[] codes, ByteBuffer dst, int at) {
    int fifth = 0;
    for (int i = 0; i < COUNT / 2; i++) {
      int low = codes[i];
      int high = codes[COUNT / 2 + i];
      dst.put(at + LOW + i, (byte) (low & 15 | (high & 15) << 4));
      fifth |= low >> 4 << i | high >> 4 << i + 16;
    }
    HalfFloat.put(dst, at, fifth);
    HalfFloat.put(dst, at + 2, fifth >>> 16);
  }
}
