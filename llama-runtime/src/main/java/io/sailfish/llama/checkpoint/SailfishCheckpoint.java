package io.sailfish.llama.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.packed.PackedSource;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.model.ModelConfig;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** A model in our own file. */
public final class SailfishCheckpoint implements Checkpoint {
  private final SailfishFile file;
  private final ModelConfig config;
  private final TokenizerConfig tokenizer;
  private final Map<String, WeightSource> tensors;

  private SailfishCheckpoint(Path path, SailfishFile file) {
    this.file = file;
    this.config = SailfishConfig.read(file.header().object("config"));
    this.tokenizer =
        SailfishConfig.readTokenizer(file.header().object("tokenizer"), config.vocabulary());
    this.tensors = file.tensors();
    if (config.layers() > TensorShapes.mostLayers(config, tensors.size())) {
      throw file.header()
          .fail("config.layers", config.layers(), "there are tensors for fewer: " + tensors.size());
    }
    Map<String, TensorShapes.Shape> expected = TensorShapes.of(config);
    expected.forEach((name, shape) -> check(path, name, shape));
    for (String name : tensors.keySet()) {
      if (!expected.containsKey(name)) {
        throw file.header()
            .fail("tensors", name, "no part of a model with %d layers".formatted(config.layers()));
      }
    }
  }

  static SailfishCheckpoint open(Path path) {
    SailfishFile file = SailfishFile.open(path);
    try {
      return new SailfishCheckpoint(path, file);
    } catch (Throwable t) {
      file.close();
      throw t;
    }
  }

  private void check(Path path, String name, TensorShapes.Shape shape) {
    WeightSource tensor = tensors.get(name);
    boolean fits = tensor != null && tensor.rows() == shape.rows() && tensor.cols() == shape.cols();
    if (!fits) {
      throw new RuntimeFailure(
          Kind.USER,
          "%s: tensor %s = %s: expected one of shape %s"
              .formatted(
                  path,
                  name,
                  tensor == null ? "(none)" : "[%d, %d]".formatted(tensor.rows(), tensor.cols()),
                  shape),
          null);
    }
  }

  /** What was done to get this model; a missing node where nothing is recorded. */
  public JsonNode provenance() {
    return file.header().value("provenance");
  }

  /** Compares the digests of all tensors. */
  public void verify() {
    file.verify();
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
  public PackedSource packed(FusedWeights weights) {
    PackedSource packed = file.packed(weights.name());
    return packed != null && packed.form().gated() == weights.gated() ? packed : null;
  }

  @Override
  public String tokenizerJson() {
    return file.tokenizerJson();
  }

  @Override
  public TokenizerConfig tokenizerConfig() {
    return tokenizer;
  }

  @Override
  public Optional<String> chatTemplate() {
    return Optional.ofNullable(file.header().text("chat_template", null));
  }

  @Override
  public String describe() {
    Map<String, Long> weights = new TreeMap<>();
    tensors.values().stream()
        .filter(t -> t.rows() > 1)
        .forEach(t -> weights.merge(t.format().id(), (long) t.rows() * t.cols(), Long::sum));
    return weights.entrySet().stream()
        .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
        .map(Map.Entry::getKey)
        .collect(Collectors.joining("+", config.name() + ", sailfish ", ""));
  }

  @Override
  public void close() {
    file.close();
  }
}
