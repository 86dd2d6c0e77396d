package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.ZeroKind;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Refusals and geometry, which need no card. */
class QuantGemmTest {
  private static final long ADDRESS = 1 << 20;
  private static final DeviceWeight WEIGHT =
      DeviceWeight.integer("q_proj", layout(256, 576), ADDRESS, 20);

  private static PackedLayout layout(int outputs, int inputs) {
    return new PackedLayout(
        PackedCode.W4, ZeroKind.SYMMETRIC, outputs, inputs, 128, TwoByteFloat.F16);
  }

  private static TiledActivations f16(int tileRows, int tiles, int cols) {
    return new TiledActivations(TwoByteFloat.F16, tileRows, tiles, cols, ADDRESS);
  }

  private static void refused(String expected, Runnable work) {
    String message = assertThrows(KernelException.class, work::run).getMessage();
    assertTrue(message.contains(expected), message);
  }

  private static void check(GemmEpilogue epilogue, TiledActivations x, int rows) {
    QuantGemm.check(epilogue, x, WEIGHT, rows, TiledActivations.tileRowsFor(rows));
  }

  @Test
  void acceptsWhatFits() {
    check(GemmEpilogue.store(f16(16, 1, 256)), f16(16, 1, 576), 9);
    check(GemmEpilogue.add(f16(64, 3, 256), f16(64, 3, 256)), f16(64, 3, 576), 130);
    check(GemmEpilogue.swiGlu(f16(8, 1, 128)), f16(8, 1, 576), 1);
    check(GemmEpilogue.split(f16(8, 1, 128), f16(8, 1, 64), f16(8, 1, 64)), f16(8, 1, 576), 8);
  }

  @Test
  void refusesWrongShapesBeforeTheLaunch() {
    GemmEpilogue store = GemmEpilogue.store(f16(16, 1, 256));
    refused("gemm: rows: expected 1..16, got 0", () -> check(store, f16(16, 1, 576), 0));
    refused("gemm: rows: expected 1..16, got 17", () -> check(store, f16(16, 1, 576), 17));
    refused("gemm: columns of x: expected 576, got 575", () -> check(store, f16(16, 1, 575), 9));
    refused("tile rows of x: expected 8, got 16", () -> check(store, f16(16, 1, 576), 8));
    refused("tile rows of y: expected 8, got 16", () -> check(store, f16(8, 1, 576), 8));
    refused(
        "columns of y: expected 256, got 255",
        () -> check(GemmEpilogue.store(f16(16, 1, 255)), f16(16, 1, 576), 9));
    refused(
        "tiles of y: expected at least 2, got 1",
        () -> check(GemmEpilogue.store(f16(64, 1, 256)), f16(64, 2, 576), 65));
    refused(
        "columns of y: expected 256, got 512",
        () -> check(GemmEpilogue.swiGlu(f16(16, 1, 256)), f16(16, 1, 576), 9));
    refused(
        "columns of the addend: expected 256, got 128",
        () -> check(GemmEpilogue.add(f16(16, 1, 256), f16(16, 1, 128)), f16(16, 1, 576), 9));
    refused(
        "split",
        () ->
            check(
                GemmEpilogue.split(f16(16, 1, 100), f16(16, 1, 100), f16(16, 1, 56)),
                f16(16, 1, 576),
                9));
  }

  @Test
  void refusesWrongTypesAndAddresses() {
    TiledActivations bf16 = new TiledActivations(TwoByteFloat.BF16, 16, 1, 256, ADDRESS);
    refused(
        "type of y: expected F16, got BF16",
        () -> check(GemmEpilogue.store(bf16), f16(16, 1, 576), 9));
    refused("activations: address", () -> new TiledActivations(TwoByteFloat.F16, 8, 1, 64, 0));
    refused(
        "multiple of 128, got 0x100040",
        () -> new TiledActivations(TwoByteFloat.F16, 8, 1, 64, ADDRESS + 64));
    refused("tileRows", () -> f16(12, 1, 64));
    refused("cols", () -> f16(8, 1, 0));
    refused("weight w: address", () -> DeviceWeight.integer("w", layout(1, 1), ADDRESS + 4, 0));
    refused("weight w: scaleExponent", () -> DeviceWeight.integer("w", layout(1, 1), ADDRESS, 31));
    PackedLayout lut =
        new PackedLayout(PackedCode.LUT3, ZeroKind.SYMMETRIC, 1, 1, 128, TwoByteFloat.F16);
    refused("weight w: tables", () -> new DeviceWeight("w", lut, ADDRESS, 0, 1, 0));
    refused(
        "weight w: tables of integer codes",
        () -> new DeviceWeight("w", layout(1, 1), ADDRESS, ADDRESS, 1, 0));
  }

  @Test
  void activationsFillTheirTilesOnce() {
    TiledActivations shape = f16(16, 3, 200);
    Set<Long> seen = new HashSet<>();
    for (int row = 0; row < shape.rows(); row++) {
      for (int col = 0; col < shape.paddedCols(); col++) {
        long index = shape.index(row, col);
        assertTrue(index >= 0 && 2 * index < shape.bytes() && seen.add(index));
      }
    }
    assertEquals(256, shape.paddedCols());
    assertEquals(17 * 8 + 3, f16(16, 1, 200).index(1, 11));
  }

  /** Of Hopper's own kernels; the others are a few times slower. */
  @Test
  void brainFloatsAreMultipliedFastUnlessRoundedScalesWouldCostTooMuch() {
    for (int group : new int[] {32, 64, 128}) {
      assertTrue(fast(ZeroKind.SYMMETRIC, group, 1024, TwoByteFloat.F16));
      assertTrue(fast(ZeroKind.ZERO, group, 1024, TwoByteFloat.F16));
      assertTrue(fast(ZeroKind.OFFSET, group, 1024, TwoByteFloat.BF16));
      assertFalse(fast(ZeroKind.OFFSET, group, 1024, TwoByteFloat.F16));
      assertFalse(fast(ZeroKind.SYMMETRIC, group, 512, TwoByteFloat.F16), "few inputs");
    }
    assertTrue(fast(ZeroKind.SYMMETRIC, 1024, 1024, TwoByteFloat.BF16));
    assertFalse(fast(ZeroKind.SYMMETRIC, 1024, 1024, TwoByteFloat.F16), "a channel's scale");
  }

  private static boolean fast(ZeroKind zeros, int group, int inputs, TwoByteFloat scales) {
    PackedLayout layout = new PackedLayout(PackedCode.W4, zeros, 256, inputs, group, scales);
    return DecodeGemm.supports(layout, TwoByteFloat.BF16, 0);
  }
}
