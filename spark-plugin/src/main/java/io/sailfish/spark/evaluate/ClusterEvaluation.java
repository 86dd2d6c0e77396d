package io.sailfish.spark.evaluate;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.evaluate.EvaluationReport;
import io.sailfish.llama.evaluate.EvaluationSums;
import io.sailfish.llama.evaluate.WeightErrors;
import io.sailfish.spark.source.ModelSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.HashPartitioner;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.storage.StorageLevel;
import scala.Tuple2;

/**
 * {@link io.sailfish.llama.evaluate.Evaluation} of a column of texts on a cluster. Texts are cut
 * into windows where they lie; windows are then spread over the executors by the digests of their
 * tokens, so that one long text is spread like many short ones. Sums of windows are exact: the
 * report's bytes are those of one machine with the same backend, however the rows are partitioned.
 */
public final class ClusterEvaluation {
  /** Tasks a core, so that a slow one does not hold up the rest. */
  private static final int TASKS_PER_CORE = 4;

  private final JavaSparkContext spark;
  private final EvaluationJob job;

  public ClusterEvaluation(JavaSparkContext spark, EvaluationJob job) {
    this.spark = spark;
    this.job = job;
  }

  /**
   * Evaluates.
   *
   * @param texts each a text of its own; nulls and those of less than two tokens are passed over
   * @throws RuntimeFailure when nothing is left of the texts
   */
  public EvaluationReport run(Dataset<String> texts) {
    // Models that cannot be read are refused here, before any task starts.
    List<double[]> weights = weightErrors(ModelSource.ofHost(job.model()));
    EvaluationJob settings = job;
    JavaRDD<TextWindow> windows =
        texts
            .javaRDD()
            .mapPartitions(part -> ExecutorEvaluators.windows(settings, part))
            .persist(StorageLevel.MEMORY_AND_DISK());
    try {
      long count = windows.count();
      if (count == 0) {
        throw new RuntimeFailure(
            Kind.USER,
            "the texts have fewer than 2 tokens each: there is nothing to predict",
            null);
      }
      JavaRDD<TextWindow> sample = windows;
      if (count > job.mostWindows()) {
        count = job.mostWindows();
        sample = spark.parallelize(windows.takeOrdered(job.mostWindows(), new TextWindow.Order()));
      }
      return new EvaluationReport(job.model(), job.original(), sums(sample, count), weights);
    } finally {
      windows.unpersist();
    }
  }

  private EvaluationSums sums(JavaRDD<TextWindow> windows, long count) {
    EvaluationJob settings = job;
    int tasks = (int) Math.min(count, (long) TASKS_PER_CORE * spark.defaultParallelism());
    List<EvaluationSums> parts =
        windows
            .mapToPair(window -> new Tuple2<>(window.key(), window))
            .partitionBy(new HashPartitioner(tasks))
            .values()
            .mapPartitions(part -> List.of(ExecutorEvaluators.sums(settings, part)).iterator())
            .collect();
    return parts.stream().reduce(EvaluationSums.NONE, EvaluationSums::plus);
  }

  /** A task a layer. */
  private List<double[]> weightErrors(Path model) {
    if (job.original() == null) {
      return List.of();
    }
    EvaluationJob settings = job;
    Path original = ModelSource.ofHost(job.original());
    int layers;
    try (WeightErrors both = new WeightErrors(model, original)) {
      layers = both.layers();
    }
    List<Integer> numbers = IntStream.range(0, layers).boxed().toList();
    return new ArrayList<>(
        spark
            .parallelize(numbers, layers)
            .map(
                layer -> {
                  Path own = ModelSource.ofHost(settings.model());
                  Path other = ModelSource.ofHost(settings.original());
                  try (WeightErrors both = new WeightErrors(own, other)) {
                    return both.layer(layer);
                  }
                })
            .collect());
  }
}
