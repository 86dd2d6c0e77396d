package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.ModelFeature;
import io.sailfish.llama.Golden;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.ModelConfig;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A model that a backend cannot compute is refused when it is loaded, in words. */
class ModelFeatureTest {
  private static final Set<ModelFeature> ALL = EnumSet.allOf(ModelFeature.class);

  private static ModelConfig config(String golden) {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model(golden))) {
      return checkpoint.config();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "hf/llama_bias, has biases,",
    "hf/qwen2_window, has biases and sliding windows,",
    "hf/qwen3, has norms of its q and k heads,",
  })
  void whatABackendLacksIsNamed(String golden, String words) {
    ModelConfig model = config(golden);
    RuntimeFailure failure =
        assertThrows(RuntimeFailure.class, () -> LlamaEngine.requireRuns(model, "cuda", ALL));
    assertEquals(RuntimeFailure.Kind.USER, failure.kind());
    String message = failure.getMessage();
    assertTrue(message.contains(words + ", which the cuda backend"), message);
    assertTrue(message.contains("spark.sailfish.backend=cpu"), message);
    assertDoesNotThrow(() -> LlamaEngine.requireRuns(model, "cpu", Set.of()));
  }

  @Test
  void aPlainLlamaNeedsNothing() {
    assertDoesNotThrow(() -> LlamaEngine.requireRuns(config("hf/llama"), "cuda", ALL));
  }
}
