package io.sailfish.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.resource.ResourceInformation;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Rows a second of a SQL job, from Parquet to Parquet, on one, two, four executors of a host, up to
 * CARDS, each in a process of its own on a card of its own. One standalone worker offers the host's
 * cards, as bin/gpu-addresses finds them. A first job of other rows loads the models and is not
 * counted.
 *
 * <p>The figures compare jobs with as many rows for each executor, so that all work as long; the
 * table also has the smallest job on all of them. Every repetition has prompts of its own, as keys
 * and values of earlier ones are kept. Answers to the same row are compared.
 *
 * <pre>GpuClusterBench MODEL ROWS REPETITIONS CARDS RESULTS COMMIT [setting=value ...]</pre>
 */
public final class GpuClusterBench {
  private static final int CORES = 8;
  private static final int PARTITIONS = 16;
  private static final int PROMPT_CHARS = 128;
  private static final int TOKENS = 32;
  private static final int WARM_ROWS = 1024;

  private final String model;
  private final int rows;
  private final int repetitions;
  private final int cards;
  private final Map<String, String> settings;
  private final Path folder;
  private final Map<String, String> answers = new TreeMap<>();
  private final List<List<String>> table = new ArrayList<>();
  private final List<BenchmarkResult.Figure> figures = new ArrayList<>();
  private long compared;
  private long differing;

  private GpuClusterBench(
      String model, int rows, int repetitions, int cards, Map<String, String> settings)
      throws IOException {
    this.model = model;
    this.rows = rows;
    this.repetitions = repetitions;
    this.cards = cards;
    this.settings = settings;
    this.folder = Files.createTempDirectory("sailfish-bench");
  }

  /**
   * @param args model file, rows for each executor, repetitions, cards of this host, folder for the
   *     result, commit, settings
   */
  public static void main(String[] args) throws Exception {
    SparkDeterminismBench.layOutSpark();
    Map<String, String> settings = new TreeMap<>();
    for (String setting : Arrays.asList(args).subList(6, args.length)) {
      String[] pair = setting.split("=", 2);
      settings.put(pair[0], pair[1]);
    }
    new GpuClusterBench(
            args[0],
            Integer.parseInt(args[1]),
            Integer.parseInt(args[2]),
            Integer.parseInt(args[3]),
            settings)
        .run(Path.of(args[4]), args[5]);
  }

  private void run(Path results, String commit) throws IOException {
    double one = Median.of(rates(1));
    for (int executors = 2; executors <= cards; executors *= 2) {
      List<Double> factors = rates(executors).stream().map(rate -> rate / one).toList();
      String id = "spark.gpu.scaling.executors" + executors;
      figures.add(new BenchmarkResult.Figure(id, Median.of(factors), factors));
      System.out.printf("%s %.3f of %s%n", id, Median.of(factors), factors);
    }
    System.out.println(result(commit).write(results));
  }

  /** Of each repetition, rows a second. */
  private List<Double> rates(int executors) throws IOException {
    List<Double> rates = new ArrayList<>();
    try (SparkSession spark = session(executors)) {
      warmUp(spark, executors);
      for (int i = 0; i < repetitions; i++) {
        rates.add(rate(spark, executors, executors * rows, i));
      }
      if (executors > 1 && 2 * executors > cards) {
        rate(spark, executors, rows, repetitions);
      }
    }
    SparkSession.clearActiveSession();
    SparkSession.clearDefaultSession();
    return rates;
  }

  private BenchmarkResult result(String commit) throws IOException {
    return new BenchmarkResult(
        "gpu-cluster",
        RunFacts.date(),
        commit,
        RunFacts.cards(),
        "benchmarks/spark.sh GpuClusterBench MODEL %d %d %d%s, with a model of"
                .formatted(rows, repetitions, cards, settingsLine())
            + " io.sailfish.bench.gpu.RandomGguf",
        figures,
        List.of(
            new BenchmarkResult.Table(
                "A SQL job on executors with a card each, Llama 8B shapes",
                ("Rows of %d prompt tokens and up to %d of answer, %d partitions for each executor"
                        + " of %d cores; time from Parquet to Parquet, models loaded. The figures"
                        + " are from jobs with as many rows for each executor; the last line is the"
                        + " smallest job on all executors. %d of %d rows had another answer on more"
                        + " executors than on one.")
                    .formatted(PROMPT_CHARS, TOKENS, PARTITIONS, CORES, differing, compared),
                List.of("executors", "rows", "seconds", "rows/s", "differing rows"),
                table)));
  }

  private String settingsLine() {
    return settings.entrySet().stream().map(e -> " " + e).collect(Collectors.joining());
  }

  /** Loads the models, records the steps, and checks that every executor has a card of its own. */
  private void warmUp(SparkSession spark, int executors) {
    long start = System.nanoTime();
    job(spark, executors, prompts(executors * WARM_ROWS, -1));
    TreeSet<String> places = new TreeSet<>(places(spark, executors));
    System.out.printf(
        "%d executors ready in %.1f s, process and card: %s%n",
        executors, (System.nanoTime() - start) / 1e9, places);
    long cards = places.stream().map(p -> p.split(" ")[1]).distinct().count();
    if (places.size() != executors || cards != executors) {
      throw new IllegalStateException(
          "expected %d executors with a card each, got %s".formatted(executors, places));
    }
  }

