package io.sailfish.llama;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.format.TwoByteFloat;
import java.lang.reflect.RecordComponent;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class RuntimeConfigTest {
  /** None of its values is the default. */
  private static final RuntimeConfig OTHER =
      new RuntimeConfig(
          new BackendRequest("cuda", 3, "GPU-7", 0.25, TwoByteFloat.BF16),
          7,
          2L << 30,
          512,
          64,
          false,
          32L << 20,
          "{{ x }}",
          "2026-01-02T03:04:05Z",
          "steps",
          "on",
          "off");

  /** What takes over a value of {@link #OTHER}, by component. */
  private static final Map<String, UnaryOperator<RuntimeConfig>> CHANGES =
      Map.ofEntries(
          Map.entry("backend", c -> c.on(OTHER.backend())),
          Map.entry("batchCap", c -> c.withBatchCap(OTHER.batchCap())),
          Map.entry("kvBytes", c -> c.withKvBytes(OTHER.kvBytes())),
          Map.entry("contextTokens", c -> c.withContextTokens(OTHER.contextTokens())),
          Map.entry("prefillChunk", c -> c.withPrefillChunk(OTHER.prefillChunk())),
          Map.entry("prefixReuse", c -> c.withPrefixReuse(OTHER.prefixReuse())),
          Map.entry("arrowBytes", c -> c.withArrowBytes(OTHER.arrowBytes())),
          Map.entry("chatTemplate", c -> c.withChatTemplate(OTHER.chatTemplate())),
          Map.entry("templateTime", c -> c.withTemplateTime(OTHER.templateTime())),
          Map.entry("timelineDir", c -> c.withTimeline(OTHER.timelineDir())),
          Map.entry("speculation", c -> c.withSpeculation(OTHER.speculation())),
          Map.entry("streaming", c -> c.withStreaming(OTHER.streaming())));

  @Test
  void aChangeIsOfItsComponentAlone() throws ReflectiveOperationException {
    for (Map.Entry<String, UnaryOperator<RuntimeConfig>> change : CHANGES.entrySet()) {
      Map<String, Object> expected = values(RuntimeConfig.defaults());
      expected.put(change.getKey(), values(OTHER).get(change.getKey()));
      assertEquals(expected, values(change.getValue().apply(RuntimeConfig.defaults())));
    }
  }

  @Test
  void changesOfAllMakeAnother() {
    RuntimeConfig changed = RuntimeConfig.defaults();
    for (UnaryOperator<RuntimeConfig> change : CHANGES.values()) {
      changed = change.apply(changed);
    }
    assertEquals(OTHER, changed);
    List<String> components =
        Stream.of(RuntimeConfig.class.getRecordComponents()).map(RecordComponent::getName).toList();
    assertEquals(
        components.stream().sorted().toList(), CHANGES.keySet().stream().sorted().toList());
  }

  private static Map<String, Object> values(RuntimeConfig config)
      throws ReflectiveOperationException {
    Map<String, Object> values = new TreeMap<>();
    for (RecordComponent component : RuntimeConfig.class.getRecordComponents()) {
      values.put(component.getName(), component.getAccessor().invoke(config));
    }
    return values;
  }
}
