package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Two executors in processes of their own: what local mode cannot show. */
class ClusterTest {
  private static final Path MARKER = Sessions.FOLDER.resolve("cluster-marker");
  private static final int ROWS = 400;
  private static SparkSession spark;

  @BeforeAll
  static void start() throws Exception {
    String classPath = Sessions.layOutSpark();
    Path models = Sessions.FOLDER.resolve("m");
    spark =
        Sessions.builder()
            .master("local-cluster[2,1,600]")
            .config("spark.executor.memory", "600m")
            .config("spark.executor.extraClassPath", classPath)
            .config("spark.sailfish.model.path", FakeRuntimeFactory.model(models, "cluster"))
            .config(
                "spark.sailfish.models.slow.path",
                FakeRuntimeFactory.model(models, "clusterslow", "delayMs=100"))
            .config(
                "spark.sailfish.models.marked.path",
                FakeRuntimeFactory.model(models, "clustermarked", "marker=" + MARKER))
            .config("spark.sailfish.models.missing.path", "/no/such/model.gguf")
            .config("spark.sailfish.models.real.path", Sessions.TINY_LLAMA.toString())
            .config(
                "spark.sailfish.models.faulty.path",
                FakeRuntimeFactory.model(
                    models,
                    "clusterfaulty",
                    "faulty=" + Sessions.TINY_LLAMA,
                    "step=40",
                    "marker=" + MARKER))
            .config("spark.sailfish.cpu.threads", 1)
            .config("spark.sailfish.engine.batchCap", 4)
            .getOrCreate();
    spark.range(0, ROWS, 1, 4).selectExpr("id", "concat('p', id) x").createOrReplaceTempView("t");
  }

  @AfterAll
  static void stop() {
    Sessions.stop(spark);
  }

  @BeforeEach
  void noMarker() throws Exception {
    Files.deleteIfExists(MARKER);
  }

  /** Process ids of the executors. */
  private static Set<Long> executors() {
    MapPartitionsFunction<Long, Long> pid =
        rows -> {
          Thread.sleep(300); // so that one executor does not take all tasks
          return List.of(ProcessHandle.current().pid()).iterator();
        };
    return new TreeSet<>(
        spark.range(0, 4, 1, 4).mapPartitions(pid, Encoders.LONG()).collectAsList());
  }

  /**
   * One of two executors has gone and another is there. An executor outlives its fatal failure for
   * some seconds, so that the failure is reported, and the job may have ended by then.
   */
  private static void assertReplaced(Set<Long> before) {
    Set<Long> now = executors();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while ((now.size() < 2 || now.equals(before)) && System.nanoTime() < deadline) {
      now = executors();
    }
    assertEquals(2, now.size(), now + " after " + before);
    assertNotEquals(before, now);
  }

  private static void assertEveryRowOnce(List<Row> rows) {
    assertEquals(ROWS, rows.size());
    for (int id = 0; id < ROWS; id++) {
      assertEquals(id, rows.get(id).getLong(0));
    }
  }

  @Test
  void executorsAnswerAndTellTheDriverOfTheirModel() {
    List<Row> rows = spark.sql("SELECT id, ai_gen(x) g FROM t ORDER BY id").collectAsList();
    assertEveryRowOnce(rows);
    assertEquals("gen<p399>", rows.get(399).getString(1));
    String plan = spark.sql("EXPLAIN SELECT ai_gen(x) FROM t").head().getString(0);
    assertTrue(plan.contains("Fake 1M, fake q4_0, cpu: fake, batch cap 32"), plan);
  }

  @Test
  void aKilledExecutorLosesNoRow() throws Exception {
    Set<Long> before = executors();
    CompletableFuture<List<Row>> query =
        CompletableFuture.supplyAsync(
            () -> spark.sql("SELECT id, ai_query('slow', x) g FROM t ORDER BY id").collectAsList());
    Thread.sleep(700);
    ProcessHandle.of(before.iterator().next()).orElseThrow().destroyForcibly();
    assertEveryRowOnce(query.get());
  }

  @Test
  void aFatalFailureReplacesTheExecutor() {
    Set<Long> before = executors();
    List<Row> rows =
        spark
            .sql(
                "SELECT id, ai_query('marked', CASE WHEN id = 250 THEN '!fatal' ELSE x END) g"
                    + " FROM t ORDER BY id")
            .collectAsList();
    assertEveryRowOnce(rows);
    assertEquals("gen<!fatal>", rows.get(250).getString(1));
    assertReplaced(before);
  }

  /** The engine's rows fail when its device is lost, and other executors answer them. */
  @Test
  void aLostDeviceLosesNoRow() {
    List<Row> right = answers("real");
    Set<Long> before = executors();
    List<Row> rows = answers("faulty");
    assertTrue(Files.exists(MARKER), "the device was lost");
    assertEveryRowOnce(rows);
    assertEquals(right, rows);
    assertReplaced(before);
  }

  private static List<Row> answers(String model) {
    return spark
        .sql(
            "SELECT id, ai_query('%s', x, modelParameters => named_struct('max_tokens', 2)) g"
                    .formatted(model)
                + " FROM t ORDER BY id")
        .collectAsList();
  }

  @Test
  void anUnreadableModelFailsTheQueryAndNotTheExecutors() {
    Set<Long> before = executors();
    Exception e =
        assertThrows(
            Exception.class,
            () -> spark.sql("SELECT ai_query('missing', x) FROM t").collectAsList());
    String message = e.toString();
    for (Throwable cause = e.getCause(); cause != null; cause = cause.getCause()) {
      message += cause;
    }
    assertTrue(message.contains("SAILFISH_MODEL_UNAVAILABLE"), message);
    assertTrue(message.contains("/no/such/model.gguf"), message);
    assertEquals(before, executors());
  }
}
