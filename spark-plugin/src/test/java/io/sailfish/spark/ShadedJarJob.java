package io.sailfish.spark;

import java.io.IOException;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** What {@link ShadedJarIT} starts: a program that knows our jar and Spark's and nothing else. */
public final class ShadedJarJob {
  private ShadedJarJob() {}

  /**
   * @param args plugin jar, model file
   */
  public static void main(String[] args) throws IOException {
    try (SparkSession spark =
        SparkSession.builder()
            .master("local-cluster[1,1,700]")
            .appName("ShadedJarJob")
            .config("spark.executor.memory", "700m")
            .config("spark.ui.enabled", "false")
            .config("spark.jars", args[0])
            .config("spark.executor.extraClassPath", args[0])
            .config("spark.plugins", "io.sailfish.spark.SailfishPlugin")
            .config("spark.sailfish.model.path", args[1])
            .config("spark.sailfish.model.chatTemplate", "{{ messages[0]['content'] }}")
            .getOrCreate()) {
      List<Row> rows =
          spark
              .sql(
                  "SELECT id, ai_query('default', concat('fish ', id), modelParameters =>"
                      + " named_struct('max_tokens', 4)) g FROM range(20)")
              .collectAsList();
      long answers = rows.stream().filter(row -> !row.isNullAt(1)).count();
      System.out.println("ANSWERS " + answers);
    }
  }
}
