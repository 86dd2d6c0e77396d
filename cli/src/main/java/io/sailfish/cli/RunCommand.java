package io.sailfish.cli;

import io.sailfish.arrow.Utf8Column;
import io.sailfish.arrow.Utf8Writer;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.llama.LlamaRuntimes;
import io.sailfish.llama.RowResults;
import io.sailfish.llama.RowTask;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.SamplingParams;
import io.sailfish.llama.task.EngineRuntime;
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

@Command(name = "run", description = "Answers prompts, all of them in one batch.")
final class RunCommand implements Runnable {
  @Parameters(
      index = "0",
      paramLabel = "MODEL",
      description = "GGUF file, HuggingFace folder or .sailfish file")
  private Path model;

  @Parameters(index = "1..*", arity = "1..*", paramLabel = "PROMPT", description = "messages")
  private List<String> prompts;

  @Option(names = "--system", description = "system message")
  private String system;

  @Option(
      names = "--max-tokens",
      description = "longest answer; default ${DEFAULT-VALUE}",
      defaultValue = "128")
  private int maxTokens;

  @Option(
      names = "--context",
      description = "longest prompt with its answer; default ${DEFAULT-VALUE}",
      defaultValue = "2048")
  private int context;

  @Mixin private WorkOptions.Device device;

  @Mixin private WorkOptions.Processors processors;

  @Mixin private WorkOptions.Output output;

  @Spec private CommandSpec spec;

  @Override
  public void run() {
    RuntimeConfig config =
        RuntimeConfig.defaults()
            .on(BackendRequest.of(device.backend, processors.threads))
            .withBatchCap(Math.min(32, prompts.size()))
            .withContextTokens(context)
            .withPrefillChunk(256)
            .withArrowBytes(64L << 20);
    RowTask task =
        new RowTask.Generate(system, SamplingParams.greedy(maxTokens), RowTask.Overflow.ERROR);
    List<Map<String, Object>> answers = new ArrayList<>();
    try (EngineRuntime runtime = LlamaRuntimes.open(model, config);
        Utf8Column column = column(runtime);
        RowResults results = runtime.submit(task, column).join()) {
      for (int row = 0; row < results.rows(); row++) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("prompt", prompts.get(row));
        boolean failed = results.text().isNull(row);
        answer.put(
            failed ? "error" : "answer", (failed ? results.error() : results.text()).text(row));
        answers.add(answer);
      }
    }
    if (output.json) {
      Report.print(Map.of("answers", answers), true, spec.commandLine().getOut());
    } else {
      answers.forEach(answer -> print(answer));
    }
  }

  private Utf8Column column(EngineRuntime runtime) {
    try (Utf8Writer writer =
        Utf8Column.writer(runtime.memory().allocator(), prompts.size(), 1024)) {
      prompts.forEach(writer::write);
      return writer.finish();
    }
  }

  private void print(Map<String, Object> answer) {
    java.io.PrintWriter out = spec.commandLine().getOut();
    answer.forEach((name, value) -> out.println((name.equals("prompt") ? "> " : "") + value));
    out.println();
    out.flush();
  }
}
