package io.sailfish.kernels.cpu;

import io.sailfish.kernels.format.HalfFloat;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * How a format lies in a panel: {@link #COLUMNS} outputs side by side, so that one vector load
 * holds the same input k of neighbouring outputs. A panel is a run of units; a unit is one block of
 * the format for each of the columns, or in planes some blocks, the same number of bits as in the
 * checkpoint:
 *
 * <pre>
 * FLOAT       k:  word c                    = weight of column c
 * HALF, BFLOAT k: word c (c &lt; 16)          = column c low half, column c + 16 high half
 * BYTE        for each block 16 words of scales as HALF, then the codes, plus 128, in 4 planes of n
 *             = 8 · blocks inputs: i-th 32 words, word c, byte p = input p · n + i of column c
 * NIBBLE      the same with nibbles, so 8 planes of 4 · blocks inputs
 * NIBBLE_MIN  for each block 32 words (word c: d low half, m high half), then planes as NIBBLE
 * WORDS       blocks word by word: word i of column c is word c of group i. Where a block is no
 *             whole number of words, its odd half goes before as 16 words of HALF, an odd byte as
 *             8 words (byte c of them is column c's)
 * ENCODED     the 32 blocks as the checkpoint has them; decoded by the codec, so every format works
 * </pre>
 *
 * <p>Planes, because a loop over neighbouring inputs then finds its codes at one place in the words
 * and most of its scales in registers.
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

  /** Words that the halves of a panel's columns take. */
  static final int SCALE_WORDS = HALF_COLUMNS;

  /** Floats that decoding needs for scales: d and m of each column and of 17 sub-blocks. */
  static final int SCALE_FLOATS = 17 * 2 * COLUMNS;

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

  /** The fastest layout that there is for {@code cols} inputs of a format. */
  static PanelLayout of(QuantFormat format, int cols) {
    return switch (format) {
      case F32 -> new PanelLayout(Kind.FLOAT, format, 1, COLUMNS);
      case F16 -> new PanelLayout(Kind.HALF, format, 1, HALF_COLUMNS);
      case BF16 -> new PanelLayout(Kind.BFLOAT, format, 1, HALF_COLUMNS);
      case Q8_0 -> planes(Kind.BYTE, format, cols);
      case Q4_0 -> planes(Kind.NIBBLE, format, cols);
      case Q4_1 -> planes(Kind.NIBBLE_MIN, format, cols);
      case Q5_0, Q5_1, IQ4_NL, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, U2, U3, U4, U8, NF4, FP4 ->
          new PanelLayout(Kind.WORDS, format, format.blockLength(), encodedWords(format));
    };
  }

  private static PanelLayout planes(Kind kind, QuantFormat format, int cols) {
    int blocks = Planes.blocks(cols / format.blockLength(), kind == Kind.BYTE ? 4 : 8);
    int inner = blocks * format.blockLength();
    return new PanelLayout(kind, format, inner, blocks * encodedWords(format));
  }

  /** The layout that needs nothing but a codec. */
  static PanelLayout encoded(QuantFormat format) {
    return new PanelLayout(Kind.ENCODED, format, format.blockLength(), encodedWords(format));
  }

  private static int encodedWords(QuantFormat format) {
    return COLUMNS * format.blockBytes() / 4;
  }

  /** Whether the codes lie in planes. */
  boolean inPlanes() {
    return kind == Kind.BYTE || kind == Kind.NIBBLE || kind == Kind.NIBBLE_MIN;
  }

  /** Bits of a code in planes. */
  int bits() {
    return kind == Kind.BYTE ? 8 : 4;
  }

  /** Inputs of a plane. */
  int planeInner() {
    return unitInner / (32 / bits());
  }

  /** Words of a block's scales, which stand before the codes of a unit in planes. */
  int scaleWords() {
    return kind == Kind.NIBBLE_MIN ? COLUMNS : SCALE_WORDS;
  }

  /** First word of the codes of a unit in planes. */
  int codeWords() {
    return unitBlocks() * scaleWords();
  }

  /** Blocks of a unit. */
  int unitBlocks() {
    return unitInner / format.blockLength();
  }

  /** Words of one block of all columns. */
  int blockWords() {
    return unitWords / unitBlocks();
  }

  /** Bytes of one column's unit in the checkpoint. */
  int unitBytes() {
    return unitBlocks() * format.blockBytes();
  }

  /**
   * Packs one unit of one column.
   *
   * @param src the encoded row's blocks, little endian, from byte {@code at} on
   * @param words the unit's words start at {@code to}, zero where nothing is packed
   */
  void packUnit(ByteBuffer src, int at, int column, int[] words, int to) {
    switch (kind) {
      case FLOAT -> words[to + column] = src.getInt(at);
      case HALF, BFLOAT -> putHalf(words, to, column, src.getShort(at));
      case BYTE, NIBBLE, NIBBLE_MIN -> Planes.pack(this, src, at, column, words, to);
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

  /** Puts the half of a column, those of columns 16 to 31 in the upper half of a word. */
  static void putHalf(int[] words, int to, int column, short half) {
    int shift = column < HALF_COLUMNS ? 0 : 16;
    words[to + column % HALF_COLUMNS] |= (half & 0xFFFF) << shift;
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
    int scales = inPlanes() ? codeWords() : 0;
    for (int i = 0; i < scales; i++) {
      int word = words[at + i];
      if ((word & 0x7C00) == 0x7C00 || (word & 0x7C000000) == 0x7C000000) {
        return false;
      }
    }
    return true;
  }

  /**
   * Decodes a stretch of one column to floats, {@code stride} apart: what the vectors must give,
   * bit for bit.
   */
  void decodeColumn(PanelPiece piece, int column, float[] dst, int to, int stride) {
    for (int done = 0; done < piece.inner; ) {
      int k = piece.from + done;
      int at = piece.at + k / unitInner * unitWords;
      int first = k % unitInner;
      int count = Math.min(unitInner - first, piece.inner - done);
      if (inPlanes()) {
        Planes.decode(this, piece.words, at, column, first, count, dst, to + done * stride, stride);
      } else {
        decodeUnit(piece.words, at, column, dst, to + done * stride, stride);
      }
      done += count;
    }
  }

  private void decodeUnit(int[] words, int at, int column, float[] dst, int to, int stride) {
    switch (kind) {
      case FLOAT -> dst[to] = Float.intBitsToFloat(words[at + column]);
      case HALF -> dst[to] = HalfFloat.toFloat(half(words, at, column));
      case BFLOAT -> dst[to] = Float.intBitsToFloat(half(words, at, column) << 16);
      default -> decodeBlock(words, at, column, dst, to, stride);
    }
  }

  /** The half that {@link #putHalf} put, in the lower half. */
  static int half(int[] words, int at, int column) {
    return words[at + column % HALF_COLUMNS] >>> (column < HALF_COLUMNS ? 0 : 16);
  }

  /** What a code of BYTE or NIBBLE stands for when it is zero. */
  float zero() {
    return kind == Kind.BYTE ? -128 : -8;
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
