package io.sailfish.bench.gpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sailfish.kernels.cuda.CudaAvailability;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.cuda.CudaDevice;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.llama.model.ModelConfig;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class StepBitsTest {
  /**
   * Enough of a large model's layers: a fault seen in one product of 200 shows nine times in ten.
   */
  private static final int LAYERS = 6;

  private static final int REPEATS = 6;

  @ParameterizedTest
  @EnumSource
  @Tag("gpu")
  void rowsOfLargeShapesHaveTheSameLogitsInStepsOfEverySize(TwoByteFloat activations) {
    CudaAvailability availability = CudaDevice.availability();
    assumeTrue(availability.available(), availability.reason());
    ModelConfig few = StepModel.llama8b(LAYERS, StepModel.LLAMA_8B.vocabulary());
    try (CudaBackend backend = CudaBackend.open(0, activations)) {
      StepBits bits = new StepBits(new StepModel(few, backend), "1,16,32,48,64,128");
      bits.run(REPEATS);
      assertEquals(0, bits.differing());
    }
  }
}
