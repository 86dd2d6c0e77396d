package io.sailfish.spark.quantize;

import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.SailfishWriter;
import io.sailfish.llama.quantize.Calibration;
import io.sailfish.llama.quantize.CalibrationShard;
import io.sailfish.llama.quantize.ClusterSteps;
import io.sailfish.llama.quantize.LayerFolder;
import io.sailfish.llama.quantize.Matrix;
import io.sailfish.llama.quantize.QuantizedMatrix;
import io.sailfish.llama.quantize.Quantizer;
import io.sailfish.llama.quantize.Recipe;
import io.sailfish.llama.quantize.StageMoments;
import io.sailfish.spark.source.HadoopFiles;
import io.sailfish.spark.source.ModelSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.storage.StorageLevel;

/**
 * Quantises a model on a cluster: shards of the calibration text go through the model side by side,
 * and the matrices of a stage are quantised in pieces. The bytes are those of {@link Quantizer},
 * whatever the executors.
 *
 * <p>For each of a layer's four stages there are two jobs: one sends the shards on and brings their
 * moments to the driver, which adds them up in the order of the shards and factors them; one
 * quantises the pieces. With AWQ, whose scales of a layer depend on one another, one task takes a
 * layer while the shards go on to the next. Shards stay where they are, as blocks of Spark; what a
 * lost executor held is computed again. Layers that are done are kept, on any file system, and
 * never done again.
 */
public final class ClusterQuantizer {
  /**
   * {@code spark.locality.wait} that suits these jobs. Where shards are first computed is chance,
   * and with Spark's 3 s an executor that has few of them stays idle rather than take one from
   * another, which costs a tenth of a second, once.
   */
  public static final String LOCALITY_WAIT = "100ms";

  private static final int STAGES = 4;

  /** Tasks a core that pieces of matrices are dealt to: each costs the driver some 20 ms. */
  private static final int TASKS_PER_CORE = 2;

  private final JavaSparkContext spark;
  private final String model;
  private final Recipe recipe;
  private final Calibration calibration;
  private final boolean packed;

  /**
   * @param model file or folder by any path that Hadoop opens; a local one has to be there on the
   *     driver and on every executor
   * @param calibration null for methods that need none
   */
  public ClusterQuantizer(
      JavaSparkContext spark, String model, Recipe recipe, Calibration calibration) {
    this(spark, model, recipe, calibration, false);
  }

  private ClusterQuantizer(
      JavaSparkContext spark,
      String model,
      Recipe recipe,
      Calibration calibration,
      boolean packed) {
    this.spark = spark;
    this.model = model;
    this.recipe = recipe;
    this.calibration = calibration;
    this.packed = packed;
  }

  /** One that writes matrices as a card keeps them. */
  public ClusterQuantizer packed() {
    return new ClusterQuantizer(spark, model, recipe, calibration, true);
  }

  /** The same for a local model. */
  public ClusterQuantizer(
      JavaSparkContext spark, Path model, Recipe recipe, Calibration calibration) {
    this(spark, model.toAbsolutePath().toString(), recipe, calibration);
  }

  /**
   * Quantises all layers and writes the model; layers that are done are kept beside it.
   *
   * @param target file on the driver
   */
  public void run(Path target, Quantizer.Progress progress) {
    quantize(target, null, progress);
  }

  /**
   * Quantises all layers and writes the model.
   *
   * @param target file by any path that Hadoop opens
   * @param finished folder for layers that are done, by any such path: a job that is started again
   *     goes on from there, on whatever host its driver is; null = {@code TARGET.layers}
   * @throws RuntimeFailure when either cannot be used
   */
  public void run(String target, String finished, Quantizer.Progress progress) {
    Configuration hadoop = spark.hadoopConfiguration();
    var file = new org.apache.hadoop.fs.Path(target);
    String folder = finished == null ? target + ".layers" : finished;
    Path whole = null;
    try (HadoopLayerFolder layers =
        new HadoopLayerFolder(new org.apache.hadoop.fs.Path(folder), hadoop)) {
      whole = Files.createTempFile("sailfish-", SailfishWriter.ENDING);
      quantize(whole, layers, progress);
      Path written = whole;
      HadoopFiles.put(HadoopFiles.of(file, hadoop), file, out -> Files.copy(written, out));
      layers.delete();
    } catch (IOException e) {
      throw new RuntimeFailure(
          Kind.USER, "%s, %s: cannot be written: %s".formatted(target, folder, e), e);
    } finally {
      delete(whole);
    }
  }

  private static void delete(Path file) {
    try {
      if (file != null) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new RuntimeFailure(Kind.USER, file + ": cannot be deleted: " + e, e);
    }
  }

  private void quantize(Path target, LayerFolder finished, Quantizer.Progress progress) {
    int threads = Runtime.getRuntime().availableProcessors();
    Path local = ModelSource.ofHost(model);
    try (ClusterSteps steps = new ClusterSteps(local, threads);
        ClusterLayers layers = new ClusterLayers(steps)) {
      Quantizer quantizer = new Quantizer(local, recipe, calibration, 1);
      (packed ? quantizer.packed() : quantizer).run(target, finished, layers, progress);
    }
  }

