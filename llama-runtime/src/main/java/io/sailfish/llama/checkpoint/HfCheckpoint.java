package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.model.ModelConfig;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * A model in a HuggingFace folder: config.json, safetensors, tokenizer.json. Every tensor's shape
 * is checked when it is opened; the weights are read tensor by tensor when they are packed.
 */
final class HfCheckpoint implements Checkpoint {
  static final String CONFIG = "config.json";
  private static final int MAX_CONFIG = 4 << 20;
  private static final int CHUNK = 1 << 16;

  private final Path folder;
  private final ModelConfig config;
  private final SafetensorsFiles files;
  private final QuantizedTensors quantized;
  private final Map<String, TensorShapes.Shape> shapes;
  private final HfTokenizerFiles tokenizer;

  private HfCheckpoint(Path folder, JsonFields json, SafetensorsFiles files) {
    this.folder = folder;
    this.files = files;
    this.config = HfModelConfig.read(json, String.valueOf(folder.getFileName()));
    this.quantized = QuantizedTensors.of(json, files.tensors());
    if (config.layers() > TensorShapes.mostLayers(config, files.tensors().size())) {
      throw json.fail(
          "num_hidden_layers",
          config.layers(),
          "the files hold %d tensors, too few".formatted(files.tensors().size()));
    }
    this.shapes = TensorShapes.of(config);
    checkTensors();
    this.tokenizer = new HfTokenizerFiles(folder, json, config.vocabulary());
  }

  static HfCheckpoint open(Path folder) {
    JsonFields json = JsonFields.read(folder.resolve(CONFIG), MAX_CONFIG);
    SafetensorsFiles files = SafetensorsFiles.open(folder);
    try {
      return new HfCheckpoint(folder, json, files);
    } catch (Throwable t) {
      files.close();
      throw t;
    }
  }

  /**
   * Every tensor of the model is there in its shape, and nothing besides that would be left out.
   */
  private void checkTensors() {
    Set<String> used = new HashSet<>();
    for (String ours : shapes.keySet()) {
      source(ours, used);
    }
    for (StoredTensor tensor : files.tensors().values()) {
      if (!used.contains(tensor.name()) && !harmless(tensor)) {
        throw tensor.fail(
            tensor.type() + " " + tensor.shape(),
            "is no part of a model of this family with %d layers".formatted(config.layers()));
      }
    }
  }

  private boolean harmless(StoredTensor tensor) {
    String name = tensor.name();
    boolean copyOfTheEmbedding = config.tiedEmbeddings() && name.startsWith("lm_head.");
    // Tables that older transformers saved, and biases that quantizers add where there are none.
    return copyOfTheEmbedding
        || name.endsWith(".rotary_emb.inv_freq")
        || name.endsWith(".bias") && isZero(tensor);
  }

  private static boolean isZero(StoredTensor tensor) {
    ByteBuffer part = ByteBuffer.allocate(CHUNK);
    for (long at = 0; at < tensor.bytes(); at += CHUNK) {
      part.clear().limit((int) Math.min(CHUNK, tensor.bytes() - at));
      tensor.file().read(tensor.offset() + at, part);
      part.flip();
      while (part.hasRemaining()) {
        if (part.get() != 0) {
          return false;
        }
      }
    }
    return true;
  }

  /**
   * @param used takes the names of the stored tensors that the source reads
   */
  private WeightSource source(String ours, Set<String> used) {
    TensorShapes.Shape shape = shapes.get(ours);
    String name = TensorNames.toHf(ours);
    StoredTensor stored = files.tensors().get(name);
    if (stored != null && stored.type().format != null) {
      used.add(name);
      return new DenseTensor(stored, shape);
    }
    WeightSource source = quantized.source(name, shape, used);
    if (source != null) {
      return source;
    }
    throw new RuntimeFailure(
        Kind.USER,
        "%s: tensor %s = %s: expected one of shape %s in F32, F16 or BF16%s"
            .formatted(
                folder,
                name,
                stored == null ? "(none)" : stored.type() + " " + stored.shape(),
                shape,
                quantized.expectation()),
        null);
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  /** A new source with every call, so that what it has read is not held longer than itself. */
  @Override
  public WeightSource tensor(String name) {
    return shapes.containsKey(name) ? source(name, new HashSet<>()) : null;
  }

  @Override
  public String tokenizerJson() {
    return tokenizer.json();
  }

  @Override
  public TokenizerConfig tokenizerConfig() {
    return tokenizer.config();
  }

  @Override
  public Optional<String> chatTemplate() {
    return tokenizer.chatTemplate();
  }

  @Override
  public String describe() {
    Map<String, Long> weights = new TreeMap<>();
    for (Map.Entry<String, TensorShapes.Shape> e : shapes.entrySet()) {
      long count = (long) e.getValue().rows() * e.getValue().cols();
      if (e.getValue().rows() > 1) {
        weights.merge(tensor(e.getKey()).format().id(), count, Long::sum);
      }
    }
    List<String> formats =
        weights.entrySet().stream()
            .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
            .map(Map.Entry::getKey)
            .toList();
    return formats.stream()
        .collect(Collectors.joining("+", config.name() + ", " + quantized.describe() + " ", ""));
  }

  @Override
  public void close() {
    files.close();
  }
}
