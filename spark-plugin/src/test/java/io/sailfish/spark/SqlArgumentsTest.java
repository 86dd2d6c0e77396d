package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.RowTask;
import io.sailfish.llama.RowTask.Overflow;
import io.sailfish.llama.engine.SamplingParams;
import java.util.List;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Arguments on their way from the query to the engine, and what a query says of itself. */
class SqlArgumentsTest {
  @RegisterExtension static final Queries QUERIES = new Queries();

  @Test
  void classifies() {
    assertEquals("b", QUERIES.value("SELECT ai_classify('xxx', array('a', 'b'))"));
    assertEquals("a", QUERIES.value("SELECT ai_classify('xxx', array('a'))"));
    RowTask task =
        lastTask(
            "SELECT ai_classify('x', array('a', 'b'),"
                + " options => named_struct('instructions', 'the why', 'overflow', 'null'))");
    assertEquals(new RowTask.Classify(List.of("a", "b"), "the why", Overflow.NULL), task);
  }

  @Test
  void labelsMayDifferByRow() {
    List<Row> rows =
        QUERIES.sql(
            "SELECT ai_classify(c, l) FROM VALUES ('xx', array('a', 'b')), ('xxx', array('c', 'd')),"
                + " ('xxx', array('a', 'b')), ('x', NULL), (NULL, array('a', 'b')) AS v(c, l)");
    assertEquals("[[a], [d], [b], [null], [null]]", rows.toString());
    QUERIES.costs(3);
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
    QUERIES.spark().conf().set("spark.sailfish.generate.maxTokens", 11);
    try {
      assertEquals(
          new RowTask.Generate(null, SamplingParams.greedy(11), Overflow.ERROR),
          lastTask("SELECT ai_gen('x')"));
    } finally {
      QUERIES.spark().conf().unset("spark.sailfish.generate.maxTokens");
    }
  }

  private static RowTask lastTask(String query) {
    QUERIES.sql(query);
    return FakeRuntime.TASKS.get(FakeRuntime.TASKS.size() - 1);
  }

  @Test
  void argumentsByName() {
    assertEquals("gen<a>", QUERIES.value("SELECT ai_gen(prompt => 'a')"));
    assertEquals("gen<a>", QUERIES.value("SELECT ai_query(request => 'a', endpoint => 'second')"));
    assertEquals(
        "gen<a>",
        QUERIES.value(
            "SELECT ai_query('second', 'a', failOnError => true, returnType => 'string')"));
    assertEquals("ai_gen(x)", QUERIES.spark().sql("SELECT ai_gen(x) FROM t").columns()[0]);
  }

  @Test
  void explainNamesTheModel() {
    QUERIES.sql("SELECT ai_gen('warm')");
    String plan = QUERIES.plan("SELECT ai_gen(x) FROM t");
    assertTrue(
        plan.contains("default: Fake 1M, fake q4_0, cpu: fake, batch cap 32 (measured: fake)"),
        plan);
    assertTrue(plan.contains("AiEval [ai_gen(x#"), plan);
    String formatted =
        QUERIES.spark().sql("EXPLAIN FORMATTED SELECT ai_gen(x) FROM t").head().getString(0);
    assertTrue(formatted.contains("batch cap 32"), formatted);
    assertTrue(formatted.contains("AiEval"), formatted);
  }

  @Test
  void functionsDescribeThemselves() {
    List<Row> lines = QUERIES.sql("DESCRIBE FUNCTION EXTENDED ai_classify");
    assertTrue(lines.toString().contains("the answer is always one of them"), lines.toString());
  }
}
