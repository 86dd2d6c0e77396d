package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.RowTask;
import io.sailfish.llama.RowTask.Overflow;
import io.sailfish.llama.engine.SamplingParams;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.streaming.Trigger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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

  @Test
  void equalCallsAreMadeOnce() {
    costs(1000, 1000, "SELECT ai_gen(x) a, upper(ai_gen(x)) b FROM t");
    costs(
        2000,
        1000,
        "SELECT ai_gen(x) a, ai_query('default', x, modelParameters => named_struct('max_tokens',"
            + " 3)) c FROM t");
  }

  @Test
  void cheapFiltersComeFirst() {
    costs(44, 10, "SELECT id FROM t WHERE ai_gen(x) LIKE '%p1%' AND z < 100 AND id > 5");
    costs(
        50, 11, "SELECT * FROM (SELECT id, z, ai_gen(x) g FROM t) WHERE g LIKE '%p1%' AND z < 100");
  }

  @Test
  void unusedAnswersAreNotMade() {
    costs(0, 1000, "SELECT id FROM (SELECT id, ai_gen(x) g FROM t)");
    costs(0, 1, "SELECT count(*) FROM (SELECT id, ai_gen(x) g FROM t)");
    assertTrue(plan("SELECT ai_gen(x) g FROM t").contains("ReadSchema: struct<x:string>"));
  }

  @Test
  void limitsReadFewRows() {
    costs(10, 10, "SELECT ai_gen(x) FROM t LIMIT 10");
    for (boolean adaptive : new boolean[] {true, false}) {
      spark.conf().set("spark.sql.adaptive.enabled", adaptive);
      costs(16, 10, "SELECT x FROM t WHERE ai_gen(x) LIKE '%p%' LIMIT 10");
      sql("SELECT x FROM t WHERE ai_query('second', x) LIKE '%p%'");
      assertTrue(FakeRuntime.MOST_ROWS_AT_WORK.get() >= 256, "full at once without a limit");
    }
    spark.conf().unset("spark.sql.adaptive.enabled");
    costs(10, 10, "SELECT id, ai_gen(x) g FROM (SELECT * FROM t ORDER BY id LIMIT 10)");
    sql("SELECT count(g) FROM (SELECT ai_gen(x) g FROM t LIMIT 10)");
    assertTrue(FakeRuntime.PROMPTS.get() <= 40);
    FakeRuntime.reset();
    assertFalse(spark.sql("SELECT id, ai_gen(x) g FROM t").isEmpty());
    costs(0);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void sortsRunTheModelOnce(boolean adaptive) {
    spark.conf().set("spark.sql.adaptive.enabled", adaptive);
    try {
      List<Row> rows = sql("SELECT id, ai_gen(x) g FROM t ORDER BY id DESC");
      assertEquals("gen<p999>", rows.get(0).getString(1));
      assertEquals("gen<p0>", rows.get(999).getString(1));
      costs(1000);
      costs(1000, 1000, "SELECT ai_gen(x) g FROM t ORDER BY g");
      costs(1000, 1000, "SELECT map(x, ai_gen(x)) m, id FROM t ORDER BY id");
      costs(10, 10, "SELECT id, ai_gen(x) g FROM t ORDER BY id LIMIT 10");
      costs(10, 10, "SELECT ai_gen(x) g FROM t ORDER BY id LIMIT 10");
      FakeRuntime.reset();
      assertEquals(
          1000,
          spark
              .sql("SELECT id, ai_gen(x) g FROM t")
              .repartitionByRange(3, functions.col("id"))
              .collectAsList()
              .size());
      costs(1000);
    } finally {
      spark.conf().unset("spark.sql.adaptive.enabled");
    }
  }

  @Test
  void aggregates() {
    costs(1000, 10, "SELECT ai_gen(y) g, count(*) FROM t GROUP BY ai_gen(y)");
    costs(20, 10, "SELECT y, ai_gen(y), ai_gen(max(x)), count(*) FROM t GROUP BY y");
    costs(1000, 10, "SELECT y, max(ai_gen(x)) FROM t GROUP BY y");
    costs(10, 10, "SELECT y, count(*) FROM t GROUP BY y HAVING ai_gen(y) LIKE '%q%'");
    costs(10, 1, "SELECT y, count(*) FROM t GROUP BY y HAVING ai_gen(y) = 'gen<q3>'");
    costs(100, 10, "SELECT DISTINCT ai_gen(y) FROM t WHERE id < 100");
  }

  @Test
  void joinsAndWindows() {
    costs(
        50,
        5,
        "SELECT a.id FROM t a JOIN t b ON a.id = b.id AND ai_gen(concat(a.x, b.y)) LIKE '%q3%'"
            + " WHERE a.id < 50");
    costs(
        20,
        20,
        "SELECT /*+ MERGE(b) */ a.id, g FROM t a"
            + " JOIN (SELECT id, ai_gen(x) g FROM t WHERE id < 20) b ON a.id = b.id");
    costs(
        30,
        30,
        "SELECT id, row_number() OVER (PARTITION BY y ORDER BY ai_gen(x)) FROM t WHERE id < 30");
  }

  @Test
  void nestedCalls() {
    assertEquals("gen<gen<p3>>", value("SELECT ai_gen(ai_gen(x)) FROM t WHERE id = 3"));
    costs(2);
    assertEquals(
        "gen<zgen<p3>>", value("SELECT ai_gen(concat('z', ai_gen(x))) FROM t WHERE id = 3"));
    assertEquals(
        "gen<gen<gen<p3>>>",
        value("SELECT ai_gen(ai_query('second', ai_gen(x))) FROM t WHERE id = 3"));
    costs(3);
    costs(30, 10, "SELECT ai_gen(ai_gen(x)), ai_classify(x, array('a', 'b')) FROM t WHERE id < 10");
  }

  @Test
  void viewsSubqueriesAndUnions() {
    spark.sql("CREATE OR REPLACE TEMP VIEW v AS SELECT id, ai_gen(x) g FROM t WHERE id < 20");
    costs(20, 20, "SELECT * FROM v");
    costs(
        10,
        5,
        "WITH c AS (SELECT id, ai_gen(x) g FROM t WHERE id < 20)"
            + " SELECT a.id, a.g, b.g FROM c a JOIN c b ON a.id = b.id AND a.id < 5");
    assertEquals(
        1,
        sql("SELECT id FROM t WHERE id < 30 AND ai_gen(x) ="
                + " (SELECT max(ai_gen(x)) FROM t WHERE id < 5)")
            .size());
    assertEquals(
        5,
        sql("SELECT id FROM t WHERE id < 30 AND ai_gen(x) IN"
                + " (SELECT ai_gen(x) FROM t WHERE id < 5)")
            .size());
    assertEquals(
        5,
        sql("SELECT id, (SELECT max(ai_gen(b.x)) FROM t b WHERE b.id = a.id) FROM t a WHERE id < 5")
            .size());
    assertEquals(
        5,
        sql("SELECT id FROM t a WHERE id < 5 AND EXISTS"
                + " (SELECT 1 FROM t b WHERE b.id = a.id AND ai_gen(b.x) LIKE '%p%')")
            .size());
    costs(
        20,
        20,
        "SELECT ai_gen(x) FROM t WHERE id < 10 UNION ALL SELECT ai_gen(y) FROM t WHERE id < 10");
    spark.sql(
        "CREATE OR REPLACE TEMPORARY FUNCTION shout(s STRING) RETURNS STRING"
            + " RETURN upper(ai_gen(s))");
    assertEquals("GEN<P7>", value("SELECT shout(x) FROM t WHERE id = 7"));
  }

  @Test
  void conditionsAndGenerators() {
    List<Row> rows =
        sql(
            "SELECT id, CASE WHEN id > 20 THEN ai_gen(x) ELSE 'none' END FROM t WHERE id < 30"
                + " ORDER BY id");
    assertEquals("none", rows.get(20).getString(1));
    assertEquals("gen<p21>", rows.get(21).getString(1));
    costs(9, 30, "SELECT ai_gen(CASE WHEN id > 20 THEN x END) FROM t WHERE id < 30");
    costs(30, 60, "SELECT explode(split(ai_gen(x), '<')) FROM t WHERE id < 30");
  }

  @Test
  void cachedAnswersAreNotMadeAgain() {
    String query = "SELECT id, ai_gen(x) g FROM t WHERE id < 30";
    spark.sql(query).cache();
    try {
      costs(30, 30, query);
      costs(0, 30, query);
      spark.conf().set("spark.sailfish.generate.maxTokens", 7);
      costs(30, 30, query);
    } finally {
      spark.conf().unset("spark.sailfish.generate.maxTokens");
      spark.catalog().clearCache();
    }
  }

  @Test
  void nullsEmptyTextsAndOtherScripts() {
    assertNull(value("SELECT ai_gen(CAST(NULL AS STRING))"));
    costs(0);
    assertNull(value("SELECT ai_gen(NULL)"));
    assertEquals("gen<>", value("SELECT ai_gen('')"));
    assertEquals("gen<🐟 рыба ត្រី>", value("SELECT ai_gen('🐟 рыба ត្រី')"));
    assertEquals("", value("SELECT ai_gen('!empty')"));
    assertEquals("gen<3>", value("SELECT ai_gen(id) FROM t WHERE id = 3"));
    assertEquals(0, sql("SELECT ai_gen(x) FROM t WHERE id < 0").size());
    assertEquals("gen<a\uFFFDb>", value("SELECT ai_gen(CAST(X'61FF62' AS STRING))"));
    assertNull(value("SELECT ai_classify(NULL, array('a', 'b'))"));
    costs(0);
    List<Row> mixed = sql("SELECT a, ai_gen(a) FROM VALUES ('x'), (NULL), ('y'), (NULL) AS v(a)");
    assertEquals("[[x,gen<x>], [null,null], [y,gen<y>], [null,null]]", mixed.toString());
    costs(2);
  }

  @Test
  void collatedTextIsAPrompt() {
    assertEquals("gen<Fish>", value("SELECT ai_gen('Fish' COLLATE UNICODE_CI)"));
  }

  @Test
  void classifies() {
    assertEquals("b", value("SELECT ai_classify('xxx', array('a', 'b'))"));
    assertEquals("a", value("SELECT ai_classify('xxx', array('a'))"));
    RowTask task =
        lastTask(
            "SELECT ai_classify('x', array('a', 'b'),"
                + " options => named_struct('instructions', 'the why', 'overflow', 'null'))");
    assertEquals(new RowTask.Classify(List.of("a", "b"), "the why", Overflow.NULL), task);
  }

  @Test
  void labelsMayDifferByRow() {
    List<Row> rows =
        sql(
            "SELECT ai_classify(c, l) FROM VALUES ('xx', array('a', 'b')), ('xxx', array('c', 'd')),"
                + " ('xxx', array('a', 'b')), ('x', NULL), (NULL, array('a', 'b')) AS v(c, l)");
    assertEquals("[[a], [d], [b], [null], [null]]", rows.toString());
    costs(3);
  }

  @Test
  void parametersReachTheEngine() {
    RowTask task =
        lastTask(
            "SELECT ai_query('second', 'x', modelParameters => named_struct('max_tokens', 5,"
                + " 'temperature', 0.7, 'top_k', 40, 'top_p', 0.9, 'min_p', 0.05D,"
                + " 'repetition_penalty', 1.1F, 'seed', 9007199254740993L, 'stop', array('.', 'END'),"
                + " 'overflow', 'truncate_head'))");
    assertEquals(
        new RowTask.Generate(
            null,
            new SamplingParams(
                5, 0.7f, 40, 0.9f, 0.05f, 1.1f, 9007199254740993L, List.of(".", "END")),
            Overflow.TRUNCATE_HEAD),
        task);
    spark.conf().set("spark.sailfish.generate.maxTokens", 11);
    try {
      assertEquals(
          new RowTask.Generate(null, SamplingParams.greedy(11), Overflow.ERROR),
          lastTask("SELECT ai_gen('x')"));
    } finally {
      spark.conf().unset("spark.sailfish.generate.maxTokens");
    }
  }

  private static RowTask lastTask(String query) {
    sql(query);
    return FakeRuntime.TASKS.get(FakeRuntime.TASKS.size() - 1);
  }

  @Test
  void argumentsByName() {
    assertEquals("gen<a>", value("SELECT ai_gen(prompt => 'a')"));
    assertEquals("gen<a>", value("SELECT ai_query(request => 'a', endpoint => 'second')"));
    assertEquals(
        "gen<a>",
        value("SELECT ai_query('second', 'a', failOnError => true, returnType => 'string')"));
    assertEquals("ai_gen(x)", spark.sql("SELECT ai_gen(x) FROM t").columns()[0]);
  }

  @Test
  void errorsAsValuesStayWithTheirRows() {
    List<Row> rows =
        sql(
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
        spark
            .sql("SELECT ai_query('default', 'x', failOnError => false) r")
            .schema()
            .apply("r")
            .dataType()
            .sql());
  }

  @Test
  void manySmallBatchesFinishingOutOfOrder() {
    List<Row> rows = sql("SELECT id, ai_query('second', x), ai_gen(y) FROM t WHERE id < 500");
    for (Row row : rows) {
      assertEquals("gen<p" + row.getLong(0) + ">", row.getString(1));
      assertEquals("gen<q" + row.getLong(0) % 10 + ">", row.getString(2));
    }
    costs(1000);
    assertTrue(FakeRuntime.MOST_ROWS_AT_WORK.get() > 64, "rows at work slide");
  }

  @Test
  void rowsCanBeSpreadBelowTheModel() {
    String sorted = "SELECT ai_gen(x) FROM (SELECT * FROM t SORT BY id)";
    int before = spark.sql(sorted).javaRDD().getNumPartitions();
    spark.conf().set("spark.sailfish.minPartitions", 7);
    try {
      assertEquals(7, spark.sql("SELECT ai_gen(x) FROM t").javaRDD().getNumPartitions());
      costs(1000, 1000, "SELECT ai_gen(x) FROM t");
      assertEquals(before, spark.sql(sorted).javaRDD().getNumPartitions());
    } finally {
      spark.conf().unset("spark.sailfish.minPartitions");
    }
  }

  @Test
  void dataFrames() {
    Dataset<Row> t = spark.table("t").filter("id < 5");
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
    costs(5);
  }

  @Test
  void writesAndStreams() throws Exception {
    String out = Sessions.FOLDER.resolve("out").toString();
    FakeRuntime.reset();
    spark.sql("SELECT id, ai_gen(x) g FROM t").write().mode("overwrite").parquet(out);
    costs(1000);
    assertEquals(1000, spark.read().parquet(out).filter("g = concat('gen<p', id, '>')").count());
    FakeRuntime.reset();
    spark
        .readStream()
        .schema(spark.table("t").schema())
        .parquet(Sessions.FOLDER.resolve("t").toString())
        .selectExpr("id", "ai_gen(x) g")
        .writeStream()
        .format("memory")
        .queryName("answers")
        .trigger(Trigger.AvailableNow())
        .start()
        .awaitTermination();
    costs(1000);
    assertEquals(1000, spark.table("answers").filter("g = concat('gen<p', id, '>')").count());
  }

  @Test
  void explainNamesTheModel() {
    sql("SELECT ai_gen('warm')");
    String plan = plan("SELECT ai_gen(x) FROM t");
    assertTrue(
        plan.contains("default: Fake 1M, fake q4_0, cpu: fake, batch cap 32 (measured: fake)"),
        plan);
    assertTrue(plan.contains("AiEval [ai_gen(x#"), plan);
    String formatted = spark.sql("EXPLAIN FORMATTED SELECT ai_gen(x) FROM t").head().getString(0);
    assertTrue(formatted.contains("batch cap 32"), formatted);
    assertTrue(formatted.contains("AiEval"), formatted);
  }

  @Test
  void functionsDescribeThemselves() {
    List<Row> lines = sql("DESCRIBE FUNCTION EXTENDED ai_classify");
    assertTrue(lines.toString().contains("the answer is always one of them"), lines.toString());
  }

  private static String plan(String query) {
    return spark.sql(query).queryExecution().executedPlan().toString();
  }
}
