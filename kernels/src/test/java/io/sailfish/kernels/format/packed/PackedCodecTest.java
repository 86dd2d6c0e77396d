package io.sailfish.kernels.format.packed;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PackedCodecTest {
  /** Every code kind, every zero kind, groups and shapes that do and do not divide. */
  static List<PackedLayout> layouts() {
    List<PackedLayout> layouts = new ArrayList<>();
    int[][] shapes = {{1, 1}, {3, 130}, {128, 128}, {130, 576}, {257, 96}};
    for (PackedCode code : PackedCode.values()) {
      for (ZeroKind zero : ZeroKind.values()) {
        for (int group : new int[] {32, 64, 128, 256, 10_000}) {
          for (int[] shape : shapes) {
            layouts.add(new PackedLayout(code, zero, shape[0], shape[1], group, TwoByteFloat.F16));
          }
        }
      }
    }
    return layouts;
  }

  static CodeArrays random(PackedLayout layout, long seed) {
    Random random = new Random(seed);
    CodeArrays matrix = new CodeArrays(layout);
    byte[] row = new byte[layout.inputs()];
    for (int output = 0; output < layout.outputs(); output++) {
      for (int k = 0; k < row.length; k++) {
        row[k] = (byte) random.nextInt(layout.code().codes());
      }
      matrix.setCodes(output, row);
      for (int group = 0; group < layout.groups(); group++) {
        matrix.setScale(output, group, (short) (1 + random.nextInt(0x7bff)));
        if (layout.hasZeros()) {
          matrix.setZero(output, group, (short) (1 + random.nextInt(0x7bff)));
        }
      }
    }
    return matrix;
  }

  @ParameterizedTest
  @MethodSource("layouts")
  void everyCodeAndScaleLiesWhereTheDecisionRecordSays(PackedLayout layout) {
    CodeArrays matrix = random(layout, 1);
    byte[] packed = PackedCodec.pack(layout, matrix);
    assertEquals(layout.bytes(), packed.length);
    DrawnLayout drawn = new DrawnLayout(layout, packed);
    byte[] codes = new byte[layout.paddedInputs()];
    short[] scales = new short[layout.groups()];
    short[] zeros = new short[layout.groups()];
    for (int n = 0; n < layout.paddedOutputs(); n++) {
      boolean real = n < layout.outputs();
      if (real) {
        matrix.codes(n, codes, 0);
        matrix.scales(n, scales, 0);
      }
      if (real && layout.hasZeros()) {
        matrix.zeros(n, zeros, 0);
      }
      for (int k = 0; k < layout.paddedInputs(); k++) {
        assertEquals(real && k < layout.inputs() ? codes[k] : 0, drawn.code(n, k));
        int group = k / layout.group();
        boolean used = real && group < layout.groups();
        assertEquals(used ? scales[group] : 0, drawn.scale(n, k));
        if (layout.hasZeros()) {
          assertEquals(used ? zeros[group] : 0, drawn.zero(n, k));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("layouts")
  void unpackingGivesBackWhatWasPacked(PackedLayout layout) {
    CodeArrays matrix = random(layout, 2);
    byte[] packed = PackedCodec.pack(layout, matrix);
    CodeArrays back = new CodeArrays(layout);
    PackedCodec codec = new PackedCodec(layout);
    for (int panel = 0; panel < layout.panels(); panel++) {
      codec.unpackPanel(packed, panel * layout.panelBytes(), panel, back);
    }
    assertSame(layout, matrix, back);
  }

  static void assertSame(PackedLayout layout, CodeMatrix expected, CodeMatrix actual) {
    byte[][] codes = new byte[2][layout.inputs()];
    short[][] values = new short[2][layout.groups()];
    for (int n = 0; n < layout.outputs(); n++) {
      expected.codes(n, codes[0], 0);
      actual.codes(n, codes[1], 0);
      assertArrayEquals(codes[0], codes[1], "codes of " + n);
      expected.scales(n, values[0], 0);
      actual.scales(n, values[1], 0);
      assertArrayEquals(values[0], values[1], "scales of " + n);
      if (layout.hasZeros()) {
        expected.zeros(n, values[0], 0);
        actual.zeros(n, values[1], 0);
        assertArrayEquals(values[0], values[1], "zeros of " + n);
      }
    }
  }

  /** Written out by hand: thread 0 of the first half holds outputs 0, 1 and inputs 0, 1, 8, 9. */
  @Test
  void firstWordOfABlock() {
    PackedLayout layout =
        new PackedLayout(PackedCode.W4, ZeroKind.SYMMETRIC, 128, 128, 128, TwoByteFloat.F16);
    CodeArrays matrix = new CodeArrays(layout);
    byte[] first = new byte[128];
    first[0] = 1;
    first[8] = 3;
    first[1] = 5;
    first[9] = 7;
    byte[] second = new byte[128];
    second[0] = 2;
    second[8] = 4;
    second[1] = 6;
    second[9] = 8;
    second[64] = 9; // step 4: the second slab
    matrix.setCodes(0, first);
    matrix.setCodes(1, second);
    matrix.setScale(1, 0, (short) 0x3c00);
    ByteBuffer packed =
        ByteBuffer.wrap(PackedCodec.pack(layout, matrix)).order(ByteOrder.LITTLE_ENDIAN);
    assertEquals(8448, packed.capacity());
    assertEquals(0x3c00, packed.getShort(2));
    assertEquals(0x87654321, packed.getInt(256));
    assertEquals(0x90, packed.getInt(256 + 2048));
  }

  @Test
  void blockSizesAreThoseOfTheDecisionRecord() {
    assertEquals(8448, blockBytes(PackedCode.W4, ZeroKind.SYMMETRIC, 128));
    assertEquals(8704, blockBytes(PackedCode.W4, ZeroKind.ZERO, 128));
    assertEquals(9216, blockBytes(PackedCode.W4, ZeroKind.SYMMETRIC, 32));
    assertEquals(6400, blockBytes(PackedCode.LUT3, ZeroKind.SYMMETRIC, 128));
    assertEquals(4352, blockBytes(PackedCode.LUT2, ZeroKind.SYMMETRIC, 128));
    assertEquals(8448, blockBytes(PackedCode.W4, ZeroKind.SYMMETRIC, 4096));
  }

  private static int blockBytes(PackedCode code, ZeroKind zero, int group) {
    return new PackedLayout(code, zero, 128, 4096, group, TwoByteFloat.F16).blockBytes();
  }

  @Test
  void allPanelsArriveOnceAndInPlace() {
    PackedLayout layout =
        new PackedLayout(PackedCode.W4, ZeroKind.ZERO, 2000, 256, 64, TwoByteFloat.BF16);
    ConcurrentHashMap<Integer, Long> seen = new ConcurrentHashMap<>();
    PackedCodec.pack(
        layout,
        random(layout, 3),
        (panel, offset, bytes) -> assertEquals(null, seen.put(panel, offset)));
    assertEquals(layout.panels(), seen.size());
    seen.forEach((panel, offset) -> assertEquals((long) panel * layout.panelBytes(), offset));
  }

  @Test
  void refusesWhatCannotBePacked() {
    assertRefused("outputs", () -> layout(0, 128, 128));
    assertRefused("inputs", () -> layout(128, 0, 128));
    assertRefused("group", () -> layout(128, 4096, 48));
    assertRefused("group", () -> layout(128, 4096, 0));
    PackedLayout layout =
        new PackedLayout(PackedCode.LUT3, ZeroKind.SYMMETRIC, 1, 128, 128, TwoByteFloat.F16);
    CodeArrays matrix = new CodeArrays(layout);
    byte[] codes = new byte[128];
    codes[77] = 8;
    matrix.setCodes(0, codes);
    assertRefused(
        "code of output 0", () -> new PackedCodec(layout).packPanel(matrix, 0, new byte[6400]));
    assertRefused("panel", () -> new PackedCodec(layout).packPanel(matrix, 0, new byte[6399]));
  }

  private static PackedLayout layout(int outputs, int inputs, int group) {
    return new PackedLayout(
        PackedCode.W4, ZeroKind.SYMMETRIC, outputs, inputs, group, TwoByteFloat.F16);
  }

  private static void assertRefused(String argument, Runnable work) {
    String message = assertThrows(KernelException.class, work::run).getMessage();
    assertTrue(message.contains(argument), message);
  }
}
