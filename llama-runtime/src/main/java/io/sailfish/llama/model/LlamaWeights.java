package io.sailfish.llama.model;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.checkpoint.Checkpoint;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * A model's weights, packed by the backend that owns them.
 *
 * @param embedding {@code [vocabulary, hidden]}
 * @param layers from the first to the last
 * @param outputNorm {@code [1, hidden]}
 * @param output {@code [vocabulary, hidden]}; the embedding itself when they are tied
 */
public record LlamaWeights(Weight embedding, List<Layer> layers, Tensor outputNorm, Weight output) {

  /**
   * One transformer block.
   *
   * @param attentionNorm {@code [1, hidden]}
   * @param qkv {@code [(heads + 2 kvHeads) headDim, hidden]}: q over k over v
   * @param o {@code [hidden, heads headDim]}
   * @param ffnNorm {@code [1, hidden]}
   * @param gateUp {@code [2 inner, hidden]}: gate over up
   * @param down {@code [hidden, inner]}
   */
  public record Layer(
      Tensor attentionNorm, Weight qkv, Weight o, Tensor ffnNorm, Weight gateUp, Weight down) {}

  /** Packs all weights; the checkpoint may be closed afterwards. */
  public static LlamaWeights load(Checkpoint checkpoint, Backend backend) {
    return new Loader(checkpoint, backend).load();
  }

  /** Bytes that the packed matrices take. */
  public long bytes() {
    long sum = embedding.bytes() + (output == embedding ? 0 : output.bytes());
    for (Layer layer : layers) {
      sum += layer.qkv.bytes() + layer.o.bytes() + layer.gateUp.bytes() + layer.down.bytes();
    }
    return sum;
  }

  private record Loader(Checkpoint checkpoint, Backend backend) {
    LlamaWeights load() {
      ModelConfig c = checkpoint.config();
      int q = c.attention().qCols();
      int kv = c.attention().kvCols();
      Weight embedding = pack(part("embedding", c.vocabulary(), c.hidden()));
      List<Layer> layers = new ArrayList<>(c.layers());
      for (int i = 0; i < c.layers(); i++) {
        String p = "layers." + i + ".";
        layers.add(
            new Layer(
                norm(p + "attention_norm", c.hidden()),
                pack(
                    part(p + "q", q, c.hidden()),
                    part(p + "k", kv, c.hidden()),
                    part(p + "v", kv, c.hidden())),
                pack(part(p + "o", c.hidden(), q)),
                norm(p + "ffn_norm", c.hidden()),
                pack(
                    part(p + "gate", c.inner(), c.hidden()), part(p + "up", c.inner(), c.hidden())),
                pack(part(p + "down", c.hidden(), c.inner()))));
      }
      Weight output =
          c.tiedEmbeddings() ? embedding : pack(part("output", c.vocabulary(), c.hidden()));
      return new LlamaWeights(embedding, layers, norm("output_norm", c.hidden()), output);
    }

    private Weight pack(WeightSource... parts) {
      return backend.weight(parts[0].name(), List.of(parts));
    }

    private WeightSource part(String name, int rows, int cols) {
      WeightSource source = checkpoint.tensor(name);
      if (source == null) {
        throw new IllegalArgumentException(
            "%s: tensor %s is missing".formatted(checkpoint.describe(), name));
      }
      if (source.rows() != rows || source.cols() != cols) {
        throw new IllegalArgumentException(
            "%s: tensor %s (%s) should be [%d, %d], is [%d, %d]"
                .formatted(
                    checkpoint.describe(),
                    source.name(),
                    name,
                    rows,
                    cols,
                    source.rows(),
                    source.cols()));
      }
      return source;
    }

    private Tensor norm(String name, int cols) {
      WeightSource source = part(name, 1, cols);
      int bytes = Math.toIntExact(source.format().rowBytes(cols));
      ByteBuffer encoded = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
      source.readRows(0, 1, encoded);
      float[] values = new float[cols];
      source.format().codec().decode(encoded, 0, values, 0, cols);
      Tensor tensor = backend.floats(1, cols, name);
      backend.write(tensor, 0, values, 0, cols);
      return tensor;
    }
  }
}
