package io.sailfish.llama.model;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.WeightPacker;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.WeightStreaming;
import io.sailfish.kernels.format.packed.PackedForm;
import io.sailfish.kernels.format.packed.PackedSource;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.FusedWeights;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Makes a model's weights of a checkpoint, or tells what they would take. */
final class WeightLoader {
  private final Checkpoint checkpoint;
  private final Backend backend;

  /** Tensors that are multiplied as one. */
  private record Matrix(FusedWeights fused, WeightSource... parts) {}

  WeightLoader(Checkpoint checkpoint, Backend backend) {
    this.checkpoint = checkpoint;
    this.backend = backend;
  }

  LlamaWeights load(StreamedLayers streamed) {
    ModelConfig c = checkpoint.config();
    WeightPacker hostPacker =
        streamed.count() == 0 ? null : streaming().packer(streamed.largest(), streamed.places());
    Weight embedding = pack(backend, vocabulary("embedding", c));
    List<LlamaWeights.Layer> layers = new ArrayList<>(c.layers());
    for (int i = 0; i < c.layers(); i++) {
      layers.add(new Block(c, i).load(streamed.contains(i, c.layers()) ? hostPacker : backend));
    }
    Weight output = c.tiedEmbeddings() ? embedding : pack(backend, vocabulary("output", c));
    return new LlamaWeights(embedding, layers, norm("output_norm", c.hidden()), output);
  }

  private WeightStreaming streaming() {
    return backend
        .streaming()
        .orElseThrow(() -> new IllegalArgumentException(backend.id() + " streams no weights"));
  }

  WeightSizes sizes() {
    ModelConfig c = checkpoint.config();
    WeightStreaming streaming = streaming();
    long vocabulary = streaming.vocabularyBytes(c.vocabulary(), c.hidden());
    long[] layers = new long[c.layers()];
    long largest = 0;
    for (int i = 0; i < layers.length; i++) {
      for (Matrix matrix : new Block(c, i).matrices()) {
        PackedSource packed = packed(backend, matrix);
        long bytes =
            packed == null
                ? streaming.bytes(List.of(matrix.parts()))
                : streaming.bytes(packed.form());
        layers[i] += bytes;
        largest = Math.max(largest, bytes);
      }
    }
    return new WeightSizes(c.tiedEmbeddings() ? vocabulary : 2 * vocabulary, layers, largest);
  }

  /** One layer. */
  private final class Block {
    private final ModelConfig c;
    private final LayerSizes sizes;
    private final String p;

    Block(ModelConfig c, int layer) {
      this.c = c;
      this.sizes = c.sizes(layer);
      this.p = "layers." + layer + ".";
    }

    private boolean attends() {
      return sizes.kvHeads() > 0;
    }

    private boolean feedsForward() {
      return sizes.inner() > 0;
    }

    private int copies() {
      return c.attention().kvHeads() / sizes.kvHeads();
    }

    private Matrix qkv() {
      int dim = c.attention().headDim();
      int kv = sizes.kvHeads() * dim;
      return new Matrix(
          FusedWeights.stacked(p + "qkv", p + "q", p + "k", p + "v"),
          part(p + "q", c.attention().qCols(), c.hidden()),
          HeadCopies.of(part(p + "k", kv, c.hidden()), dim, copies()),
          HeadCopies.of(part(p + "v", kv, c.hidden()), dim, copies()));
    }

    private Matrix o() {
      return new Matrix(
          FusedWeights.stacked(p + "o", p + "o"), part(p + "o", c.hidden(), c.attention().qCols()));
    }

    private Matrix gateUp() {
      return new Matrix(
          FusedWeights.gated(p + "gate_up", p + "gate", p + "up"),
          part(p + "gate", sizes.inner(), c.hidden()),
          part(p + "up", sizes.inner(), c.hidden()));
    }

    private Matrix down() {
      return new Matrix(
          FusedWeights.stacked(p + "down", p + "down"),
          part(p + "down", c.hidden(), sizes.inner()));
    }

    /** In the order in which they are used. */
    List<Matrix> matrices() {
      List<Matrix> all = new ArrayList<>();
      if (attends()) {
        all.addAll(List.of(qkv(), o()));
      }
      if (feedsForward()) {
        all.addAll(List.of(gateUp(), down()));
      }
      return all;
    }

    LlamaWeights.Layer load(WeightPacker packer) {
      Matrix qkv = attends() ? qkv() : null;
      Matrix o = attends() ? o() : null;
      Matrix gateUp = feedsForward() ? gateUp() : null;
      Matrix down = feedsForward() ? down() : null;
      return new LlamaWeights.Layer(
          attends() ? norm(p + "attention_norm", c.hidden()) : null,
          packOrNull(packer, qkv),
          packOrNull(packer, o),
          feedsForward() ? norm(p + "ffn_norm", c.hidden()) : null,
          packOrNull(packer, gateUp),
          packOrNull(packer, down),
          extras(qkv, o, gateUp, down));
    }

    private LlamaWeights.Extras extras(Matrix qkv, Matrix o, Matrix gateUp, Matrix down) {
      int dim = c.attention().headDim();
      boolean norms = attends() && c.variant().headNorms();
      return new LlamaWeights.Extras(
          attends() && c.variant().qkvBias() ? qkvBias(p, dim, copies()) : null,
          attends() && c.variant().outputBias() ? norm(p + "o_bias", c.hidden()) : null,
          norms ? norm(p + "q_norm", dim) : null,
          norms ? norm(p + "k_norm", dim) : null,
          order(qkv),
          order(o),
          order(gateUp),
          order(down));
    }
  }

  private Weight packOrNull(WeightPacker packer, Matrix matrix) {
    return matrix == null ? null : pack(packer, matrix);
  }

  /** The order that all parts have their inputs in; null as they are. */
  private IntTensor order(Matrix matrix) {
    if (matrix == null) {
      return null;
    }
    WeightSource[] parts = matrix.parts();
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

  private Weight pack(WeightPacker packer, Matrix matrix) {
    PackedSource packed = packed(packer, matrix);
    if (packed != null) {
      return packer.packedWeight(packed);
    }
    WeightSource[] parts = matrix.parts();
    String name = parts[0].name();
    if (matrix.fused().vocabulary()) {
      return packer.vocabularyWeight(name, parts[0]);
    }
    return matrix.fused().gated()
        ? packer.gatedWeight(name, parts[0], parts[1])
        : packer.weight(name, List.of(parts));
  }

  /** What the file holds as the backend takes it; null where it does not. */
  private PackedSource packed(WeightPacker packer, Matrix matrix) {
    PackedSource packed = checkpoint.packed(matrix.fused());
    boolean taken =
        packed != null && fits(packed.form(), matrix.parts()) && packer.takes(packed.form());
    return taken ? packed : null;
  }

  /** Not where heads are repeated for the sake of layers that have more. */
  private static boolean fits(PackedForm form, WeightSource... parts) {
    int rows = Arrays.stream(parts).mapToInt(WeightSource::rows).sum();
    return form.rows() == rows && form.cols() == parts[0].cols();
  }

  private Matrix vocabulary(String name, ModelConfig c) {
    return new Matrix(FusedWeights.vocabulary(name), part(name, c.vocabulary(), c.hidden()));
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
