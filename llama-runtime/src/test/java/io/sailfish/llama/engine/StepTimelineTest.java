package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sailfish.llama.DeviceUse;
import io.sailfish.llama.RuntimeFailure;
import java.io.FilterWriter;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is said of single steps: as a timeline, and as the share of each row. */
class StepTimelineTest {
  private static final int ROWS = 9;
  private static final long FLOOR = 1000;

  /** A fake device that knows the speed of its memory. */
  private static final class TimedModel implements StepExecutor {
    private final FakeModel model = new FakeModel(64, 4);

    @Override
    public int vocabulary() {
      return model.vocabulary();
    }

    @Override
    public Logits execute(BatchPlan plan) {
      return model.execute(plan);
    }

    @Override
    public long floorNanos(BatchPlan plan) {
      return FLOOR * plan.rows();
    }

    @Override
    public void close() {
      model.close();
    }
  }

  private record Run(EngineMetrics metrics, DeviceUse use) {}

  private static Run run(StepTimeline timeline) {
    EngineConfig config =
        new EngineConfig(
            "fake model", 4, "test", 40, 64, 4, 1, 16, 16, false, Set.of(), Drafting.OFF);
    DeviceUse use = DeviceUse.NONE;
    EngineMetrics metrics;
    try (Engine engine = Engine.start(new TimedModel(), new LetterTokenizer(), config, timeline)) {
      List<Ticket> tickets = new ArrayList<>();
      for (int i = 0; i < ROWS; i++) {
        SamplingParams params = SamplingParams.greedy(2 + i);
        tickets.add(engine.submit(GenerationRequest.generate(new int[] {i, 1, 2}, params)));
      }
      for (Ticket ticket : tickets) {
        ticket.join();
        use = use.plus(ticket.usage().device());
      }
      metrics = engine.metrics();
    }
    return new Run(metrics, use);
  }

  @Test
  void theSharesOfAllRowsAreWhatTheDeviceDid() {
    Run run = run(null);
    EngineMetrics metrics = run.metrics();
    DeviceUse use = run.use();
    long rounding = metrics.steps() * 20;
    assertEquals(metrics.prefillNanos(), use.promptNanos(), rounding);
    assertEquals(metrics.decodeNanos(), use.answerNanos(), rounding);
    assertTrue(use.pureNanos() > 0 && use.pureNanos() <= use.answerNanos(), use::toString);
    // Each answer's tokens but the first come of steps that go on; some of these had prompts too.
    long going = metrics.outputTokens() - ROWS;
    assertTrue(use.floorNanos() > 0 && use.floorNanos() <= going * FLOOR, use::toString);
    assertEquals(0, use.floorNanos() % FLOOR);
    assertTrue(use.kvUse() > 0, use::toString);
  }

  @Test
  void everyStepIsAnEventOfTheChromeTraceFormat(@TempDir Path folder) throws IOException {
    Run run = run(StepTimeline.in(folder.resolve("new"), "fake model"));
    JsonNode events = new ObjectMapper().readTree(Files.readString(only(folder.resolve("new"))));
    assertTrue(events.isArray());
    int steps = 0;
    double lastEnd = 0;
    int answers = 0;
    int prompts = 0;
    for (JsonNode event : events) {
      boolean ofDevice = event.path("tid").asInt() == 1 && event.get("ph").asText().equals("X");
      if (ofDevice) {
        steps++;
        assertEquals(steps, event.get("args").get("step").asInt());
        assertTrue(event.get("ts").asDouble() >= lastEnd - 0.002, "steps follow one another");
        assertTrue(event.get("dur").asDouble() >= 0);
        lastEnd = event.get("ts").asDouble() + event.get("dur").asDouble();
        answers += event.get("args").get("answers").asInt();
        prompts += event.get("args").get("prompt tokens").asInt();
      }
    }
    assertEquals(run.metrics().steps(), steps);
    assertEquals(3 * ROWS, prompts);
    assertEquals(run.metrics().outputTokens() - ROWS, answers);
    assertEquals(steps, events.get(events.size() - 1).get("args").get("count").asInt());
  }

  @Test
  void aFolderThatCannotBeMadeIsNamed(@TempDir Path folder) throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "");
    RuntimeFailure failure =
        assertThrows(RuntimeFailure.class, () -> StepTimeline.in(file.resolve("below"), "m"));
    assertEquals(RuntimeFailure.Kind.USER, failure.kind());
    assertTrue(failure.getMessage().contains("engine.timelineDir"), failure.getMessage());
  }

  /** A full disk shows when the last of it is written. */
  @Test
  void aTimelineThatCannotBeEndedLeavesNoMemoryBehind() {
    Writer full =
        new FilterWriter(Writer.nullWriter()) {
          @Override
          public void flush() throws IOException {
            throw new IOException("no space left");
          }
        };
    FakeModel model = new FakeModel(64, 4);
    EngineConfig config =
        new EngineConfig("full", 4, "test", 40, 64, 4, 1, 16, 16, false, Set.of(), Drafting.OFF);
    StepTimeline timeline = new StepTimeline(Path.of("full.json"), full);
    Engine.start(model, new LetterTokenizer(), config, timeline).close();
    assertTrue(model.closed);
  }

  private static Path only(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      List<Path> all = files.toList();
      assertEquals(1, all.size());
      assertTrue(all.get(0).getFileName().toString().startsWith("fake-model-"));
      return all.get(0);
    }
  }
}
