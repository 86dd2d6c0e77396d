package io.sailfish.bench;

import io.sailfish.arrow.Utf8Column;
import io.sailfish.arrow.Utf8Writer;
import io.sailfish.llama.LlamaRuntime;
import io.sailfish.llama.LlamaRuntimes;
import io.sailfish.llama.RowResults;
import io.sailfish.llama.RowTask;
import io.sailfish.llama.RowTask.Overflow;
import io.sailfish.llama.RowUsage;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.SamplingParams;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * What Spark costs: tokens a second of a SQL job, from Parquet to Parquet, over those of the bare
 * engine, which gets the same prompts in one piece. Interleaved; each repetition has prompts of its
 * own, so that nothing is left over from the one before. The answers are compared as well.
 */
public final class SparkBench {
  private static final int MAX_TOKENS = 8;
  private static final List<String> THINGS =
      List.of("river", "violin", "comet", "bakery", "glacier", "lantern", "harbour", "orchard");

  private SparkBench() {}

  /**
   * @param args model file, number of prompts, repetitions, folder for the result
   */
  public static void main(String[] args) throws Exception {
    String model = args[0];
    int rows = Integer.parseInt(args[1]);
    int repetitions = Integer.parseInt(args[2]);
    Path folder = Files.createTempDirectory("sailfish-bench");
    List<Double> shares = new ArrayList<>();
    List<List<String>> table = new ArrayList<>();
    RuntimeConfig config = RuntimeConfig.defaults();
    try (LlamaRuntime bare = LlamaRuntimes.open(Path.of(model), config);
        SparkSession spark = session(model)) {
      // One small run each, so that neither pays for class loading.
      engine(bare, prompts(64, "warm"));
      sql(spark, folder, prompts(64, "warm"));
      for (int i = 0; i < repetitions; i++) {
        List<String> prompts = prompts(rows, "round " + i);
        Run engine = engine(bare, prompts);
        Run sql = sql(spark, folder, prompts);
        if (!engine.answers().equals(sql.answers())) {
          throw new IllegalStateException("SQL and engine answer differently");
        }
        // Same prompts and answers, so the share of tokens a second is that of times.
        shares.add(engine.seconds() / sql.seconds());
        table.add(
            List.of(
                Integer.toString(i + 1),
                Long.toString(engine.tokens()),
                "%.1f".formatted(engine.tokens() / engine.seconds()),
                "%.1f".formatted(engine.tokens() / sql.seconds()),
                "%.3f".formatted(engine.seconds() / sql.seconds())));
        System.out.println(table.get(i));
      }
    }
    double median = Median.of(shares);
    System.out.printf("spark.cpu.share_of_engine %.3f%n", median);
    BenchmarkResult.here(
            "spark",
            "benchmarks/spark.sh SparkBench MODEL %d %d".formatted(rows, repetitions),
            List.of(new BenchmarkResult.Figure("spark.cpu.share_of_engine", median, shares)),
            List.of(
                new BenchmarkResult.Table(
                    "SQL job against the bare engine, SmolLM2 Q4_1",
                    ("%d prompts, %d tokens each at most; the SQL job reads and writes Parquet in"
                            + " local[2].")
                        .formatted(rows, MAX_TOKENS),
                    List.of("run", "tokens", "engine tok/s", "SQL tok/s", "share"),
                    table)))
        .write(Path.of(args[3]));
  }

  /**
   * @param tokens of prompts and answers
   */
  private record Run(double seconds, long tokens, List<String> answers) {}

  private static List<String> prompts(int rows, String round) {
    List<String> prompts = new ArrayList<>();
    for (int i = 0; i < rows; i++) {
      String thing = THINGS.get(i % THINGS.size());
      prompts.add("In %s, item %d: describe a %s.".formatted(round, i, thing));
    }
    return prompts;
  }

  private static Run engine(LlamaRuntime runtime, List<String> prompts) {
    RowTask task = new RowTask.Generate(null, SamplingParams.greedy(MAX_TOKENS), Overflow.ERROR);
    long start = System.nanoTime();
    try (Utf8Writer writer =
        Utf8Column.writer(runtime.memory().allocator(), prompts.size(), 64L * prompts.size())) {
      prompts.forEach(writer::write);
      try (Utf8Column column = writer.finish();
          RowResults results = runtime.submit(task, column).join()) {
        double seconds = (System.nanoTime() - start) / 1e9;
        List<String> answers = new ArrayList<>();
        for (int i = 0; i < results.rows(); i++) {
          answers.add(results.text().text(i));
        }
        RowUsage usage = results.usage();
        return new Run(seconds, usage.promptTokens() + usage.outputTokens(), answers);
      }
    }
  }

  private static Run sql(SparkSession spark, Path folder, List<String> prompts) {
    String in = folder.resolve("in").toString();
    String out = folder.resolve("out").toString();
    Dataset<Row> rows = spark.createDataset(prompts, Encoders.STRING()).toDF("prompt");
    rows.repartition(2).write().mode("overwrite").parquet(in);
    spark.read().parquet(in).createOrReplaceTempView("prompts");
    long start = System.nanoTime();
    spark
        .sql(
            ("SELECT prompt, ai_query('default', prompt, modelParameters =>"
                    + " named_struct('max_tokens', %d)) answer FROM prompts")
                .formatted(MAX_TOKENS))
        .write()
        .mode("overwrite")
        .parquet(out);
    double seconds = (System.nanoTime() - start) / 1e9;
    String[] answers = new String[prompts.size()];
    for (Row row : spark.read().parquet(out).collectAsList()) {
      answers[prompts.indexOf(row.getString(0))] = row.getString(1);
    }
    return new Run(seconds, 0, Arrays.asList(answers));
  }

  private static SparkSession session(String model) {
    return SparkSession.builder()
        .master("local[2]")
        .appName("SparkBench")
        .config("spark.ui.enabled", "false")
        .config("spark.plugins", "io.sailfish.spark.SailfishPlugin")
        .config("spark.sailfish.model.path", model)
        .getOrCreate();
  }
}
