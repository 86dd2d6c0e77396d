package io.sailfish.bench;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Whether an answer depends on anything but its prompt: greedy, sampled and classified answers of
 * the same rows over batch caps, partitions, masters, a shuffled input, a task that is tried again
 * and an executor that is killed, compared with the answers of one task and one row at a time.
 */
public final class SparkDeterminismBench {
  private static final int[] CAPS = {1, 7, 32};
  private static final int[] PARTITIONS = {1, 2, 13};
  private static final List<String> MASTERS =
      List.of("local[1]", "local[4]", "local-cluster[2,2,1024]");

  private final String model;
  private final int rows;
  private final List<List<String>> table = new ArrayList<>();
  private Map<Long, String> reference;
  private long differing;

  private SparkDeterminismBench(String model, int rows) {
    this.model = model;
    this.rows = rows;
  }

  /**
   * @param args model file, number of rows, folder for the result
   */
  public static void main(String[] args) throws Exception {
    layOutSpark();
    SparkDeterminismBench bench = new SparkDeterminismBench(args[0], Integer.parseInt(args[1]));
    for (String master : MASTERS) {
      for (int cap : CAPS) {
        bench.run(master, cap);
      }
    }
    System.out.printf("determinism.cpu.differing_rows %d%n", bench.differing);
    BenchmarkResult.here(
            "spark-determinism",
            "benchmarks/spark.sh SparkDeterminismBench MODEL " + args[1],
            List.of(
                new BenchmarkResult.Figure(
                    "determinism.cpu.differing_rows", bench.differing, null)),
            List.of(
                new BenchmarkResult.Table(
                    "Rows whose answers differ from those of one row at a time, SmolLM2 Q4_1",
                    "Each row has a greedy answer, one sampled with a seed, and a label.",
                    List.of("master", "batch cap", "case", "rows", "differing"),
                    bench.table)))
        .write(Path.of(args[2]));
  }

  private void run(String master, int cap) throws Exception {
    try (SparkSession spark = session(master, cap)) {
      for (int partitions : PARTITIONS) {
        compare(master, cap, partitions + " partitions", collect(answers(rows(spark, partitions))));
      }
      compare(
          master,
          cap,
          "shuffled input",
          collect(
              answers(
                  rows(spark, 1).orderBy(org.apache.spark.sql.functions.rand(5)).repartition(3))));
      compare(master, cap, "a task tried again", collect(withAFailure(answers(rows(spark, 2)))));
      if (master.startsWith("local-cluster")) {
        compare(master, cap, "a killed executor", withAKill(spark));
      }
    }
    SparkSession.clearActiveSession();
    SparkSession.clearDefaultSession();
  }

  private Dataset<Row> rows(SparkSession spark, int partitions) {
    return spark
        .range(0, rows, 1, partitions)
        .selectExpr(
            "id",
            "concat(repeat('Once more. ', cast(id % 4 as int)), 'Tell me fact number ', id,"
                + " ' about the sea.') prompt");
  }

  private static Dataset<Row> answers(Dataset<Row> rows) {
    return rows.selectExpr(
        "id",
        "ai_query('default', prompt, modelParameters => named_struct('max_tokens', 10)) greedy",
        "ai_query('default', prompt, modelParameters => named_struct('max_tokens', 10,"
            + " 'temperature', 0.9, 'top_p', 0.95, 'seed', 7)) sampled",
        "ai_classify(prompt, array('fish', 'ships', 'weather')) label");
  }

  private static Map<Long, String> collect(Dataset<Row> answers) {
    Map<Long, String> byId = new TreeMap<>();
    for (Row row : answers.collectAsList()) {
      String all = row.getString(1) + '\u0000' + row.getString(2) + '\u0000' + row.getString(3);
      if (byId.put(row.getLong(0), all) != null) {
        throw new IllegalStateException("row " + row.getLong(0) + " came twice");
      }
    }
    return byId;
  }

  /** The first try of each task fails when it has read five answers. */
  private static Dataset<Row> withAFailure(Dataset<Row> answers) {
    MapPartitionsFunction<Row, Row> fail =
        input -> {
          List<Row> read = new ArrayList<>();
          while (input.hasNext()) {
            read.add(input.next());
            if (read.size() == 5 && TaskContext.get().attemptNumber() == 0) {
              throw new IllegalStateException("the first try fails on purpose");
            }
          }
          return read.iterator();
        };
    return answers.mapPartitions(fail, Encoders.row(answers.schema()));
  }

  /** Kills one of the executors while the query runs. */
  private Map<Long, String> withAKill(SparkSession spark) throws Exception {
    MapPartitionsFunction<Long, Long> pid =
        ids -> List.of(ProcessHandle.current().pid()).iterator();
    long victim = spark.range(0, 4, 1, 4).mapPartitions(pid, Encoders.LONG()).head();
    CompletableFuture<Map<Long, String>> query =
        CompletableFuture.supplyAsync(() -> collect(answers(rows(spark, 13))));
    Thread.sleep(1000);
    boolean early = !query.isDone();
    ProcessHandle.of(victim).orElseThrow().destroyForcibly();
    Map<Long, String> answers = query.get();
    if (!early) {
      throw new IllegalStateException("the query ended before the kill: use more rows");
    }
    return answers;
  }

  private void compare(String master, int cap, String what, Map<Long, String> answers) {
    if (reference == null) {
      reference = new LinkedHashMap<>(answers);
    }
    long wrong =
        reference.keySet().stream()
            .filter(id -> !Objects.equals(reference.get(id), answers.get(id)))
            .count();
    wrong += answers.keySet().stream().filter(id -> !reference.containsKey(id)).count();
    differing += wrong;
    table.add(
        List.of(
            master,
            Integer.toString(cap),
            what,
            Integer.toString(answers.size()),
            Long.toString(wrong)));
    System.out.println(table.get(table.size() - 1));
  }

  private SparkSession session(String master, int cap) {
    String retries = master.startsWith("local[") ? master.replace("]", ",4]") : master;
    return SparkSession.builder()
        .master(retries)
        .appName("SparkDeterminismBench")
        .config("spark.ui.enabled", "false")
        .config("spark.executor.memory", "1g")
        .config("spark.executor.extraClassPath", System.getProperty("java.class.path"))
        .config("spark.plugins", "io.sailfish.spark.SailfishPlugin")
        .config("spark.sailfish.model.path", model)
        .config("spark.sailfish.engine.batchCap", cap)
        .getOrCreate();
  }

  /** The folder that a distribution of Spark has, for local-cluster. */
  static void layOutSpark() throws IOException {
    Path jars = Files.createDirectories(Path.of(System.getenv("SPARK_HOME"), "jars"));
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      Path link = jars.resolve(Path.of(entry).getFileName());
      if (entry.endsWith(".jar") && !Files.exists(link)) {
        Files.createSymbolicLink(link, Path.of(entry).toAbsolutePath());
      }
    }
  }
}
