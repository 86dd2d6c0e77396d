package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Queries over the table t with a fake model, whose prompts are counted. t has 1000 rows in 4
 * files; x = p0, p1 .., y = q0 .. q9, z = 2 id. After each test no result may be open.
 */
final class Queries
    implements BeforeAllCallback, AfterAllCallback, BeforeEachCallback, AfterEachCallback {
  private SparkSession spark;

  @Override
  public void beforeAll(ExtensionContext context) {
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

  @Override
  public void afterAll(ExtensionContext context) {
    Sessions.stop(spark);
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    FakeRuntime.reset();
  }

  @Override
  public void afterEach(ExtensionContext context) throws InterruptedException {
    FakeRuntime.assertAllIsBack();
  }

  SparkSession spark() {
    return spark;
  }

  List<Row> sql(String query) {
    FakeRuntime.reset();
    return spark.sql(query).collectAsList();
  }

  /** The one value that the query gives. */
  Object value(String query) {
    List<Row> rows = sql(query);
    assertEquals(1, rows.size());
    return rows.get(0).get(0);
  }

  /** Checks how many prompts the last query cost. */
  void costs(long prompts) {
    assertEquals(prompts, FakeRuntime.PROMPTS.get(), "prompts");
  }

  void costs(long prompts, int rows, String query) {
    assertEquals(rows, sql(query).size(), "rows");
    costs(prompts);
  }

  String plan(String query) {
    return spark.sql(query).queryExecution().executedPlan().toString();
  }
}
