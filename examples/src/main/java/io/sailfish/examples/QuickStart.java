package io.sailfish.examples;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * The quickstart: a local Spark session with the plugin, two tables of real text, answers of a real
 * model written to Parquet. Everything a user of a cluster would write is in {@link #session} (the
 * set-up) and in the two SQL statements.
 */
public final class QuickStart {
  private static final String REVIEWS_SQL =
      """
      SELECT id, product, stars, review,
             ai_classify(review, array('praise', 'complaint')) AS kind,
             ai_query('default', concat('Answer this customer in one short sentence: ', review),
                      modelParameters => named_struct('max_tokens', 32)) AS reply
      FROM reviews
      """;

  private static final String ERRORS_SQL =
      """
      SELECT condition, sqlstate, message,
             ai_classify(message, array('syntax error', 'unsupported feature',
                                        'bad data', 'internal error')) AS kind
      FROM errors
      """;

  private QuickStart() {}

  public static void main(String[] args) throws Exception {
    Options options = Options.parse(args);
    long start = System.nanoTime();
    try (SparkSession spark = session(options)) {
      RunReport report = new RunReport();
      spark.sparkContext().addSparkListener(report);
      reviews(spark).createOrReplaceTempView("reviews");
      errors(spark, options.errorRows()).createOrReplaceTempView("errors");
      System.out.printf("Spark %s is up after %.1f s%n", spark.version(), secondsSince(start));

      runReviews(spark, report, options.out());
      runErrors(spark, report, options.out());
      System.out.printf("%nAnswers are in %s (Parquet). ", options.out());
      System.out.printf("Whole run: %.1f s.%n", secondsSince(start));
    }
  }

  /** The whole set-up: one plugin line and the model's path. The rest is ordinary Spark. */
  private static SparkSession session(Options options) {
    return SparkSession.builder()
        .appName("Sailfish quickstart")
        .master("local[*]")
        .config("spark.plugins", "io.sailfish.spark.SailfishPlugin")
        .config("spark.sailfish.model.path", options.model())
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.executor.heartbeatInterval", "2s") // how often the progress line moves
        .getOrCreate();
  }

  private static void runReviews(SparkSession spark, RunReport report, Path out) {
    System.out.println("\n1. Product reviews: praise or complaint, and a reply");
    System.out.println(REVIEWS_SQL.indent(3));
    String path = out.resolve("reviews").toString();
    report.begin("reviews");
    spark.sql(REVIEWS_SQL).write().mode("overwrite").parquet(path);
    report.end();
    Dataset<Row> answers = spark.read().parquet(path);
    answers.createOrReplaceTempView("answers");
    spark
        .sql("SELECT id, product, stars, kind, review, reply FROM answers ORDER BY id LIMIT 10")
        .show(10, 60);
    Row agreement =
        spark
            .sql("SELECT count_if((kind = 'praise') = (stars >= 4)), count(*) FROM answers")
            .head();
    System.out.printf(
        "The label agrees with the stars in %d of %d reviews.%n",
        agreement.getLong(0), agreement.getLong(1));
  }

  private static void runErrors(SparkSession spark, RunReport report, Path out) {
    System.out.println("\n2. The error messages in Spark's own jar: what kind of error is it?");
    System.out.println(ERRORS_SQL.indent(3));
    String path = out.resolve("errors").toString();
    report.begin("errors");
    spark.sql(ERRORS_SQL).write().mode("overwrite").parquet(path);
    report.end();
    spark.read().parquet(path).createOrReplaceTempView("answers");
    spark
        .sql(
            "SELECT coalesce(substr(sqlstate, 1, 2), 'none') AS sqlstate_class, kind,"
                + " count(*) AS messages, min_by(message, length(message)) AS shortest"
                + " FROM answers GROUP BY ALL ORDER BY messages DESC LIMIT 12")
        .show(12, 70);
    Row agreement =
        spark
            .sql(
                "SELECT count_if(kind = expected), count(*) FROM (SELECT kind, CASE"
                    + " substr(sqlstate, 1, 2) WHEN '42' THEN 'syntax error' WHEN '0A' THEN"
                    + " 'unsupported feature' WHEN '22' THEN 'bad data' WHEN 'XX' THEN"
                    + " 'internal error' END AS expected FROM answers) WHERE expected IS NOT NULL")
            .head();
    System.out.printf(
        "Of %,d messages with one of these SQLSTATE classes the model's label agrees with %,d.%n",
        agreement.getLong(1), agreement.getLong(0));
  }

  private static Dataset<Row> reviews(SparkSession spark) throws IOException {
    try (InputStream in = QuickStart.class.getResourceAsStream("reviews.csv")) {
      String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      Dataset<String> lines =
          spark.createDataset(text.lines().toList(), org.apache.spark.sql.Encoders.STRING());
      return spark
          .read()
          .option("header", true)
          .option("escape", "\"")
          .schema("id INT, product STRING, stars INT, review STRING")
          .csv(lines)
          .repartition(4);
    }
  }

  /** Spark's own error conditions: {@code {"NAME": {"message": [..], "sqlState": ".."}, ...}}. */
  private static Dataset<Row> errors(SparkSession spark, int limit) throws IOException {
    List<Row> rows = new ArrayList<>();
    try (InputStream in =
        SparkSession.class.getClassLoader().getResourceAsStream("error/error-conditions.json")) {
      for (var condition : new ObjectMapper().readTree(in).properties()) {
        List<String> lines = new ArrayList<>();
        condition.getValue().path("message").forEach(line -> lines.add(line.asText()));
        JsonNode state = condition.getValue().get("sqlState");
        rows.add(
            RowFactory.create(
                condition.getKey(),
                state == null ? null : state.asText(),
                String.join(" ", lines)));
      }
    }
    StructType schema =
        new StructType()
            .add("condition", DataTypes.StringType)
            .add("sqlstate", DataTypes.StringType)
            .add("message", DataTypes.StringType);
    return spark.createDataFrame(sample(rows, limit), schema).repartition(8);
  }

  /** {@code limit} rows spread evenly over the list. */
  private static List<Row> sample(List<Row> rows, int limit) {
    int count = Math.min(limit, rows.size());
    List<Row> sample = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      sample.add(rows.get((int) ((long) i * rows.size() / count)));
    }
    return sample;
  }

  private static double secondsSince(long start) {
    return (System.nanoTime() - start) / 1e9;
  }

  /** Command line: {@code --model PATH [--out FOLDER] [--error-rows N]}. */
  private record Options(String model, Path out, int errorRows) {
    static Options parse(String[] args) {
      String model = null;
      Path out = Path.of("target", "quickstart");
      int errorRows = 300; // a minute on two cores; there are some 1,300
      for (int i = 0; i < args.length; i += 2) {
        if (i + 1 == args.length) {
          throw usage(args[i] + " needs a value");
        }
        switch (args[i]) {
          case "--model" -> model = args[i + 1];
          case "--out" -> out = Path.of(args[i + 1]);
          case "--error-rows" -> errorRows = Integer.parseInt(args[i + 1]);
          default -> throw usage("unknown option " + args[i]);
        }
      }
      if (model == null) {
        throw usage("--model is missing");
      }
      return new Options(model, out.toAbsolutePath(), errorRows);
    }

    private static IllegalArgumentException usage(String problem) {
      return new IllegalArgumentException(
          problem
              + String.format(
                  Locale.ROOT, "%nusage: --model FILE [--out FOLDER] [--error-rows N]"));
    }
  }
}
