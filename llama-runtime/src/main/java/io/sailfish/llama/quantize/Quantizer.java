package io.sailfish.llama.quantize;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.checkpoint.SailfishWriter;
import io.sailfish.llama.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Quantises a model on this machine, layer by layer. A finished layer is kept beside the target, so
 * that a run that was killed goes on where it was; the target appears when it is whole. The same
 * model, recipe and calibration text give the same bytes, whatever the threads.
 *
 * <p>Memory: of calibrated methods 4 · tokens · (hidden + inner + q columns) bytes of activations,
 * 28 · k² for the moments of the widest input k and their factor, and 8 for each weight of one
 * layer, which is there in fp32, as codes and as the next layers see it.
 */
public final class Quantizer {
  /** Part of the provenance; to be raised whenever the same input would give other bytes. */
  static final int VERSION = 2;

  /** Two sums of moments in double, the matrix to factor, and the factor in fp32. */
  private static final long MOMENT_BYTES = 28;

  /** Of a weight of the layer that is worked on. */
  private static final long WEIGHT_BYTES = 8;

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path model;
  private final Recipe recipe;
  private final Calibration calibration;
  private final int threads;
  private final boolean packed;

  /** Told of every layer that is done. */
  public interface Progress {
    void done(int layers, int ofLayers);
  }

  /** Who quantises: layers are asked for from the first to the last, each in one of two ways. */
  public interface Layers {
    /** The matrices and vectors of a layer that change, by our names. */
    Map<String, ? extends WeightSource> quantize(int layer);

    /** Goes past a layer that was quantised in an earlier run. */
    void skip(int layer, Map<String, WeightSource> done);
  }

  /**
   * @param model what {@link Checkpoints#open} opens
   * @param calibration null for methods that need none
   * @param threads threads to compute on
   */
  public Quantizer(Path model, Recipe recipe, Calibration calibration, int threads) {
    this(model, recipe, calibration, threads, false);
  }

  private Quantizer(
      Path model, Recipe recipe, Calibration calibration, int threads, boolean packed) {
    if (recipe.calibrated() && calibration == null) {
      throw new RuntimeFailure(
          Kind.USER, "recipe '%s' needs calibration text".formatted(recipe), null);
    }
    this.model = model;
    this.recipe = recipe;
    this.calibration = calibration;
    this.threads = threads;
    this.packed = packed;
  }

  /** One that writes matrices as a card keeps them: {@link SailfishWriter#writePacked}. */
  public Quantizer packed() {
    return new Quantizer(model, recipe, calibration, threads, true);
  }

  /**
   * Quantises all layers in this process and writes the model.
   *
   * @param target file of ours; replaced when it is there
   */
  public void run(Path target, Progress progress) {
    try (Checkpoint checkpoint = Checkpoints.open(model);
        CpuBackend backend = CpuBackend.open(threads);
        Workers workers = new Workers(threads)) {
      LayerQuantizer layers = new LayerQuantizer(checkpoint, recipe, backend, workers);
      CalibrationPass pass = recipe.calibrated() ? pass(checkpoint, backend) : null;
      run(checkpoint, target, null, new OneProcess(layers, pass), progress);
    }
  }

