package io.sailfish.llama.quantize;

import io.sailfish.kernels.Weight;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.model.ModelConfig;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Quantises the matrices of one layer after the other, as a recipe says. */
final class LayerQuantizer {
  private final Checkpoint checkpoint;
  private final ModelConfig config;
  private final Recipe recipe;
  private final CpuBackend backend;
  private final Workers workers;

  LayerQuantizer(Checkpoint checkpoint, Recipe recipe, CpuBackend backend, Workers workers) {
    this.checkpoint = checkpoint;
    this.config = checkpoint.config();
    this.recipe = recipe;
    this.backend = backend;
    this.workers = workers;
  }

  /** The matrices and vectors of a layer that change, when no activations are needed. */
  Map<String, WeightSource> plain(int layer) {
    Map<String, WeightSource> out = new LinkedHashMap<>();
    for (Stage stage : Stage.values()) {
      for (String name : stage.matrices(layer)) {
        Recipe.Choice choice = recipe.choice(name);
        if (choice != null && checkpoint.tensor(name) != null) {
          out.put(name, StageMoments.NONE.quantize(choice, read(name), workers));
        }
      }
    }
    return out;
  }

  /**
   * The same with activations, which then go through the quantised layer; with AWQ, whose error is
   * measured against the layer as it was, through that one.
   */
  Map<String, WeightSource> calibrated(int layer, CalibrationPass pass) {
    pass.enter(LayerVectors.of(checkpoint, backend, layer));
    if (recipe.choice().method() == Recipe.Method.AWQ) {
      return scaled(layer, pass);
    }
    Map<String, WeightSource> out = new LinkedHashMap<>();
    for (Stage stage : Stage.values()) {
      Hessian hessian = moments(stage, pass);
      Map<String, WeightSource> done = stage(stage.matrices(layer), hessian);
      out.putAll(done);
      if (stage != Stage.DOWN || layer + 1 < config.layers()) {
        pass.apply(stage, weight(stage, layer, done));
      }
    }
    return out;
  }

  /** Sends the activations through a layer that is done already. */
  void skip(int layer, CalibrationPass pass, Map<String, WeightSource> done) {
    boolean original = recipe.choice().method() == Recipe.Method.AWQ;
    pass.enter(LayerVectors.of(checkpoint, backend, layer));
    for (Stage stage : Stage.values()) {
      pass.inputs(stage, null);
      pass.apply(stage, weight(stage, layer, original ? Map.of() : done));
    }
  }

  private Hessian moments(Stage stage, CalibrationPass pass) {
    int cols = stage.inputs(config);
    double[] moments = new double[Math.multiplyExact(cols, cols)];
    pass.inputs(stage, moments);
    return new Hessian(cols, moments);
  }

  private Map<String, WeightSource> stage(List<String> names, Hessian hessian) {
    Map<String, WeightSource> out = new LinkedHashMap<>();
    StageMoments moments = StageMoments.of(hessian, recipe, names, workers);
    for (String name : names) {
      Recipe.Choice choice = recipe.choice(name);
      if (choice != null) {
        out.put(name, moments.quantize(choice, read(name), workers));
      }
    }
    return out;
  }

  private Map<String, WeightSource> scaled(int layer, CalibrationPass pass) {
    Map<Stage, Hessian> moments = new EnumMap<>(Stage.class);
    for (Stage stage : Stage.values()) {
      moments.put(stage, moments(stage, pass));
      pass.apply(stage, weight(stage, layer, Map.of()));
    }
    return new AwqLayer(checkpoint, recipe, workers, layer).quantize(moments, pass.tokens());
  }

  /** The matrices of a stage, those that are done as they have become. */
  Weight weight(Stage stage, int layer, Map<String, WeightSource> done) {
    List<WeightSource> parts = new ArrayList<>();
    for (String name : stage.matrices(layer)) {
      WeightSource source = done.getOrDefault(name, checkpoint.tensor(name));
      // In fp32: a quantised matrix would be decoded again for each some hundred tokens, and one
      // with an order of its own would want its inputs reordered.
      parts.add(new FloatRows(Matrix.read(name, source)));
    }
    return stage == Stage.GATE_UP
        ? backend.gatedWeight(parts.get(0).name(), parts.get(0), parts.get(1))
        : backend.weight(parts.get(0).name(), parts);
  }

  private Matrix read(String name) {
    return Matrix.read(name, checkpoint.tensor(name));
  }
}
