package io.sailfish.spark.catalyst;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.spark.FakeRuntime;
import io.sailfish.spark.Sessions;
import io.sailfish.spark.exec.WindowSizes;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.execution.SparkPlan;
import org.apache.spark.sql.execution.metric.SQLMetric;
import org.apache.spark.sql.types.DataTypes;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import scala.jdk.javaapi.CollectionConverters;

/** The contract that Spark has with every plan node and expression, and our node's metrics. */
class AiEvalExecTest {
  private static SparkSession spark;

  @BeforeAll
  static void start() {
    spark = Sessions.fake();
    spark.range(0, 100, 1, 2).selectExpr("id", "concat('p', id) x").createOrReplaceTempView("t");
  }

  @AfterAll
  static void stop() {
    Sessions.stop(spark);
  }

  private static AiEvalExec node(String query) {
    return node(spark.sql(query));
  }

  private static AiEvalExec node(Dataset<Row> query) {
    return (AiEvalExec) query.queryExecution().sparkPlan().find(p -> p instanceof AiEvalExec).get();
  }

  @Test
  void copies() {
    AiEvalExec node = node("SELECT ai_gen(x) FROM t");
    SparkPlan clone = node.clone();
    assertNotSame(node, clone);
    assertEquals(node, clone);
    assertEquals(node.hashCode(), clone.hashCode());
    Object[] elements = new Object[node.productArity()];
    for (int i = 0; i < elements.length; i++) {
      elements[i] = node.productElement(i);
    }
    assertEquals(node, node.makeCopy(elements));
    assertTrue(node.canEqual(clone));
  }

  @Test
  void differsInEveryElement() {
    AiEvalExec node = node("SELECT ai_gen(x) FROM t");
    assertNotEquals(node, node("SELECT ai_gen(x) FROM t")); // other expression ids
    assertNotEquals(
        node,
        new AiEvalExec(
            elements(node, 0), elements(node, 1), node.child(), new WindowSizes(1, 1, 1, 1)));
  }

  @SuppressWarnings("unchecked")
  private static <T> T elements(AiEvalExec node, int index) {
    return (T) node.productElement(index);
  }

  @Test
  void sameQueriesHaveTheSameResult() {
    assertTrue(node("SELECT ai_gen(x) FROM t").sameResult(node("SELECT ai_gen(x) FROM t")));
    assertTrue(
        !node("SELECT ai_gen(x) FROM t").sameResult(node("SELECT ai_query('second', x) FROM t")));
    String branch = "SELECT /*+ REPARTITION(3) */ * FROM (SELECT id, ai_gen(x) g FROM t)";
    FakeRuntime.reset();
    spark.sql(branch + " UNION ALL " + branch).collectAsList();
    assertEquals(100, FakeRuntime.PROMPTS.get(), "the exchange is reused");
  }

  @Test
  void transforms() {
    AiEvalExec node = node("SELECT ai_gen(x) FROM t");
    assertSame(node, node.transformUp(ScalaInterop.<SparkPlan>rewrite(p -> null)));
    AiEvalExec changed =
        (AiEvalExec)
            node.transformExpressions(
                ScalaInterop.<Expression>rewrite(
                    e -> e instanceof AiCall call ? call.pinned() : null));
    assertNotEquals(node, changed);
    assertEquals(node.child(), changed.child());
    SparkPlan other = node("SELECT ai_gen(x) FROM t").child();
    assertEquals(
        other, ((AiEvalExec) node.withNewChildren(ScalaInterop.seq(List.of(other)))).child());
  }

  @Test
  void callsAreEqualIfTheyMeanTheSame() {
    AiMarker marker = new AiMarker(AiFunction.GEN, "m", 3);
    Expression x = node("SELECT ai_gen(x) FROM t").output().head();
    AiCall call = AiCall.of(marker, ScalaInterop.seq(List.of(x)));
    AiCall same = AiCall.of(new AiMarker(AiFunction.GEN, "m", 3), ScalaInterop.seq(List.of(x)));
    AiCall other = AiCall.of(new AiMarker(AiFunction.GEN, "m", 4), ScalaInterop.seq(List.of(x)));
    assertTrue(call.semanticEquals(same));
    assertTrue(!call.semanticEquals(other));
    assertEquals(call, call.clone());
    assertTrue(call.clone() instanceof AiCall);
    assertTrue(call.deterministic() && !call.pinned().deterministic());
    assertEquals(DataTypes.StringType, call.dataType());
  }

  @Test
  void metrics() {
    Dataset<Row> query = spark.sql("SELECT id, ai_gen(x) g FROM t");
    query.collectAsList();
    AiEvalExec node =
        (AiEvalExec) query.queryExecution().executedPlan().find(p -> p instanceof AiEvalExec).get();
    Map<String, Long> values = new TreeMap<>();
    for (var metric : CollectionConverters.asJava(node.metrics()).entrySet()) {
      SQLMetric value = metric.getValue();
      values.put(metric.getKey(), value.value());
    }
    assertEquals(100, values.get("numOutputRows"));
    assertEquals(100, values.get("modelRows"));
    assertEquals(1000, values.get("promptTokens"));
    assertEquals(500, values.get("outputTokens"));
    assertEquals(200, values.get("reusedTokens"));
    assertEquals(0, values.get("errorRows"));
    assertEquals(8, values.get("truncatedRows"), "one a batch: 50 rows are 4 batches, twice");
    assertEquals(100_000, values.get("slotWait"));
    assertTrue(values.get("taskWait") > 0);
    assertTrue(values.get("tokensPerSecond") > 0);
    assertEquals(240, values.get("batchFill") / 2, "24 rows a step in tenths, two tasks");
    assertEquals(7000, values.get("deviceTime"));
    assertEquals(2000, values.get("promptTime"));
    assertEquals(5000, values.get("answerTime"));
    assertEquals(250, values.get("floorShare") / 2, "a quarter, in tenths of a percent");
    assertEquals(500, values.get("kvUse") / 2, "a half");
  }
}
