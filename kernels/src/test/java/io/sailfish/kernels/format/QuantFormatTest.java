package io.sailfish.kernels.format;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class QuantFormatTest {
  /** format, input, encoded, decoded; made by tools/golden/make_format_cases.py. */
  private static List<String[]> golden() throws IOException {
    try (InputStream in = QuantFormatTest.class.getResourceAsStream("/golden/formats.txt")) {
      String text = new String(in.readAllBytes(), StandardCharsets.US_ASCII);
      return text.lines().map(line -> line.split(" ")).toList();
    }
  }

  private static float[] floats(String hex) {
    ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(hex));
    float[] values = new float[bytes.remaining() / 4];
    for (int i = 0; i < values.length; i++) {
      values[i] = Float.intBitsToFloat(bytes.getInt(4 * i));
    }
    return values;
  }

  /** The others are held against their tools through whole files, in llama-runtime. */
  @ParameterizedTest
  @EnumSource(
      mode = EnumSource.Mode.EXCLUDE,
      names = {"U2", "U3", "U4", "U8", "NF4", "FP4"})
  void encodesAndDecodesAsGgufDoes(QuantFormat format) throws IOException {
    int cases = 0;
    for (String[] golden : golden()) {
      if (!golden[0].equals(format.id())) {
        continue;
      }
      cases++;
      float[] expected = floats(golden[3]);
      ByteBuffer encoded = ByteBuffer.wrap(HexFormat.of().parseHex(golden[2]));
      assertEquals(format.rowBytes(expected.length), encoded.capacity());
      if (!golden[1].equals("-")) {
        float[] input = floats(golden[1]);
        ByteBuffer own = ByteBuffer.allocate(encoded.capacity());
        format.codec().encode(input, 0, input.length, own, 0);
        assertEquals(golden[2], HexFormat.of().formatHex(own.array()), golden[1]);
      }
      float[] decoded = new float[expected.length];
      format.codec().decode(encoded, 0, decoded, 0, expected.length);
      assertArrayEquals(bits(expected), bits(decoded), golden[2]);
    }
    assertTrue(cases >= 10, "cases for " + format);
  }

  private static int[] bits(float[] values) {
    int[] bits = new int[values.length];
    // 0 · negative scale is -0 here and +0 there, or the other way round: the same weight
    Arrays.setAll(bits, i -> Float.floatToRawIntBits(values[i] + 0f));
    return bits;
  }

  @ParameterizedTest
  @EnumSource
  void staysWithinTolerance(QuantFormat format) {
    Random random = new Random(3);
    int length = Math.max(32, format.blockLength());
    float[] input = new float[length];
    float[] decoded = new float[length];
    ByteBuffer encoded = ByteBuffer.allocate(7 + (int) format.rowBytes(length));
    double worst = 0;
    for (int run = 0; run < 2000; run++) {
      double largest = 0;
      for (int i = 0; i < length; i++) {
        input[i] = (float) random.nextGaussian();
        largest = Math.max(largest, Math.abs(input[i]));
      }
      format.codec().encode(input, 0, length, encoded, 7);
      format.codec().decode(encoded, 7, decoded, 0, length);
      for (int i = 0; i < length; i++) {
        worst = Math.max(worst, Math.abs(input[i] - decoded[i]) / largest);
      }
    }
    assertTrue(worst <= format.tolerance(), "worst " + worst);
    assertTrue(worst >= format.tolerance() / 3, "a tolerance that says something: " + worst);
  }

  /** The drawn bytes, by hand: scale 0.5, zero 3, codes 0, 1, 2 ... */
  @ParameterizedTest
  @EnumSource(names = {"U2", "U3", "U4", "U8"})
  void groupIntegersAreAStreamOfBits(QuantFormat format) {
    int bits = Integer.parseInt(format.id().substring(1));
    byte[] codes = new byte[32];
    BitSet stream = new BitSet();
    for (int i = 0; i < 32; i++) {
      codes[i] = (byte) (i * 7 & (1 << bits) - 1);
      for (int b = 0; b < bits; b++) {
        stream.set(bits * i + b, (codes[i] >> b & 1) == 1);
      }
    }
    ByteBuffer block = ByteBuffer.allocate(format.blockBytes());
    GroupBlocks.putIntegers(format, 0.5f, 3, codes, 0, block);
    assertEquals(0x0000003F, block.getInt(0), "0.5f, little endian");
    assertEquals(3, block.get(4));
    byte[] expected = Arrays.copyOf(stream.toByteArray(), 4 * bits);
    assertArrayEquals(expected, Arrays.copyOfRange(block.array(), 5, 5 + 4 * bits));
    float[] decoded = new float[32];
    format.codec().decode(block, 0, decoded, 0, 32);
    for (int i = 0; i < 32; i++) {
      assertEquals(0.5f * ((codes[i] & 0xFF) - 3), decoded[i]);
    }
  }

  /** Infinite and NaN scales are found, wherever a format has them. */
  @ParameterizedTest
  @EnumSource(
      mode = EnumSource.Mode.EXCLUDE,
      names = {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"})
  void damagedScalesAreFound(QuantFormat format) {
    int scaleOffset =
        switch (format) {
          case Q2_K -> 82;
          case Q3_K -> 108;
          case Q6_K -> 208;
          default -> 0;
        };
    int width = format.name().startsWith("U") || format.name().endsWith("P4") ? 4 : 2;
    boolean wide = width == 4 || format == QuantFormat.NF4;
    ByteBuffer block = ByteBuffer.allocate(format.blockBytes() + 3);
    assertTrue(format.codec().scalesFinite(block, 3));
    int last = 3 + scaleOffset + (wide ? 3 : 1);
    block.put(last, (byte) 0x7F);
    block.put(last - 1, (byte) 0xC0);
    assertFalse(format.codec().scalesFinite(block, 3));
  }

  @Test
  void everyHalfSurvivesTheRoundTrip() {
    for (int half = 0; half < 1 << 16; half++) {
      float value = HalfFloat.toFloat(half);
      boolean nan = (half & 0x7C00) == 0x7C00 && (half & 0x3FF) != 0;
      assertEquals(nan, Float.isNaN(value));
      if (!nan) {
        assertEquals(half, HalfFloat.fromFloat(value), Integer.toHexString(half));
      }
    }
    assertEquals(0x7C00, HalfFloat.fromFloat(65520f));
    assertEquals(0x7BFF, HalfFloat.fromFloat(65519f));
    assertEquals(0x3C00, HalfFloat.fromFloat(1f + 0x1p-11f), "ties to even");
    assertEquals(0x3C02, HalfFloat.fromFloat(1f + 3 * 0x1p-11f), "ties to even");
  }

  @Test
  void rowBytesRefusesBrokenBlocks() {
    assertEquals(40, QuantFormat.Q4_1.rowBytes(64));
    assertEquals(20L << 31, QuantFormat.Q4_1.rowBytes(32L << 31));
    for (long cols : new long[] {0, -32, 33}) {
      assertThrows(IllegalArgumentException.class, () -> QuantFormat.Q4_1.rowBytes(cols));
    }
  }

  @ParameterizedTest
  @EnumSource
  void idsAreLowerCaseNames(QuantFormat format) {
    assertEquals(format.name().toLowerCase(Locale.ROOT), format.id());
  }
}
