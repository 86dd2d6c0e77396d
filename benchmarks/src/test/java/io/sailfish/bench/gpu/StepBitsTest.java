package io.sailfish.bench.gpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sailfish.kernels.cuda.CudaAvailability;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.cuda.CudaDevice;
import io.sailfish.llama.model.ModelConfig;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class StepBitsTest {
  /**
   * Enough of a large model's layers: a fault seen in one product of 200 shows nine times in ten.
   */
  private static final int LAYERS = 6;

  private static final int REPEATS = 6;

  @Test
  @Tag("gpu")
  void rowsOfLargeShapesHaveTheSameLogitsInStepsOfEverySize() {
    CudaAvailability availability = CudaDevice.availability();
    assumeTrue(availability.available(), availability.reason());
    ModelConfig c = StepModel.LLAMA_8B;
    ModelConfig few =
        new ModelConfig(
            c.name(),
            LAYERS,
            c.hidden(),
            c.inner(),
            c.attention(),
            c.variant(),
            c.vocabulary(),
            c.context(),
            c.normEps(),
            c.rope(),
            c.tiedEmbeddings());
    try (CudaBackend backend = CudaBackend.open(0)) {
      StepBits bits = new StepBits(new StepModel(few, backend), "1,16,32,48,64,128");
      bits.run(REPEATS);
      assertEquals(0, bits.differing());
    }
  }
}
