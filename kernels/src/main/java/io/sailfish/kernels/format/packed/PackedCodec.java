package io.sailfish.kernels.format.packed;

import static io.sailfish.kernels.format.packed.PackedLayout.BLOCK;

import io.sailfish.kernels.KernelException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.stream.IntStream;

/**
 * Packs and unpacks weight matrices, exactly, panel by panel: 128 outputs over all inputs. A worker
 * needs one panel and two rows of codes beside the source and the target.
 */
public final class PackedCodec {
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle SHORT =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);

  private final PackedLayout layout;
  private final byte[] even;
  private final byte[] odd;
  private final short[] groupValues;
  private final int[] steps = new int[8];
  private final int[] stored = new int[8];

  /** A codec for one matrix and one thread. */
  public PackedCodec(PackedLayout layout) {
    this.layout = layout;
    even = new byte[layout.paddedInputs()];
    odd = new byte[layout.paddedInputs()];
    groupValues = new short[layout.groups()];
  }

  /** Packs all panels on all cores. The sink gets each once. */
  public static void pack(PackedLayout layout, CodeMatrix matrix, PanelSink sink) {
    record Worker(PackedCodec codec, byte[] panel) {}
    Deque<Worker> idle = new ArrayDeque<>();
    IntStream.range(0, layout.panels())
        .parallel()
        .forEach(
            panel -> {
              Worker worker;
              synchronized (idle) {
                worker = idle.poll();
              }
              if (worker == null) {
                worker = new Worker(new PackedCodec(layout), new byte[layout.panelBytes()]);
              }
              worker.codec.packPanel(matrix, panel, worker.panel);
              sink.accept(panel, (long) panel * layout.panelBytes(), worker.panel);
              synchronized (idle) {
                idle.push(worker);
              }
            });
  }

  /** Packs a matrix of less than 2 GiB into memory. */
  public static byte[] pack(PackedLayout layout, CodeMatrix matrix) {
    byte[] packed = new byte[Math.toIntExact(layout.bytes())];
    pack(
        layout,
        matrix,
        (panel, offset, bytes) -> System.arraycopy(bytes, 0, packed, (int) offset, bytes.length));
    return packed;
  }

  /** Writes all bytes of a panel to the start of {@code dst}. */
  public void packPanel(CodeMatrix matrix, int panel, byte[] dst) {
    requireBytes(dst, 0);
    for (int column = 0; column < BLOCK; column += 2) {
      int output = panel * BLOCK + column;
      readCodes(matrix, output, even);
      readCodes(matrix, output + 1, odd);
      packColumns(column, dst);
    }
    for (int column = 0; column < BLOCK; column++) {
      int output = panel * BLOCK + column;
      packGroupValues(matrix, output, column, false, dst);
      if (layout.hasZeros()) {
        packGroupValues(matrix, output, column, true, dst);
      }
    }
  }

  private void readCodes(CodeMatrix matrix, int output, byte[] row) {
    if (output >= layout.outputs()) {
      Arrays.fill(row, (byte) 0);
      return;
    }
    matrix.codes(output, row, 0);
    int seen = 0;
    for (int k = 0; k < layout.inputs(); k++) {
      seen |= row[k];
    }
    if ((seen & -layout.code().codes()) != 0) {
      throw new KernelException(
          "pack",
          "code of output " + output,
          "0.." + (layout.code().codes() - 1),
          "bits " + Integer.toBinaryString(seen & 0xff));
    }
  }

  private void packColumns(int column, byte[] dst) {
    int bits = layout.code().bits();
    boolean table = layout.code().hasTable();
    int storedWords = 2 * bits;
    for (int block = 0; block < layout.blocksPerPanel(); block++) {
      int half = halfOffset(block, column);
      for (int c = 0; c < 4; c++) {
        for (int i = 0; i < 8; i++) {
          int k = block * BLOCK + 16 * i + 2 * c;
          steps[i] =
              table ? CodeWords.tableStep(even, odd, k) : CodeWords.integerStep(even, odd, k);
        }
        CodeWords.fold(bits, steps, stored);
        int t = thread(column) + c;
        for (int i = 0; i < storedWords; i++) {
          INT.set(dst, half + CodeWords.offset(bits, t, i), stored[i]);
        }
      }
    }
  }

  private void packGroupValues(
      CodeMatrix matrix, int output, int column, boolean zeros, byte[] dst) {
    boolean padded = output >= layout.outputs();
    if (!padded && zeros) {
      matrix.zeros(output, groupValues, 0);
    } else if (!padded) {
      matrix.scales(output, groupValues, 0);
    }
    for (int block = 0; block < layout.blocksPerPanel(); block++) {
      for (int q = 0; q < layout.scaleRowsPerBlock(); q++) {
        int group = group(block, q);
        boolean real = !padded && group < groupValues.length;
        SHORT.set(dst, valueOffset(block, q, column, zeros), real ? groupValues[group] : (short) 0);
      }
    }
  }

  /** Reads a panel at {@code srcOffset} back into the matrix; padding is left out. */
  public void unpackPanel(byte[] src, int srcOffset, int panel, CodeArrays dst) {
    requireBytes(src, srcOffset);
    int outputs = Math.min(BLOCK, layout.outputs() - panel * BLOCK);
    for (int column = 0; column < outputs; column += 2) {
      unpackColumns(src, srcOffset, column);
      int output = panel * BLOCK + column;
      dst.setCodes(output, even);
      if (column + 1 < outputs) {
        dst.setCodes(output + 1, odd);
      }
    }
    for (int column = 0; column < outputs; column++) {
      for (int group = 0; group < layout.groups(); group++) {
        int output = panel * BLOCK + column;
        int block = (int) ((long) group * layout.group() / BLOCK);
        int q = group % layout.scaleRowsPerBlock();
        dst.setScale(
            output,
            group,
            (short) SHORT.get(src, srcOffset + valueOffset(block, q, column, false)));
        if (layout.hasZeros()) {
          dst.setZero(
              output,
              group,
              (short) SHORT.get(src, srcOffset + valueOffset(block, q, column, true)));
        }
      }
    }
  }

  private void unpackColumns(byte[] src, int srcOffset, int column) {
    int bits = layout.code().bits();
    boolean table = layout.code().hasTable();
    for (int block = 0; block < layout.blocksPerPanel(); block++) {
      int half = srcOffset + halfOffset(block, column);
      for (int c = 0; c < 4; c++) {
        int t = thread(column) + c;
        for (int i = 0; i < 2 * bits; i++) {
          stored[i] = (int) INT.get(src, half + CodeWords.offset(bits, t, i));
        }
        CodeWords.unfold(bits, stored, steps);
        for (int i = 0; i < 8; i++) {
          int k = block * BLOCK + 16 * i + 2 * c;
          if (table) {
            CodeWords.tableCodes(steps[i], even, odd, k);
          } else {
            CodeWords.integerCodes(steps[i], even, odd, k);
          }
        }
      }
    }
  }

  private void requireBytes(byte[] bytes, int offset) {
    if (offset < 0 || bytes.length - offset < layout.panelBytes()) {
      throw new KernelException(
          "pack", "panel", layout.panelBytes() + " bytes", (bytes.length - offset) + " bytes");
    }
  }

  /** First thread of the four that hold a pair of columns: warp, then row of the fragment. */
  private static int thread(int column) {
    int pair = column / 2 % 32;
    return pair / 8 * 32 + pair % 8 * 4;
  }

  private int halfOffset(int block, int column) {
    return block * layout.blockBytes()
        + layout.scaleBytesPerBlock()
        + column / 64 * layout.code().bits() * 1024;
  }

  /** Group of the scale row q of a block; may lie beyond the last group. */
  private int group(int block, int q) {
    int rows = layout.scaleRowsPerBlock();
    return rows > 1 ? block * rows + q : (int) ((long) block * BLOCK / layout.group());
  }

  private int valueOffset(int block, int q, int column, boolean zeros) {
    int row = zeros ? layout.scaleRowsPerBlock() + q : q;
    return block * layout.blockBytes() + (row * BLOCK + column) * 2;
  }
}
