package io.sailfish.kernels.format.packed;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.kernels.format.RowCodes;
import io.sailfish.kernels.format.TwoByteFloat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A checkpoint's rows as codes and groups; {@link SourcePacking} says of which layout. */
final class SourceCodes implements CodeMatrix {
  private final WeightSource source;
  private final QuantFormat format;
  private final RowCodes reader;
  private final int unitsPerGroup;
  private final int units;
  private final TwoByteFloat type;

  /**
   * @param group inputs that share a scale, a multiple of 32
   * @param type of scales and second values, which are rounded to it
   */
  SourceCodes(WeightSource source, int group, TwoByteFloat type) {
    this.source = source;
    this.format = source.format();
    this.reader = RowCodes.of(format);
    this.unitsPerGroup = group / RowCodes.UNIT;
    this.units = source.cols() / RowCodes.UNIT;
    this.type = type;
  }

  @Override
  public void codes(int output, byte[] dst, int dstOffset) {
    ByteBuffer row = row(output);
    for (int unit = 0; unit < units; unit++) {
      reader.codes(format, row, unit, dst, dstOffset + unit * RowCodes.UNIT);
    }
  }

  @Override
  public void scales(int output, short[] dst, int dstOffset) {
    ByteBuffer row = row(output);
    for (int unit = 0; unit < units; unit += unitsPerGroup) {
      dst[dstOffset++] = type.encode(reader.scale(format, row, unit));
    }
  }

  @Override
  public void zeros(int output, short[] dst, int dstOffset) {
    ByteBuffer row = row(output);
    for (int unit = 0; unit < units; unit += unitsPerGroup) {
      dst[dstOffset++] = type.encode(reader.second(format, row, unit));
    }
  }

  private ByteBuffer row(int output) {
    int rowBytes = Math.toIntExact(format.rowBytes(source.cols()));
    ByteBuffer row = ByteBuffer.allocate(rowBytes).order(ByteOrder.LITTLE_ENDIAN);
    source.readRows(output, 1, row);
    return row;
  }
}
