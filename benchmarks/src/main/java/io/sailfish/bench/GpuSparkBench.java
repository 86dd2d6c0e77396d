package io.sailfish.bench;

import io.sailfish.arrow.Utf8Column;
import io.sailfish.arrow.Utf8Writer;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.llama.LlamaRuntime;
import io.sailfish.llama.LlamaRuntimes;
import io.sailfish.llama.RowResults;
import io.sailfish.llama.RowTask;
import io.sailfish.llama.RowTask.Overflow;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.SamplingParams;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * What Spark costs on a card: tokens a second of a SQL job, from Parquet to Parquet, over those of
 * the bare engine, which gets the same prompts as text from as many threads as the job has, in
 * pieces of the same size and all at once. In turns, with other prompts each time; the answers are
 * compared.
 *
 * <pre>GpuSparkBench MODEL ROWS REPETITIONS RESULTS COMMIT [TOKENS] [setting=value ...]</pre>
 */
public final class GpuSparkBench {
  private static final int THREADS = 8;
  private static final int PARTITIONS = 16;
  private static final List<String> THINGS =
      List.of("river", "violin", "comet", "bakery", "glacier", "lantern", "harbour", "orchard");

  private final String model;
  private final int tokens;
  private final int rows;

  private GpuSparkBench(String model, int rows, int tokens) {
    this.model = model;
    this.rows = rows;
    this.tokens = tokens;
  }

  public static void main(String[] args) throws Exception {
    int tokens = args.length > 5 ? Integer.parseInt(args[5]) : 64;
    Map<String, String> settings = new TreeMap<>();
    for (int i = 6; i < args.length; i++) {
      String[] setting = args[i].split("=", 2);
      settings.put(setting[0], setting[1]);
    }
    GpuSparkBench bench = new GpuSparkBench(args[0], Integer.parseInt(args[1]), tokens);
    bench.run(Integer.parseInt(args[2]), Path.of(args[3]), args[4], settings);
  }

  private record Run(double seconds, Map<String, String> answers) {}

  private void run(int repetitions, Path results, String commit, Map<String, String> settings)
      throws IOException {
    Path folder = Files.createTempDirectory("sailfish-bench");
    List<Double> shares = new ArrayList<>();
    List<List<String>> table = new ArrayList<>();
    long opening = System.nanoTime();
    RuntimeConfig half =
        RuntimeConfig.defaults().on(new BackendRequest("cuda", 0, null, 0.4, TwoByteFloat.F16));
    try (LlamaRuntime bare = LlamaRuntimes.open(Path.of(model), half);
        SparkSession spark = session(settings)) {
      System.out.printf(
          "%s, cap %d (%s), open in %.1f s%n",
          bare.info().backend(),
          bare.info().batchCap(),
          bare.info().batchCapReason(),
          (System.nanoTime() - opening) / 1e9);
      engine(bare, prompts(1024, "warm"));
      Run first = sql(spark, folder, prompts(1024, "warm"));
      System.out.println(first.answers().entrySet().iterator().next());
      for (int i = 0; i < repetitions; i++) {
        List<String> prompts = prompts(rows, "round " + i);
        Run sql = sql(spark, folder, prompts);
        Run engine = engine(bare, prompts);
        long differing =
            prompts.stream()
                .filter(p -> !Objects.equals(engine.answers().get(p), sql.answers().get(p)))
                .peek(
                    p ->
                        System.out.println(
                            p + "\n  " + engine.answers().get(p) + "\n  " + sql.answers().get(p)))
                .count();
        System.out.println(differing + " answers differ");
        shares.add(engine.seconds() / sql.seconds());
        table.add(
            List.of(
                Integer.toString(i + 1),
                "%.0f".formatted(rows / engine.seconds()),
                "%.0f".formatted(rows / sql.seconds()),
                "%.3f".formatted(engine.seconds() / sql.seconds())));
        System.out.println(table.get(i));
      }
      System.out.println(spark.sql("EXPLAIN " + query("in")).head().getString(0));
    }
    double median = Median.of(shares);
    System.out.printf("spark.gpu.share_of_engine %.3f%n", median);
    System.out.println(result(commit, median, shares, table).write(results));
  }

