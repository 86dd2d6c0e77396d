package io.sailfish.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.kernels.format.TwoByteFloat;
import java.util.List;
import org.junit.jupiter.api.Test;

class BackendsTest {
  private record Refusing(String id, String reason) implements BackendProvider {
    @Override
    public String refusal(BackendRequest request) {
      return reason;
    }

    @Override
    public Backend open(BackendRequest request) {
      throw new AssertionError("opened although it refused");
    }
  }

  private static final List<BackendProvider> NO_CARD =
      List.of(new Refusing("cuda", "no driver"), CpuBackend.provider());

  @Test
  void autoTakesWhatWorks() {
    try (Backend backend = Backends.open(BackendRequest.of("auto", 2), NO_CARD)) {
      assertEquals("cpu", backend.id());
      assertTrue(backend.describe().contains("2 threads"), backend.describe());
    }
  }

  @Test
  void namedBackendNeverFallsBack() {
    RuntimeException refusal =
        assertThrows(
            IllegalStateException.class,
            () -> Backends.open(BackendRequest.of("cuda", 2), NO_CARD));
    assertTrue(refusal.getMessage().contains("no driver"), refusal.getMessage());
    List<BackendProvider> cpuOnly = List.of(CpuBackend.provider());
    refusal =
        assertThrows(
            IllegalStateException.class,
            () -> Backends.open(BackendRequest.of("cuda", 2), cpuOnly));
    assertTrue(refusal.getMessage().contains("not part of this build"), refusal.getMessage());
  }

  @Test
  void aCardThatWasGivenIsNotPassedOver() {
    BackendRequest given = new BackendRequest("auto", 2, "GPU-12", 0.5, TwoByteFloat.F16);
    String message =
        assertThrows(IllegalStateException.class, () -> Backends.open(given, NO_CARD)).getMessage();
    assertTrue(message.contains("GPU-12") && message.contains("no driver"), message);
  }

  @Test
  void unknownNamesAndThreads() {
    assertThrows(IllegalArgumentException.class, () -> Backends.open("gpu", 1));
    assertThrows(IllegalArgumentException.class, () -> Backends.open("cpu", -1));
  }
}
