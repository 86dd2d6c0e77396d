package io.sailfish.llama.model;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.packed.PackedForm;
import io.sailfish.kernels.format.packed.PackedSource;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.FusedWeights;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
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
   * One transformer block. What belongs to attention or to feed-forward is null in a layer without.
   *
   * @param attentionNorm {@code [1, hidden]}
   * @param qkv {@code [(heads + 2 kvHeads) headDim, hidden]}: q over k over v
   * @param o {@code [hidden, heads headDim]}
   * @param ffnNorm {@code [1, hidden]}
   * @param gateUp {@code [2 inner, hidden]}: gate over up
   * @param down {@code [hidden, inner]}
   * @param extras what a plain Llama has not
   */
  public record Layer(
      Tensor attentionNorm,
      Weight qkv,
      Weight o,
      Tensor ffnNorm,
      Weight gateUp,
      Weight down,
      Extras extras) {
    /** The matrices whose inputs are in an order of their own. */
    List<Weight> reordering() {
      List<Weight> out = new ArrayList<>();
      if (extras.qkvOrder != null) {
        out.add(qkv);
      }
      if (extras.oOrder != null) {
        out.add(o);
      }
      if (extras.gateUpOrder != null) {
        out.add(gateUp);
      }
      if (extras.downOrder != null) {
        out.add(down);
      }
      return out;
    }
  }

  /**
   * What some families and formats add to a block; each null where there is none.
   *
   * @param qkvBias {@code [1, (heads + 2 kvHeads) headDim]}
   * @param oBias {@code [1, hidden]}
   * @param qNorm {@code [1, headDim]}
   * @param kNorm {@code [1, headDim]}
   * @param qkvOrder order in which qkv has its inputs ({@link WeightSource#inputOrder()})
   * @param oOrder the same of o
   * @param gateUpOrder the same of gateUp
   * @param downOrder the same of down
   */
  public record Extras(
      Tensor qkvBias,
      Tensor oBias,
      Tensor qNorm,
      Tensor kNorm,
      IntTensor qkvOrder,
      IntTensor oOrder,
      IntTensor gateUpOrder,
      IntTensor downOrder) {
    /** Llama's own layers have nothing more. */
    public static final Extras NONE = new Extras(null, null, null, null, null, null, null, null);
  }

  /** Packs all weights; the checkpoint may be closed afterwards. */
  public static LlamaWeights load(Checkpoint checkpoint, Backend backend) {
    return new Loader(checkpoint, backend).load();
  }

  /** Bytes that the packed matrices take. */
  public long bytes() {
    long sum = embedding.bytes() + (output == embedding ? 0 : output.bytes());
    for (Layer layer : layers) {
      for (Weight weight : Arrays.asList(layer.qkv, layer.o, layer.gateUp, layer.down)) {
        sum += weight == null ? 0 : weight.bytes();
      }
    }
    return sum;
  }

  private record Loader(Checkpoint checkpoint, Backend backend) {
    LlamaWeights load() {
      ModelConfig c = checkpoint.config();
      Weight embedding = vocabulary("embedding", c);
      List<Layer> layers = new ArrayList<>(c.layers());
      for (int i = 0; i < c.layers(); i++) {
        layers.add(layer(c, "layers." + i + ".", c.sizes(i)));
      }
      Weight output = c.tiedEmbeddings() ? embedding : vocabulary("output", c);
      return new LlamaWeights(embedding, layers, norm("output_norm", c.hidden()), output);
    }

    private Layer layer(ModelConfig c, String p, LayerSizes sizes) {
      Attention attention = sizes.kvHeads() == 0 ? Attention.NONE : attention(c, p, sizes);
      FeedForward ffn = sizes.inner() == 0 ? FeedForward.NONE : feedForward(c, p, sizes.inner());
      Extras extras =
          new Extras(
              attention.qkvBias,
              attention.oBias,
              attention.qNorm,
              attention.kNorm,
              attention.qkvOrder,
              attention.oOrder,
              ffn.gateUpOrder,
              ffn.downOrder);
      return new Layer(
          attention.norm, attention.qkv, attention.o, ffn.norm, ffn.gateUp, ffn.down, extras);
    }

    private record Attention(
        Tensor norm,
        Weight qkv,
        Weight o,
        Tensor qkvBias,
        Tensor oBias,
        Tensor qNorm,
        Tensor kNorm,
        IntTensor qkvOrder,
        IntTensor oOrder) {
      static final Attention NONE =
          new Attention(null, null, null, null, null, null, null, null, null);
    }

    private Attention attention(ModelConfig c, String p, LayerSizes sizes) {
      int dim = c.attention().headDim();
      int q = c.attention().qCols();
      int kv = sizes.kvHeads() * dim;
      int copies = c.attention().kvHeads() / sizes.kvHeads();
      WeightSource[] qkv = {
        part(p + "q", q, c.hidden()),
        HeadCopies.of(part(p + "k", kv, c.hidden()), dim, copies),
        HeadCopies.of(part(p + "v", kv, c.hidden()), dim, copies)
      };
      WeightSource o = part(p + "o", c.hidden(), q);
      boolean norms = c.variant().headNorms();
      return new Attention(
          norm(p + "attention_norm", c.hidden()),
          pack(FusedWeights.stacked(p + "qkv", p + "q", p + "k", p + "v"), qkv),
          pack(FusedWeights.stacked(p + "o", p + "o"), o),
          c.variant().qkvBias() ? qkvBias(p, dim, copies) : null,
          c.variant().outputBias() ? norm(p + "o_bias", c.hidden()) : null,
          norms ? norm(p + "q_norm", dim) : null,
          norms ? norm(p + "k_norm", dim) : null,
          order(qkv),
          order(o));
    }

    private record FeedForward(
        Tensor norm, Weight gateUp, Weight down, IntTensor gateUpOrder, IntTensor downOrder) {
      static final FeedForward NONE = new FeedForward(null, null, null, null, null);
    }

    private FeedForward feedForward(ModelConfig c, String p, int inner) {
      WeightSource[] gateUp = {
        part(p + "gate", inner, c.hidden()), part(p + "up", inner, c.hidden())
      };
      WeightSource down = part(p + "down", c.hidden(), inner);
      return new FeedForward(
          norm(p + "ffn_norm", c.hidden()),
          pack(FusedWeights.gated(p + "gate_up", p + "gate", p + "up"), gateUp),
          pack(FusedWeights.stacked(p + "down", p + "down"), down),
          order(gateUp),
          order(down));
    }

    /** The order that all parts have their inputs in; null as they are. */
    private IntTensor order(WeightSource... parts) {
      int[] order = parts[0].inputOrder();
      for (WeightSource part : parts) {
        if (!Arrays.equals(order, part.inputOrder())) {
          throw new IllegalArgumentException(
              "%s: tensors %s and %s have their inputs in different orders; they multiply the same"
                      .formatted(checkpoint.describe(), parts[0].name(), part.name())
                  + " activations, so their g_idx must be equal");
        }
      }
      if (order == null) {
        return null;
      }
      IntTensor tensor = backend.ints(order.length, parts[0].name() + " input order");
      backend.write(tensor, order, order.length);
      return tensor;
    }

    /** Biases of q, k and v one behind the other, those of k and v as often as their heads. */
    private Tensor qkvBias(String p, int headDim, int copies) {
      List<float[]> parts = new ArrayList<>();
      int length = 0;
      for (String name : List.of(p + "q_bias", p + "k_bias", p + "v_bias")) {
        float[] bias = values(name, checkpoint.tensor(name).cols());
        boolean isQ = parts.isEmpty();
        parts.add(isQ ? bias : HeadCopies.of(bias, headDim, copies));
        length += parts.get(parts.size() - 1).length;
      }
      Tensor tensor = backend.exact(1, length, p + "qkv_bias");
      int at = 0;
      for (float[] part : parts) {
        backend.write(tensor, at, part, 0, part.length);
        at += part.length;
      }
      return tensor;
    }

    private Weight pack(FusedWeights weights, WeightSource... parts) {
      PackedSource packed = checkpoint.packed(weights);
      if (packed != null && fits(packed.form(), parts) && backend.takes(packed.form())) {
        return backend.packedWeight(packed);
      }
      String name = parts[0].name();
      if (weights.vocabulary()) {
        return backend.vocabularyWeight(name, parts[0]);
      }
      return weights.gated()
          ? backend.gatedWeight(name, parts[0], parts[1])
          : backend.weight(name, List.of(parts));
    }

    /** Not where heads are repeated for the sake of layers that have more. */
    private static boolean fits(PackedForm form, WeightSource... parts) {
      int rows = Arrays.stream(parts).mapToInt(WeightSource::rows).sum();
      return form.rows() == rows && form.cols() == parts[0].cols();
    }

    private Weight vocabulary(String name, ModelConfig c) {
      return pack(FusedWeights.vocabulary(name), part(name, c.vocabulary(), c.hidden()));
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
      Tensor tensor = backend.exact(1, cols, name);
      backend.write(tensor, 0, values(name, cols), 0, cols);
      return tensor;
    }

    private float[] values(String name, int cols) {
      WeightSource source = part(name, 1, cols);
      int bytes = Math.toIntExact(source.format().rowBytes(cols));
      ByteBuffer encoded = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
      source.readRows(0, 1, encoded);
      float[] values = new float[cols];
      source.format().codec().decode(encoded, 0, values, 0, cols);
      return values;
    }
  }
}
