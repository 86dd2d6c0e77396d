package io.sailfish.llama.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** The tensors of a model folder: {@code model.safetensors}, or the shards that its index names. */
final class SafetensorsFiles implements AutoCloseable {
  static final String SINGLE = "model.safetensors";
  static final String INDEX = "model.safetensors.index.json";
  private static final int MAX_INDEX = 64 << 20;
  private static final int MAX_SHARDS = 4096;
  private static final Pattern PLAIN_NAME = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_.-]{0,250}");

  private final List<FileBytes> files = new ArrayList<>();
  private final Map<String, StoredTensor> tensors = new LinkedHashMap<>();

  private SafetensorsFiles() {}

  static SafetensorsFiles open(Path folder) {
    SafetensorsFiles opened = new SafetensorsFiles();
    try {
      if (Files.exists(folder.resolve(SINGLE))) {
        opened.add(folder.resolve(SINGLE));
      } else if (Files.exists(folder.resolve(INDEX))) {
        opened.addShards(folder);
      } else {
        throw new RuntimeFailure(
            Kind.USER,
            "%s: has neither %s nor %s; weights of other kinds (pytorch_model.bin) are not read,"
                    .formatted(folder, SINGLE, INDEX)
                + " save the model with safetensors",
            null);
      }
      return opened;
    } catch (Throwable t) {
      opened.close();
      throw t;
    }
  }

  /** By the files' names. */
  Map<String, StoredTensor> tensors() {
    return tensors;
  }

  private void addShards(Path folder) {
    JsonFields index = JsonFields.read(folder.resolve(INDEX), MAX_INDEX);
    JsonFields map = index.object("weight_map");
    Map<String, String> shardOf = new LinkedHashMap<>();
    for (String name : map.keys()) {
      JsonNode shard = map.value(name);
      if (!shard.isTextual()
          || !PLAIN_NAME.matcher(shard.textValue()).matches()
          || !shard.textValue().endsWith(".safetensors")) {
        throw map.fail(name, shard, "must be the name of a .safetensors file in the folder");
      }
      shardOf.put(name, shard.textValue());
    }
    TreeSet<String> shards = new TreeSet<>(shardOf.values());
    if (shards.isEmpty() || shards.size() > MAX_SHARDS) {
      throw index.fail("weight_map", shards.size() + " files", "1 to " + MAX_SHARDS + " are read");
    }
    for (String shard : shards) {
      if (!Files.exists(folder.resolve(shard))) {
        throw index.fail("weight_map", shard, "this shard is not in the folder; get it again");
      }
      add(folder.resolve(shard));
    }
    shardOf.forEach(
        (name, shard) -> {
          StoredTensor tensor = tensors.get(name);
          if (tensor == null || !tensor.file().path().endsWith(shard)) {
            throw map.fail(name, shard, "this shard has no such tensor");
          }
        });
  }

  private void add(Path path) {
    FileBytes file = FileBytes.open(path);
    files.add(file);
    SafetensorsReader.read(file)
        .forEach(
            (name, tensor) -> {
              StoredTensor other = tensors.putIfAbsent(name, tensor);
              if (other != null) {
                throw tensor.fail("found twice", "is in " + other.file().path() + " too");
              }
            });
  }

  @Override
  public void close() {
    files.forEach(FileBytes::close);
  }
}
