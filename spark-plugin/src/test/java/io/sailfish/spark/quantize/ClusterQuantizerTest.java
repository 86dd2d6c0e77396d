package io.sailfish.spark.quantize;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.quantize.Calibration;
import io.sailfish.llama.quantize.Grid;
import io.sailfish.llama.quantize.Quantizer;
import io.sailfish.llama.quantize.Recipe;
import io.sailfish.llama.quantize.Recipe.Choice;
import io.sailfish.llama.quantize.Recipe.Method;
import io.sailfish.llama.tokenizer.HfTokenizer;
import io.sailfish.llama.tokenizer.Tokenizer;
import io.sailfish.spark.Sessions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ClusterQuantizerTest {
  private static final Path MODEL =
      Sessions.TINY_LLAMA.resolveSibling("hf").resolve("smollm2").toAbsolutePath();
  private static final Quantizer.Progress QUIET = (done, of) -> {};
  private static SparkSession session;
  private static JavaSparkContext spark;

  @TempDir Path folder;

  @BeforeAll
  static void start() {
    ExecutorSteps.OPEN.closeIdle(0);
    session =
        Sessions.strictKryo("local[2]", "quantize")
            .config("spark.memory.fraction", "0.2")
            .getOrCreate();
    spark = JavaSparkContext.fromSparkContext(session.sparkContext());
  }

  @AfterAll
  static void stop() {
    Sessions.stop(session);
    int open = ExecutorSteps.OPEN.open();
    assertTrue(open == 1 || open == 2, open + " models for two tasks at a time");
    ExecutorSteps.OPEN.closeIdle(0);
    assertEquals(0, ExecutorSteps.OPEN.open(), "models that nobody asks for are closed");
  }

  /** Three shards of short sequences, the last one not full. */
  static Calibration calibration() {
    Random random = new Random(3);
    List<int[]> sequences = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      sequences.add(random.ints(64, 0, 512).toArray());
    }
    return new Calibration(sequences);
  }

  private byte[] onOneMachine(Recipe recipe, Calibration calibration) throws Exception {
    Path target = folder.resolve("one.sailfish");
    new Quantizer(MODEL, recipe, calibration, 2).run(target, QUIET);
    return Files.readAllBytes(target);
  }

  @Test
  void theBytesAreThoseOfOneMachine() throws Exception {
    for (Grid grid : List.of(Grid.INT4, Grid.LUT3)) {
      Recipe recipe =
          new Recipe(
              new Choice(Method.GPTQ, grid, 32, true, true, 0.01),
              List.of(new Recipe.Exception("layers\\.0\\.v", null)));
      Path target = folder.resolve("cluster.sailfish");
      new ClusterQuantizer(spark, MODEL, recipe, calibration()).run(target, QUIET);
      assertArrayEquals(onOneMachine(recipe, calibration()), Files.readAllBytes(target));
    }
  }

  @Test
  void withoutCalibrationToo() throws Exception {
    Recipe recipe = Recipe.of(Method.RTN, Grid.NF4, 64);
    Path target = folder.resolve("cluster.sailfish");
    new ClusterQuantizer(spark, MODEL, recipe, null).run(target, QUIET);
    assertArrayEquals(onOneMachine(recipe, null), Files.readAllBytes(target));
  }

  @Test
  void aLayerThatIsDoneIsNotDoneAgain() throws Exception {
    Recipe recipe = Recipe.of(Method.GPTQ, Grid.INT3_SYM, 64);
    Path target = folder.resolve("cluster.sailfish");
    ClusterQuantizer quantizer = new ClusterQuantizer(spark, MODEL, recipe, calibration());
    assertThrows(
        CancellationException.class,
        () ->
            quantizer.run(
                target,
                (done, of) -> {
                  throw new CancellationException();
                }));
    assertFalse(Files.exists(target));
    Path first = folder.resolve("cluster.sailfish.layers/layer-00000.sailfish");
    Object written = Files.getLastModifiedTime(first);
    List<Object> seen = new ArrayList<>();
    quantizer.run(
        target,
        (done, of) -> {
          try {
            seen.add(Files.getLastModifiedTime(first));
          } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
          }
        });
    assertEquals(List.of(written, written), seen);
    assertArrayEquals(onOneMachine(recipe, calibration()), Files.readAllBytes(target));
  }

  @Test
  void awqGivesTheBytesOfOneMachineToo() throws Exception {
    Recipe recipe =
        new Recipe(
            new Choice(Method.AWQ, Grid.INT4, 32, true, false, 0.01),
            List.of(new Recipe.Exception("layers\\.1\\.o", null)));
    Path target = folder.resolve("cluster.sailfish");
    new ClusterQuantizer(spark, MODEL, recipe, calibration()).run(target, QUIET);
    assertArrayEquals(onOneMachine(recipe, calibration()), Files.readAllBytes(target));
  }

  @Test
  void calibrationTextDoesNotDependOnThePartitions() {
    List<String> rows = new ArrayList<>();
    for (int i = 0; i < 400; i++) {
      rows.add(i % 50 == 3 ? null : "Row " + i + " of the text.");
    }
    List<String> shuffled = new ArrayList<>(rows);
    Collections.shuffle(shuffled, new Random(1));
    try (Checkpoint checkpoint = Checkpoints.open(MODEL);
        Tokenizer tokenizer =
            HfTokenizer.of(checkpoint.tokenizerJson(), checkpoint.tokenizerConfig())) {
      List<List<Integer>> found = new ArrayList<>();
      for (List<String> order : List.of(rows, shuffled)) {
        int partitions = 1 + 4 * found.size();
        found.add(
            CalibrationTexts.of(
                    session.createDataset(order, Encoders.STRING()).repartition(partitions),
                    tokenizer,
                    20,
                    200)
                .sequences()
                .stream()
                .map(Arrays::hashCode)
                .toList());
      }
      assertEquals(found.get(0), found.get(1));
      assertEquals(20, found.get(0).stream().distinct().count());
      assertThrows(
          RuntimeFailure.class,
          () ->
              CalibrationTexts.of(
                  session.createDataset(rows, Encoders.STRING()), tokenizer, 200, 2000));
    }
  }
}
