package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.KernelException;
import org.junit.jupiter.api.Test;

class AttentionGeometryTest {
  private static final AttentionShape LLAMA = new AttentionShape(32, 8, 128);

  /** What attention_decode_sm90.cu computes for a row. */
  private static int spansOfRow(int position, int window) {
    int begin = window > 0 ? Math.max(0, position + 1 - window) : 0;
    int tokens = position + 1 - begin / 16 * 16;
    return tokens <= 1024 ? 1 : Math.min(64, (tokens + 511) / 512);
  }

  @Test
  void theGridHoldsTheSpansOfEveryRow() {
    for (int stride = 1; stride <= 8192; stride = stride * 3 / 2 + 1) {
      for (int window : new int[] {0, 1, 1009, 1010, 4096, Integer.MAX_VALUE}) {
        int most = 0;
        for (int position = 0; position < 16 * stride; position += 1 + position / 50) {
          most = Math.max(most, spansOfRow(position, window));
        }
        String what = "stride %d, window %d".formatted(stride, window);
        assertTrue(Attention.spans(stride, window) >= most, what);
      }
    }
    assertEquals(1, Attention.spans(64, 0));
    assertEquals(3, Attention.spans(65, 0));
    assertEquals(64, Attention.spans(8192, 0));
    assertEquals(1, Attention.spans(8192, 1009));
    assertEquals(3, Attention.spans(8192, 1010));
    assertEquals(9, Attention.spans(8192, 4096));
  }

  @Test
  void aHeadsPiecesAreOneBlocksWhereItIsNormed() {
    for (int dim = 8; dim <= 128; dim += 8) {
      AttentionShape shape = new AttentionShape(14, 2, dim);
      int perHead = dim % 16 == 0 ? dim / 16 : 1;
      int units = dim % 16 == 0 ? 5 * perHead : 18; // four heads a unit, or one
      int blockUnits = 32 / perHead * perHead;
      assertEquals((units + 31) / 32, RopeKernels.unitBlocks(shape, true), "head dim " + dim);
      assertEquals(
          (units + blockUnits - 1) / blockUnits,
          RopeKernels.unitBlocks(shape, false),
          "head dim " + dim);
    }
  }

  @Test
  void fewBlocksOnACardHaveLongRingsAndManyLeaveRoomForEachOther() {
    for (int dim = 16; dim <= 128; dim += 16) {
      int blockBytes = 4 * 2 * dim * 16 * 2; // of four warps
      for (long blocks : new long[] {1, 132, 133, 300, 5000}) {
        int ring = Attention.ring(dim, blocks, 132);
        assertTrue(ring >= 2 && ring <= 8, dim + ", " + blocks);
        long resident = Math.min(3, (blocks - 1) / 132 + 1);
        assertTrue(resident * ring * blockBytes <= 227 << 10, dim + ", " + blocks);
      }
    }
    assertEquals(3, Attention.ring(128, 128, 132));
    assertEquals(3, Attention.ring(128, 256, 132));
    assertEquals(2, Attention.ring(128, 2048, 132));
    assertEquals(6, Attention.ring(64, 8, 132));
    assertEquals(8, Attention.ring(32, 8, 132));
  }

  @Test
  void aBlockAloneOnAMultiprocessorLeavesRoomForOneOfTheProducts() {
    int product = DecodeGeometry.beside(8, 1, 2048, 0).sharedBytes();
    for (int dim = 16; dim <= 128; dim += 16) {
      int ring = Attention.ring(dim, 132, 132);
      assertTrue(4 * ring * 2 * dim * 16 * 2 + product <= 222 << 10, "head dim " + dim);
    }
    for (long blocks = 1; blocks <= 33; blocks++) {
      assertTrue(
          (Attention.splitRing(blocks) * 8 << 10) + product <= 222 << 10, blocks + " blocks");
      assertTrue(Attention.splitRing(blocks) >= 3, blocks + " blocks");
    }
  }

  @Test
  void fewBlocksOfPlainLayersAreSplit() {
    assertTrue(Attention.splits(128, true, 33, 132));
    assertTrue(Attention.splits(64, true, 8, 132));
    assertFalse(Attention.splits(128, true, 34, 132));
    assertFalse(Attention.splits(128, false, 8, 132));
    assertFalse(Attention.splits(96, true, 8, 132));
  }

  @Test
  void partialSumsAreOfEightHeadsEach() {
    assertEquals(3L * 8 * 5 * 8 * 136 * 4, Attention.partialBytes(LLAMA, 3, 5));
    AttentionShape wide = new AttentionShape(20, 1, 24);
    assertEquals(1L * 3 * 1 * 8 * 40 * 4, Attention.partialBytes(wide, 1, 1));
  }

  @Test
  void theCacheRefusesWhatTheKernelsDoNotServe() {
    CudaKvCache.check(16, LLAMA);
    String message =
        assertThrows(KernelException.class, () -> CudaKvCache.check(8, LLAMA)).getMessage();
    assertTrue(message.contains("blockTokens: expected 16, got 8"), message);
    for (int headDim : new int[] {20, 136}) {
      AttentionShape shape = new AttentionShape(2, 1, headDim);
      message =
          assertThrows(KernelException.class, () -> CudaKvCache.check(16, shape)).getMessage();
      assertTrue(message.contains("headDim"), message);
    }
  }

  @Test
  void blocksOfALayerLieSideBySide() {
    CudaKvCache cache = new CudaKvCache(3, 10, new AttentionShape(4, 2, 24), 1 << 20);
    assertEquals(2 * 2 * 16 * 32 * 2, CudaKvCache.layerBlockBytes(cache.shape()));
    assertEquals(
        3 * CudaKvCache.layerBlockBytes(cache.shape()) + 16 * 4,
        CudaKvCache.blockBytes(3, cache.shape()));
    assertEquals((1 << 20) + 2 * 10 * 4096, cache.layerAddress(2));
    assertEquals((1 << 20) + 3 * 10 * 4096, cache.historyAddress());
  }
}
