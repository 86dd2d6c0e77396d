package io.sailfish.spark;

import java.util.List;
import org.apache.spark.SparkThrowable;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** What {@link ConnectIT} starts: a client of Spark Connect that has nothing of ours. */
public final class ConnectJob {
  private ConnectJob() {}

  /**
   * @param args the server's address, {@code sc://host:port}
   */
  public static void main(String[] args) {
    SparkSession spark =
        SparkSession.builder().config("spark.api.mode", "connect").remote(args[0]).getOrCreate();
    List<Row> rows =
        spark
            .sql(
                "SELECT id, ai_query('default', concat('fish ', id), modelParameters =>"
                    + " named_struct('max_tokens', 4)) g,"
                    + " ai_classify(concat('fish ', id), array('raw', 'cooked')) c FROM range(20)")
            .collectAsList();
    for (Row row : rows) {
      System.out.println("ROW " + row.getLong(0) + " " + row.isNullAt(1) + " " + row.getString(2));
    }
    refused(spark, "UNKNOWN", "SELECT ai_query('other', 'fish')");
    refused(spark, "TOO_LONG", "SELECT ai_gen(repeat('fish ', 1000)) FROM range(1)");
    // The client's threads outlive its session.
    System.exit(0);
  }

  private static void refused(SparkSession spark, String name, String sql) {
    try {
      spark.sql(sql).collectAsList();
    } catch (Exception e) {
      String state = e instanceof SparkThrowable known ? known.getSqlState() : null;
      System.out.println(name + " " + state + " " + e.getMessage().replace('\n', ' '));
    }
  }
}
