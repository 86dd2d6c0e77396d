package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.sailfish.kernels.Backends;
import org.junit.jupiter.api.Test;

/** What can be said without a card. */
class CudaBackendTest {
  @Test
  void askedForWithoutACardItSaysWhy() {
    CudaAvailability availability = CudaDevice.availability();
    assumeFalse(availability.available(), "this machine has a card");
    String message =
        assertThrows(IllegalStateException.class, () -> Backends.open("cuda", 1)).getMessage();
    assertTrue(message.contains(availability.reason()), message);
    assertTrue(message.contains("'cuda'"), message);
    assertThrows(CudaException.class, () -> CudaBackend.open(0));
  }

  @Test
  void everyKernelHasItsDescription() {
    long attention =
        KernelCatalog.all().stream().filter(s -> s.entry().startsWith("attention_")).count();
    int fp16 = 8 * 4; // 16, 32 .. 128: decode, prefill, and both with biases, norms or a window
    int bf16 = 6 * 2 + 4 * 2;
    int split = 2 * 2; // among a cluster, head dims 64 and 128 of both types
    assertEquals(fp16 + bf16 + split, attention);
  }
}
