package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.management.ClassLoadingMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * What looking for guesses takes is charged to them, so nothing may be loaded while it is timed: in
 * a JVM of its own, since other tests have loaded it all.
 */
class FirstLookTest {
  @Test
  void loadsNoCode() throws IOException, InterruptedException {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Process process =
        new ProcessBuilder(java, "-cp", System.getProperty("java.class.path"), Look.class.getName())
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    assertEquals("classes loaded: 0", output.strip());
  }

  /** What the other JVM runs. */
  public static final class Look {
    public static void main(String[] args) {
      ClassLoadingMXBean classes = ManagementFactory.getClassLoadingMXBean();
      List<Long> loaded = new ArrayList<>();
      Speculation.Steps steps =
          new Speculation.Steps(
              true,
              rows -> rows,
              0,
              () -> {
                loaded.add(classes.getTotalLoadedClassCount());
                return 0;
              });
      EngineConfig config =
          new EngineConfig(
              "fake", 4, "test", 4_000, 400, 16, 1, 64, 64, false, Set.of(), Drafting.AUTO);
      Speculation speculation = new Speculation(config, steps);
      speculation.rehearse();
      Scheduler scheduler = new Scheduler(config.limits(), new BlockPool(400, 16, false, true));
      GenerationRequest request =
          GenerationRequest.generate(new int[] {1, 2, 3, 1, 2, 3}, SamplingParams.greedy(40));
      Row row = new Row(Row.Key.of(request), new Ticket(request, t -> {}), new LetterTokenizer());
      scheduler.add(row.sequence);
      scheduler.plan();
      row.sequence.append(1);
      speculation.propose(scheduler, Map.of(row.sequence, row));
      if (row.drafts == null || loaded.size() != 2) {
        throw new AssertionError("looked " + loaded.size() / 2 + " times");
      }
      System.out.println("classes loaded: " + (loaded.get(1) - loaded.get(0)));
    }
  }
}
