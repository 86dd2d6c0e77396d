package io.sailfish.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.cpu.CpuBackend;
import org.junit.jupiter.api.Test;

class LayerAttentionTest {
  private static LayerAttention with(Tensor bias, Tensor qNorm, Tensor kNorm, int window) {
    return new LayerAttention(null, true, bias, qNorm, kNorm, 1e-6f, window);
  }

  @Test
  void whatAddsNothingToTheRotationIsPlain() {
    try (Backend backend = CpuBackend.reference()) {
      Tensor vector = backend.exact(1, 16, "vector");
      assertTrue(LayerAttention.plain(vector, false).isPlain());
      assertTrue(with(null, null, null, 0).isPlain());
      assertFalse(with(vector, null, null, 0).isPlain());
      assertFalse(with(null, vector, vector, 0).isPlain());
      assertFalse(with(null, null, null, 9).isPlain());
    }
  }

  @Test
  void refusesHalfOfTheNormsAndWindowsBelowZero() {
    try (Backend backend = CpuBackend.reference()) {
      Tensor vector = backend.exact(1, 16, "vector");
      assertRefused("norms: expected both or none", vector, null, 0);
      assertRefused("norms: expected both or none", null, vector, 0);
      assertRefused("window: expected 0 or more keys, got -1", null, null, -1);
    }
  }

  private static void assertRefused(String words, Tensor qNorm, Tensor kNorm, int window) {
    String message =
        assertThrows(KernelException.class, () -> with(null, qNorm, kNorm, window)).getMessage();
    assertEquals("attention: " + words, message.split(", got that")[0]);
  }
}
