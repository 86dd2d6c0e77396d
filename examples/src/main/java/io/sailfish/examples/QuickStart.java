package io.sailfish.examples;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
      SELECT condition, sqlstate, message, expected,
             ai_classify(message, array('missing', 'duplicate')) AS kind
      FROM errors
      """;

  private static final String KNOWN_ONLY = "WHERE expected IS NOT NULL\n";

  /** SQLSTATEs of "there is no such thing" and "there is one already": what the label should be. */
  private static final Map<String, Set<String>> STATES =
      Map.of(
          "missing",
          Set.of("42703", "42704", "42883", "42P01"),
          "duplicate",
          Set.of(
              "23505", "42701", "42710", "42711", "42712", "42713", "42723", "42734", "42K04",
              "42P04", "42P06", "42P07"));

  private QuickStart() {}

  public static void main(String[] args) throws Exception {
    Options options = Options.parse(args);
    long start = System.nanoTime();
    try (SparkSession spark = session(options)) {
      RunReport report = new RunReport();
      spark.sparkContext().addSparkListener(report);
      reviews(spark).createOrReplaceTempView("reviews");
      errors(spark).createOrReplaceTempView("errors");
      double startSeconds = secondsSince(start);

      runReviews(spark, report, options.out());
      runErrors(spark, report, options);
      System.out.printf("%nAnswers are in %s (Parquet).%n", options.out());
      double queries = report.seconds();
      System.out.printf(
          "Time: %.1f s to start Spark, %.1f s the two queries (the first waits for the model),"
              + " %.1f s to read and show; %.1f s in all.%n",
          startSeconds, queries, secondsSince(start) - startSeconds - queries, secondsSince(start));
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

  private static void runErrors(SparkSession spark, RunReport report, Options options) {
    String query = options.allErrors() ? ERRORS_SQL : ERRORS_SQL + KNOWN_ONLY;
    System.out.printf(
        "%n2. The %,d error messages in Spark's own jar: is something missing, or there twice?%n",
        spark.table("errors").count());
    System.out.println(query.indent(3));
    String path = options.out().resolve("errors").toString();
    report.begin("errors");
    spark.sql(query).write().mode("overwrite").parquet(path);
    report.end();
    spark.read().parquet(path).createOrReplaceTempView("answers");
    spark
        .sql(
            "SELECT sqlstate, kind, count(*) AS messages, min_by(message, length(message)) AS"
                + " shortest FROM answers GROUP BY ALL ORDER BY messages DESC, sqlstate LIMIT 12")
        .show(12, 70);
    Row agreement =
        spark.sql("SELECT count_if(kind = expected), count(expected) FROM answers").head();
    System.out.printf(
        "Where the SQLSTATE tells which of the two it is, the label agrees in %,d of %,d messages."
            + " (Guessing: half. A model of 135 million weights is no expert; try a larger one.)%n",
        agreement.getLong(0), agreement.getLong(1));
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
  private static Dataset<Row> errors(SparkSession spark) throws IOException {
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
                String.join(" ", lines),
                state == null ? null : expected(state.asText())));
      }
    }
    StructType schema =
        new StructType()
            .add("condition", DataTypes.StringType)
            .add("sqlstate", DataTypes.StringType)
            .add("message", DataTypes.StringType)
            .add("expected", DataTypes.StringType);
    return spark.createDataFrame(rows, schema).repartition(8);
  }

  /** Null for states that say neither. */
  private static String expected(String sqlState) {
    return STATES.entrySet().stream()
        .filter(label -> label.getValue().contains(sqlState))
        .map(Map.Entry::getKey)
        .findFirst()
        .orElse(null);
  }

  private static double secondsSince(long start) {
    return (System.nanoTime() - start) / 1e9;
  }

  /** Command line: {@code --model PATH [--out FOLDER] [--all-errors]}. */
  private record Options(String model, Path out, boolean allErrors) {
    static Options parse(String[] args) {
      String model = null;
      Path out = Path.of("target", "quickstart");
      boolean allErrors = false;
      Iterator<String> words = List.of(args).iterator();
      while (words.hasNext()) {
        String option = words.next();
        switch (option) {
          case "--model" -> model = value(option, words);
          case "--out" -> out = Path.of(value(option, words));
          case "--all-errors" -> allErrors = true;
          default -> throw usage("unknown option " + option);
        }
      }
      if (model == null) {
        throw usage("--model is missing");
      }
      return new Options(model, out.toAbsolutePath(), allErrors);
    }

    private static String value(String option, Iterator<String> words) {
      if (!words.hasNext()) {
        throw usage(option + " needs a value");
      }
      return words.next();
    }

    private static IllegalArgumentException usage(String problem) {
      return new IllegalArgumentException(
          problem + String.format("%nusage: --model FILE [--out FOLDER] [--all-errors]"));
    }
  }
}
