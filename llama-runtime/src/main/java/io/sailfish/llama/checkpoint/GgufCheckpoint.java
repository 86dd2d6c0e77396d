package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.tokenizer.GgufTokenizerJson;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * A model of the Llama family in GGUF. Tensors are read by position, so several threads may read at
 * once.
 */
final class GgufCheckpoint implements Checkpoint {
  private final GgufFiles gguf;
  private final ModelConfig config;
  private final Map<String, GgufTensor> tensors;
  private final GgufTokenizerMetadata tokenizer;

  private GgufCheckpoint(GgufFiles gguf) {
    this.gguf = gguf;
    this.config = GgufModelConfig.read(gguf);
    this.tensors = byOurNames(gguf);
    checkShapes();
    this.tokenizer = new GgufTokenizerMetadata(gguf.metadata(), config.vocabulary());
  }

  static GgufCheckpoint open(Path path) {
    GgufFiles gguf = GgufFiles.open(path);
    try {
      return new GgufCheckpoint(gguf);
    } catch (Throwable t) {
      gguf.close();
      throw t;
    }
  }

  private static Map<String, GgufTensor> byOurNames(GgufFiles gguf) {
    Map<String, GgufTensor> out = new HashMap<>();
    gguf.tensors()
        .forEach(
            (name, tensor) -> {
              String ours = TensorNames.fromGguf(name);
              if (ours != null) {
                out.put(ours, tensor);
              } else if (!GgufModelConfig.isConfiguration(name)) {
                throw new RuntimeFailure(
                    Kind.USER,
                    "%s: tensor %s is no part of a model of the Llama family (experts and adapters"
                            .formatted(tensor.file().path(), name)
                        + " are not run)",
                    null);
              }
            });
    return out;
  }

  private void checkShapes() {
    if (config.layers() > TensorShapes.mostLayers(config, tensors.size())) {
      throw gguf.fail(
          "layers", "" + config.layers(), "there are tensors for fewer: " + tensors.size());
    }
    Map<String, TensorShapes.Shape> expected = TensorShapes.of(config);
    expected.forEach(
        (name, shape) -> {
          GgufTensor tensor = tensors.get(name);
          if (tensor == null) {
            throw gguf.fail("tensor for " + name, "(none)", "expected one of shape " + shape);
          }
          if (tensor.rows() != shape.rows() || tensor.cols() != shape.cols()) {
            throw gguf.fail(
                "shape of tensor " + tensor.name(), tensor.shape(), "expected " + shape);
          }
        });
    for (String name : tensors.keySet()) {
      if (!expected.containsKey(name)) {
        throw gguf.fail(
            "tensor " + tensors.get(name).name(),
            tensors.get(name).shape(),
            "no part of a model of this family with %d layers".formatted(config.layers()));
      }
    }
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public WeightSource tensor(String name) {
    return tensors.get(name);
  }

  @Override
  public String tokenizerJson() {
    try {
      return GgufTokenizerJson.make(tokenizer.vocabulary());
    } catch (RuntimeFailure e) {
      throw new RuntimeFailure(e.kind(), gguf.path() + ": " + e.getMessage(), e);
    }
  }

  @Override
  public TokenizerConfig tokenizerConfig() {
    return tokenizer.config();
  }

  @Override
  public Optional<String> chatTemplate() {
    String key = "tokenizer.chat_template";
    return gguf.metadata().has(key) ? Optional.of(gguf.metadata().text(key)) : Optional.empty();
  }

  @Override
  public String describe() {
    Map<QuantFormat, Long> bytes = new EnumMap<>(QuantFormat.class);
    tensors.values().stream()
        .filter(t -> t.rows() > 1)
        .forEach(t -> bytes.merge(t.format(), t.bytes(), Long::sum));
    return bytes.entrySet().stream()
        .sorted(Map.Entry.<QuantFormat, Long>comparingByValue().reversed())
        .map(e -> e.getKey().id())
        .collect(Collectors.joining("+", config.name() + ", gguf ", ""));
  }

  @Override
  public void close() {
    gguf.close();
  }
}
