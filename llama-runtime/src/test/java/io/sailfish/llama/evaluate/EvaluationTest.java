package io.sailfish.llama.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.llama.Golden;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.quantize.Grid;
import io.sailfish.llama.quantize.Quantizer;
import io.sailfish.llama.quantize.Recipe;
import java.io.ByteArrayInputStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;

class EvaluationTest {
  private static final String TEXT = "The cat sat on the mat, and 12 dogs did not. ".repeat(12);
  private static final Evaluation.Progress QUIET = (done, of, perplexity) -> {};
  private static final BackendRequest CPU = BackendRequest.of("cpu", 2);
  private static final Path ORIGINAL = Golden.model("hf/smollm2");

  @TempDir Path folder;

  private static EvaluationReport evaluate(String model, String original, int window) {
    Path other = original == null ? null : Golden.model(original);
    return new Evaluation(Golden.model(model), other, CPU).run(TEXT, window, 3, QUIET);
  }

  /** A model rounded to 4 bits, against itself. */
  private EvaluationReport ofRounded() {
    return new Evaluation(rounded(), ORIGINAL, CPU).run(TEXT, 100, 3, QUIET);
  }

  private Path rounded() {
    Path rounded = folder.resolve("rounded.sailfish");
    Recipe recipe = Recipe.of(Recipe.Method.RTN, Grid.INT4, 32);
    new Quantizer(ORIGINAL, recipe, null, 2).run(rounded, (done, of) -> {});
    return rounded;
  }

  @Test
  void theWindowsLogitsAreTransformers() {
    Golden golden = Golden.load("hf/llama");
    int[] tokens = new int[golden.prompt().length + golden.greedy().length];
    System.arraycopy(golden.prompt(), 0, tokens, 0, golden.prompt().length);
    System.arraycopy(golden.greedy(), 0, tokens, golden.prompt().length, golden.greedy().length);
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("hf/llama"));
        WindowForward forward = new WindowForward(checkpoint, CpuBackend.open(2), tokens.length)) {
      int vocabulary = forward.config().vocabulary();
      for (int first = 0; first < tokens.length; first += WindowForward.PIECE) {
        int rows = forward.piece(tokens, first, true);
        for (int i = 0; i < rows * vocabulary; i++) {
          float expected = golden.logits()[first * vocabulary + i];
          assertEquals(expected, forward.logits()[i], 2e-4, "logit " + i);
        }
      }
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
    EvaluationReport result = evaluate("hf/llama", "hf/llama", 100);
    assertEquals(3 * 99, result.tokens());
    assertEquals(result.originalPerplexity(), result.perplexity());
    assertEquals(0, result.klDivergence(), 1e-12);
    assertEquals(1, result.agreement());
    assertEquals(0, result.outputError(1));
    assertEquals(evaluate("hf/llama", null, 100).perplexity(), result.perplexity());
    // Random weights say nothing: all tokens are about equally likely.
    assertTrue(result.perplexity() > 256 && result.perplexity() < 2048, result.toString());
  }

  @Test
  void anotherModelDiffers() {
    EvaluationReport result = ofRounded();
    assertTrue(result.klDivergence() > 1e-6, result.json());
    assertTrue(result.agreement() > 0.3 && result.agreement() < 1, result.json());
    double down = result.weights().get(0)[WeightErrors.MATRICES.indexOf("down")];
    assertTrue(down > 0.03 && down < 0.2, result.json());
    // Errors of layers add up, and those of the first are about those of its weights.
    assertTrue(result.outputError(0) > 0.05 && result.outputError(0) < 0.6, result.json());
    assertTrue(result.outputError(1) > result.outputError(0), result.json());
    assertEquals(0, evaluate("plain", "plain", 100).weights().get(1)[0]);
  }

  /** In pieces of any size, in any order. */
  @Test
  void sumsDoNotDependOnTheOrder() {
    try (TextWindows cutter = TextWindows.of(ORIGINAL, 40);
        Evaluator evaluator = new Evaluator(rounded(), ORIGINAL, CPU, 40)) {
      List<int[]> windows = new ArrayList<>(cutter.cut(TEXT));
      assertTrue(windows.size() > 4, "" + windows.size());
      assertTrue(windows.get(windows.size() - 1).length < 40, "the last is shorter");
      List<EvaluationSums> sums = windows.stream().map(evaluator::score).toList();
      EvaluationSums forth = EvaluationSums.NONE;
      EvaluationSums back = EvaluationSums.NONE;
      for (int i = 0; i < sums.size(); i++) {
        forth = forth.plus(sums.get(i));
        back = sums.get(sums.size() - 1 - i).plus(back);
      }
      assertEquals(forth, back.plus(EvaluationSums.NONE));
      long tokens = windows.stream().mapToLong(window -> window.length - 1).sum();
      assertEquals(tokens, forth.tokens());
    }
  }

  @Test
  void sumsOfDifferentBackendsAreRefused() {
    EvaluationSums cpu = sums("cpu");
    RuntimeFailure e = assertThrows(RuntimeFailure.class, () -> cpu.plus(sums("cuda")));
    assertTrue(e.getMessage().contains("some by cuda"), e.getMessage());
    assertEquals(2, cpu.plus(cpu).tokens());
  }

  private static EvaluationSums sums(String backend) {
    BigDecimal one = BigDecimal.ONE;
    return new EvaluationSums(backend, 1, one, one, one, 1, List.of());
  }

  @Test
  void reportsAreFactsAndAPlot() throws Exception {
    EvaluationReport result = ofRounded();
    JsonNode json = new ObjectMapper().readTree(result.json());
    assertEquals(result.perplexity(), json.get("perplexity").asDouble());
    assertEquals("cpu", json.get("backend").asText());
    DocumentBuilder parser = DocumentBuilderFactory.newInstance().newDocumentBuilder();
    Document svg =
        parser.parse(new ByteArrayInputStream(result.svg().getBytes(StandardCharsets.UTF_8)));
    int layers = result.weights().size();
    // The background, two perplexities, and two errors a layer.
    assertEquals(1 + 2 + 2 * layers, svg.getElementsByTagName("rect").getLength());
    assertTrue(result.svg().contains("layer 1<"), result.svg());
    String alone = evaluate("hf/llama", null, 100).svg();
    assertFalse(alone.contains("original"), alone);
  }

  @Test
  void whatCannotBeComparedIsRefused() {
    RuntimeFailure e =
        assertThrows(RuntimeFailure.class, () -> evaluate("plain", "types/q4_0", 100));
    assertTrue(e.getMessage().contains("cannot be compared"), e.getMessage());
    Evaluation evaluation = new Evaluation(Golden.model("plain"), null, CPU);
    e = assertThrows(RuntimeFailure.class, () -> evaluation.run("a", 100, 3, QUIET));
    assertTrue(e.getMessage().contains("fewer than 2 tokens"), e.getMessage());
    assertThrows(IllegalArgumentException.class, () -> evaluate("plain", null, 5000));
  }
}
