package io.sailfish.spark.conf;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.llama.RuntimeConfig;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SailfishConfTest {
  @Test
  void defaultsAreTheRuntimesOwn() {
    SailfishConf conf = SailfishConf.of(Map.of());
    assertEquals(RuntimeConfig.defaults(), conf.runtimeConfig(conf.backend("auto", null), null));
    assertEquals(Map.of(), conf.models());
    assertEquals("", conf.defaultModel());
    assertEquals(256, conf.value(SailfishConf.MAX_TOKENS));
    assertEquals(16, conf.value(SailfishConf.TASK_BATCH_ROWS));
    assertEquals(16, conf.value(SailfishConf.TASK_FIRST_ROWS));
    assertEquals(0, conf.value(SailfishConf.TASK_ROWS));
    assertEquals(64L << 20, conf.value(SailfishConf.TASK_BYTES));
    assertEquals(0, conf.value(SailfishConf.MIN_PARTITIONS));
    assertTrue(conf.value(SailfishConf.PRELOAD));
  }

  @Test
  void everyEngineSettingReachesTheRuntime() {
    Map<String, String> given = new HashMap<>();
    given.put("spark.sailfish.gpu.memoryFraction", "0.25");
    given.put("spark.sailfish.gpu.activations", "bf16");
    given.put("spark.sailfish.engine.timelineDir", "/tmp/steps");
    given.put("spark.sailfish.engine.speculation", "on");
    given.putAll(
        Map.of(
            "spark.sailfish.model.chatTemplate", "{{ messages }}",
            "spark.sailfish.cpu.threads", "3",
            "spark.sailfish.gpu.streaming", "off",
            "spark.sailfish.engine.batchCap", "7",
            "spark.sailfish.engine.kvBytes", "2g",
            "spark.sailfish.engine.contextTokens", "512",
            "spark.sailfish.engine.prefillChunk", "64",
            "spark.sailfish.engine.prefixReuse.enabled", "false",
            "spark.sailfish.arrow.maxBytes", "32m",
            "spark.executor.memory", "not ours"));
    SailfishConf conf = SailfishConf.of(given);
    assertEquals(
        new RuntimeConfig(
            new BackendRequest("cpu", 3, "GPU-7", 0.25, TwoByteFloat.BF16),
            7,
            2L << 30,
            512,
            64,
            false,
            32L << 20,
            "{{ messages }}",
            "2026-01-02T03:04:05Z",
            "/tmp/steps",
            "on",
            "off"),
        conf.runtimeConfig(conf.backend("cpu", "GPU-7"), "2026-01-02T03:04:05Z"));
  }

  @ParameterizedTest
  @CsvSource({
    "spark.sailfish.model.pth, spark.sailfish.model.path",
    "spark.sailfish.engine.batchcap, spark.sailfish.engine.batchCap",
    "spark.sailfish.models.a.pat, spark.sailfish.models.<name>.path",
    "spark.sailfish.models.a b.path, spark.sailfish.models.<name>.path"
  })
  void unknownKeysNameTheNearest(String key, String nearest) {
    Exception e =
        assertThrows(IllegalArgumentException.class, () -> SailfishConf.of(Map.of(key, "x")));
    assertEquals("unknown setting " + key + "; did you mean " + nearest + "?", e.getMessage());
  }

  @ParameterizedTest
  @CsvSource({
    "spark.sailfish.engine.batchCap, -1, must not be negative",
    "spark.sailfish.engine.batchCap, many, must be an integer",
    "spark.sailfish.engine.kvBytes, 3 apples, must be a size",
    "spark.sailfish.backend, gpu, 'must be auto, cpu or cuda'",
    "spark.sailfish.gpu.activations, fp32, must be fp16 or bf16",
    "spark.sailfish.engine.speculation, yes, 'must be auto, on, always or off'",
    "spark.sailfish.gpu.memoryFraction, 0, must be above 0 and up to 1",
    "spark.sailfish.gpu.memoryFraction, most, must be a number",
    "spark.sailfish.engine.prefixReuse.enabled, yes, must be true or false",
    "spark.sailfish.generate.maxTokens, 0, must be positive"
  })
  void badValuesAreRefused(String key, String value, String rule) {
    Exception e =
        assertThrows(IllegalArgumentException.class, () -> SailfishConf.of(Map.of(key, value)));
    assertEquals(key + " " + rule + ", got '" + value + "'", e.getMessage());
  }

  @Test
  void modelsAndTheDefaultAmongThem() {
    Map<String, String> given = new HashMap<>();
    given.put("spark.sailfish.models.small.path", "/s");
    assertEquals("small", SailfishConf.of(given).defaultModel());
    given.put("spark.sailfish.models.big.path", "/b");
    assertEquals("", SailfishConf.of(given).defaultModel());
    given.put("spark.sailfish.model.default", "big");
    assertEquals("big", SailfishConf.of(given).defaultModel());
    given.remove("spark.sailfish.model.default");
    given.put("spark.sailfish.model.path", "/d");
    assertEquals("default", SailfishConf.of(given).defaultModel());
    assertEquals(
        Map.of("default", "/d", "small", "/s", "big", "/b"), SailfishConf.of(given).models());
  }

  @Test
  void startupSettingsCannotChangeInASession() {
    SailfishConf application =
        SailfishConf.of(
            Map.of("spark.sailfish.model.path", "/m", "spark.sailfish.cpu.threads", "2"));
    SailfishConf runtime =
        SailfishConf.of(
            Map.of("spark.sailfish.model.path", "/m", "spark.sailfish.generate.maxTokens", "3"));
    assertDoesNotThrow(() -> runtime.requireStartupAsIn(application));
    SailfishConf startup = SailfishConf.of(Map.of("spark.sailfish.cpu.threads", "4"));
    Exception e =
        assertThrows(IllegalArgumentException.class, () -> startup.requireStartupAsIn(application));
    assertTrue(e.getMessage().contains("spark.sailfish.cpu.threads"), e.getMessage());
    assertTrue(e.getMessage().contains("'2'") && e.getMessage().contains("'4'"), e.getMessage());
  }

  @Test
  void keysAreDistinctAndKeepTheRules() {
    Set<String> keys = new HashSet<>();
    for (ConfEntry<?> entry : SailfishConf.ENTRIES) {
      assertTrue(keys.add(entry.key()), entry.key());
      assertTrue(entry.key().startsWith(SailfishConf.PREFIX), entry.key());
      assertTrue(entry.doc().endsWith("."), entry.key());
      assertEquals(
          entry.type().equals("true or false"), entry.key().endsWith(".enabled"), entry.key());
    }
  }

  /** One that is declared and not listed would be refused as unknown. */
  @Test
  void everySettingIsListed() throws IllegalAccessException {
    Set<Object> declared = new HashSet<>();
    for (Field field : SailfishConf.class.getFields()) {
      if (field.getType() == ConfEntry.class) {
        declared.add(field.get(null));
      }
    }
    assertEquals(declared, Set.copyOf(SailfishConf.ENTRIES));
  }

  @Test
  void documentationIsFresh() throws IOException {
    Path page = Path.of("..", "docs", "configuration.md");
    assertEquals(
        ConfDocs.markdown(),
        Files.readString(page),
        "docs/configuration.md is stale: run the main of " + ConfDocs.class.getName());
  }
}
