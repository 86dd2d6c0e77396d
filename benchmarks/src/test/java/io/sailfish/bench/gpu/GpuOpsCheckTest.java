package io.sailfish.bench.gpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sailfish.kernels.cuda.CudaAvailability;
import io.sailfish.kernels.cuda.CudaDevice;
import io.sailfish.kernels.format.TwoByteFloat;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class GpuOpsCheckTest {
  @ParameterizedTest
  @EnumSource
  @Tag("gpu")
  void everyOperatorOnTheCardIsCloseToTheReferenceAndKeepsItsBits(TwoByteFloat activations) {
    CudaAvailability availability = CudaDevice.availability();
    assumeTrue(availability.available(), availability.reason());
    assertEquals(List.of(), GpuOpsCheck.failures(activations));
  }
}
