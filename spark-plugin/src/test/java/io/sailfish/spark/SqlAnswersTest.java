package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.streaming.Trigger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What queries give. */
class SqlAnswersTest {
  @RegisterExtension static final Queries QUERIES = new Queries();

  @Test
  void answersStandBesideTheirRows() {
    List<Row> rows = QUERIES.sql("SELECT id, ai_gen(x) g, z FROM t");
    assertEquals(1000, rows.size());
    for (Row row : rows) {
      assertEquals("gen<p" + row.getLong(0) + ">", row.getString(1));
      assertEquals(2 * row.getLong(0), row.getLong(2));
    }
    QUERIES.costs(1000);
    assertTrue(FakeRuntime.BATCHES.stream().allMatch(rows16 -> rows16 <= 16));
  }

  @Test
  void nestedCalls() {
    assertEquals("gen<gen<p3>>", QUERIES.value("SELECT ai_gen(ai_gen(x)) FROM t WHERE id = 3"));
    QUERIES.costs(2);
    assertEquals(
        "gen<zgen<p3>>",
        QUERIES.value("SELECT ai_gen(concat('z', ai_gen(x))) FROM t WHERE id = 3"));
    assertEquals(
        "gen<gen<gen<p3>>>",
        QUERIES.value("SELECT ai_gen(ai_query('second', ai_gen(x))) FROM t WHERE id = 3"));
    QUERIES.costs(3);
    QUERIES.costs(
        30, 10, "SELECT ai_gen(ai_gen(x)), ai_classify(x, array('a', 'b')) FROM t WHERE id < 10");
  }

  @Test
  void nullsEmptyTextsAndOtherScripts() {
    assertNull(QUERIES.value("SELECT ai_gen(CAST(NULL AS STRING))"));
    QUERIES.costs(0);
    assertNull(QUERIES.value("SELECT ai_gen(NULL)"));
    assertEquals("gen<>", QUERIES.value("SELECT ai_gen('')"));
    assertEquals("gen<🐟 рыба ត្រី>", QUERIES.value("SELECT ai_gen('🐟 рыба ត្រី')"));
    assertEquals("", QUERIES.value("SELECT ai_gen('!empty')"));
    assertEquals("gen<3>", QUERIES.value("SELECT ai_gen(id) FROM t WHERE id = 3"));
    assertEquals(0, QUERIES.sql("SELECT ai_gen(x) FROM t WHERE id < 0").size());
    assertEquals("gen<a\uFFFDb>", QUERIES.value("SELECT ai_gen(CAST(X'61FF62' AS STRING))"));
    assertNull(QUERIES.value("SELECT ai_classify(NULL, array('a', 'b'))"));
    QUERIES.costs(0);
    List<Row> mixed =
        QUERIES.sql("SELECT a, ai_gen(a) FROM VALUES ('x'), (NULL), ('y'), (NULL) AS v(a)");
    assertEquals("[[x,gen<x>], [null,null], [y,gen<y>], [null,null]]", mixed.toString());
    QUERIES.costs(2);
  }

  @Test
  void collatedTextIsAPrompt() {
    assertEquals("gen<Fish>", QUERIES.value("SELECT ai_gen('Fish' COLLATE UNICODE_CI)"));
  }

  @Test
  void errorsAsValuesStayWithTheirRows() {
    List<Row> rows =
        QUERIES.sql(
            "SELECT id, r.result, r.errorMessage FROM (SELECT id, ai_query('default',"
                + " CASE WHEN id % 7 = 0 THEN concat('!error ', id) WHEN id % 5 = 0 THEN NULL ELSE x END,"
                + " failOnError => false) r FROM t) ORDER BY id");
    assertEquals(1000, rows.size());
    for (int id = 0; id < 1000; id++) {
      boolean error = id % 7 == 0;
      boolean nothing = !error && id % 5 == 0;
      assertEquals(id, rows.get(id).getLong(0));
      assertEquals(error || nothing ? null : "gen<p" + id + ">", rows.get(id).getString(1));
      assertEquals(error ? "bad row: !error " + id : null, rows.get(id).getString(2));
    }
    assertEquals(
        "STRUCT<result: STRING, errorMessage: STRING>",
        QUERIES
            .spark()
            .sql("SELECT ai_query('default', 'x', failOnError => false) r")
            .schema()
            .apply("r")
            .dataType()
            .sql());
  }

  @Test
  void manySmallBatchesFinishingOutOfOrder() {
    List<Row> rows =
        QUERIES.sql("SELECT id, ai_query('second', x), ai_gen(y) FROM t WHERE id < 500");
    for (Row row : rows) {
      assertEquals("gen<p" + row.getLong(0) + ">", row.getString(1));
      assertEquals("gen<q" + row.getLong(0) % 10 + ">", row.getString(2));
    }
    QUERIES.costs(1000);
    assertTrue(FakeRuntime.MOST_ROWS_AT_WORK.get() > 64, "rows at work slide");
  }

  @Test
  void dataFrames() {
    Dataset<Row> t = QUERIES.spark().table("t").filter("id < 5");
    Column x = functions.col("x");
    assertEquals(
        "[[gen<p0>,gen<p0>,[gen<p0>,null],a,gen<p0>]]",
        t.orderBy("id")
            .limit(1)
            .select(
                AiFunctions.aiGen(x),
                AiFunctions.aiQuery("second", x),
                AiFunctions.aiQueryOrError("second", x, Map.of("max_tokens", 4)),
                AiFunctions.aiClassify(x, "a", "b"),
                AiFunctions.aiQuery("second", x, Map.of()))
            .collectAsList()
            .toString());
    FakeRuntime.reset();
    assertEquals(1, t.withColumn("g", AiFunctions.aiGen(x)).filter("g LIKE '%p3%'").count());
    QUERIES.costs(5);
  }

  @Test
  void writesAndStreams() throws Exception {
    String out = Sessions.FOLDER.resolve("out").toString();
    FakeRuntime.reset();
    QUERIES.spark().sql("SELECT id, ai_gen(x) g FROM t").write().mode("overwrite").parquet(out);
    QUERIES.costs(1000);
    assertEquals(
        1000, QUERIES.spark().read().parquet(out).filter("g = concat('gen<p', id, '>')").count());
    FakeRuntime.reset();
    QUERIES
        .spark()
        .readStream()
        .schema(QUERIES.spark().table("t").schema())
        .parquet(Sessions.FOLDER.resolve("t").toString())
        .selectExpr("id", "ai_gen(x) g")
        .writeStream()
        .format("memory")
        .queryName("answers")
        .trigger(Trigger.AvailableNow())
        .start()
        .awaitTermination();
    QUERIES.costs(1000);
    assertEquals(
        1000, QUERIES.spark().table("answers").filter("g = concat('gen<p', id, '>')").count());
  }
}
