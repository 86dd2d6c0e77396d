package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What queries cost: how many prompts reach the model. */
class SqlPlanningTest {
  @RegisterExtension static final Queries QUERIES = new Queries();

  @Test
  void equalCallsAreMadeOnce() {
    QUERIES.costs(1000, 1000, "SELECT ai_gen(x) a, upper(ai_gen(x)) b FROM t");
    QUERIES.costs(
        2000,
        1000,
        "SELECT ai_gen(x) a, ai_query('default', x, modelParameters => named_struct('max_tokens',"
            + " 3)) c FROM t");
  }

  @Test
  void cheapFiltersComeFirst() {
    QUERIES.costs(44, 10, "SELECT id FROM t WHERE ai_gen(x) LIKE '%p1%' AND z < 100 AND id > 5");
    QUERIES.costs(
        50, 11, "SELECT * FROM (SELECT id, z, ai_gen(x) g FROM t) WHERE g LIKE '%p1%' AND z < 100");
  }

  @Test
  void unusedAnswersAreNotMade() {
    QUERIES.costs(0, 1000, "SELECT id FROM (SELECT id, ai_gen(x) g FROM t)");
    QUERIES.costs(0, 1, "SELECT count(*) FROM (SELECT id, ai_gen(x) g FROM t)");
    assertTrue(QUERIES.plan("SELECT ai_gen(x) g FROM t").contains("ReadSchema: struct<x:string>"));
  }

