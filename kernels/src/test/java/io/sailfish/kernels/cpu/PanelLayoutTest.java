package io.sailfish.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.sailfish.kernels.EncodedSource;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PanelLayoutTest {
  /** Every layout, the one for formats without vector code too, gives back the codec's weights. */
  @ParameterizedTest
  @EnumSource
  void decodesWhatTheCodecDecodes(QuantFormat format) {
    int rows = 45;
    int cols = 18 * format.blockLength();
    EncodedSource source = new EncodedSource("w", format, rows, cols, 5);
    float[] expected = new float[cols];
    float[] got = new float[cols];
    try (Parallel parallel = new Parallel(2)) {
      for (PanelLayout layout :
          List.of(PanelLayout.of(format, cols), PanelLayout.encoded(format))) {
        PanelRun run = new PanelPacker(parallel).packRun(source, layout, 0);
        PanelWeight weight = new PanelWeight("w", cols, List.of(run));
        for (int row = 0; row < rows; row++) {
          int at = row * (int) format.rowBytes(cols);
          format.codec().decode(ByteBuffer.wrap(source.bytes()), at, expected, 0, cols);
          weight.decodeRow(row, got, 0);
          for (int k = 0; k < cols; k++) {
            // + 0f: d · (8 - 8) may be -0 to the codec where d · 8 - 8 · d is +0; the same weight
            assertEquals(expected[k] + 0f, got[k] + 0f, layout + " row " + row);
          }
        }
        assertEquals(64L * format.rowBytes(cols), weight.bytes(), "no growth but whole panels");
      }
    }
  }

  /** Any halves, infinities and NaN included, where a format holds plain halves. */
  @ParameterizedTest
  @EnumSource(names = {"F16", "BF16", "F32"})
  void vectorsDecodeSpecialValues(QuantFormat format) {
    int inner = 40;
    EncodedSource source = new EncodedSource("w", format, 32, inner, 5);
    new Random(8).nextBytes(source.bytes());
    PanelPiece piece = whole(source, PanelLayout.of(format, inner));
    float[] expected = new float[inner * 32];
    float[] got = new float[inner * 32];
    new PlainMath("test").decode(piece, new float[0], block(expected));
    new VectorMath().decode(piece, new float[0], block(got));
    assertArrayEquals(expected, got);
  }

  /**
   * Codes and scales of any value, more than an encoder would write; the codec's bits, whatever
   * pieces a row of so many blocks is decoded in.
   */
  @ParameterizedTest
  @EnumSource
  void vectorsDecodeWhatTheCodecDecodes(QuantFormat format) {
    for (int blocks : new int[] {1, 2, 3, 8, 18, 35}) {
      int cols = blocks * format.blockLength();
      EncodedSource source = new EncodedSource("w", format, 32, cols, 5);
      fillFinite(format, source.bytes());
      PanelPiece piece = whole(source, PanelLayout.of(format, cols));
      float[] got = new float[cols * 32];
      float[] scales = new float[PanelLayout.SCALE_FLOATS];
      PanelMath.Block to = block(got);
      for (int k = 0; k < cols; k += piece.inner) {
        piece.move(k, Math.min(3 * format.blockLength(), cols - k));
        to.at = k * 32;
        new VectorMath().decode(piece, scales, to);
      }
      float[] expected = new float[cols];
      for (int c = 0; c < 32; c++) {
        int at = c * (int) format.rowBytes(cols);
        format.codec().decode(ByteBuffer.wrap(source.bytes()), at, expected, 0, cols);
        for (int k = 0; k < cols; k++) {
          assertEquals(expected[k] + 0f, got[k * 32 + c] + 0f, "input " + k + " column " + c);
        }
      }
    }
  }

  /** One row's product takes weights as they are packed, or decoded: the same bits. */
  @ParameterizedTest
  @EnumSource
  void oneRowGetsTheBitsOfDecodedWeights(QuantFormat format) {
    for (int blocks : new int[] {1, 2, 3, 8, 18, 35}) {
      int cols = blocks * format.blockLength();
      EncodedSource source = new EncodedSource("w", format, 32, cols, 5);
      fillFinite(format, source.bytes());
      PanelPiece piece = whole(source, PanelLayout.of(format, cols));
      float[] x = new float[cols];
      Random random = new Random(3);
      for (int k = 0; k < cols; k++) {
        x[k] = random.nextFloat() - 0.5f;
      }
      float[] expected = new float[32];
      float[] got = new float[32];
      float[] scales = new float[PanelLayout.SCALE_FLOATS];
      PanelMath.Block row = new PanelMath.Block().on(x, 0, 0);
      Ahead ahead = new Ahead();
      new PlainMath("test")
          .multiplyRow(expected, row, piece, scales, block(new float[cols * 32]), ahead);
      new VectorMath().multiplyRow(got, row, piece, scales, block(new float[cols * 32]), ahead);
      assertArrayEquals(expected, got, format + " of " + blocks + " blocks");
    }
  }

  /** {@link VectorPlanes} takes two inputs a step, and looks at no more than there are. */
  @Test
  void runsOfPlanesAreMultiplesOfFourInputs() {
    for (QuantFormat format : List.of(QuantFormat.Q8_0, QuantFormat.Q4_0, QuantFormat.Q4_1)) {
      for (int cols = 32; cols <= 32 * 40; cols += 32) {
        PanelLayout layout = PanelLayout.of(format, cols);
        for (int from = 0; from < cols; from += 32) {
          PanelPiece piece = new PanelPiece().on(layout, new int[0], 0).move(from, cols - from);
          int inputs = 0;
          for (PlaneRun run = new PlaneRun(piece); run.next(); inputs += run.count) {
            assertEquals(0, run.count % 4, format + ", " + cols + " columns from " + from);
          }
          assertEquals(cols - from, inputs);
        }
      }
    }
  }

  /** All of the one panel of a weight. */
  private static PanelPiece whole(EncodedSource source, PanelLayout layout) {
    try (Parallel parallel = new Parallel(1)) {
      PanelRun run = new PanelPacker(parallel).packRun(source, layout, 0);
      return new PanelPiece().on(layout, run.words(0), run.at(0)).move(0, source.cols());
    }
  }

  private static PanelMath.Block block(float[] data) {
    return new PanelMath.Block().on(data, 0, 32);
  }

  private static void fillFinite(QuantFormat format, byte[] bytes) {
    Random random = new Random(8);
    byte[] block = new byte[format.blockBytes()];
    float[] weights = new float[format.blockLength()];
    for (int at = 0; at < bytes.length; ) {
      random.nextBytes(block);
      ByteBuffer wrapped = ByteBuffer.wrap(block);
      format.codec().decode(wrapped, 0, weights, 0, weights.length);
      boolean finite = format.codec().scalesFinite(wrapped, 0);
      for (float weight : weights) {
        finite &= Float.isFinite(weight);
      }
      if (finite) {
        System.arraycopy(block, 0, bytes, at, block.length);
        at += block.length;
      }
    }
  }
}
