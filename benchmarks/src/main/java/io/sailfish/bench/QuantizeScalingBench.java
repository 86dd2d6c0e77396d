package io.sailfish.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.checkpoint.SailfishWriter;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.quantize.Calibration;
import io.sailfish.llama.quantize.Grid;
import io.sailfish.llama.quantize.Recipe;
import io.sailfish.llama.tokenizer.HfTokenizer;
import io.sailfish.llama.tokenizer.Tokenizer;
import io.sailfish.spark.SailfishKryoRegistrator;
import io.sailfish.spark.quantize.ClusterQuantizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;

/**
 * How much faster two executors of one core quantise than one: GPTQ of the first layers of a model,
 * both in local clusters, whose executors are processes. The two files have to be equal.
 *
 * <p>Each executor's JVM is told of one processor and held on one of its own by {@code taskset}; a
 * single one on each of two in turn, layer by layer, since processors of virtual machines differ.
 * The driver may run on all of them. A job with less text warms all processes up; of the next one
 * seconds are those of all layers but the first.
 */
public final class QuantizeScalingBench {
  private static final int LENGTH = 512;
  private static final int PROCESSORS = 2;
  private static final int WARM_SEQUENCES = 32;
  private static final long MAX_START_NANOS = 120_000_000_000L;
  private static final Recipe RECIPE = Recipe.of(Recipe.Method.GPTQ, Grid.INT4, 64);

  private QuantizeScalingBench() {}

  /**
   * @param args model, calibration text, layers, sequences, folder for the result
   */
  public static void main(String[] args) throws Exception {
    SparkDeterminismBench.layOutSpark();
    int layers = Integer.parseInt(args[2]);
    int sequences = Integer.parseInt(args[3]);
    Path folder = Files.createTempDirectory("quantize-scaling");
    Path model = folder.resolve("model.sailfish");
    Calibration calibration = prepare(Path.of(args[0]), Path.of(args[1]), layers, sequences, model);
    List<byte[]> files = new ArrayList<>();
    List<Double> seconds = new ArrayList<>();
    for (int executors = 1; executors <= 2; executors++) {
      Path target = folder.resolve("target" + executors + ".sailfish");
      seconds.add(quantize(executors, model, calibration, target));
      files.add(Files.readAllBytes(target));
      System.out.printf(
          Locale.ROOT, "%d executors: %.1f s%n", executors, seconds.get(executors - 1));
    }
    if (!Arrays.equals(files.get(0), files.get(1))) {
      throw new IllegalStateException("one and two executors gave different bytes");
    }
    double speedup = seconds.get(0) / seconds.get(1);
    System.out.printf(Locale.ROOT, "quant.scaling.executors2 %.3f%n", speedup);
    List<List<String>> rows = new ArrayList<>();
    for (int i = 0; i < seconds.size(); i++) {
      rows.add(List.of("" + (i + 1), String.format(Locale.ROOT, "%.1f", seconds.get(i))));
    }
    BenchmarkResult.here(
            "quantize-scaling",
            "benchmarks/spark.sh QuantizeScalingBench MODEL TEXT %d %d"
                .formatted(layers, sequences),
            List.of(new BenchmarkResult.Figure("quant.scaling.executors2", speedup, null)),
            List.of(
                new BenchmarkResult.Table(
                    "GPTQ on Spark executors of one core",
                    ("Layers 2 to %d of SmolLM2 with %d calibration sequences of %d tokens, after a job"
                            + " with %d that warms up; driver and executors on one machine; equal"
                            + " bytes. Each executor's JVM is told of one processor and held on one"
                            + " of its own, the single one on each of two in turn, layer by layer;"
                            + " the driver runs on both.")
                        .formatted(layers, sequences, LENGTH, WARM_SEQUENCES),
                    List.of("executors", "seconds"),
                    rows)))
        .write(Path.of(args[4]));
  }