  @Test
  void limitsReadFewRows() {
    QUERIES.costs(10, 10, "SELECT ai_gen(x) FROM t LIMIT 10");
    for (boolean adaptive : new boolean[] {true, false}) {
      QUERIES.spark().conf().set("spark.sql.adaptive.enabled", adaptive);
      QUERIES.costs(16, 10, "SELECT x FROM t WHERE ai_gen(x) LIKE '%p%' LIMIT 10");
      QUERIES.sql("SELECT x FROM t WHERE ai_query('second', x) LIKE '%p%'");
      assertTrue(FakeRuntime.MOST_ROWS_AT_WORK.get() >= 256, "full at once without a limit");
    }
    QUERIES.spark().conf().unset("spark.sql.adaptive.enabled");
    QUERIES.costs(10, 10, "SELECT id, ai_gen(x) g FROM (SELECT * FROM t ORDER BY id LIMIT 10)");
    QUERIES.sql("SELECT count(g) FROM (SELECT ai_gen(x) g FROM t LIMIT 10)");
    assertTrue(FakeRuntime.PROMPTS.get() <= 40);
    FakeRuntime.reset();
    assertFalse(QUERIES.spark().sql("SELECT id, ai_gen(x) g FROM t").isEmpty());
    QUERIES.costs(0);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void sortsRunTheModelOnce(boolean adaptive) {
    QUERIES.spark().conf().set("spark.sql.adaptive.enabled", adaptive);
    try {
      List<Row> rows = QUERIES.sql("SELECT id, ai_gen(x) g FROM t ORDER BY id DESC");
      assertEquals("gen<p999>", rows.get(0).getString(1));
      assertEquals("gen<p0>", rows.get(999).getString(1));
      QUERIES.costs(1000);
      QUERIES.costs(1000, 1000, "SELECT ai_gen(x) g FROM t ORDER BY g");
      QUERIES.costs(1000, 1000, "SELECT map(x, ai_gen(x)) m, id FROM t ORDER BY id");
      QUERIES.costs(10, 10, "SELECT id, ai_gen(x) g FROM t ORDER BY id LIMIT 10");
      QUERIES.costs(10, 10, "SELECT ai_gen(x) g FROM t ORDER BY id LIMIT 10");
      FakeRuntime.reset();
      assertEquals(
          1000,
          QUERIES
              .spark()
              .sql("SELECT id, ai_gen(x) g FROM t")
              .repartitionByRange(3, functions.col("id"))
              .collectAsList()
              .size());
      QUERIES.costs(1000);
    } finally {
      QUERIES.spark().conf().unset("spark.sql.adaptive.enabled");
    }
  }

  @Test
  void aggregates() {
    QUERIES.costs(1000, 10, "SELECT ai_gen(y) g, count(*) FROM t GROUP BY ai_gen(y)");
    QUERIES.costs(20, 10, "SELECT y, ai_gen(y), ai_gen(max(x)), count(*) FROM t GROUP BY y");
    QUERIES.costs(1000, 10, "SELECT y, max(ai_gen(x)) FROM t GROUP BY y");
    QUERIES.costs(10, 10, "SELECT y, count(*) FROM t GROUP BY y HAVING ai_gen(y) LIKE '%q%'");
    QUERIES.costs(10, 1, "SELECT y, count(*) FROM t GROUP BY y HAVING ai_gen(y) = 'gen<q3>'");
    QUERIES.costs(100, 10, "SELECT DISTINCT ai_gen(y) FROM t WHERE id < 100");
  }

  @Test
  void joinsAndWindows() {
    QUERIES.costs(
        50,
        5,
        "SELECT a.id FROM t a JOIN t b ON a.id = b.id AND ai_gen(concat(a.x, b.y)) LIKE '%q3%'"
            + " WHERE a.id < 50");
    QUERIES.costs(
        20,
        20,
        "SELECT /*+ MERGE(b) */ a.id, g FROM t a"
            + " JOIN (SELECT id, ai_gen(x) g FROM t WHERE id < 20) b ON a.id = b.id");
    QUERIES.costs(
        30,
        30,
        "SELECT id, row_number() OVER (PARTITION BY y ORDER BY ai_gen(x)) FROM t WHERE id < 30");
  }

  @Test
  void viewsSubqueriesAndUnions() {
    QUERIES
        .spark()
        .sql("CREATE OR REPLACE TEMP VIEW v AS SELECT id, ai_gen(x) g FROM t WHERE id < 20");
    QUERIES.costs(20, 20, "SELECT * FROM v");
    QUERIES.costs(
        10,
        5,
        "WITH c AS (SELECT id, ai_gen(x) g FROM t WHERE id < 20)"
            + " SELECT a.id, a.g, b.g FROM c a JOIN c b ON a.id = b.id AND a.id < 5");
    assertEquals(
        1,
        QUERIES
            .sql(
                "SELECT id FROM t WHERE id < 30 AND ai_gen(x) ="
                    + " (SELECT max(ai_gen(x)) FROM t WHERE id < 5)")
            .size());
    assertEquals(
        5,
        QUERIES
            .sql(
                "SELECT id FROM t WHERE id < 30 AND ai_gen(x) IN"
                    + " (SELECT ai_gen(x) FROM t WHERE id < 5)")
            .size());
    assertEquals(
        5,
        QUERIES
            .sql(
                "SELECT id, (SELECT max(ai_gen(b.x)) FROM t b WHERE b.id = a.id) FROM t a WHERE id < 5")
            .size());
    assertEquals(
        5,
        QUERIES
            .sql(
                "SELECT id FROM t a WHERE id < 5 AND EXISTS"
                    + " (SELECT 1 FROM t b WHERE b.id = a.id AND ai_gen(b.x) LIKE '%p%')")
            .size());
    QUERIES.costs(
        20,
        20,
        "SELECT ai_gen(x) FROM t WHERE id < 10 UNION ALL SELECT ai_gen(y) FROM t WHERE id < 10");
    QUERIES
        .spark()
        .sql(
            "CREATE OR REPLACE TEMPORARY FUNCTION shout(s STRING) RETURNS STRING"
                + " RETURN upper(ai_gen(s))");
    assertEquals("GEN<P7>", QUERIES.value("SELECT shout(x) FROM t WHERE id = 7"));
  }

  @Test
  void conditionsAndGenerators() {
    List<Row> rows =
        QUERIES.sql(
            "SELECT id, CASE WHEN id > 20 THEN ai_gen(x) ELSE 'none' END FROM t WHERE id < 30"
                + " ORDER BY id");
    assertEquals("none", rows.get(20).getString(1));
    assertEquals("gen<p21>", rows.get(21).getString(1));
    QUERIES.costs(9, 30, "SELECT ai_gen(CASE WHEN id > 20 THEN x END) FROM t WHERE id < 30");
    QUERIES.costs(30, 60, "SELECT explode(split(ai_gen(x), '<')) FROM t WHERE id < 30");
  }

  @Test
  void cachedAnswersAreNotMadeAgain() {
    String query = "SELECT id, ai_gen(x) g FROM t WHERE id < 30";
    QUERIES.spark().sql(query).cache();
    try {
      QUERIES.costs(30, 30, query);
      QUERIES.costs(0, 30, query);
      QUERIES.spark().conf().set("spark.sailfish.generate.maxTokens", 7);
      QUERIES.costs(30, 30, query);
    } finally {
      QUERIES.spark().conf().unset("spark.sailfish.generate.maxTokens");
      QUERIES.spark().catalog().clearCache();
    }
  }

  @Test
  void rowsCanBeSpreadBelowTheModel() {
    String sorted = "SELECT ai_gen(x) FROM (SELECT * FROM t SORT BY id)";
    int before = QUERIES.spark().sql(sorted).javaRDD().getNumPartitions();
    QUERIES.spark().conf().set("spark.sailfish.minPartitions", 7);
    try {
      assertEquals(7, QUERIES.spark().sql("SELECT ai_gen(x) FROM t").javaRDD().getNumPartitions());
      QUERIES.costs(1000, 1000, "SELECT ai_gen(x) FROM t");
      assertEquals(before, QUERIES.spark().sql(sorted).javaRDD().getNumPartitions());
    } finally {
      QUERIES.spark().conf().unset("spark.sailfish.minPartitions");
    }
  }
}
