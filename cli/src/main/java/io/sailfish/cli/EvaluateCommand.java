package io.sailfish.cli;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.llama.evaluate.Evaluation;
import io.sailfish.llama.evaluate.EvaluationReport;
import io.sailfish.spark.evaluate.ClusterEvaluation;
import io.sailfish.spark.evaluate.EvaluationJob;
import java.nio.file.Path;
import java.util.Locale;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "evaluate",
    description = {
      "Perplexity on a text and, against another model, what differs: KL divergence, agreement,",
      "errors of layers. With --spark on a column of texts, spread over a cluster."
    })
final class EvaluateCommand implements Runnable {
  @Parameters(paramLabel = "MODEL", description = "GGUF file, HuggingFace folder or .sailfish file")
  private String model;

  @Option(
      names = "--text",
      required = true,
      paramLabel = "FILE",
      description = "plain text; with --spark files or a table with a column of texts")
  private String text;

  @Option(
      names = "--original",
      paramLabel = "MODEL",
      description = "what the model was made from: adds KL divergence, agreement, errors of layers")
  private String original;

  @Option(
      names = "--window",
      description = "tokens of a window; default ${DEFAULT-VALUE}",
      defaultValue = "512")
  private int window;

  @Option(
      names = "--windows",
      description = "windows to stop after, with --spark a sample of them; default: all",
      defaultValue = "2147483647")
  private int windows;

  @Mixin private WorkOptions.Device device;

  @Mixin private WorkOptions.Processors processors;

  @Option(
      names = "--report",
      paramLabel = "NAME",
      description = "write NAME.json and a plot, NAME.svg")
  private String report;

  @Mixin private WorkOptions.Cluster cluster;

  @Mixin private WorkOptions.Output output;

  @Spec private CommandSpec spec;

  @Override
  public void run() {
    if (window < 2 || windows < 1) {
      throw new IllegalArgumentException(
          "--window %d, --windows %d: a window has 2 tokens or more, and there is one or more"
              .formatted(window, windows));
    }
    cluster.requireNoneWithoutSpark();
    EvaluationReport found = cluster.spark ? onSpark() : inThisProcess();
    Report.print(found.facts(), output.json, spec.commandLine().getOut());
  }

  private EvaluationReport inThisProcess() {
    ProgressBar bar = new ProgressBar("windows");
    Path other = original == null ? null : Path.of(original);
    BackendRequest backend = BackendRequest.of(device.backend, processors.threads);
    EvaluationReport found =
        new Evaluation(Path.of(model), other, backend)
            .run(
                TextFile.read(Path.of(text)),
                window,
                windows,
                (done, of, perplexity) ->
                    bar.show(done, of, String.format(Locale.ROOT, "perplexity %.4f", perplexity)));
    if (report != null) {
      TextFile.write(Path.of(report + ".json"), found.json());
      TextFile.write(Path.of(report + ".svg"), found.svg());
    }
    return found;
  }

  private EvaluationReport onSpark() {
    EvaluationJob job = new EvaluationJob(model, original, window, windows, device.backend);
    try (SparkJob spark = new SparkJob("evaluate", cluster, processors.threads, true)) {
      EvaluationReport found = new ClusterEvaluation(spark.context(), job).run(spark.texts(text));
      if (report != null) {
        spark.write(report + ".json", found.json());
        spark.write(report + ".svg", found.svg());
      }
      return found;
    }
  }
}
