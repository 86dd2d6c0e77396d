package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.spark.conf.SailfishConf;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.resource.ResourceInformation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CardChoiceTest {
  private static final Map<String, ResourceInformation> NOTHING = Map.of();

  private static SailfishConf conf(String backend) {
    return SailfishConf.of(Map.of("spark.sailfish.backend", backend));
  }

  private static Map<String, ResourceInformation> gpus(String... addresses) {
    return Map.of("gpu", new ResourceInformation("gpu", addresses));
  }

  @Test
  void anExecutorTakesTheAddressThatSparkGaveIt() {
    for (String backend : new String[] {"auto", "cuda"}) {
      BackendRequest request =
          CardChoice.of(conf(backend), "spark://host:7077", gpus("GPU-1", "GPU-2"), null);
      assertEquals(backend, request.id());
      assertEquals("GPU-1", request.card());
      assertEquals(BackendRequest.MEMORY_FRACTION, request.memoryFraction());
    }
  }

  @Test
  void onAClusterNobodyHelpsHimselfToACard() {
    assertEquals("cpu", CardChoice.of(conf("auto"), "yarn", NOTHING, null).id());
    assertEquals("cpu", CardChoice.of(conf("auto"), "local-cluster[2,1,1024]", NOTHING, null).id());
  }

  @Test
  void localModeTakesTheDriversCardOrTheFirst() {
    BackendRequest first = CardChoice.of(conf("auto"), "local[*]", NOTHING, null);
    assertEquals("auto", first.id());
    assertEquals(null, first.card());
    assertEquals("GPU-9", CardChoice.of(conf("auto"), "local", NOTHING, "GPU-9").card());
  }

  @Test
  void cudaWithoutTheResourceIsRefusedWithTheLinesToAdd() {
    Map<String, String> settings = new HashMap<>();
    settings.put("spark.master", "yarn");
    settings.put("spark.executor.cores", "8");
    String message = refusal(settings);
    assertTrue(message.contains("--conf spark.executor.resource.gpu.amount=1\n"), message);
    assertTrue(message.contains("--conf spark.task.resource.gpu.amount=0.1250\n"), message);
    assertTrue(message.contains("spark.executor.resource.gpu.discoveryScript="), message);
    settings.put("spark.master", "spark://host:7077");
    message = refusal(settings);
    assertTrue(message.contains("-Dspark.worker.resource.gpu.discoveryScript="), message);
    settings.put("spark.master", "k8s://host");
    assertTrue(refusal(settings).contains("spark.executor.resource.gpu.vendor=nvidia.com"));
  }

  private static String refusal(Map<String, String> settings) {
    return assertThrows(
            IllegalArgumentException.class, () -> CardChoice.check(conf("cuda"), settings))
        .getMessage();
  }

  @Test
  void settingsThatWorkAreLeftAlone() {
    Map<String, String> cluster =
        Map.of("spark.master", "yarn", "spark.executor.resource.gpu.amount", "1");
    assertDoesNotThrow(() -> CardChoice.check(conf("cuda"), cluster));
    assertDoesNotThrow(() -> CardChoice.check(conf("auto"), Map.of("spark.master", "yarn")));
    assertDoesNotThrow(() -> CardChoice.check(conf("cpu"), Map.of("spark.master", "yarn")));
    assertDoesNotThrow(() -> CardChoice.check(conf("cuda"), Map.of("spark.master", "local[4]")));
  }

  /** A card that is cut has the addresses of its slices, one that is not its own. */
  @Test
  void theDiscoveryScriptPrintsWhatSparkReads(@TempDir Path folder) throws Exception {
    Path smi = folder.resolve("nvidia-smi");
    Files.writeString(
        smi,
        """
        #!/bin/sh
        cat <<X
        GPU 0: NVIDIA A100 (UUID: GPU-00)
          MIG 1g.5gb      Device  0: (UUID: MIG-01)
          MIG 2g.10gb     Device  1: (UUID: MIG-02)
        GPU 1: NVIDIA H200 (UUID: GPU-10)
        X
        """);
    assertTrue(smi.toFile().setExecutable(true));
    assertEquals(
        "{\"name\": \"gpu\", \"addresses\": [\"MIG-01\", \"MIG-02\", \"GPU-10\"]}\n", run(folder));
  }

  private static String run(Path folder) throws IOException {
    ProcessBuilder script =
        new ProcessBuilder("../bin/gpu-addresses").redirectError(ProcessBuilder.Redirect.INHERIT);
    script.environment().merge("PATH", folder.toString(), (path, first) -> first + ":" + path);
    return new String(script.start().getInputStream().readAllBytes(), StandardCharsets.UTF_8);
  }
}
