package io.sailfish.cli;

import io.sailfish.llama.evaluate.Evaluation;
import io.sailfish.llama.evaluate.WeightErrors;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "evaluate",
    description = "Perplexity on a text and, against another model, what differs.")
final class EvaluateCommand implements Runnable {
  @Parameters(paramLabel = "MODEL", description = "GGUF file, HuggingFace folder or .sailfish file")
  private Path model;

  @Option(names = "--text", required = true, paramLabel = "FILE", description = "plain text")
  private Path text;

  @Option(
      names = "--original",
      paramLabel = "MODEL",
      description = "what the model was made from: adds KL divergence, agreement, errors of layers")
  private Path original;

  @Option(
      names = "--window",
      description = "tokens of a window; default ${DEFAULT-VALUE}",
      defaultValue = "512")
  private int window;

  @Option(
      names = "--windows",
      description = "windows to stop after; default: the whole text",
      defaultValue = "2147483647")
  private int windows;

  @Mixin private WorkOptions.Device device;

  @Mixin private WorkOptions.Processors processors;

  @Mixin private WorkOptions.Output output;

  @Spec private CommandSpec spec;

  @Override
  public void run() {
    if (window < 2 || windows < 1) {
      throw new IllegalArgumentException(
          "--window %d, --windows %d: a window has 2 tokens or more, and there is one or more"
              .formatted(window, windows));
    }
    ProgressBar bar = new ProgressBar("windows");
    Evaluation.Result result =
        new Evaluation(model, original, device.backend, processors.threads)
            .run(
                TextFile.read(text),
                window,
                windows,
                (done, of, perplexity) ->
                    bar.show(done, of, String.format(Locale.ROOT, "perplexity %.4f", perplexity)));
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("tokens", result.tokens());
    facts.put("perplexity", result.perplexity());
    if (original != null) {
      facts.put("perplexity of original", result.originalPerplexity());
      facts.put("perplexity ratio", result.perplexity() / result.originalPerplexity());
      facts.put("KL divergence, nats", result.klDivergence());
      facts.put("top-1 agreement", result.agreement());
      facts.put("relative errors of weights", errors());
    }
    Report.print(facts, output.json, spec.commandLine().getOut());
  }

  private List<Map<String, Object>> errors() {
    List<Map<String, Object>> rows = new ArrayList<>();
    WeightErrors.of(model, original)
        .forEach(
            (layer, errors) -> {
              Map<String, Object> row = new LinkedHashMap<>();
              row.put("layer", layer);
              row.putAll(errors);
              rows.add(row);
            });
    return rows;
  }
}
