package io.sailfish.kernels.format.packed;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.kernels.format.TwoByteFloat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** GGUF's 4-bit blocks of 32 as codes: Q4_0 (d, 16 bytes) and Q4_1 (d, m, 16 bytes). */
public final class SourceCodes implements CodeMatrix {
  private static final int BLOCK = 32;

  private final WeightSource source;
  private final int blockBytes;
  private final int codeOffset;
  private final int rowBytes;

  /** Refuses formats that are not 4-bit integers; those stay dense. */
  public SourceCodes(WeightSource source) {
    if (!isPackable(source.format())) {
      throw new KernelException(
          "pack", "format of " + source.name(), "q4_0 or q4_1", source.format().id());
    }
    this.source = source;
    blockBytes = source.format().blockBytes();
    codeOffset = source.format() == QuantFormat.Q4_1 ? 4 : 2;
    rowBytes = Math.toIntExact(source.format().rowBytes(source.cols()));
  }

  public static boolean isPackable(QuantFormat format) {
    return format == QuantFormat.Q4_0 || format == QuantFormat.Q4_1;
  }

  /** The layout in which this source packs without loss. */
  public static PackedLayout layout(WeightSource source, int outputs) {
    return new PackedLayout(
        PackedCode.W4,
        source.format() == QuantFormat.Q4_1 ? ZeroKind.OFFSET : ZeroKind.SYMMETRIC,
        outputs,
        source.cols(),
        BLOCK,
        TwoByteFloat.F16);
  }

  @Override
  public void codes(int output, byte[] dst, int dstOffset) {
    ByteBuffer row = row(output);
    for (int block = 0; block < rowBytes / blockBytes; block++) {
      int at = block * blockBytes + codeOffset;
      int k = dstOffset + block * BLOCK;
      for (int i = 0; i < 16; i++) {
        byte pair = row.get(at + i);
        dst[k + i] = (byte) (pair & 15);
        dst[k + 16 + i] = (byte) (pair >> 4 & 15);
      }
    }
  }

  @Override
  public void scales(int output, short[] dst, int dstOffset) {
    shorts(output, 0, dst, dstOffset);
  }

  @Override
  public void zeros(int output, short[] dst, int dstOffset) {
    shorts(output, 2, dst, dstOffset);
  }

  private void shorts(int output, int offset, short[] dst, int dstOffset) {
    ByteBuffer row = row(output);
    for (int block = 0; block < rowBytes / blockBytes; block++) {
      dst[dstOffset + block] = row.getShort(block * blockBytes + offset);
    }
  }

  private ByteBuffer row(int output) {
    ByteBuffer row = ByteBuffer.allocate(rowBytes).order(ByteOrder.LITTLE_ENDIAN);
    source.readRows(output, 1, row);
    return row;
  }
}
