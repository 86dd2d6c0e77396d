package io.sailfish.cli;

import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.quantize.Calibration;
import io.sailfish.llama.quantize.Grid;
import io.sailfish.llama.quantize.Quantizer;
import io.sailfish.llama.quantize.Recipe;
import io.sailfish.llama.tokenizer.HfTokenizer;
import io.sailfish.llama.tokenizer.Tokenizer;
import io.sailfish.spark.quantize.CalibrationTexts;
import io.sailfish.spark.quantize.ClusterQuantizer;
import io.sailfish.spark.source.ModelSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
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
      "A run that was interrupted goes on where it was when it is started again. With --spark",
      "a job that spreads calibration text and matrices over a cluster; the bytes are the same."
    })
final class QuantizeCommand implements Runnable {
  @Parameters(
      index = "0",
      paramLabel = "MODEL",
      description = "GGUF file, HuggingFace folder or .sailfish file")
  private String model;

  @Parameters(index = "1", paramLabel = "TARGET", description = "file to write")
  private String target;

  @Option(
      names = "--method",
      description = "${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}",
      defaultValue = "GPTQ")
  private Recipe.Method method;

  @Option(
      names = "--grid",
      description =
          "int8, int4, int3, int2 (all but the first with -sym too), nf4, fp4, lut4, lut3, lut2;"
              + " default ${DEFAULT-VALUE}",
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
      names = "--mix",
      paramLabel = "PATTERN=RECIPE",
      description = {
        "tensors that are quantised otherwise: a grid, then a group and a method if they differ,",
        "such as 'layers\\.[01]\\..*=int4:32' or '.*\\.down=int4:64:rtn'; may be repeated, the last",
        "that matches counts"
      })
  private List<String> mix = new ArrayList<>();

  @Option(
      names = "--keep",
      paramLabel = "PATTERN",
      description = "tensors that stay as they are, such as 'layers\\.0\\.down'; may be repeated")
  private List<String> keep = new ArrayList<>();

  @Option(
      names = "--calibration",
      paramLabel = "FILE",
      description = {
        "plain text that activations are taken from: gptq, awq, --sensitive;",
        "with --spark files or a table with a column of texts"
      })
  private String calibration;

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

  @Option(
      names = "--packed",
      description = {
        "matrices in the layout in which a card keeps them, where that loses nothing:",
        "such a file is loaded there in the time of its copy"
      })
  private boolean packed;

  @Option(
      names = "--layers",
      paramLabel = "FOLDER",
      description = "with --spark: where finished layers are kept; default TARGET.layers")
  private String layers;

  @Mixin private WorkOptions.Cluster cluster;

  @Mixin private WorkOptions.Processors processors;

  @Mixin private WorkOptions.Output output;

  @Spec private CommandSpec spec;

  @Override
  public void run() {
    cluster.requireNoneWithoutSpark();
    if (layers != null && !cluster.spark) {
      throw new IllegalArgumentException("--layers is for Spark jobs: add --spark");
    }
    long start = System.nanoTime();
    Recipe recipe = recipe();
    ProgressBar bar = new ProgressBar("layers");
    Quantizer.Progress progress = (done, of) -> bar.show(done, of, "");
    if (cluster.spark) {
      onSpark(recipe, progress);
    } else {
      inThisProcess(recipe, progress);
    }
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("recipe", recipe.toString());
    facts.put("seconds", (System.nanoTime() - start) / 1e9);
    facts.put("written", target);
    if (!cluster.spark) {
      facts.put("bytes", Path.of(target).toFile().length());
    }
    Report.print(facts, output.json, spec.commandLine().getOut());
  }

  private void inThisProcess(Recipe recipe, Quantizer.Progress progress) {
    int threads =
        processors.threads == 0 ? Runtime.getRuntime().availableProcessors() : processors.threads;
    Path path = Path.of(model);
    Quantizer quantizer =
        new Quantizer(
            path,
            recipe,
            calibration(
                path,
                tokenizer ->
                    Calibration.of(
                        TextFile.read(Path.of(calibration)), tokenizer, sequences, length)),
            threads);
    (packed ? quantizer.packed() : quantizer).run(Path.of(target), progress);
  }

  private void onSpark(Recipe recipe, Quantizer.Progress progress) {
    try (SparkJob spark = new SparkJob("quantize", cluster, processors.threads, false)) {
      Calibration texts =
          calibration(
              ModelSource.ofHost(model),
              tokenizer ->
                  CalibrationTexts.of(spark.texts(calibration), tokenizer, sequences, length));
      ClusterQuantizer quantizer = new ClusterQuantizer(spark.context(), model, recipe, texts);
      (packed ? quantizer.packed() : quantizer).run(target, layers, progress);
    }
  }

  private Recipe recipe() {
    List<Recipe.Exception> exceptions = new ArrayList<>();
    mix.forEach(text -> exceptions.add(mixed(text)));
    keep.forEach(pattern -> exceptions.add(new Recipe.Exception(pattern, null)));
    return new Recipe(choice(method, grid, group), exceptions);
  }

  private Recipe.Choice choice(Recipe.Method method, String grid, int group) {
    return new Recipe.Choice(method, Grid.byId(grid), group, clip, sensitive, damping);
  }

  /** PATTERN=GRID[:GROUP[:METHOD]]; patterns may hold the sign too. */
  private Recipe.Exception mixed(String text) {
    int equals = text.lastIndexOf('=');
    String[] parts = text.substring(equals + 1).split(":", -1);
    if (equals < 1 || parts.length > 3) {
      throw new IllegalArgumentException(
          "--mix '%s': expected PATTERN=GRID, PATTERN=GRID:GROUP or PATTERN=GRID:GROUP:METHOD"
              .formatted(text));
    }
    try {
      int own = parts.length > 1 ? Integer.parseInt(parts[1]) : group;
      Recipe.Method by =
          parts.length > 2 ? Recipe.Method.valueOf(parts[2].toUpperCase(Locale.ROOT)) : method;
      return new Recipe.Exception(text.substring(0, equals), choice(by, parts[0], own));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("--mix '%s': %s".formatted(text, e.getMessage()), e);
    }
  }

  /** Null when no text was given. */
  private Calibration calibration(Path local, Function<Tokenizer, Calibration> text) {
    if (calibration == null) {
      return null;
    }
    try (Checkpoint checkpoint = Checkpoints.open(local);
        Tokenizer tokenizer =
            HfTokenizer.of(checkpoint.tokenizerJson(), checkpoint.tokenizerConfig())) {
      return text.apply(tokenizer);
    }
  }
}
