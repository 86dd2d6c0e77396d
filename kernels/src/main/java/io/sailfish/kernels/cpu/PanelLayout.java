package io.sailfish.kernels.cpu;

import io.sailfish.kernels.format.HalfFloat;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * How a format lies in a panel: {@link #COLUMNS} outputs side by side, so that one vector load
 * holds the same input k of neighbouring outputs. A panel is a run of units; a unit is one block of
 * the format for each of the columns, the same number of bits as in the checkpoint:
 *
 * <pre>
 * FLOAT       k:  word c                    = weight of column c
 * HALF, BFLOAT k: word c (c &lt; 16)          = column c low half, column c + 16 high half
 * BYTE        16 words of scales as HALF, then 8 groups of 32 words: group g, word c, byte j
 *             = code of input 4g+j of column c
 * NIBBLE      16 words of scales as HALF, then 4 groups of 32 words: group g, word c, nibble j
 *             = code of input 8g+j of column c
 * NIBBLE_MIN  32 words (word c: d low half, m high half), then 4 groups as NIBBLE
 * WORDS       blocks word by word: word i of column c is word c of group i. Where a block is no
 *             whole number of words, its odd half goes before as 16 words of HALF, an odd byte as
 *             8 words (byte c of them is column c's)
 * ENCODED     the 32 blocks as the checkpoint has them; decoded by the codec, so every format works
 * </pre>
 *
 * @param kind the arrangement
 * @param format what the checkpoint holds
 * @param unitInner inputs k in a unit
 * @param unitWords 32-bit words in a unit
 */
record PanelLayout(Kind kind, QuantFormat format, int unitInner, int unitWords) {
  /** Outputs in a panel. */
  static final int COLUMNS = 32;

  private static final int HALF_COLUMNS = COLUMNS / 2;

  /** Words of scales before the codes of a BYTE or NIBBLE unit. */
  static final int SCALE_WORDS = HALF_COLUMNS;

  enum Kind {
    FLOAT,
    HALF,
    BFLOAT,
    BYTE,
    NIBBLE,
    NIBBLE_MIN,
    WORDS,
    ENCODED
  }

  /** The fastest layout that there is for a format. */
  static PanelLayout of(QuantFormat format) {
    return switch (format) {
      case F32 -> new PanelLayout(Kind.FLOAT, format, 1, COLUMNS);
      case F16 -> new PanelLayout(Kind.HALF, format, 1, HALF_COLUMNS);
      case BF16 -> new PanelLayout(Kind.BFLOAT, format, 1, HALF_COLUMNS);
      case Q8_0 -> new PanelLayout(Kind.BYTE, format, 32, SCALE_WORDS + 8 * COLUMNS);
      case Q4_0 -> new PanelLayout(Kind.NIBBLE, format, 32, SCALE_WORDS + 4 * COLUMNS);
      case Q4_1 -> new PanelLayout(Kind.NIBBLE_MIN, format, 32, COLUMNS + 4 * COLUMNS);
      case Q5_0, Q5_1, IQ4_NL, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, U2, U3, U4, U8, NF4, FP4 ->
          new PanelLayout(Kind.WORDS, format, format.blockLength(), encodedWords(format));
    };
  }

  /** The layout that needs nothing but a codec. */
  static PanelLayout encoded(QuantFormat format) {
    return new PanelLayout(Kind.ENCODED, format, format.blockLength(), encodedWords(format));
  }

  private static int encodedWords(QuantFormat format) {
    return COLUMNS * format.blockBytes() / 4;
  }

  /** Floats that decoding a unit needs for scales: d and m of each column and sub-block. */
  int scaleFloats() {
    return 2 * COLUMNS * (format.blockLength() > 32 ? 17 : 1);
  }

  /** First word of the codes in a unit. */
  int codeWords() {
    return kind == Kind.NIBBLE_MIN ? COLUMNS : SCALE_WORDS;
  }

  /**
   * Packs one unit of one column.
   *
   * @param src the encoded row's block, little endian, at byte {@code at}
   * @param words the unit's words start at {@code to}, zero where nothing is packed
   */
  void packBlock(ByteBuffer src, int at, int column, int[] words, int to) {
    switch (kind) {
      case FLOAT -> words[to + column] = src.getInt(at);
      case HALF, BFLOAT -> putHalf(words, to, column, src.getShort(at));
      case BYTE -> {
        putHalf(words, to, column, src.getShort(at));
        for (int g = 0; g < 8; g++) {
          words[to + SCALE_WORDS + g * COLUMNS + column] = src.getInt(at + 2 + 4 * g);
        }
      }
      case NIBBLE -> {
        putHalf(words, to, column, src.getShort(at));
        packNibbles(src, at + 2, words, to + SCALE_WORDS + column);
      }
      case NIBBLE_MIN -> {
        words[to + column] = src.getInt(at);
        packNibbles(src, at + 4, words, to + COLUMNS + column);
      }
      case WORDS -> packWords(src, at, column, words, to);
      case ENCODED -> packBytes(src, at, column, words, to);
    }
  }

  /** First byte of what a block has beyond whole words: its scale, or a zero point. */
  private int oddByte() {
    return switch (format) {
      case Q3_K -> 108;
      case Q6_K -> 208;
      case U2, U3, U4, U8 -> 4;
      default -> 0;
    };
  }

  private int oddBytes() {
    return format.blockBytes() % 4;
  }

  /** First word of the groups of words. */
  private int bodyWords() {
    return COLUMNS * oddBytes() / 4;
  }

  private void packWords(ByteBuffer src, int at, int column, int[] words, int to) {
    if (oddBytes() == 2) {
      putHalf(words, to, column, src.getShort(at + oddByte()));
    } else if (oddBytes() == 1) {
      words[to + column / 4] |= (src.get(at + oddByte()) & 0xFF) << column % 4 * 8;
    }
    for (int i = 0; i < format.blockBytes() / 4; i++) {
      int skip = 4 * i < oddByte() || oddBytes() == 0 ? 0 : oddBytes();
      words[to + bodyWords() + i * COLUMNS + column] = src.getInt(at + 4 * i + skip);
    }
  }

  /** A column's block as the checkpoint has it. */
  private void unpackWords(int[] words, int at, int column, ByteBuffer block) {
    if (oddBytes() == 2) {
      block.putShort(oddByte(), (short) half(words, at, column));
    } else if (oddBytes() == 1) {
      block.put(oddByte(), (byte) (words[at + column / 4] >>> column % 4 * 8));
    }
    for (int i = 0; i < format.blockBytes() / 4; i++) {
      int skip = 4 * i < oddByte() || oddBytes() == 0 ? 0 : oddBytes();
      block.putInt(4 * i + skip, words[at + bodyWords() + i * COLUMNS + column]);
    }
  }

  private static void putHalf(int[] words, int to, int column, short half) {
    int shift = column < HALF_COLUMNS ? 0 : 16;
    words[to + column % HALF_COLUMNS] |= (half & 0xFFFF) << shift;
  }

  private static void packNibbles(ByteBuffer src, int at, int[] words, int to) {
    for (int i = 0; i < 2; i++) {
      long bytes = src.getLong(at + 8 * i);
      words[to + i * COLUMNS] = compress(bytes);
      words[to + (i + 2) * COLUMNS] = compress(bytes >>> 4);
    }
  }

  /** The low nibbles of eight bytes, side by side. */
  private static int compress(long bytes) {
    long b = bytes & 0x0F0F0F0F0F0F0F0FL;
    b = (b | b >>> 4) & 0x00FF00FF00FF00FFL;
    b = (b | b >>> 8) & 0x0000FFFF0000FFFFL;
    return (int) (b | b >>> 16);
  }

  private void packBytes(ByteBuffer src, int at, int column, int[] words, int to) {
    int first = column * format.blockBytes();
    for (int i = 0; i < format.blockBytes(); i++) {
      int b = first + i;
      words[to + b / 4] |= (src.get(at + i) & 0xFF) << b % 4 * 8;
    }
  }

  /** Whether the scales of a packed unit are all finite, so that fast decoding may assume it. */
  boolean scalesFinite(int[] words, int at) {
    int scaleWords =
        switch (kind) {
          case BYTE, NIBBLE -> SCALE_WORDS;
          case NIBBLE_MIN -> COLUMNS;
          default -> 0;
        };
    for (int i = 0; i < scaleWords; i++) {
      int word = words[at + i];
      if ((word & 0x7C00) == 0x7C00 || (word & 0x7C000000) == 0x7C000000) {
        return false;
      }
    }
    return true;
  }

  /**
   * Decodes one column of a unit to {@code unitInner} floats, {@code stride} apart: what the
   * vectors must give, bit for bit.
   */
  void decodeColumn(int[] words, int at, int column, float[] dst, int to, int stride) {
    switch (kind) {
      case FLOAT -> dst[to] = Float.intBitsToFloat(words[at + column]);
      case HALF -> dst[to] = HalfFloat.toFloat(half(words, at, column));
      case BFLOAT -> dst[to] = Float.intBitsToFloat(half(words, at, column) << 16);
      case BYTE -> decodeBytes(words, at, column, dst, to, stride);
      case NIBBLE -> {
        float d = HalfFloat.toFloat(half(words, at, column));
        decodeNibbles(words, at + SCALE_WORDS + column, d, -8 * d, dst, to, stride);
      }
      case NIBBLE_MIN -> {
        float d = HalfFloat.toFloat(words[at + column]);
        float m = HalfFloat.toFloat(words[at + column] >>> 16);
        decodeNibbles(words, at + COLUMNS + column, d, m, dst, to, stride);
      }
      case WORDS, ENCODED -> decodeBlock(words, at, column, dst, to, stride);
    }
  }

  private static int half(int[] words, int at, int column) {
    return words[at + column % HALF_COLUMNS] >>> (column < HALF_COLUMNS ? 0 : 16);
  }

  private static void decodeBytes(
      int[] words, int at, int column, float[] dst, int to, int stride) {
    float d = HalfFloat.toFloat(half(words, at, column));
    for (int k = 0; k < 32; k++) {
      int word = words[at + SCALE_WORDS + k / 4 * COLUMNS + column];
      dst[to + k * stride] = d * (byte) (word >>> k % 4 * 8);
    }
  }

  /** d·q has 15 significant bits at most, so the sum is the only rounding, as in an FMA. */
  private static void decodeNibbles(
      int[] words, int at, float d, float m, float[] dst, int to, int stride) {
    for (int k = 0; k < 32; k++) {
      int word = words[at + k / 8 * COLUMNS];
      dst[to + k * stride] = d * (word >>> k % 8 * 4 & 15) + m;
    }
  }

  private void decodeBlock(int[] words, int at, int column, float[] dst, int to, int stride) {
    ByteBuffer block = ByteBuffer.allocate(format.blockBytes()).order(ByteOrder.LITTLE_ENDIAN);
    if (kind == Kind.WORDS) {
      unpackWords(words, at, column, block);
    } else {
      unpackBytes(words, at, column, block);
    }
    float[] weights = new float[unitInner];
    format.codec().decode(block, 0, weights, 0, unitInner);
    for (int k = 0; k < unitInner; k++) {
      dst[to + k * stride] = weights[k];
    }
  }

  private void unpackBytes(int[] words, int at, int column, ByteBuffer block) {
    for (int i = 0; i < format.blockBytes(); i++) {
      int b = column * format.blockBytes() + i;
      block.put(i, (byte) (words[at + b / 4] >>> b % 4 * 8));
    }
  }
}