  /** Writes the model's first layers, and reads the text. */
  private static Calibration prepare(Path model, Path text, int layers, int sequences, Path target)
      throws Exception {
    try (Checkpoint checkpoint = Checkpoints.open(model);
        Tokenizer tokenizer =
            HfTokenizer.of(checkpoint.tokenizerJson(), checkpoint.tokenizerConfig())) {
      Map<String, WeightSource> tensors = new LinkedHashMap<>();
      for (String name : checkpoint.tensorNames()) {
        boolean left =
            name.startsWith("layers.") && Integer.parseInt(name.split("\\.")[1]) >= layers;
        if (!left) {
          tensors.put(name, checkpoint.tensor(name));
        }
      }
      SailfishWriter.Description all =
          SailfishWriter.Description.of(checkpoint, new ObjectMapper().createObjectNode());
      SailfishWriter.write(
          target,
          new SailfishWriter.Description(
              firstLayers(checkpoint.config(), layers),
              all.tokenizerJson(),
              all.tokenizer(),
              all.chatTemplate(),
              all.provenance()),
          tensors);
      return Calibration.of(Files.readString(text), tokenizer, sequences, LENGTH);
    }
  }

  private static ModelConfig firstLayers(ModelConfig c, int count) {
    return new ModelConfig(
        c.name(),
        count,
        c.hidden(),
        c.inner(),
        c.attention(),
        c.variant(),
        c.vocabulary(),
        c.context(),
        c.normEps(),
        c.rope(),
        c.tiedEmbeddings(),
        c.layerSizes().isEmpty() ? c.layerSizes() : c.layerSizes().subList(0, count));
  }

  private static double quantize(int executors, Path model, Calibration calibration, Path target)
      throws Exception {
    SparkSession session =
        SparkSession.builder()
            .master("local-cluster[%d,1,4096]".formatted(executors))
            .appName("quantize-scaling")
            .config("spark.ui.enabled", "false")
            .config("spark.executor.memory", "4g")
            .config("spark.executor.extraJavaOptions", "-XX:ActiveProcessorCount=1")
            .config("spark.driver.maxResultSize", "2g")
            .config("spark.executor.extraClassPath", System.getProperty("java.class.path"))
            .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
            .config("spark.kryo.registrationRequired", "true")
            .config("spark.kryo.registrator", SailfishKryoRegistrator.class.getName())
            .config("spark.kryoserializer.buffer.max", "512m")
            .config("spark.locality.wait", ClusterQuantizer.LOCALITY_WAIT)
            .getOrCreate();
    List<Long> times = new ArrayList<>();
    try {
      JavaSparkContext spark = JavaSparkContext.fromSparkContext(session.sparkContext());
      List<ProcessHandle> processes = processes(spark, executors);
      hold(processes, 0);
      new ClusterQuantizer(
              spark,
              model,
              RECIPE,
              new Calibration(calibration.sequences().subList(0, WARM_SEQUENCES)))
          .run(target, (done, of) -> hold(processes, done));
      new ClusterQuantizer(spark, model, RECIPE, calibration)
          .run(
              target,
              (done, of) -> {
                hold(processes, done);
                times.add(System.nanoTime());
              });
    } finally {
      session.stop();
      SparkSession.clearActiveSession();
      SparkSession.clearDefaultSession();
    }
    return (times.get(times.size() - 1) - times.get(0)) / 1e9;
  }

  /** Waits for all executors; their processes. */
  private static List<ProcessHandle> processes(JavaSparkContext spark, int executors)
      throws Exception {
    long start = System.nanoTime();
    // The driver is among them.
    while (spark.statusTracker().getExecutorInfos().length <= executors) {
      if (System.nanoTime() - start > MAX_START_NANOS) {
        throw new IllegalStateException(executors + " executors did not start");
      }
      Thread.sleep(100);
    }
    List<ProcessHandle> found = new ArrayList<>();
    for (ProcessHandle child : ProcessHandle.current().descendants().toList()) {
      // Not from its ProcessHandle, which leaves out what follows a long class path.
      String command = Files.readString(Path.of("/proc/" + child.pid() + "/cmdline"));
      if (command.contains("--executor-id")) {
        found.add(child);
      }
    }
    if (found.size() != executors) {
      throw new IllegalStateException(
          "%d executor processes, not %d".formatted(found.size(), executors));
    }
    return found;
  }

  /** Holds each on a processor, another one than in the turn before. */
  private static void hold(List<ProcessHandle> executors, int turn) {
    for (int e = 0; e < executors.size(); e++) {
      String processor = Integer.toString((e + turn) % PROCESSORS);
      String pid = Long.toString(executors.get(e).pid());
      try {
        Process taskset =
            new ProcessBuilder("taskset", "-a", "-c", "-p", processor, pid)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        if (taskset.waitFor() != 0) {
          throw new IllegalStateException("taskset ended with " + taskset.exitValue());
        }
      } catch (IOException | InterruptedException failure) {
        throw new IllegalStateException("taskset could not be run", failure);
      }
    }
  }
}