  /**
   * The same by somebody else.
   *
   * @param finished where layers that are done are kept, for the caller to delete once the model is
   *     where it belongs; null = beside the target, deleted here
   */
  public void run(Path target, LayerFolder finished, Layers layers, Progress progress) {
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      run(checkpoint, target, finished, layers, progress);
    }
  }

  private record OneProcess(LayerQuantizer layers, CalibrationPass pass) implements Layers {
    @Override
    public Map<String, WeightSource> quantize(int layer) {
      return pass == null ? layers.plain(layer) : layers.calibrated(layer, pass);
    }

    @Override
    public void skip(int layer, Map<String, WeightSource> done) {
      if (pass != null) {
        layers.skip(layer, pass, done);
      }
    }
  }

  private void run(
      Checkpoint checkpoint, Path target, LayerFolder given, Layers layers, Progress progress) {
    requireWholeBlocks(checkpoint);
    ObjectNode provenance = provenance(checkpoint);
    FinishedLayers finished =
        FinishedLayers.open(given == null ? beside(target) : given, provenance.toString());
    int count = checkpoint.config().layers();
    for (int layer = 0; layer < count; layer++) {
      try (FinishedLayers.Part part = finished.part(layer)) {
        if (part == null) {
          finished.put(layer, new LinkedHashMap<>(layers.quantize(layer)));
        } else {
          layers.skip(layer, part.tensors());
        }
      }
      progress.done(layer + 1, count);
    }
    write(checkpoint, finished, target, provenance);
    if (given == null) {
      finished.delete();
    }
  }

  private static LayerFolder beside(Path target) {
    Path folder = target.resolveSibling(target.getFileName() + ".layers");
    try {
      return new LocalLayerFolder(folder);
    } catch (IOException e) {
      throw new RuntimeFailure(Kind.USER, folder + ": cannot be used: " + e, e);
    }
  }

  private CalibrationPass pass(Checkpoint checkpoint, CpuBackend backend) {
    requireMemory(checkpoint.config());
    CalibrationPass pass =
        new CalibrationPass(checkpoint.config(), backend, calibration.sequences());
    WeightSource table = checkpoint.tensor("embedding");
    pass.embed(backend.vocabularyWeight(table.name(), table));
    return pass;
  }

  private void requireMemory(ModelConfig config) {
    long tokens = calibration.sequences().stream().mapToLong(ids -> ids.length).sum();
    long needed = calibrationBytes(config, tokens);
    long most = Runtime.getRuntime().maxMemory();
    if (needed > most) {
      throw new RuntimeFailure(
          Kind.USER,
          ("calibrating %s with %d tokens takes %d MiB, Java has %d MiB: take fewer sequences or"
                  + " give it more (-Xmx; SAILFISH_JVM of bin/sailfish)")
              .formatted(config.name(), tokens, needed >> 20, most >> 20),
          null);
    }
  }

  /** What calibrated methods take at most, but for what any model takes. */
  static long calibrationBytes(ModelConfig config, long tokens) {
    long hidden = config.hidden();
    long widest = Math.max(config.inner(), Math.max(hidden, config.attention().qCols()));
    long layer =
        hidden * (config.attention().qkvCols() + config.attention().qCols() + 3L * config.inner());
    return CalibrationPass.activationBytes(config, tokens)
        + MOMENT_BYTES * widest * widest
        + WEIGHT_BYTES * layer;
  }

  private void requireWholeBlocks(Checkpoint checkpoint) {
    ModelConfig config = checkpoint.config();
    if (recipe.calibrated() && !config.layerSizes().isEmpty()) {
      throw new RuntimeFailure(
          Kind.USER,
          "%s has layers of different sizes: only methods without calibration quantise it"
              .formatted(config.name()),
          null);
    }
    for (int layer = 0; layer < config.layers(); layer++) {
      for (Stage stage : Stage.values()) {
        for (String name : stage.matrices(layer)) {
          WeightSource tensor = checkpoint.tensor(name);
          if (tensor != null && recipe.choice(name) != null && tensor.cols() % 32 != 0) {
            throw new RuntimeFailure(
                Kind.USER,
                "%s has %d inputs: quantised formats need a multiple of 32; leave it as it is"
                    .formatted(name, tensor.cols()),
                null);
          }
        }
      }
    }
  }

  private ObjectNode provenance(Checkpoint checkpoint) {
    ObjectNode json = JSON.createObjectNode();
    json.put("quantizer", VERSION).put("recipe", recipe.toString());
    json.put("source", checkpoint.describe()).put("source_sha256", SourceDigest.of(model));
    if (calibration != null) {
      json.put("calibration_sha256", calibration.sha256());
      json.put("calibration_sequences", calibration.sequences().size());
      json.put("calibration_length", calibration.sequences().get(0).length);
    }
    return json;
  }

  private void write(
      Checkpoint checkpoint, FinishedLayers finished, Path target, ObjectNode provenance) {
    List<FinishedLayers.Part> parts = new ArrayList<>();
    try {
      Map<String, WeightSource> tensors = new LinkedHashMap<>();
      checkpoint.tensorNames().forEach(name -> tensors.put(name, checkpoint.tensor(name)));
      for (int layer = 0; layer < checkpoint.config().layers(); layer++) {
        FinishedLayers.Part part = finished.part(layer);
        if (part == null) {
          throw new RuntimeFailure(
              Kind.USER,
              "layer %d was damaged before it was used: start again".formatted(layer),
              null);
        }
        parts.add(part);
        tensors.putAll(part.tensors());
      }
      SailfishWriter.Description all = SailfishWriter.Description.of(checkpoint, provenance);
      if (packed) {
        SailfishWriter.writePacked(target, all, tensors);
      } else {
        SailfishWriter.write(target, all, tensors);
      }
    } finally {
      parts.forEach(FinishedLayers.Part::close);
    }
  }
}
