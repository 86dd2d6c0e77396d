package io.sailfish.kernels.cpu;

import io.sailfish.kernels.cpu.PanelLayout.Kind;
import io.sailfish.kernels.format.HalfFloat;
import java.nio.ByteBuffer;

/** Codes in planes ({@link PanelLayout}), one column at a time. */
final class Planes {
  /** Most blocks of a unit: its words are to stay in the first-level cache. */
  private static final int MOST_BLOCKS = 8;

  private Planes() {}

  /** Blocks of a unit, such that runs of inputs of one block and one plane get long. */
  static int blocks(int rowBlocks, int planes) {
    int best = 1;
    for (int blocks = 2; blocks <= MOST_BLOCKS; blocks++) {
      if (rowBlocks % blocks == 0 && best * runs(blocks, planes) < blocks * runs(best, planes)) {
        best = blocks;
      }
    }
    return best;
  }

  /** Runs of a unit: a block and a plane begin together at each of their common divisors. */
  private static int runs(int blocks, int planes) {
    return blocks + planes - Math.min(planes, Integer.lowestOneBit(blocks));
  }

  /** See {@link PanelLayout#packUnit}. */
  static void pack(PanelLayout layout, ByteBuffer src, int at, int column, int[] words, int to) {
    byte[] codes = new byte[layout.unitInner()];
    for (int block = 0; block < layout.unitBlocks(); block++) {
      int from = at + block * layout.format().blockBytes();
      int scales = to + block * layout.scaleWords();
      if (layout.kind() == Kind.NIBBLE_MIN) {
        words[scales + column] = src.getInt(from);
      } else {
        PanelLayout.putHalf(words, scales, column, src.getShort(from));
      }
      unpack(layout, src, from, codes, block * layout.format().blockLength());
    }
    int inner = layout.planeInner();
    int first = to + layout.codeWords() + column;
    for (int i = 0; i < inner; i++) {
      int word = 0;
      if (layout.kind() == Kind.BYTE) {
        for (int p = 0; p < 4; p++) {
          word |= (codes[p * inner + i] & 0xFF) << 8 * p;
        }
      } else {
        for (int p = 0; p < 8; p++) {
          word |= codes[p * inner + i] << 4 * p;
        }
      }
      words[first + i * PanelLayout.COLUMNS] = word;
    }
  }

  /** Nibbles stand in 16 bytes: those of the first 16 inputs low. Signed bytes get 128 more. */
  private static void unpack(PanelLayout layout, ByteBuffer src, int at, byte[] codes, int to) {
    if (layout.kind() == Kind.BYTE) {
      for (int i = 0; i < 32; i++) {
        codes[to + i] = (byte) (src.get(at + 2 + i) ^ 0x80);
      }
      return;
    }
    int first = at + layout.format().blockBytes() - 16;
    for (int i = 0; i < 16; i++) {
      int pair = src.get(first + i);
      codes[to + i] = (byte) (pair & 15);
      codes[to + 16 + i] = (byte) (pair >>> 4 & 15);
    }
  }

  /**
   * Decodes inputs {@code [first, first + count)} of a unit. d·q has 19 significant bits at most,
   * so the sum is the only rounding, as in an FMA.
   */
  static void decode(
      PanelLayout layout,
      int[] words,
      int at,
      int column,
      int first,
      int count,
      float[] dst,
      int to,
      int stride) {
    int codes = at + layout.codeWords() + column;
    int mask = (1 << layout.bits()) - 1;
    int inner = layout.planeInner();
    int length = layout.format().blockLength();
    boolean minima = layout.kind() == Kind.NIBBLE_MIN;
    float d = 0;
    float m = 0;
    for (int k = first; k < first + count; k++) {
      if (k == first || k % length == 0) {
        int scales = at + k / length * layout.scaleWords();
        int half = minima ? words[scales + column] : PanelLayout.half(words, scales, column);
        d = HalfFloat.toFloat(half);
        m = minima ? HalfFloat.toFloat(half >>> 16) : layout.zero() * d;
      }
      int code =
          words[codes + k % inner * PanelLayout.COLUMNS] >>> k / inner * layout.bits() & mask;
      dst[to + (k - first) * stride] = d * code + m;
    }
  }
}
