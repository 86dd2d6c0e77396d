package io.sailfish.bench;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.SamplingParams;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;

/**
 * From the start of the JVM to the first token of a model on a card, tokenizer included. The file
 * is in the page cache if it was just written or read.
 *
 * <pre>GpuStartBench MODEL RESULTS COMMIT</pre>
 */
public final class GpuStartBench {
  private GpuStartBench() {}

  public static void main(String[] args) throws IOException {
    RuntimeConfig config =
        RuntimeConfig.defaults().on(BackendRequest.of("cuda", 0)).withContextTokens(4096);
    try (LoadedEngine loaded = LoadedEngine.load(Path.of(args[0]), config)) {
      int[] prompt = loaded.tokenizer().encodePrompt("The capital of France is");
      List<GenerationResult> first =
          loaded.run(List.of(GenerationRequest.generate(prompt, SamplingParams.greedy(1))));
      long begin = ManagementFactory.getRuntimeMXBean().getStartTime();
      double seconds = (System.currentTimeMillis() - begin) / 1e3;
      System.out.printf(
          "first token %d after %.2f s, %s%n",
          first.get(0).tokens()[0], seconds, loaded.engine().config().batchCapReason());
      System.out.println(
          new BenchmarkResult(
                  "gpu-start",
                  RunFacts.date(),
                  args[2],
                  RunFacts.card(),
                  "java io.sailfish.bench.GpuStartBench MODEL RESULTS COMMIT, with a model of"
                      + " io.sailfish.bench.gpu.RandomGguf",
                  List.of(
                      new BenchmarkResult.Figure(
                          "engine.8b.start_to_first_token_s", seconds, null)),
                  List.of())
              .write(Path.of(args[1])));
    }
  }
}
