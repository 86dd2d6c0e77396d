package io.sailfish.bench;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.Backends;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.LlamaWeights;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Decoding and prefill on the CPU against llama.cpp, the same tokens, turn by turn: ours, llama.cpp
 * without and with flash attention, five times over; medians; the better llama.cpp counts. Started
 * by {@code benchmarks/compare_llama_cpp.sh}.
 *
 * <pre>LlamaCppBench MODEL.gguf PYTHON PEER.py RESULTS_FOLDER COMMIT MACHINE</pre>
 */
public final class LlamaCppBench {
  private static final int THREADS = 2;
  private static final int RUNS = 5;

  /** The peer rounds activations to 8 bits, so logits agree to a few percent only. */
  private static final double LEAST_CORRELATION = 0.98;

  private record Work(String id, String kind, int rows, int count) {
    int tokens() {
      return rows * count;
    }
  }

  private static final List<Work> WORK =
      List.of(
          new Work("cpu.smollm2.decode.rows1.x_llamacpp", "decode", 1, 48),
          new Work("cpu.smollm2.decode.rows16.x_llamacpp", "decode", 16, 24),
          new Work("cpu.smollm2.decode.rows32.x_llamacpp", "decode", 32, 16),
          new Work("cpu.smollm2.prefill.x_llamacpp", "prefill", 16, 128));

  private LlamaCppBench() {}

  /** The peer in a process of its own, asked over its standard input. */
  private static final class Peer implements AutoCloseable {
    private final Process process;
    private final BufferedWriter in;
    private final BufferedReader out;

    Peer(String... command) throws IOException {
      process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
      in =
          new BufferedWriter(
              new OutputStreamWriter(process.getOutputStream(), StandardCharsets.UTF_8));
      out =
          new BufferedReader(
              new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
      System.out.println(line());
    }

    String ask(String kind, int rows, int count, int seed) throws IOException {
      in.write("%s %d %d %d%n".formatted(kind, rows, count, seed));
      in.flush();
      return line();
    }

    private String line() throws IOException {
      String line = out.readLine();
      if (line == null) {
        throw new IOException(
            "llama.cpp ended: run benchmarks/peer_llama_cpp.py by hand to see why");
      }
      return line;
    }

    @Override
    public void close() {
      process.destroy();
    }
  }

  public static void main(String[] args) throws IOException {
    String model = args[0];
    String threads = Integer.toString(THREADS);
    try (Backend backend = Backends.open("cpu", THREADS);
        Checkpoint checkpoint = Checkpoints.open(Path.of(model));
        Peer plain = new Peer(args[1], args[2], model, "--threads", threads);
        Peer flash = new Peer(args[1], args[2], model, "--threads", threads, "--flash-attn")) {
      System.out.println(backend.describe());
      LlamaWeights weights = LlamaWeights.load(checkpoint, backend);
      BareModel ours = new BareModel(checkpoint.config(), weights, backend);
      check(ours, plain);
      List<BenchmarkResult.Figure> figures = new ArrayList<>();
      List<List<String>> rows = new ArrayList<>();
      for (Work work : WORK) {
        measure(work, ours, List.of(plain, flash), figures, rows);
      }
      BenchmarkResult.Table table =
          new BenchmarkResult.Table(
              "SmolLM2-135M Q4_1 on 2 threads, tokens/s",
              "Forward passes on given tokens, no sampling; medians of 5, turn by turn.",
              List.of("work", "Sailfish", "llama.cpp", "llama.cpp, flash attention", "ratio"),
              rows);
      BenchmarkResult result =
          new BenchmarkResult(
              "cpu-llamacpp",
              Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
              args[4],
              args[5] + ", " + backend.describe() + ", Java " + Runtime.version().feature(),
              "benchmarks/compare_llama_cpp.sh",
              figures,
              List.of(table));
      System.out.println(result.write(Path.of(args[3])));
    }
  }

  private static void check(BareModel ours, Peer peer) throws IOException {
    double[] theirs =
        Arrays.stream(peer.ask("logits", 1, 64, 3).split(" "))
            .mapToDouble(Double::valueOf)
            .toArray();
    float[] logits = ours.logits(64, 3);
    double correlation = correlation(theirs, logits);
    System.out.printf("correlation of logits: %.5f%n", correlation);
    if (correlation < LEAST_CORRELATION) {
      throw new IllegalStateException("not the same model: correlation " + correlation);
    }
  }

  private static double correlation(double[] a, float[] b) {
    double meanA = Arrays.stream(a).average().orElseThrow();
    double meanB = 0;
    for (int i = 0; i < a.length; i++) {
      meanB += b[i] / a.length;
    }
    double ab = 0;
    double aa = 0;
    double bb = 0;
    for (int i = 0; i < a.length; i++) {
      ab += (a[i] - meanA) * (b[i] - meanB);
      aa += (a[i] - meanA) * (a[i] - meanA);
      bb += (b[i] - meanB) * (b[i] - meanB);
    }
    return ab / Math.sqrt(aa * bb);
  }

  private static void measure(
      Work work,
      BareModel ours,
      List<Peer> peers,
      List<BenchmarkResult.Figure> figures,
      List<List<String>> rows)
      throws IOException {
    double[][] speeds = new double[3][RUNS];
    for (int warm = 0; warm < 3; warm++) {
      ours(work, ours, warm);
    }
    for (Peer peer : peers) {
      peer.ask(work.kind, work.rows, work.count, 0);
    }
    for (int run = 0; run < RUNS; run++) {
      speeds[0][run] = work.tokens() / ours(work, ours, run);
      for (int p = 0; p < peers.size(); p++) {
        String seconds = peers.get(p).ask(work.kind, work.rows, work.count, run);
        speeds[p + 1][run] = work.tokens() / Double.parseDouble(seconds);
      }
    }
    double own = Median.of(speeds[0]);
    double best = Math.max(Median.of(speeds[1]), Median.of(speeds[2]));
    List<Double> ratios = new ArrayList<>();
    for (int run = 0; run < RUNS; run++) {
      ratios.add(rounded(speeds[0][run] / Math.max(speeds[1][run], speeds[2][run])));
    }
    figures.add(new BenchmarkResult.Figure(work.id, rounded(own / best), ratios));
    List<String> row =
        List.of(
            "%s, %d rows".formatted(work.kind, work.rows),
            text(own),
            text(Median.of(speeds[1])),
            text(Median.of(speeds[2])),
            "%.2f".formatted(own / best));
    System.out.println(row);
    rows.add(row);
  }

  private static double ours(Work work, BareModel model, int seed) {
    return work.kind.equals("decode")
        ? model.decode(work.rows, work.count, seed)
        : model.prefill(work.rows, work.count, seed);
  }

  private static double rounded(double value) {
    return Math.round(value * 1000) / 1000.0;
  }

  private static String text(double speed) {
    return String.format(Locale.ROOT, "%.0f", speed);
  }
}