  private final class ClusterLayers implements Quantizer.Layers, AutoCloseable {
    private final ClusterSteps steps;
    private JavaRDD<CalibrationShard> shards;
    private Matrix[] before = {};

    /** Of the next layer, when they were summed while this one was scaled. */
    private ClusterSteps.LayerMoments next;

    ClusterLayers(ClusterSteps steps) {
      this.steps = steps;
      if (calibration != null) {
        List<CalibrationShard> all = ClusterSteps.shards(calibration);
        String path = model;
        shards =
            spark
                .parallelize(all, all.size())
                .map(shard -> ExecutorSteps.of(path).embed(shard))
                .persist(StorageLevel.MEMORY_AND_DISK());
      }
    }

    @Override
    public Map<String, WeightSource> quantize(int layer) {
      if (recipe.choice().method() == Recipe.Method.AWQ) {
        return scale(layer);
      }
      Map<String, WeightSource> done = new LinkedHashMap<>();
      for (int step = STAGES * layer; step < STAGES * (layer + 1); step++) {
        StageMoments moments = ClusterSteps.noMoments();
        if (shards != null) {
          moments = steps.moments(recipe, step, advance(step));
        }
        Map<String, QuantizedMatrix> matrices = solve(step, moments);
        done.putAll(matrices);
        before = steps.decoded(step, matrices);
      }
      return done;
    }

    @Override
    public void skip(int layer, Map<String, WeightSource> done) {
      for (int step = STAGES * layer; shards != null && step < STAGES * (layer + 1); step++) {
        advance(step);
        boolean original = recipe.choice().method() == Recipe.Method.AWQ;
        before = original ? before : steps.decoded(step, done);
      }
    }

    /** One task scales and rounds the layer, while the shards go on to the next. */
    private Map<String, WeightSource> scale(int layer) {
      ClusterSteps.LayerMoments moments = next == null ? moments(layer) : next;
      String path = model;
      Recipe recipeOfAll = recipe;
      Broadcast<ClusterSteps.LayerMoments> shared = spark.broadcast(moments);
      JavaFutureAction<List<ClusterSteps.ScaledLayer>> scaled =
          spark
              .parallelize(List.of(layer), 1)
              .map(l -> ExecutorSteps.of(path).scale(recipeOfAll, shared.value()))
              .collectAsync();
      next = layer + 1 < steps.config().layers() ? moments(layer + 1) : null;
      try {
        return scaled.get().get(0).tensors();
      } catch (ExecutionException e) {
        throw new IllegalStateException("layer " + layer + " could not be scaled", e.getCause());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while layer " + layer + " was scaled", e);
      } finally {
        shared.destroy();
      }
    }

    private ClusterSteps.LayerMoments moments(int layer) {
      List<double[]> stages = new ArrayList<>();
      for (int step = STAGES * layer; step < STAGES * (layer + 1); step++) {
        stages.add(steps.sum(step, advance(step)));
      }
      long tokens = calibration.sequences().stream().mapToLong(ids -> ids.length).sum();
      return new ClusterSteps.LayerMoments(layer, stages, tokens);
    }

    /** Sends the shards to the inputs of a stage; returns their moments in the shards' order. */
    private List<double[]> advance(int step) {
      String path = model;
      Broadcast<Matrix[]> weights = spark.broadcast(before);
      JavaRDD<CalibrationShard> next =
          shards
              .map(shard -> ExecutorSteps.of(path).step(shard, step, weights.value()))
              .persist(StorageLevel.MEMORY_AND_DISK());
      List<double[]> moments = next.map(CalibrationShard::moments).collect();
      shards.unpersist();
      shards = next;
      return moments;
    }

    private Map<String, QuantizedMatrix> solve(int step, StageMoments moments) {
      String path = model;
      Recipe recipeOfAll = recipe;
      List<ClusterSteps.Piece> pieces = steps.pieces(recipe, step);
      Broadcast<StageMoments> shared = spark.broadcast(moments);
      Map<String, List<QuantizedMatrix>> parts = new LinkedHashMap<>();
      for (QuantizedMatrix piece :
          pieces.isEmpty()
              ? List.<QuantizedMatrix>of()
              : spark
                  .parallelize(pieces, tasks(pieces.size()))
                  .map(p -> ExecutorSteps.of(path).quantize(recipeOfAll, p, shared.value()))
                  .collect()) {
        parts.computeIfAbsent(piece.name(), name -> new ArrayList<>()).add(piece);
      }
      shared.destroy();
      Map<String, QuantizedMatrix> matrices = new LinkedHashMap<>();
      parts.forEach((name, of) -> matrices.put(name, QuantizedMatrix.join(of)));
      return matrices;
    }

    private int tasks(int pieces) {
      return Math.min(pieces, TASKS_PER_CORE * Math.max(1, spark.defaultParallelism()));
    }

    @Override
    public void close() {
      if (shards != null) {
        shards.unpersist();
      }
    }
  }
}