  private BenchmarkResult result(
      String commit, double median, List<Double> shares, List<List<String>> table)
      throws IOException {
    return new BenchmarkResult(
        "gpu-spark",
        RunFacts.date(),
        commit,
        RunFacts.card(),
        "java io.sailfish.bench.GpuSparkBench MODEL %d %d RESULTS COMMIT %d"
            .formatted(rows, shares.size(), tokens),
        List.of(new BenchmarkResult.Figure("spark.gpu.share_of_engine", median, shares)),
        List.of(
            new BenchmarkResult.Table(
                "SQL job against the bare engine on a card, SmolLM2 Q4_1",
                ("%d prompts, %d tokens each at most; the SQL job reads and writes Parquet in"
                        + " local[%d], %d partitions.")
                    .formatted(rows, tokens, THREADS, PARTITIONS),
                List.of("run", "engine rows/s", "SQL rows/s", "share"),
                table)));
  }

  private static List<String> prompts(int rows, String round) {
    List<String> prompts = new ArrayList<>();
    for (int i = 0; i < rows; i++) {
      String thing = THINGS.get(i % THINGS.size());
      String other = THINGS.get((i / THINGS.size() + 3) % THINGS.size());
      prompts.add(
          ("In %s, item %d: describe a %s to somebody who has never seen one, say what it is good"
                  + " for, how it differs from a %s, and tell a short story in which both of them"
                  + " occur and something unexpected happens.")
              .formatted(round, i, thing, other));
    }
    return prompts;
  }

  /** As many threads as Spark has, each with its share in pieces of sixteen rows. */
  private Run engine(LlamaRuntime runtime, List<String> prompts) {
    RowTask task = new RowTask.Generate(null, SamplingParams.greedy(tokens), Overflow.ERROR);
    long start = System.nanoTime();
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    List<CompletableFuture<Map<String, String>>> parts = new ArrayList<>();
    int size = (prompts.size() + THREADS - 1) / THREADS;
    for (int from = 0; from < prompts.size(); from += size) {
      List<String> part = prompts.subList(from, Math.min(prompts.size(), from + size));
      parts.add(CompletableFuture.supplyAsync(() -> answers(runtime, task, part), threads));
    }
    Map<String, String> answers = new TreeMap<>();
    parts.forEach(part -> answers.putAll(part.join()));
    threads.shutdown();
    return new Run((System.nanoTime() - start) / 1e9, answers);
  }

  private static Map<String, String> answers(
      LlamaRuntime runtime, RowTask task, List<String> prompts) {
    List<CompletableFuture<RowResults>> pieces = new ArrayList<>();
    for (int from = 0; from < prompts.size(); from += 16) {
      List<String> piece = prompts.subList(from, Math.min(prompts.size(), from + 16));
      try (Utf8Writer writer =
          Utf8Column.writer(runtime.memory().allocator(), piece.size(), 256L * piece.size())) {
        piece.forEach(writer::write);
        try (Utf8Column column = writer.finish()) {
          pieces.add(runtime.submit(task, column));
        }
      }
    }
    Map<String, String> answers = new TreeMap<>();
    for (int i = 0; i < pieces.size(); i++) {
      try (RowResults results = pieces.get(i).join()) {
        for (int row = 0; row < results.rows(); row++) {
          answers.put(prompts.get(i * 16 + row), results.text().text(row));
        }
      }
    }
    return answers;
  }

  private String query(String view) {
    return ("SELECT prompt, ai_query('default', prompt, modelParameters =>"
            + " named_struct('max_tokens', %d)) answer FROM %s")
        .formatted(tokens, view);
  }

  private Run sql(SparkSession spark, Path folder, List<String> prompts) {
    String in = folder.resolve("in").toString();
    String out = folder.resolve("out").toString();
    Dataset<Row> dataset = spark.createDataset(prompts, Encoders.STRING()).toDF("prompt");
    dataset.repartition(PARTITIONS).write().mode("overwrite").parquet(in);
    spark.read().parquet(in).createOrReplaceTempView("in");
    long start = System.nanoTime();
    spark.sql(query("in")).write().mode("overwrite").parquet(out);
    double seconds = (System.nanoTime() - start) / 1e9;
    Map<String, String> answers = new TreeMap<>();
    for (Row row : spark.read().parquet(out).collectAsList()) {
      answers.put(row.getString(0), row.getString(1));
    }
    return new Run(seconds, answers);
  }

  private SparkSession session(Map<String, String> settings) {
    SparkSession.Builder builder =
        SparkSession.builder()
            .master("local[" + THREADS + "]")
            .appName("GpuSparkBench")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.files.maxPartitionBytes", "1m")
            .config("spark.sql.files.openCostInBytes", "1m")
            .config("spark.plugins", "io.sailfish.spark.SailfishPlugin")
            .config("spark.sailfish.gpu.memoryFraction", "0.4")
            .config("spark.sailfish.model.path", model);
    settings.forEach(builder::config);
    return builder.getOrCreate();
  }
}
