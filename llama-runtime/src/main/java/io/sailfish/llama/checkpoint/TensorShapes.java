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
}
