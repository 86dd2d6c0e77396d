package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sailfish.kernels.cuda.CudaAvailability;
import io.sailfish.kernels.cuda.CudaDevice;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** SQL on a card: in local mode, and in an executor that is given its card and loses it. */
@Tag("gpu")
class CardTest {
  private static final int ROWS = 300;
  private static final Path MARKER = Sessions.FOLDER.resolve("card-marker");

  @BeforeEach
  void aCard() throws Exception {
    CudaAvailability availability = CudaDevice.availability();
    assumeTrue(availability.available(), availability.reason());
    Files.deleteIfExists(MARKER);
  }

  private static List<Row> answers(SparkSession spark, String model, int partitions) {
    spark
        .range(0, ROWS, 1, partitions)
        .selectExpr("id", "concat('Fact ', id) x")
        .createOrReplaceTempView("t");
    return spark
        .sql(
            "SELECT id, ai_query('%s', x, modelParameters => named_struct('max_tokens', 6)) g"
                    .formatted(model)
                + " FROM t ORDER BY id")
        .collectAsList();
  }

  @Test
  void localModeTakesTheCardAndAnswersDoNotDependOnTheTasks() {
    SparkSession spark =
        Sessions.builder()
            .config("spark.sailfish.backend", "cuda")
            .config("spark.sailfish.model.path", Sessions.TINY_LLAMA.toString())
            .getOrCreate();
    try {
      List<Row> alone = answers(spark, "default", 1);
      assertEquals(ROWS, alone.size());
      assertEquals(alone, answers(spark, "default", 2));
      assertEquals(alone, answers(spark, "default", 13));
      String plan = spark.sql("EXPLAIN SELECT ai_gen(x) FROM t").head().getString(0);
      assertTrue(plan.contains("CUDA"), plan);
    } finally {
      Sessions.stop(spark);
    }
  }

  @Test
  void anExecutorWhoseCardFaultsIsReplacedAndEveryRowIsAnsweredOnce() throws Exception {
    SparkSession spark = cluster();
    try {
      List<Row> right = answers(spark, "real", 4);
      Set<String> before = executors(spark);
      List<Row> rows = answers(spark, "faulty", 4);
      assertTrue(Files.exists(MARKER), "the card was made to fault");
      assertEquals(right, rows);
      Set<String> after = executors(spark);
      assertNotEquals(before, after);
      System.out.println("process and card before and after the fault: " + before + ", " + after);
    } finally {
      Sessions.stop(spark);
    }
  }

  private static SparkSession cluster() throws Exception {
    Path models = Sessions.FOLDER.resolve("m");
    return Sessions.builder()
        .master("local-cluster[1,2,1200]")
        .config("spark.executor.memory", "1000m")
        .config("spark.executor.extraClassPath", Sessions.layOutSpark())
        .config("spark.worker.resource.gpu.amount", 1)
        .config(
            "spark.worker.resource.gpu.discoveryScript",
            Path.of("..", "bin", "gpu-addresses").toAbsolutePath().normalize().toString())
        .config("spark.executor.resource.gpu.amount", 1)
        .config("spark.task.resource.gpu.amount", "0.5")
        .config("spark.sailfish.backend", "cuda")
        .config("spark.sailfish.gpu.memoryFraction", "0.3") // two models an executor
        .config("spark.sailfish.engine.batchCap", 8)
        .config("spark.sailfish.models.real.path", Sessions.TINY_LLAMA.toString())
        .config(
            "spark.sailfish.models.faulty.path",
            FakeRuntimeFactory.model(
                models,
                "cardfaulty",
                "faulty=" + Sessions.TINY_LLAMA,
                "step=20",
                "marker=" + MARKER))
        .getOrCreate();
  }

  /** Process and card of the executors. */
  private static Set<String> executors(SparkSession spark) {
    MapPartitionsFunction<Long, String> place =
        rows ->
            List.of(
                    ProcessHandle.current().pid()
                        + " "
                        + TaskContext.get().resourcesJMap().get("gpu").addresses()[0])
                .iterator();
    return new TreeSet<>(
        spark.range(0, 4, 1, 4).mapPartitions(place, Encoders.STRING()).collectAsList());
  }
}
