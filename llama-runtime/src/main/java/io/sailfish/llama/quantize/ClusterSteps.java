package io.sailfish.llama.quantize;

import io.sailfish.kernels.Weight;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.ModelConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The pieces that quantising falls into, as functions of what crosses the wire: steps of shards of
 * the calibration text, and strips of matrices. Put together in any way they give the bytes that
 * {@link Quantizer} gives. One in each process; not thread-safe.
 */
public final class ClusterSteps implements AutoCloseable {
  /**
   * Outputs of a piece of a matrix: those that share a learned table. Few, so that the pieces of
   * small matrices fall evenly to executors.
   */
  private static final int PIECE_ROWS = FittedGrid.STRIP;

  private final Checkpoint checkpoint;
  private final CpuBackend backend;
  private final Workers workers;

  /** With room for shards such as the last one. */
  private CalibrationPass pass;

  /** The weight that the last shard went through, for the next one of the same step. */
  private Weight weight;

  private int weightStep;
  private Matrix[] weightBefore;

  /**
   * Rows of a matrix.
   *
   * @param tensor our name
   */
  public record Piece(String tensor, int firstRow, int rows) {}

  /**
   * Second moments of the inputs of a layer's stages, in their order, through the layer as it was.
   *
   * @param tokens rows that they sum over
   */
  public record LayerMoments(int layer, List<double[]> stages, long tokens) {}

  /**
   * A layer as AWQ makes it.
   *
   * @param codes matrices that were quantised
   * @param scaled norms, and matrices that stay as they are but for their scales
   */
  public record ScaledLayer(List<QuantizedMatrix> codes, List<Matrix> scaled) {
    /** All of it by our names. */
    public Map<String, WeightSource> tensors() {
      Map<String, WeightSource> tensors = new LinkedHashMap<>();
      codes.forEach(matrix -> tensors.put(matrix.name(), matrix));
      scaled.forEach(matrix -> tensors.put(matrix.name(), new FloatRows(matrix)));
      return tensors;
    }
  }

  public ClusterSteps(Path model, int threads) {
    this.checkpoint = Checkpoints.open(model);
    this.backend = CpuBackend.open(threads);
    this.workers = new Workers(threads);
  }

  /** The calibration text in shards, whose number depends on the text alone. */
  public static List<CalibrationShard> shards(Calibration calibration) {
    List<int[]> all = calibration.sequences();
    int size = CalibrationPass.shardSequences(all.get(0).length);
    List<CalibrationShard> shards = new ArrayList<>();
    for (int from = 0; from < all.size(); from += size) {
      List<int[]> sequences = List.copyOf(all.subList(from, Math.min(all.size(), from + size)));
      shards.add(new CalibrationShard(sequences, List.of(), List.of(), null));
    }
    return shards;
  }

  /** Sends a shard to where the first layer begins. */
  public CalibrationShard embed(CalibrationShard shard) {
    List<int[]> sequences = shard.sequences();
    take(sequences);
    WeightSource table = checkpoint.tensor("embedding");
    pass.embed(backend.vocabularyWeight(table.name(), table));
    return pass.shard(sequences, null, null);
  }

  private void take(List<int[]> sequences) {
    if (pass == null || !pass.take(sequences)) {
      pass = new CalibrationPass(checkpoint.config(), backend, sequences);
    }
  }

  /**
   * Sends a shard through the matrices of one stage to the inputs of the next.
   *
   * @param step number of the stage whose inputs are wanted: 4 · layer + stage
   * @param before the matrices of the stage before as they have become, in fp32; those that have
   *     not changed may be missing
   */
  public CalibrationShard step(CalibrationShard shard, int step, Matrix... before) {
    Stage[] stages = Stage.values();
    Stage stage = stages[step % stages.length];
    take(shard.sequences());
    pass.resume(shard, step == 0 ? null : stages[(step - 1) % stages.length]);
    if (step > 0) {
      int layer = (step - 1) / stages.length;
      pass.enter(LayerVectors.of(checkpoint, backend, layer));
      pass.apply(stages[(step - 1) % stages.length], weight(step - 1, before));
    }
    pass.enter(LayerVectors.of(checkpoint, backend, step / stages.length));
    int cols = stage.inputs(checkpoint.config());
    double[] moments = new double[Math.multiplyExact(cols, cols)];
    pass.inputs(stage, moments);
    return pass.shard(shard.sequences(), stage, new Hessian(cols, moments).upper());
  }

