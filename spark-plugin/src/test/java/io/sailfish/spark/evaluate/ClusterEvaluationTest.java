package io.sailfish.spark.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.evaluate.Evaluation;
import io.sailfish.llama.evaluate.EvaluationReport;
import io.sailfish.llama.evaluate.EvaluationSums;
import io.sailfish.llama.evaluate.Evaluator;
import io.sailfish.llama.evaluate.TextWindows;
import io.sailfish.llama.evaluate.WeightErrors;
import io.sailfish.llama.quantize.Grid;
import io.sailfish.llama.quantize.Quantizer;
import io.sailfish.llama.quantize.Recipe;
import io.sailfish.spark.Sessions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ClusterEvaluationTest {
  private static final Path ORIGINAL =
      Sessions.TINY_LLAMA.resolveSibling("hf").resolve("smollm2").toAbsolutePath();
  private static final BackendRequest CPU = BackendRequest.of("cpu", 2);
  private static final int ALL = Integer.MAX_VALUE;
  private static final int LENGTH = 48;

  @TempDir static Path folder;

  private static Path model;
  private static SparkSession session;
  private static JavaSparkContext spark;

  @BeforeAll
  static void start() {
    model = folder.resolve("rounded.sailfish");
    Recipe recipe = Recipe.of(Recipe.Method.RTN, Grid.INT4, 32);
    new Quantizer(ORIGINAL, recipe, null, 2).run(model, (done, of) -> {});
    session = Sessions.strictKryo("local[2]", "evaluate").getOrCreate();
    spark = JavaSparkContext.fromSparkContext(session.sparkContext());
  }

  @AfterAll
  static void stop() {
    Sessions.stop(session);
    ExecutorEvaluators.OPEN.closeIdle(0);
    assertEquals(0, ExecutorEvaluators.OPEN.open(), "models that nobody asks for are closed");
  }

  /** Long ones, short ones, one that predicts nothing and one that is none. */
  private static List<String> texts() {
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < 24; i++) {
      texts.add(("Row %d: the cat and %d dogs sat. ".formatted(i, i * 7)).repeat(1 + i % 5));
    }
    texts.add("");
    texts.add(null);
    return texts;
  }

  private static Dataset<String> rows(List<String> texts, int partitions) {
    return session.createDataset(texts, Encoders.STRING()).repartition(partitions);
  }

  private static EvaluationReport evaluate(Dataset<String> texts, int mostWindows) {
    EvaluationJob job =
        new EvaluationJob(model.toString(), ORIGINAL.toString(), LENGTH, mostWindows, "cpu");
    return new ClusterEvaluation(spark, job).run(texts);
  }

  private static String onOneMachine(List<String> texts) {
    EvaluationSums sums = EvaluationSums.NONE;
    try (TextWindows cutter = TextWindows.of(model, LENGTH);
        Evaluator evaluator = new Evaluator(model, ORIGINAL, CPU, LENGTH)) {
      for (String text : texts) {
        for (int[] window : text == null ? List.<int[]>of() : cutter.cut(text)) {
          sums = sums.plus(evaluator.score(window));
        }
      }
    }
    return new EvaluationReport(
            model.toString(), ORIGINAL.toString(), sums, WeightErrors.of(model, ORIGINAL))
        .json();
  }

  @Test
  void theReportIsThatOfOneMachineWhateverThePartitions() {
    String expected = onOneMachine(texts());
    List<String> shuffled = texts();
    Collections.shuffle(shuffled, new Random(5));
    assertEquals(expected, evaluate(rows(texts(), 1), ALL).json());
    assertEquals(expected, evaluate(rows(shuffled, 5), ALL).json());
    assertNotEquals(expected, evaluate(rows(texts().subList(0, 23), 5), ALL).json());
  }

  @Test
  void oneLongTextIsEvaluatedAsInOneProcess() throws Exception {
    String text = String.join("", texts().subList(0, 24));
    Path file = Files.writeString(folder.resolve("one.txt"), text);
    EvaluationReport expected =
        new Evaluation(model, ORIGINAL, CPU).run(text, LENGTH, ALL, (done, of, perplexity) -> {});
    Dataset<String> column = new TextColumn(file.toString(), null, null).read(session);
    EvaluationReport found = evaluate(column, ALL);
    assertEquals(expected.json(), found.json());
    assertEquals(expected.svg(), found.svg());
  }

  @Test
  void aSampleDependsOnTheTextsAlone() {
    EvaluationReport few = evaluate(rows(texts(), 1), 5);
    assertEquals(few.json(), evaluate(rows(texts(), 7), 5).json());
    assertTrue(few.tokens() >= 5 && few.tokens() <= 5 * (LENGTH - 1), few.json());
  }

  @Test
  void columnsOfFilesAndTables() {
    String path = folder.resolve("rows.parquet").toString();
    rows(texts(), 2)
        .selectExpr("value AS `te``xt`", "'x' AS other", "1 AS n")
        .write()
        .parquet(path);
    Dataset<String> column = new TextColumn(path, null, "te`xt").read(session);
    assertEquals(26, column.count());
    column.createOrReplaceTempView("texts");
    assertEquals(26, new TextColumn("texts", "table", null).read(session).count());
    for (String wrong : new String[] {null, "n", "none"}) {
      RuntimeFailure e =
          assertThrows(RuntimeFailure.class, () -> new TextColumn(path, null, wrong).read(session));
      assertTrue(e.getMessage().contains("[te`xt, other]"), e.getMessage());
    }
    assertThrows(IllegalArgumentException.class, () -> new TextColumn("a.xls", null, null));
    assertThrows(IllegalArgumentException.class, () -> new TextColumn("a", "xls", null));
  }

  @Test
  void textsThatPredictNothingAreRefused() {
    RuntimeFailure e =
        assertThrows(RuntimeFailure.class, () -> evaluate(rows(List.of("", "a"), 2), ALL));
    assertTrue(e.getMessage().contains("nothing to predict"), e.getMessage());
  }
}
