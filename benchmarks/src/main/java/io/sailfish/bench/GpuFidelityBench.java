package io.sailfish.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sailfish.bench.BenchmarkResult.Figure;
import io.sailfish.bench.BenchmarkResult.Table;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.cuda.CudaAvailability;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.cuda.CudaDevice;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.LlamaModel;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.model.ModelConfig;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.IntUnaryOperator;

/**
 * The tiny random Llamas on a card against transformers' fp32 logits: once all tokens as a prompt,
 * once the prompt and then token by token through recorded decode steps among rows of padding.
 *
 * <p>Arguments: folder of the golden files, folder for the result, commit.
 */
public final class GpuFidelityBench {
  private static final List<String> VARIANTS =
      List.of("plain", "tied", "llama3", "linear", "headdim");
  private static final int BLOCK_TOKENS = 16;

  private GpuFidelityBench() {}

  public static void main(String[] args) throws IOException {
    CudaAvailability availability = CudaDevice.availability();
    if (!availability.available()) {
      System.out.println("nothing compared, no card: " + availability.reason());
      System.exit(2);
    }
    List<List<String>> rows = new ArrayList<>();
    double worst = 0;
    for (String variant : VARIANTS) {
      Path file = Path.of(args[0]).resolve(variant + ".gguf");
      try (CudaBackend backend = CudaBackend.open(0)) {
        Sequence sequence = new Sequence(backend, file);
        double prompt = maxAbs(sequence.asPrompt(), sequence.expected, 0);
        int first = sequence.promptLength - 1;
        double decode = maxAbs(sequence.byToken(), sequence.expected, first);
        worst = Math.max(worst, Math.max(prompt, decode));
        rows.add(
            List.of(
                variant,
                "%.2e".formatted(prompt),
                "%.2e".formatted(decode),
                String.valueOf(sequence.sameChoices(sequence.asPrompt())),
                String.valueOf(sequence.sameChoices(sequence.byToken()))));
        System.out.println(String.join("  ", rows.get(rows.size() - 1)));
      }
    }
    System.out.printf(Locale.ROOT, "fidelity.gpu.tiny.logits_max_abs %.2e%n", worst);
    Table table =
        new Table(
            "Tiny Llamas on the card against transformers in fp32",
            "Largest absolute difference of a logit, and how many of 32 greedy tokens are the same"
                + " when each follows transformers' tokens.",
            List.of("model", "as a prompt", "token by token", "same choices", "same choices"),
            rows);
    new BenchmarkResult(
            "gpu-fidelity",
            RunFacts.date(),
            args[2],
            RunFacts.card(),
            "java io.sailfish.bench.GpuFidelityBench GOLDEN RESULTS COMMIT",
            List.of(new Figure("fidelity.gpu.tiny.logits_max_abs", worst, null)),
            List.of(table))
        .write(Path.of(args[1]));
  }

  private static double maxAbs(float[] got, float[] expected, int first) {
    double worst = 0;
    int vocabulary = 512;
    for (int i = first * vocabulary; i < expected.length; i++) {
      double difference = Math.abs((double) got[i] - expected[i]);
      worst = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(worst, difference);
    }
    return worst;
  }

  /** A golden model with its tokens, those of the prompt and the greedy ones. */
  private static final class Sequence {
    private static final int ROWS = 4;

    private final CudaBackend backend;
    private final LlamaModel model;
    private final int vocabulary;
    private final int[] tokens;
    final int promptLength;
    final float[] expected;
    private final StepInputs step;

    Sequence(CudaBackend backend, Path file) throws IOException {
      this.backend = backend;
      String name = file.toString().replace(".gguf", "");
      JsonNode golden = new ObjectMapper().readTree(Files.readString(Path.of(name + ".json")));
      promptLength = golden.get("prompt").size();
      tokens = new int[promptLength + golden.get("greedy").size()];
      for (int i = 0; i < tokens.length; i++) {
        JsonNode from = golden.get(i < promptLength ? "prompt" : "greedy");
        tokens[i] = from.get(i < promptLength ? i : i - promptLength).asInt();
      }
      byte[] bytes = Files.readAllBytes(Path.of(name + ".logits.f32"));
      expected = new float[bytes.length / 4];
      ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(expected);
      int count = tokens.length;
      int blocks = (count + BLOCK_TOKENS - 1) / BLOCK_TOKENS;
      try (Checkpoint checkpoint = Checkpoints.open(file)) {
        ModelConfig config = checkpoint.config();
        vocabulary = config.vocabulary();
        LlamaWeights weights = LlamaWeights.load(checkpoint, backend);
        KvCache cache = backend.kvCache(config.layers(), blocks, BLOCK_TOKENS, config.attention());
        LlamaModel.Sizes sizes = new LlamaModel.Sizes(count, count, ROWS, count);
        model = new LlamaModel(config, weights, backend, cache, sizes);
      }
      step =
          new StepInputs(
              backend.ints(count, "tokens"),
              backend.ints(count, "positions"),
              backend.ints(count, "slots"),
              backend.ints(count, "sequences"),
              backend.ints(2, "starts"),
              backend.ints(blocks, "table"),
              blocks,
              backend.ints(count, "logit rows"));
      write(step.blockTables(), blocks, i -> i);
      write(step.logitRows(), count, i -> i);
    }

    float[] asPrompt() {
      prompt(tokens.length);
      return read(model.forward(step, tokens.length, tokens.length), tokens.length);
    }

    private void prompt(int count) {
      write(step.tokenIds(), count, i -> tokens[i]);
      write(step.positions(), count, i -> i);
      write(step.slots(), count, i -> i);
      write(step.rowSequences(), count, i -> 0);
    }

    /** Logits from the prompt's last token on; zeros before. */
    float[] byToken() {
      float[] all = new float[expected.length];
      prompt(promptLength);
      float[] first = read(model.forward(step, promptLength, promptLength), promptLength);
      int last = (promptLength - 1) * vocabulary;
      System.arraycopy(first, last, all, last, vocabulary);
      for (int position = promptLength; position < tokens.length; position++) {
        int at = position;
        // The row in use is the second of four; the others are padding.
        write(step.tokenIds(), ROWS, i -> i == 1 ? tokens[at] : 0);
        write(step.positions(), ROWS, i -> i == 1 ? at : -1);
        write(step.slots(), ROWS, i -> i == 1 ? at : -1);

        backend.replay("decode", () -> model.decode(step, ROWS));

        backend.read(model.decodeLogits(), vocabulary, all, position * vocabulary, vocabulary);
      }
      return all;
    }

    private float[] read(Tensor logits, int rows) {
      float[] values = new float[rows * vocabulary];
      backend.read(logits, 0, values, 0, values.length);
      return values;
    }

    int sameChoices(float[] logits) {
      int same = 0;
      for (int i = promptLength; i < tokens.length; i++) {
        int best = 0;
        for (int v = 1; v < vocabulary; v++) {
          int at = (i - 1) * vocabulary;
          best = logits[at + v] > logits[at + best] ? v : best;
        }
        same += best == tokens[i] ? 1 : 0;
      }
      return same;
    }

    private void write(IntTensor dst, int count, IntUnaryOperator value) {
      int[] values = new int[count];
      Arrays.setAll(values, value);
      backend.write(dst, values, count);
    }
  }
}
