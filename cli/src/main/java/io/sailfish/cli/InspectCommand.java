package io.sailfish.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.checkpoint.SailfishCheckpoint;
import io.sailfish.llama.model.ModelConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(name = "inspect", description = "Says what is in a model.")
final class InspectCommand implements Runnable {
  @Parameters(paramLabel = "MODEL", description = "GGUF file, HuggingFace folder or .sailfish file")
  private Path model;

  @Option(names = "--tensors", description = "list every tensor")
  private boolean tensors;

  @Option(names = "--verify", description = "compare the digests of a .sailfish file's tensors")
  private boolean verify;

  @Mixin private WorkOptions.Output output;

  @Spec private CommandSpec spec;

  @Override
  public void run() {
    Map<String, Object> facts = new LinkedHashMap<>();
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      facts.put("model", checkpoint.describe());
      putConfig(checkpoint.config(), facts);
      facts.put("chat template", checkpoint.chatTemplate().isPresent() ? "yes" : "no");
      facts.put("formats", formats(checkpoint));
      if (checkpoint instanceof SailfishCheckpoint own) {
        facts.put("provenance", new ObjectMapper().convertValue(own.provenance(), Map.class));
        if (verify) {
          own.verify();
          facts.put("digests", "all tensors are as they were written");
        }
      } else if (verify) {
        throw new IllegalArgumentException(
            "--verify: %s keeps no digests of its tensors; .sailfish files do".formatted(model));
      }
      if (tensors) {
        facts.put("tensors", tensors(checkpoint));
      }
    }
    Report.print(facts, output.json, spec.commandLine().getOut());
  }

  private static void putConfig(ModelConfig config, Map<String, Object> facts) {
    facts.put("layers", config.layers());
    facts.put("hidden", config.hidden());
    facts.put("inner", config.inner());
    facts.put("heads", config.attention().heads());
    facts.put("key/value heads", config.attention().kvHeads());
    facts.put("head dim", config.attention().headDim());
    facts.put("vocabulary", config.vocabulary());
    facts.put("context", config.context());
    facts.put("tied embeddings", config.tiedEmbeddings() ? "yes" : "no");
  }

  private static List<Map<String, Object>> formats(Checkpoint checkpoint) {
    Map<String, long[]> sums = new LinkedHashMap<>();
    for (String name : checkpoint.tensorNames()) {
      WeightSource tensor = checkpoint.tensor(name);
      long[] sum = sums.computeIfAbsent(tensor.format().id(), id -> new long[3]);
      sum[0]++;
      sum[1] += (long) tensor.rows() * tensor.cols();
      sum[2] += bytes(tensor);
    }
    List<Map<String, Object>> rows = new ArrayList<>();
    sums.forEach(
        (format, sum) -> {
          Map<String, Object> row = new LinkedHashMap<>();
          row.put("format", format);
          row.put("tensors", sum[0]);
          row.put("weights", sum[1]);
          row.put("bytes", sum[2]);
          row.put("bits a weight", 8.0 * sum[2] / sum[1]);
          rows.add(row);
        });
    return rows;
  }

  private static long bytes(WeightSource tensor) {
    return tensor.rows() * tensor.format().rowBytes(tensor.cols());
  }

  private static List<Map<String, Object>> tensors(Checkpoint checkpoint) {
    List<Map<String, Object>> rows = new ArrayList<>();
    for (String name : checkpoint.tensorNames()) {
      WeightSource tensor = checkpoint.tensor(name);
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("tensor", name);
      row.put("format", tensor.format().id());
      row.put("rows", tensor.rows());
      row.put("cols", tensor.cols());
      row.put("bytes", bytes(tensor));
      rows.add(row);
    }
    return rows;
  }
}
