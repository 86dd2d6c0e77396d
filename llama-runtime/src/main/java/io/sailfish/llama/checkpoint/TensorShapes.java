package io.sailfish.llama.checkpoint;

import io.sailfish.llama.model.LayerSizes;
import io.sailfish.llama.model.ModelConfig;
import java.util.LinkedHashMap;
import java.util.Map;

/** Which tensors a model of a given configuration consists of, by our names. */
final class TensorShapes {
  /** Outputs by inputs; a vector is one row. */
  record Shape(int rows, int cols) {
    @Override
    public String toString() {
      return "[" + rows + ", " + cols + "]";
    }
  }

  /** Tensors that a layer has; a model with fewer cannot be whole. */
  private static final int PER_LAYER = 9;

  private TensorShapes() {}

  /** Every tensor that has to be there and its shape, in the order of the computation. */
  static Map<String, Shape> of(ModelConfig c) {
    Map<String, Shape> shapes = new LinkedHashMap<>();
    Shape hiddenVector = new Shape(1, c.hidden());
    Shape table = new Shape(c.vocabulary(), c.hidden());
    shapes.put("embedding", table);
    for (int layer = 0; layer < c.layers(); layer++) {
      String in = "layers." + layer + ".";
      LayerSizes sizes = c.sizes(layer);
      if (sizes.kvHeads() > 0) {
        putAttention(shapes, in, c, sizes.kvHeads() * c.attention().headDim());
      }
      if (sizes.inner() > 0) {
        Shape widen = new Shape(sizes.inner(), c.hidden());
        shapes.put(in + "ffn_norm", hiddenVector);
        shapes.put(in + "gate", widen);
        shapes.put(in + "up", widen);
        shapes.put(in + "down", new Shape(c.hidden(), sizes.inner()));
      }
    }
    shapes.put("output_norm", hiddenVector);
    if (!c.tiedEmbeddings()) {
      shapes.put("output", table);
    }
    return shapes;
  }

  private static void putAttention(
      Map<String, Shape> shapes, String in, ModelConfig c, int kvCols) {
    int qCols = c.attention().qCols();
    shapes.put(in + "attention_norm", new Shape(1, c.hidden()));
    if (c.variant().qkvBias()) {
      shapes.put(in + "q_bias", new Shape(1, qCols));
      shapes.put(in + "k_bias", new Shape(1, kvCols));
      shapes.put(in + "v_bias", new Shape(1, kvCols));
    }
    if (c.variant().outputBias()) {
      shapes.put(in + "o_bias", new Shape(1, c.hidden()));
    }
    if (c.variant().headNorms()) {
      shapes.put(in + "q_norm", new Shape(1, c.attention().headDim()));
      shapes.put(in + "k_norm", new Shape(1, c.attention().headDim()));
    }
    shapes.put(in + "q", new Shape(qCols, c.hidden()));
    shapes.put(in + "k", new Shape(kvCols, c.hidden()));
    shapes.put(in + "v", new Shape(kvCols, c.hidden()));
    shapes.put(in + "o", new Shape(c.hidden(), qCols));
  }

  /** Most layers that a model of so many tensors can have: bounds what a damaged count costs. */
  static int mostLayers(ModelConfig c, int numTensors) {
    return c.layerSizes().isEmpty() ? numTensors / PER_LAYER : Integer.MAX_VALUE;
  }
}
