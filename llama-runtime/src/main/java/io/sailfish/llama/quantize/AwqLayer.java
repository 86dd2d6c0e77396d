package io.sailfish.llama.quantize;

import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.model.ModelConfig;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * AWQ of one layer: factors of the inputs of q|k|v and gate|up go into the norms before them, those
 * of down into the rows of up, those of o into the rows of v. The last only where each query head
 * has a value head of its own.
 */
final class AwqLayer {
  private final Recipe recipe;
  private final ModelConfig config;
  private final Workers workers;
  private final String in;
  private final Checkpoint checkpoint;
  private final Map<String, Matrix> tensors = new LinkedHashMap<>();

  AwqLayer(Checkpoint checkpoint, Recipe recipe, Workers workers, int layer) {
    this.checkpoint = checkpoint;
    this.config = checkpoint.config();
    this.recipe = recipe;
    this.workers = workers;
    this.in = "layers." + layer + ".";
    for (Stage stage : Stage.values()) {
      stage.matrices(layer).forEach(this::read);
    }
    read(in + "attention_norm");
    read(in + "ffn_norm");
  }

  private void read(String name) {
    tensors.put(name, Matrix.read(name, checkpoint.tensor(name)));
  }

  /** The layer's matrices and norms as they become. */
  Map<String, WeightSource> quantize(Map<Stage, Hessian> moments, long tokens) {
    Awq search = new Awq(recipe.choice(), workers);
    Map<String, float[]> factors = new LinkedHashMap<>();
    boolean ownValueHeads =
        config.attention().kvCols() == config.attention().qCols() && !config.variant().qkvBias();
    for (Stage stage : Stage.values()) {
      if (stage == Stage.O && !ownValueHeads) {
        continue;
      }
      List<String> names = names(stage);
      float[] scales =
          search.scales(names.stream().map(tensors::get).toList(), moments.get(stage), tokens);
      for (String name : names) {
        tensors.put(name, Awq.scaled(tensors.get(name), scales));
        factors.put(name, scales);
      }
      divideSource(stage, scales);
    }
    Map<String, WeightSource> out = new LinkedHashMap<>();
    for (Stage stage : Stage.values()) {
      for (String name : names(stage)) {
        double[] importance = importance(moments.get(stage), factors.get(name));
        out.put(name, round(name, importance));
      }
    }
    out.put(in + "attention_norm", new FloatRows(tensors.get(in + "attention_norm")));
    out.put(in + "ffn_norm", new FloatRows(tensors.get(in + "ffn_norm")));
    return out;
  }

  private List<String> names(Stage stage) {
    int layer = Integer.parseInt(in.substring("layers.".length(), in.length() - 1));
    return stage.matrices(layer);
  }

  private void divideSource(Stage stage, float[] scales) {
    String source =
        switch (stage) {
          case QKV -> in + "attention_norm";
          case O -> in + "v";
          case GATE_UP -> in + "ffn_norm";
          case DOWN -> in + "up";
        };
    Matrix matrix = tensors.get(source);
    float[] values = matrix.values().clone();
    int cols = matrix.cols();
    for (int i = 0; i < values.length; i++) {
      values[i] /= matrix.rows() == 1 ? scales[i] : scales[i / cols];
    }
    tensors.put(source, new Matrix(source, matrix.rows(), cols, values));
  }

  /** Second moments of the inputs as they are after the division. */
  private static double[] importance(Hessian moments, float[] factors) {
    double[] importance = moments.diagonal();
    for (int c = 0; factors != null && c < importance.length; c++) {
      importance[c] /= (double) factors[c] * factors[c];
    }
    return importance;
  }

  private WeightSource round(String name, double[] importance) {
    Recipe.Choice choice = recipe.choice(name);
    Matrix matrix = tensors.get(name);
    if (choice == null) {
      return new FloatRows(matrix);
    }
    return Rounding.nearest(matrix, GridFitter.fit(choice, matrix, importance, workers), workers);
  }
}
