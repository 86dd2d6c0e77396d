package io.sailfish.kernels.format.packed;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.kernels.format.RowCodes;
import io.sailfish.kernels.format.TwoByteFloat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.stream.IntStream;

/**
 * What has to be known of all scales and zero points of a matrix before it is packed.
 *
 * @param group 32, 64 or 128: the longest runs of inputs that share both
 * @param halfExact whether every scale is an fp16 number
 * @param brainExact whether every scale is a bf16 number, none beyond fp16's largest
 * @param halfNormal whether every scale that is not 0 rounds to fp16 with a relative error of 2^-11
 * @param central whether every zero point is the middle code
 */
record ScaleSurvey(
    int group, boolean halfExact, boolean brainExact, boolean halfNormal, boolean central) {
  private static final int LONGEST = PackedLayout.BLOCK;
  private static final int ROWS_AT_ONCE = 64;
  private static final float LEAST_NORMAL = 0x1p-14f;
  private static final float LARGEST = 65504;

  private static final ScaleSurvey NOTHING_SEEN = new ScaleSurvey(LONGEST, true, true, true, true);

  /** Reads all rows once, on all cores. */
  static ScaleSurvey of(List<WeightSource> parts) {
    return parts.stream().map(ScaleSurvey::of).reduce(NOTHING_SEEN, ScaleSurvey::and);
  }

  private static ScaleSurvey of(WeightSource source) {
    int chunks = (source.rows() - 1) / ROWS_AT_ONCE + 1;
    return IntStream.range(0, chunks)
        .parallel()
        .mapToObj(chunk -> rows(source, chunk * ROWS_AT_ONCE))
        .reduce(NOTHING_SEEN, ScaleSurvey::and);
  }

  private ScaleSurvey and(ScaleSurvey other) {
    return new ScaleSurvey(
        Math.min(group, other.group),
        halfExact && other.halfExact,
        brainExact && other.brainExact,
        halfNormal && other.halfNormal,
        central && other.central);
  }

  private static ScaleSurvey rows(WeightSource source, int first) {
    int count = Math.min(ROWS_AT_ONCE, source.rows() - first);
    int rowBytes = Math.toIntExact(source.format().rowBytes(source.cols()));
    ByteBuffer rows = ByteBuffer.allocate(count * rowBytes).order(ByteOrder.LITTLE_ENDIAN);
    source.readRows(first, count, rows);
    ScaleSurvey seen = NOTHING_SEEN;
    for (int i = 0; i < count; i++) {
      ByteBuffer row = rows.slice(i * rowBytes, rowBytes).order(ByteOrder.LITTLE_ENDIAN);
      seen = seen.and(row(source.format(), row, source.cols() / RowCodes.UNIT));
    }
    return seen;
  }

  private static ScaleSurvey row(QuantFormat format, ByteBuffer row, int units) {
    RowCodes codes = RowCodes.of(format);
    float middle = codes == RowCodes.INTEGERS ? 1 << GroupBlocks.bits(format) - 1 : 0;
    int group = LONGEST;
    boolean halfExact = true;
    boolean brainExact = true;
    boolean halfNormal = true;
    boolean central = true;
    for (int unit = 0; unit < units; unit++) {
      float scale = codes.scale(format, row, unit);
      float second = codes.second(format, row, unit);
      while (group > RowCodes.UNIT && unit * RowCodes.UNIT % group != 0) {
        int start = unit * RowCodes.UNIT / group * (group / RowCodes.UNIT);
        if (scale == codes.scale(format, row, start)
            && second == codes.second(format, row, start)) {
          break;
        }
        group /= 2;
      }
      float size = Math.abs(scale);
      halfExact &= scale == TwoByteFloat.F16.decode(TwoByteFloat.F16.encode(scale));
      brainExact &=
          size <= LARGEST && scale == TwoByteFloat.BF16.decode(TwoByteFloat.BF16.encode(scale));
      halfNormal &= scale == 0 || size >= LEAST_NORMAL && size <= LARGEST;
      central &= second == middle;
    }
    return new ScaleSurvey(group, halfExact, brainExact, halfNormal, central);
  }
}
