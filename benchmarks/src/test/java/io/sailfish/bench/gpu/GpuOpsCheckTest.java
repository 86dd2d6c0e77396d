package io.sailfish.bench.gpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sailfish.kernels.cuda.CudaAvailability;
import io.sailfish.kernels.cuda.CudaDevice;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class GpuOpsCheckTest {
  @Test
  @Tag("gpu")
  void everyOperatorOnTheCardIsCloseToTheReferenceAndKeepsItsBits() {
    CudaAvailability availability = CudaDevice.availability();
    assumeTrue(availability.available(), availability.reason());
    assertEquals(List.of(), GpuOpsCheck.failures(""));
  }
}