  /** Packed once for all shards that come with the same matrices. */
  private Weight weight(int step, Matrix[] matrices) {
    if (weight == null || step != weightStep || matrices != weightBefore) {
      Stage[] stages = Stage.values();
      Map<String, WeightSource> done = new LinkedHashMap<>();
      for (Matrix matrix : matrices) {
        done.put(matrix.name(), new FloatRows(matrix));
      }
      weight =
          new LayerQuantizer(checkpoint, null, backend, workers)
              .weight(stages[step % stages.length], step / stages.length, done);
      weightStep = step;
      weightBefore = matrices;
    }
    return weight;
  }

  /** Moments of all shards, in their order, as the quantizing of a stage needs them. */
  public StageMoments moments(Recipe recipe, int step, List<double[]> shards) {
    Stage[] stages = Stage.values();
    Stage stage = stages[step % stages.length];
    return StageMoments.of(
        hessian(stage, shards), recipe, stage.matrices(step / stages.length), workers);
  }

  /** Moments of all shards added up in their order, {@code [inputs, inputs]}. */
  public double[] sum(int step, List<double[]> shards) {
    Stage[] stages = Stage.values();
    return hessian(stages[step % stages.length], shards).gram();
  }

  private Hessian hessian(Stage stage, List<double[]> shards) {
    double[] sum = new double[shards.get(0).length];
    shards.forEach(shard -> Hessian.add(sum, shard));
    return Hessian.ofUpper(stage.inputs(checkpoint.config()), sum);
  }

  /** AWQ of a whole layer, whose scales depend on one another. */
  public ScaledLayer scale(Recipe recipe, LayerMoments moments) {
    Map<Stage, Hessian> hessians = new EnumMap<>(Stage.class);
    for (Stage stage : Stage.values()) {
      int cols = stage.inputs(checkpoint.config());
      hessians.put(stage, new Hessian(cols, moments.stages().get(stage.ordinal())));
    }
    List<QuantizedMatrix> codes = new ArrayList<>();
    List<Matrix> scaled = new ArrayList<>();
    new AwqLayer(checkpoint, recipe, workers, moments.layer())
        .quantize(hessians, moments.tokens())
        .values()
        .forEach(
            tensor -> {
              if (tensor instanceof QuantizedMatrix matrix) {
                codes.add(matrix);
              } else {
                scaled.add(((FloatRows) tensor).matrix());
              }
            });
    return new ScaledLayer(List.copyOf(codes), List.copyOf(scaled));
  }

  /** The matrices of a stage that a recipe changes, in pieces. */
  public List<Piece> pieces(Recipe recipe, int step) {
    Stage[] stages = Stage.values();
    List<Piece> pieces = new ArrayList<>();
    for (String name : stages[step % stages.length].matrices(step / stages.length)) {
      WeightSource tensor = checkpoint.tensor(name);
      int rows = tensor == null || recipe.choice(name) == null ? 0 : tensor.rows();
      for (int from = 0; from < rows; from += PIECE_ROWS) {
        pieces.add(new Piece(name, from, Math.min(PIECE_ROWS, rows - from)));
      }
    }
    return pieces;
  }

  /** Matrices of a stage as they have become, decoded to go on with. */
  public Matrix[] decoded(int step, Map<String, ? extends WeightSource> done) {
    Stage[] stages = Stage.values();
    List<Matrix> decoded = new ArrayList<>();
    for (String name : stages[step % stages.length].matrices(step / stages.length)) {
      if (done.containsKey(name)) {
        decoded.add(Matrix.read(name, done.get(name)));
      }
    }
    return decoded.toArray(new Matrix[0]);
  }

  /** Quantises a piece. */
  public QuantizedMatrix quantize(Recipe recipe, Piece piece, StageMoments moments) {
    WeightSource tensor = checkpoint.tensor(piece.tensor());
    return moments.quantize(
        recipe.choice(piece.tensor()),
        Matrix.read(piece.tensor(), tensor, piece.firstRow(), piece.rows()),
        workers);
  }

  /** What is used where nothing is known of the inputs. */
  public static StageMoments noMoments() {
    return StageMoments.NONE;
  }

  public ModelConfig config() {
    return checkpoint.config();
  }

  @Override
  public void close() {
    workers.close();
    backend.close();
    checkpoint.close();
  }
}