  private static List<String> places(SparkSession spark, int executors) {
    MapPartitionsFunction<Long, String> place =
        ids -> {
          Thread.sleep(500); // so that every core gets one of these tasks
          ResourceInformation gpu = TaskContext.get().resourcesJMap().get("gpu");
          return List.of(ProcessHandle.current().pid() + " " + gpu.addresses()[0]).iterator();
        };
    int tasks = executors * CORES;
    return spark.range(0, tasks, 1, tasks).mapPartitions(place, Encoders.STRING()).collectAsList();
  }

  private double rate(SparkSession spark, int executors, int total, long round) {
    List<String> prompts = prompts(total, round);
    double seconds = job(spark, executors, prompts);
    long before = differing;
    List<Row> answered = spark.read().parquet(folder.resolve("out").toString()).collectAsList();
    requireEach(prompts, answered.stream().filter(r -> !r.isNullAt(1)).map(r -> r.getString(0)));
    for (Row row : answered) {
      String answer = row.getString(1);
      String known = answers.putIfAbsent(row.getString(0), answer);
      if (known != null) {
        compared++;
      }
      if (known != null && !known.equals(answer)) {
        differing++;
        System.out.printf(
            "row %d differs from character %d on: %s | %s%n",
            prompts.indexOf(row.getString(0)),
            Arrays.mismatch(known.toCharArray(), answer.toCharArray()),
            known,
            answer);
      }
    }
    table.add(
        List.of(
            Integer.toString(executors),
            Integer.toString(total),
            "%.2f".formatted(seconds),
            "%.1f".formatted(total / seconds),
            Long.toString(differing - before)));
    System.out.println(table.get(table.size() - 1));
    return total / seconds;
  }

  /** Refuses a job whose answers, which other jobs may have given too, are not one for each row. */
  static void requireEach(List<String> prompts, Stream<String> answered) {
    List<String> found = answered.sorted().toList();
    if (!found.equals(prompts.stream().sorted().toList())) {
      throw new IllegalStateException(
          "%d rows have %d answers, to %d of them"
              .formatted(
                  prompts.size(),
                  found.size(),
                  prompts.stream().filter(Set.copyOf(found)::contains).count()));
    }
  }

  /** Seconds from Parquet to Parquet. */
  private double job(SparkSession spark, int executors, List<String> prompts) {
    String in = folder.resolve("in").toString();
    spark
        .createDataset(prompts, Encoders.STRING())
        .toDF("prompt")
        .repartition(executors * PARTITIONS)
        .write()
        .mode("overwrite")
        .parquet(in);
    Dataset<Row> read = spark.read().parquet(in);
    read.createOrReplaceTempView("prompts");
    long start = System.nanoTime();
    spark
        .sql(
            ("SELECT prompt, ai_query('default', prompt, modelParameters =>"
                    + " named_struct('max_tokens', %d)) answer FROM prompts")
                .formatted(TOKENS))
        .write()
        .mode("overwrite")
        .parquet(folder.resolve("out").toString());
    return (System.nanoTime() - start) / 1e9;
  }

  /** Letters, a token each where the vocabulary has no words; the same ones for the same seed. */
  private static List<String> prompts(int count, long seed) {
    List<String> prompts = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      prompts.add(
          new Random(seed * 1_000_003 + i)
              .ints(PROMPT_CHARS, 'A', 'Z' + 1)
              .mapToObj(Character::toString)
              .collect(Collectors.joining()));
    }
    return prompts;
  }

  private SparkSession session(int executors) {
    SparkSession.Builder builder =
        SparkSession.builder()
            .master("local-cluster[1,%d,%d]".formatted(cards * CORES, cards * 8192))
            .appName("GpuClusterBench")
            .config("spark.ui.enabled", "false")
            .config("spark.cores.max", executors * CORES)
            .config("spark.executor.cores", CORES)
            .config("spark.executor.memory", "8g")
            .config("spark.executor.extraClassPath", System.getProperty("java.class.path"))
            .config("spark.scheduler.minRegisteredResourcesRatio", "1.0")
            .config("spark.scheduler.maxRegisteredResourcesWaitingTime", "60s")
            .config("spark.worker.resource.gpu.amount", cards)
            .config("spark.worker.resource.gpu.discoveryScript", "bin/gpu-addresses")
            .config("spark.executor.resource.gpu.amount", 1)
            .config("spark.task.resource.gpu.amount", Double.toString(1.0 / CORES))
            .config("spark.sql.files.maxPartitionBytes", "1m")
            .config("spark.sql.files.openCostInBytes", "1m")
            .config("spark.plugins", "io.sailfish.spark.SailfishPlugin")
            .config("spark.sailfish.backend", "cuda")
            .config("spark.sailfish.model.path", model);
    settings.forEach(builder::config);
    return builder.getOrCreate();
  }
}
