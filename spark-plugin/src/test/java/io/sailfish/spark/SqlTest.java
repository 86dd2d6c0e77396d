package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What queries give and how many prompts they cost. Table t: 1000 rows in 4 files; x = p0, p1 .., y
 * = q0 .. q9, z = 2 id.
 */
class SqlTest {
  private static SparkSession spark;

  @BeforeAll
  static void start() {
    spark = Sessions.fake();
    String path = Sessions.FOLDER.resolve("t").toString();
    spark
        .range(0, 1000, 1, 4)
        .selectExpr("id", "concat('p', id) x", "concat('q', id % 10) y", "id * 2 z")
        .write()
        .mode("overwrite")
        .parquet(path);
    spark.read().parquet(path).createOrReplaceTempView("t");
  }

  @AfterAll
  static void stop() {
    Sessions.stop(spark);
  }

  @BeforeEach
  void reset() {
    FakeRuntime.reset();
  }

  @AfterEach
  void everythingIsClosed() {
    assertEquals(0, FakeRuntime.openResults());
  }

  private static List<Row> sql(String query) {
    FakeRuntime.reset();
    return spark.sql(query).collectAsList();
  }

  private static Object value(String query) {
    List<Row> rows = sql(query);
    assertEquals(1, rows.size());
    return rows.get(0).get(0);
  }

  private static void costs(long prompts) {
    assertEquals(prompts, FakeRuntime.PROMPTS.get(), "prompts");
  }

  private static void costs(long prompts, int rows, String query) {
    assertEquals(rows, sql(query).size(), "rows");
    costs(prompts);
  }

  @Test
  void answersStandBesideTheirRows() {
    List<Row> rows = sql("SELECT id, ai_gen(x) g, z FROM t");
    assertEquals(1000, rows.size());
    for (Row row : rows) {
      assertEquals("gen<p" + row.getLong(0) + ">", row.getString(1));
      assertEquals(2 * row.getLong(0), row.getLong(2));
    }
    costs(1000);
    assertTrue(FakeRuntime.BATCHES.stream().allMatch(rows16 -> rows16 <= 16));
  }
}
