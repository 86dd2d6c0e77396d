package io.sailfish.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.checkpoint.SailfishWriter;
import io.sailfish.llama.quantize.SourceDigest;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "convert",
    description = "Writes a model as one .sailfish file, its weights as they are.")
final class ConvertCommand implements Runnable {
  private static final long MIB = 1 << 20;

  @Parameters(index = "0", paramLabel = "MODEL", description = "GGUF file or HuggingFace folder")
  private Path model;

  @Parameters(index = "1", paramLabel = "TARGET", description = "file to write")
  private Path target;

  @Option(
      names = "--packed",
      description = {
        "matrices in the layout in which a card keeps them, where that loses nothing:",
        "such a file is loaded there in the time of its copy"
      })
  private boolean packed;

  @Mixin private WorkOptions.Output output;

  @Spec private CommandSpec spec;

  @Override
  public void run() {
    String digest = SourceDigest.of(model);
    Map<String, Object> facts = new LinkedHashMap<>();
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      Map<String, WeightSource> tensors = new LinkedHashMap<>();
      checkpoint.tensorNames().forEach(name -> tensors.put(name, checkpoint.tensor(name)));
      ObjectNode provenance = new ObjectMapper().createObjectNode();
      provenance.put("source", checkpoint.describe()).put("source_sha256", digest);
      SailfishWriter.Description all = SailfishWriter.Description.of(checkpoint, provenance);
      ProgressBar bar = new ProgressBar("MiB");
      SailfishWriter.Progress progress =
          (bytes, of) -> {
            int most = (int) ((of + MIB - 1) / MIB);
            bar.show(bytes == of ? most : (int) (bytes / MIB), most, "");
          };
      if (packed) {
        SailfishWriter.writePacked(target, all, tensors, progress);
      } else {
        SailfishWriter.write(target, all, tensors, progress);
      }
      facts.put("model", checkpoint.describe());
      facts.put("tensors", tensors.size());
    }
    facts.put("written", target.toString());
    facts.put("bytes", target.toFile().length());
    Report.print(facts, output.json, spec.commandLine().getOut());
  }
}
