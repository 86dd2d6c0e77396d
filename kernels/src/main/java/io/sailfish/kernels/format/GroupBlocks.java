package io.sailfish.kernels.format;

import java.nio.ByteBuffer;
import java.util.List;

/** Writes blocks of the formats that checkpoints of other layouts are read into. */
public final class GroupBlocks {
  /** Weights in a block of every such format; the smallest group. */
  public static final int LENGTH = 32;

  private static final List<QuantFormat> INTEGERS =
      List.of(QuantFormat.U2, QuantFormat.U3, QuantFormat.U4, QuantFormat.U8);

  private GroupBlocks() {}

  /** The format of integers of so many bits, or null when there is none. */
  public static QuantFormat integers(int bits) {
    for (QuantFormat format : INTEGERS) {
      if (format.id().equals("u" + bits)) {
        return format;
      }
    }
    return null;
  }

  /**
   * Appends a block of {@code codes[from..from + 31]} to {@code dst} from its position on.
   *
   * @param format one of {@link #integers}
   */
  public static void putIntegers(
      QuantFormat format, float scale, int zero, byte[] codes, int from, ByteBuffer dst) {
    ((GroupIntegers) format.codec()).put(scale, zero, codes, from, dst, dst.position());
    dst.position(dst.position() + format.blockBytes());
  }

  /** Appends a block of NF4 or FP4: 16 bytes of codes as bitsandbytes has them, and their scale. */
  public static void putTable(
      QuantFormat format, float absmax, ByteBuffer codes, int from, ByteBuffer dst) {
    int word = Float.floatToRawIntBits(absmax);
    int at = dst.position();
    HalfFloat.put(dst, at, word);
    HalfFloat.put(dst, at + 2, word >>> 16);
    for (int i = 0; i < LENGTH / 2; i++) {
      dst.put(at + 4 + i, codes.get(from + i));
    }
    dst.position(at + format.blockBytes());
  }

  /** Scale of the block at {@code at} of {@link #integers}, NF4 or FP4. */
  public static float scale(ByteBuffer src, int at) {
    return Float.intBitsToFloat(HalfFloat.bits(src, at) | HalfFloat.bits(src, at + 2) << 16);
  }

  /** Zero point of the block at {@code at} of {@link #integers}. */
  public static int zero(ByteBuffer src, int at) {
    return src.get(at + GroupIntegers.ZERO) & 0xFF;
  }

  /** Copies the 32 codes of the block at {@code at} of {@link #integers}, NF4 or FP4. */
  public static void codes(QuantFormat format, ByteBuffer src, int at, byte[] dst, int from) {
    if (format.codec() instanceof GroupIntegers integers) {
      for (int i = 0; i < LENGTH; i++) {
        dst[from + i] = (byte) integers.code(src, at + GroupIntegers.CODES, i);
      }
      return;
    }
    for (int i = 0; i < LENGTH / 2; i++) {
      int pair = src.get(at + 4 + i);
      dst[from + 2 * i] = (byte) (pair >>> 4 & 15);
      dst[from + 2 * i + 1] = (byte) (pair & 15);
    }
  }

  /** Bits of a code of one of {@link #integers}. */
  public static int bits(QuantFormat format) {
    return ((GroupIntegers) format.codec()).bits();
  }

  /** The 16 values that the codes of NF4, FP4 or IQ4_NL stand for, before they are scaled. */
  public static float[] table(QuantFormat format) {
    return format == QuantFormat.IQ4_NL ? IQ4_NL.table() : ((TableCodes) format.codec()).table();
  }
}
