package io.sailfish.spark.exec;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.spark.FakeRuntime;
import io.sailfish.spark.FakeRuntimeFactory;
import io.sailfish.spark.SailfishException;
import io.sailfish.spark.Sessions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What goes wrong in tasks, with three tries each; whatever happens, all memory comes back. */
class FailureTest {
  private static final Path MARKER = Sessions.FOLDER.resolve("retry-marker");
  private static SparkSession spark;

  @BeforeAll
  static void start() {
    Path models = Sessions.FOLDER.resolve("m");
    spark =
        Sessions.builder()
            .master("local[2,3]")
            .config("spark.sailfish.arrow.maxBytes", "4m")
            .config("spark.sailfish.model.path", FakeRuntimeFactory.model(models, "failing"))
            .config(
                "spark.sailfish.models.marked.path",
                FakeRuntimeFactory.model(models, "marked", "marker=" + MARKER))
            .config(
                "spark.sailfish.models.slow.path",
                FakeRuntimeFactory.model(models, "slow", "delayMs=200"))
            .getOrCreate();
    spark.range(0, 200, 1, 2).selectExpr("id", "concat('p', id) x").createOrReplaceTempView("t");
  }

  @AfterAll
  static void stop() {
    Sessions.stop(spark);
  }

  @BeforeEach
  void reset() throws Exception {
    FakeRuntime.reset();
    Files.deleteIfExists(MARKER);
  }

  @AfterEach
  void memoryIsBack() throws Exception {
    FakeRuntime.assertAllIsBack();
  }

  private static SailfishException failure(String query) {
    Throwable thrown = assertThrows(Exception.class, () -> spark.sql(query).collectAsList());
    while (thrown.getCause() != null && !(thrown instanceof SailfishException)) {
      thrown = thrown.getCause();
    }
    return assertInstanceOf(SailfishException.class, thrown);
  }

  @Test
  void aBadRowFailsTheQuery() {
    SailfishException e =
        failure("SELECT ai_gen(CASE WHEN id = 77 THEN '!error here' ELSE x END) FROM t");
    assertEquals("SAILFISH_ROW_FAILED", e.getCondition());
    assertEquals("22000", e.getSqlState());
    assertEquals("bad row: !error here", e.getMessageParameters().get("reason"));
    assertTrue(e.getMessage().contains("failOnError => false"));
  }

  @Test
  void whatWouldFailAgainIsNotTriedAgain() {
    Retries retries = new Retries();
    spark.sparkContext().addSparkListener(retries);
    try {
      failure("SELECT ai_gen(CASE WHEN id = 7 THEN '!error' ELSE x END) FROM t");
      assertEquals(0, retries.await(spark), "a bad row");
      SailfishException defect =
          failure("SELECT ai_gen(CASE WHEN id = 7 THEN '!defect' ELSE x END) FROM t");
      assertEquals("SAILFISH_INTERNAL_ERROR", defect.getCondition());
      assertEquals("XX000", defect.getSqlState());
      assertTrue(defect.getMessage().contains("NullPointerException: fake defect"));
      assertEquals(0, retries.await(spark), "a defect");
      failure("SELECT ai_gen(CASE WHEN id = 7 THEN '!retry' ELSE x END) FROM t");
      assertEquals(2, retries.await(spark), "an engine in trouble");
    } finally {
      spark.sparkContext().removeSparkListener(retries);
    }
  }

  /** Counts tries of tasks after the first one. */
  private static final class Retries extends SparkListener {
    private final AtomicInteger count = new AtomicInteger();

    @Override
    public void onTaskStart(SparkListenerTaskStart start) {
      if (start.taskInfo().attemptNumber() > 0) {
        count.incrementAndGet();
      }
    }

    /** Since the last call, once all events are there. */
    int await(SparkSession session) {
      try {
        session.sparkContext().listenerBus().waitUntilEmpty();
      } catch (java.util.concurrent.TimeoutException e) {
        throw new IllegalStateException(e);
      }
      return count.getAndSet(0);
    }
  }

  @Test
  void aTaskIsTriedAgain() {
    List<Row> rows =
        spark
            .sql(
                "SELECT id, ai_query('marked', CASE WHEN id = 150 THEN '!retry' ELSE x END) g FROM t"
                    + " ORDER BY id")
            .collectAsList();
    assertEquals(200, rows.size());
    assertEquals("gen<!retry>", rows.get(150).getString(1));
    assertEquals("gen<p151>", rows.get(151).getString(1));
    assertTrue(FakeRuntime.PROMPTS.get() > 200, "some rows were computed again");
  }

  @Test
  void anEngineThatKeepsFailingFailsTheQuery() {
    SailfishException e = failure("SELECT ai_gen(concat(x, '!retry')) FROM t");
    assertEquals("SAILFISH_ENGINE_FAILED", e.getCondition());
    assertTrue(e.getMessage().contains("fake trouble"));
    e = failure("SELECT ai_gen(concat(x, '!fatal')) FROM t");
    assertTrue(e.getMessage().contains("fake trouble"), "local mode outlives it");
    assertEquals("gen<a>", spark.sql("SELECT ai_gen('a')").head().getString(0));
  }

  @Test
  void badLabelsOfARow() {
    SailfishException e =
        failure("SELECT ai_classify(x, IF(id = 9, array('a', 'a'), array('a', 'b'))) FROM t");
    assertTrue(e.getMessage().contains("label 'a' occurs twice"), e.getMessage());
  }

  @Test
  void aTextBeyondTheCapNamesTheSetting() {
    Throwable thrown =
        assertThrows(
            Exception.class,
            () -> spark.sql("SELECT ai_gen(repeat(x, 2000000)) FROM t").collectAsList());
    while (thrown.getCause() != null) {
      thrown = thrown.getCause();
    }
    assertTrue(
        thrown.getMessage().contains("raise spark.sailfish.arrow.maxBytes"), thrown.getMessage());
  }

  @Test
  void largeTextsComeFewAtATime() {
    spark.conf().set("spark.sailfish.task.bytesInFlight", "200k");
    try {
      assertEquals(
          200,
          spark
              .sql("SELECT length(ai_gen(repeat('0123456789', 1000))) n, id FROM t")
              .filter("n = 10005")
              .count());
      assertTrue(FakeRuntime.BATCHES.stream().allMatch(rows -> rows <= 6));
    } finally {
      spark.conf().unset("spark.sailfish.task.bytesInFlight");
    }
  }

  @Test
  void cancelledQueriesCancelTheirRows() throws Exception {
    Thread query =
        new Thread(
            () ->
                assertThrows(
                    Exception.class,
                    () ->
                        spark
                            .range(0, 4000, 1, 2)
                            .selectExpr("ai_query('slow', id)")
                            .collectAsList()));
    query.start();
    while (FakeRuntime.PROMPTS.get() == 0) {
      Thread.sleep(10);
    }
    spark.sparkContext().cancelAllJobs();
    query.join(5000);
    assertTrue(!query.isAlive(), "the query ends while its rows are still at work");
    for (int i = 0; i < 100 && FakeRuntime.CANCELLED.get() == 0; i++) {
      Thread.sleep(50);
    }
    assertTrue(FakeRuntime.CANCELLED.get() > 0);
    assertTrue(FakeRuntime.PROMPTS.get() < 2000);
  }

  @Test
  void aLimitLeavesNothingBehind() {
    assertEquals(
        3,
        spark.sql("SELECT x FROM t WHERE ai_query('slow', x) > '' LIMIT 3").collectAsList().size());
  }
}
