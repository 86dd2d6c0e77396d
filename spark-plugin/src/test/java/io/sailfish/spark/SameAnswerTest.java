package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FilterFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.junit.jupiter.api.Test;

/**
 * Greedy, sampled and classified answers of a real (tiny, random) model do not depend on the batch
 * cap, the tasks, the rows' order or a task that is tried again. The program SparkDeterminismBench
 * does the same at length, with executors that are killed.
 */
class SameAnswerTest {
  private static final int ROWS = 30;

  @Test
  void answersDependOnTheirRowAlone() {
    Map<Long, String> alone = null;
    for (String master : new String[] {"local[1]", "local[4,2]"}) {
      for (int cap : new int[] {1, 7}) {
        SparkSession spark = session(master, cap);
        try {
          if (alone == null) {
            alone = collect(answers(rows(spark, 1)));
            assertEquals(ROWS, alone.size());
          }
          for (int partitions : new int[] {2, 13}) {
            String what = master + ", cap " + cap + ", " + partitions + " partitions";
            assertEquals(alone, collect(answers(rows(spark, partitions))), what);
          }
          Dataset<Row> shuffled = rows(spark, 1).orderBy(functions.rand(5)).repartition(3);
          assertEquals(alone, collect(answers(shuffled)), "shuffled");
          if (master.equals("local[4,2]")) {
            assertEquals(alone, collect(failingOnce(answers(rows(spark, 2)))), "tried again");
          }
        } finally {
          Sessions.stop(spark);
        }
      }
    }
  }

  private static SparkSession session(String master, int cap) {
    return Sessions.builder()
        .master(master)
        .config("spark.sailfish.model.path", Sessions.TINY_LLAMA.toString())
        .config("spark.sailfish.engine.batchCap", cap)
        .getOrCreate();
  }

  private static Dataset<Row> rows(SparkSession spark, int partitions) {
    return spark
        .range(0, ROWS, 1, partitions)
        .selectExpr("id", "concat(repeat('Once more. ', int(id % 4)), 'Fact ', id) prompt");
  }

  private static Dataset<Row> answers(Dataset<Row> rows) {
    return rows.selectExpr(
        "id",
        "ai_query('default', prompt, modelParameters => named_struct('max_tokens', 6)) greedy",
        "ai_query('default', prompt, modelParameters => named_struct('max_tokens', 6,"
            + " 'temperature', 0.9, 'top_p', 0.95, 'seed', 7)) sampled",
        "ai_classify(prompt, array('fish', 'ships', 'weather')) label");
  }

  /** After the answers were made, so that the next try makes them again. */
  private static Dataset<Row> failingOnce(Dataset<Row> answers) {
    FilterFunction<Row> failure =
        row -> {
          if (TaskContext.get().attemptNumber() == 0 && row.getLong(0) == 11) {
            throw new IllegalStateException("to be tried again");
          }
          return true;
        };
    return answers.filter(failure);
  }

  private static Map<Long, String> collect(Dataset<Row> answers) {
    Map<Long, String> byId = new TreeMap<>();
    for (Row row : answers.collectAsList()) {
      assertEquals(null, byId.put(row.getLong(0), row.toString()), "a row came twice");
    }
    return byId;
  }
}
