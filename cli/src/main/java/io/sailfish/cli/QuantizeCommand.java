package io.sailfish.cli;

import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.quantize.Calibration;
import io.sailfish.llama.quantize.Grid;
import io.sailfish.llama.quantize.Quantizer;
import io.sailfish.llama.quantize.Recipe;
import io.sailfish.llama.tokenizer.HfTokenizer;
import io.sailfish.llama.tokenizer.Tokenizer;
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

@Command(
    name = "quantize",
    description = {
      "Quantises the matrices of a model's layers and writes a .sailfish file.",
      "A run that was interrupted goes on where it was when it is started again."
    })
final class QuantizeCommand implements Runnable {
  @Parameters(
      index = "0",
      paramLabel = "MODEL",
      description = "GGUF file, HuggingFace folder or .sailfish file")
  private Path model;

  @Parameters(index = "1", paramLabel = "TARGET", description = "file to write")
  private Path target;

  @Option(
      names = "--method",
      description = "${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}",
      defaultValue = "GPTQ")
  private Recipe.Method method;

  @Option(
      names = "--grid",
      description =
          "int4, int3, int2 (with -sym), nf4, fp4, lut4, lut3, lut2; default ${DEFAULT-VALUE}",
      defaultValue = "int4")
  private String grid;

  @Option(
      names = "--group",
      description = "inputs that share a scale, 0 = a whole row; default ${DEFAULT-VALUE}",
      defaultValue = "64")
  private int group;

  @Option(
      names = "--clip",
      negatable = true,
      defaultValue = "true",
      fallbackValue = "true",
      description = "search ranges that cut off large weights; default ${DEFAULT-VALUE}")
  private boolean clip;

  @Option(
      names = "--sensitive",
      description = "learned tables: weigh errors by the second moments of the inputs")
  private boolean sensitive;

  @Option(
      names = "--damping",
      description =
          "GPTQ: share of the mean added to the Hessian's diagonal; default ${DEFAULT-VALUE}",
      defaultValue = "0.01")
  private double damping;

  @Option(
      names = "--keep",
      paramLabel = "PATTERN",
      description = "tensors that stay as they are, such as 'layers\\.0\\.down'; may be repeated")
  private List<String> keep = new ArrayList<>();

  @Option(
      names = "--calibration",
      paramLabel = "FILE",
      description = "plain text that activations are taken from: gptq, awq, --sensitive")
  private Path calibration;

  @Option(
      names = "--sequences",
      description = "calibration sequences; default ${DEFAULT-VALUE}",
      defaultValue = "128")
  private int sequences;

  @Option(
      names = "--length",
      description = "tokens of each; default ${DEFAULT-VALUE}",
      defaultValue = "512")
  private int length;

  @Mixin private WorkOptions.Processors processors;

  @Mixin private WorkOptions.Output output;

  @Spec private CommandSpec spec;

  @Override
  public void run() {
    long start = System.nanoTime();
    Recipe recipe = recipe();
    int threads =
        processors.threads == 0 ? Runtime.getRuntime().availableProcessors() : processors.threads;
    ProgressBar bar = new ProgressBar("layers");
    new Quantizer(model, recipe, calibration(), threads)
        .run(target, (done, of) -> bar.show(done, of, ""));
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("recipe", recipe.toString());
    facts.put("seconds", (System.nanoTime() - start) / 1e9);
    facts.put("written", target.toString());
    facts.put("bytes", target.toFile().length());
    Report.print(facts, output.json, spec.commandLine().getOut());
  }

  private Recipe recipe() {
    return new Recipe(
        new Recipe.Choice(method, Grid.byId(grid), group, clip, sensitive, damping),
        keep.stream().map(pattern -> new Recipe.Exception(pattern, null)).toList());
  }

  /** Null when no text was given. */
  private Calibration calibration() {
    if (calibration == null) {
      return null;
    }
    String text = TextFile.read(calibration);
    try (Checkpoint checkpoint = Checkpoints.open(model);
        Tokenizer tokenizer =
            HfTokenizer.of(checkpoint.tokenizerJson(), checkpoint.tokenizerConfig())) {
      return Calibration.of(text, tokenizer, sequences, length);
    }
  }
}
