package io.sailfish.llama;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.BackendRequest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LlamaRuntimesTest {
  private static RuntimeConfig config(String backend, int context, String template) {
    return RuntimeConfig.defaults()
        .on(BackendRequest.of(backend, 1))
        .withBatchCap(2)
        .withContextTokens(context)
        .withChatTemplate(template);
  }

  private static String refusal(Path model, RuntimeConfig config) {
    RuntimeFailure e =
        assertThrows(RuntimeFailure.class, () -> LlamaRuntimes.open(model, config).close());
    assertEquals(RuntimeFailure.Kind.USER, e.kind());
    return e.getMessage();
  }

  @Test
  void saysWhatIsWrong() {
    Path model = Golden.model("plain");
    String message = refusal(Path.of("/no/such/model.gguf"), config("cpu", 0, null));
    assertTrue(message.contains("/no/such/model.gguf"), message);
    message = refusal(model, config("tpu", 0, null));
    assertTrue(message.contains("expected auto, cpu or cuda"), message);
    message = refusal(model, config("cpu", 0, "{% include 'x' %}"));
    assertTrue(message.contains("line 1") && message.contains("model.chatTemplate"), message);
    message = refusal(model, config("cpu", 100_000, null));
    assertTrue(message.contains("contextTokens") && message.contains("256"), message);
  }

  @Test
  void opensEveryGoldenVariant() {
    for (String variant : Golden.VARIANTS) {
      try (LlamaRuntime runtime =
          LlamaRuntimes.open(Golden.model(variant), config("cpu", 0, null))) {
        assertEquals("Tiny " + variant, runtime.info().model());
      }
    }
  }

  @Test
  void opensFolders() {
    List<String> folders = new ArrayList<>(Golden.FAMILIES);
    folders.add("quantized/gptq_w4_g32_desc_act");
    for (String folder : folders) {
      try (LlamaRuntime runtime =
          LlamaRuntimes.open(Golden.model(folder), config("cpu", 0, null))) {
        assertEquals(folder.substring(folder.indexOf('/') + 1), runtime.info().model());
      }
    }
  }
}
