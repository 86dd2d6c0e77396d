package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.sailfish.kernels.Backends;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What can be said without a card. */
class CudaBackendTest {
  private record Source(QuantFormat format) implements WeightSource {
    @Override
    public String name() {
      return "w";
    }

    @Override
    public int rows() {
      return 1;
    }

    @Override
    public int cols() {
      return 32;
    }

    @Override
    public void readRows(int firstRow, int numRows, ByteBuffer dst) {
      throw new AssertionError("not read");
    }
  }

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
  void onlyPartsOfOnePackableFormatArePacked() {
    Source q40 = new Source(QuantFormat.Q4_0);
    Source q41 = new Source(QuantFormat.Q4_1);
    assertTrue(WeightPacking.packable(List.of(q40, q40, q40)));
    assertTrue(WeightPacking.packable(List.of(q41)));
    assertFalse(WeightPacking.packable(List.of(q40, q41)));
    for (QuantFormat format :
        List.of(QuantFormat.Q8_0, QuantFormat.F16, QuantFormat.BF16, QuantFormat.F32)) {
      assertFalse(WeightPacking.packable(List.of(new Source(format))), format.id());
    }
  }

  @Test
  void everyKernelHasItsDescription() {
    long attention =
        KernelCatalog.all().stream().filter(s -> s.entry().startsWith("attention_")).count();
    assertEquals(16, attention);
  }
}
