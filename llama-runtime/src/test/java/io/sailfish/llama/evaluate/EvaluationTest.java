package io.sailfish.llama.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.llama.Golden;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

class EvaluationTest {
  private static final String TEXT = "The cat sat on the mat, and 12 dogs did not. ".repeat(12);
  private static final Evaluation.Progress QUIET = (done, of, perplexity) -> {};

  private static Evaluation.Result evaluate(String model, String original, int window) {
    Path other = original == null ? null : Golden.model(original);
    return new Evaluation(Golden.model(model), other, "cpu", 2).run(TEXT, window, 3, QUIET);
  }

  @Test
  void theWindowsLogitsAreTransformers() {
    Golden golden = Golden.load("hf/llama");
    int[] tokens = new int[golden.prompt().length + golden.greedy().length];
    System.arraycopy(golden.prompt(), 0, tokens, 0, golden.prompt().length);
    System.arraycopy(golden.greedy(), 0, tokens, golden.prompt().length, golden.greedy().length);
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("hf/llama"));
        WindowForward forward = new WindowForward(checkpoint, CpuBackend.open(2), tokens.length)) {
      forward.run(
          tokens,
          (first, rows, logits) -> {
            for (int i = 0; i < rows * forward.vocabulary(); i++) {
              float expected = golden.logits()[first * forward.vocabulary() + i];
              assertEquals(expected, logits[i], 2e-4, "logit " + i);
            }
          });
    }
  }

  @Test
  void aDistributionIsThatOfTheSoftmax() {
    float[] logits = {9, 1, 2, 0.5f, -1};
    Distribution p = new Distribution(logits, 1, 4);
    double[] e = {Math.exp(1), Math.exp(2), Math.exp(0.5), Math.exp(-1)};
    double sum = e[0] + e[1] + e[2] + e[3];
    assertEquals(Math.log(e[2] / sum), p.logProb(2), 1e-12);
    assertEquals(1, p.best());
    assertEquals(0, p.divergence(p), 1e-15);
    Distribution q = new Distribution(new float[4], 0, 4);
    double expected = 0;
    for (double value : e) {
      expected += value / sum * Math.log(value / sum * 4);
    }
    assertEquals(expected, p.divergence(q), 1e-12);
  }

  @Test
  void aModelIsItself() {
    Evaluation.Result result = evaluate("hf/llama", "hf/llama", 100);
    assertEquals(3 * 99, result.tokens());
    assertEquals(result.originalPerplexity(), result.perplexity());
    assertEquals(0, result.klDivergence(), 1e-12);
    assertEquals(1, result.agreement());
    assertEquals(evaluate("hf/llama", null, 100).perplexity(), result.perplexity());
    // Random weights say nothing: all tokens are about equally likely.
    assertTrue(result.perplexity() > 256 && result.perplexity() < 2048, result.toString());
  }

  @Test
  void anotherModelDiffers() {
    Evaluation.Result result = evaluate("types/q4_0", "types/q8_0", 100);
    assertTrue(result.klDivergence() > 1e-6, result.toString());
    Map<Integer, Map<String, Double>> errors =
        WeightErrors.of(Golden.model("types/q4_0"), Golden.model("types/q8_0"));
    assertTrue(errors.get(0).get("down") > 0.01, "" + errors);
    assertEquals(0, WeightErrors.of(Golden.model("plain"), Golden.model("plain")).get(1).get("q"));
  }

  @Test
  void shortTextIsRefused() {
    RuntimeFailure e = assertThrows(RuntimeFailure.class, () -> evaluate("plain", null, 5000));
    assertTrue(e.getMessage().contains("a window 5000"), e.getMessage());
  }
}
