package io.sailfish.kernels.format;

import java.nio.ByteBuffer;

/**
 * A row of 32 weights a scale as codes, for the formats that have them: weight = s · (T[q] - z), T
 * the format's table or the code itself, or s · q + z where z is an offset. Units of 32 weights are
 * counted from the start of the row; buffers are little endian and hold one row from 0 on.
 */
public enum RowCodes {
  /** Integers with a zero point. */
  INTEGERS {
    @Override
    public float scale(QuantFormat format, ByteBuffer row, int unit) {
      return GroupBlocks.scale(row, unit * format.blockBytes());
    }

    @Override
    public float second(QuantFormat format, ByteBuffer row, int unit) {
      return GroupBlocks.zero(row, unit * format.blockBytes());
    }

    @Override
    public void codes(QuantFormat format, ByteBuffer row, int unit, byte[] dst, int from) {
      GroupBlocks.codes(format, row, unit * format.blockBytes(), dst, from);
    }
  },

  /** Indices into the table of NF4 or FP4. */
  TABLE {
    @Override
    public float scale(QuantFormat format, ByteBuffer row, int unit) {
      return GroupBlocks.scale(row, unit * format.blockBytes());
    }

    @Override
    public float second(QuantFormat format, ByteBuffer row, int unit) {
      return 0;
    }

    @Override
    public void codes(QuantFormat format, ByteBuffer row, int unit, byte[] dst, int from) {
      GroupBlocks.codes(format, row, unit * format.blockBytes(), dst, from);
    }
  },

  /** GGUF's blocks of 32 with nibbles of 16 weights and 16 others: Q4_0, Q4_1, IQ4_NL. */
  NIBBLES {
    @Override
    public float scale(QuantFormat format, ByteBuffer row, int unit) {
      return HalfFloat.read(row, unit * format.blockBytes());
    }

    @Override
    public float second(QuantFormat format, ByteBuffer row, int unit) {
      return format == QuantFormat.Q4_1 ? HalfFloat.read(row, unit * format.blockBytes() + 2) : 0;
    }

    @Override
    public void codes(QuantFormat format, ByteBuffer row, int unit, byte[] dst, int from) {
      int half = GroupBlocks.LENGTH / 2;
      int at = (unit + 1) * format.blockBytes() - half;
      for (int i = 0; i < half; i++) {
        int pair = row.get(at + i);
        dst[from + i] = (byte) (pair & 15);
        dst[from + half + i] = (byte) (pair >>> 4 & 15);
      }
    }
  },

  /** Q4_K's sub-blocks; the offset is the minimum that is taken off. */
  SUPER_BLOCKS {
    @Override
    public float scale(QuantFormat format, ByteBuffer row, int unit) {
      return Q4_K.scale(row, unit);
    }

    @Override
    public float second(QuantFormat format, ByteBuffer row, int unit) {
      return -Q4_K.minimum(row, unit);
    }

    @Override
    public void codes(QuantFormat format, ByteBuffer row, int unit, byte[] dst, int from) {
      Q4_K.codes(row, unit, dst, from);
    }
  };

  /** Weights that share a scale. */
  public static final int UNIT = GroupBlocks.LENGTH;

  /** How a format's rows are read; null for formats without such codes of 4 bits or less. */
  public static RowCodes of(QuantFormat format) {
    return switch (format) {
      case U2, U3, U4 -> INTEGERS;
      case NF4, FP4 -> TABLE;
      case Q4_0, Q4_1, IQ4_NL -> NIBBLES;
      case Q4_K -> SUPER_BLOCKS;
      default -> null;
    };
  }

  public abstract float scale(QuantFormat format, ByteBuffer row, int unit);

  /** Zero point or offset; 0 where there is none. */
  public abstract float second(QuantFormat format, ByteBuffer row, int unit);

  /** Copies the codes of a unit, one a byte. */
  public abstract void codes(QuantFormat format, ByteBuffer row, int unit, byte[] dst, int from);
}
