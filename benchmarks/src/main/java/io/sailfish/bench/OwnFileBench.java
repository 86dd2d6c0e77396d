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
import java.util.Locale;

/**
 * From the opening of a file of ours to the first token on a card, in a JVM that has done nothing
 * else: card, kernels, tokenizer and engine are opened on the way. The file is in the page cache if
 * it was just written or read.
 *
 * <pre>OwnFileBench MODEL RESULTS COMMIT</pre>
 */
public final class OwnFileBench {
  private OwnFileBench() {}

  public static void main(String[] args) throws IOException {
    RuntimeConfig config =
        RuntimeConfig.defaults().on(BackendRequest.of("cuda", 0)).withContextTokens(4096);
    long start = System.nanoTime();
    try (LoadedEngine loaded = LoadedEngine.load(Path.of(args[0]), config)) {
      double load = (System.nanoTime() - start) / 1e9;
      int[] prompt = loaded.tokenizer().encodePrompt("The capital of France is");
      List<GenerationResult> first =
          loaded.run(List.of(GenerationRequest.generate(prompt, SamplingParams.greedy(1))));
      double seconds = (System.nanoTime() - start) / 1e9;
      long begin = ManagementFactory.getRuntimeMXBean().getStartTime();
      double sinceStart = (System.currentTimeMillis() - begin) / 1e3;
      System.out.printf(
          Locale.ROOT,
          "first token %d: loaded after %.2f s, there after %.2f s, %.2f s after the JVM's start%n",
          first.get(0).tokens()[0],
          load,
          seconds,
          sinceStart);
      System.out.println(
          new BenchmarkResult(
                  "own-file",
                  RunFacts.date(),
                  args[2],
                  RunFacts.card(),
                  "java io.sailfish.bench.OwnFileBench MODEL RESULTS COMMIT; MODEL is what"
                      + " bin/sailfish convert --packed makes of a file of"
                      + " io.sailfish.bench.gpu.RandomGguf",
                  List.of(
                      new BenchmarkResult.Figure(
                          "format.own.8b_load_to_first_token_s", seconds, null)),
                  List.of(
                      new BenchmarkResult.Table(
                          "A file of ours onto a card",
                          "Llama 8B shapes, linears as symmetric 4-bit codes, embedding and head as"
                              + " fp16; page cache warm; from the opening of the file on, but in"
                              + " the last column.",
                          List.of("loaded, s", "first token, s", "since the JVM's start, s"),
                          List.of(
                              List.of(
                                  String.format(Locale.ROOT, "%.2f", load),
                                  String.format(Locale.ROOT, "%.2f", seconds),
                                  String.format(Locale.ROOT, "%.2f", sinceStart))))))
              .write(Path.of(args[1])));
    }
  }
}
