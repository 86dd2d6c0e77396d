package io.sailfish.llama.checkpoint;

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

  /** Tensors that every layer has at least; a model with fewer cannot be whole. */
  static final int PER_LAYER = 9;

  private TensorShapes() {}

  /** Every tensor that has to be there and its shape, in the order of the computation. */
  static Map<String, Shape> of(ModelConfig c) {
    Map<String, Shape> shapes = new LinkedHashMap<>();
    Shape hiddenVector = new Shape(1, c.hidden());
    Shape table = new Shape(c.vocabulary(), c.hidden());
    Shape keyOrValue = new Shape(c.attention().kvCols(), c.hidden());
    Shape widen = new Shape(c.inner(), c.hidden());
    shapes.put("embedding", table);
    for (int layer = 0; layer < c.layers(); layer++) {
      String in = "layers." + layer + ".";
      shapes.put(in + "attention_norm", hiddenVector);
      putVariant(shapes, in, c);
      shapes.put(in + "q", new Shape(c.attention().qCols(), c.hidden()));
      shapes.put(in + "k", keyOrValue);
      shapes.put(in + "v", keyOrValue);
      shapes.put(in + "o", new Shape(c.hidden(), c.attention().qCols()));
      shapes.put(in + "ffn_norm", hiddenVector);
      shapes.put(in + "gate", widen);
      shapes.put(in + "up", widen);
      shapes.put(in + "down", new Shape(c.hidden(), c.inner()));
    }
    shapes.put("output_norm", hiddenVector);
    if (!c.tiedEmbeddings()) {
      shapes.put("output", table);
    }
    return shapes;
  }

  private static void putVariant(Map<String, Shape> shapes, String in, ModelConfig c) {
    if (c.variant().qkvBias()) {
      shapes.put(in + "q_bias", new Shape(1, c.attention().qCols()));
      shapes.put(in + "k_bias", new Shape(1, c.attention().kvCols()));
      shapes.put(in + "v_bias", new Shape(1, c.attention().kvCols()));
    }
    if (c.variant().outputBias()) {
      shapes.put(in + "o_bias", new Shape(1, c.hidden()));
    }
    if (c.variant().headNorms()) {
      shapes.put(in + "q_norm", new Shape(1, c.attention().headDim()));
      shapes.put(in + "k_norm", new Shape(1, c.attention().headDim()));
    }
  }
}
