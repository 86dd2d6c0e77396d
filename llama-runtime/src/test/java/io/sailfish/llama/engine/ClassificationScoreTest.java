package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.arrow.Utf8Column;
import io.sailfish.arrow.Utf8Writer;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.llama.Golden;
import io.sailfish.llama.LlamaRuntimes;
import io.sailfish.llama.RowResults;
import io.sailfish.llama.RowTask;
import io.sailfish.llama.RowTask.Overflow;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.task.EngineRuntime;
import io.sailfish.llama.tokenizer.HfTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Classification recomputed from its definition (docs/adr/0007-classify-scoring.md) with the
 * reference operators: prompt and label in one pass, without prefix reuse, batching or the engine's
 * scoring.
 */
@Timeout(120)
class ClassificationScoreTest {
  private static final double TOLERANCE = 1e-3;

  /** Rows that a step may have logits of. */
  private static final int STEP_ROWS = 32;

  private static final String[] CONTENTS = {
    "the row", "17 fish", "", "a longer row with more words in it"
  };

  private static final Map<List<String>, double[]> NOTHING = new HashMap<>();

  private static EngineRuntime runtime;
  private static LlamaExecutor reference;
  private static HfTokenizer tokenizer;
  private static int endOfTurn;

  @BeforeAll
  static void open() {
    RuntimeConfig config =
        RuntimeConfig.defaults()
            .on(BackendRequest.of("cpu", 2))
            .withBatchCap(4)
            .withPrefillChunk(64)
            .withChatTemplate("{{ messages[0]['content'] }}");
    runtime = LlamaRuntimes.open(Golden.model("plain"), config);
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("plain"))) {
      CpuBackend backend = CpuBackend.reference();
      reference =
          new LlamaExecutor(
              checkpoint.config(),
              LlamaWeights.load(checkpoint, backend),
              backend,
              new EngineConfig(
                  "plain",
                  1,
                  "test",
                  256,
                  16,
                  LlamaEngine.BLOCK_TOKENS,
                  1,
                  256,
                  256,
                  false,
                  Set.of(),
                  Drafting.OFF));
      tokenizer = HfTokenizer.of(checkpoint.tokenizerJson(), checkpoint.tokenizerConfig());
      int[] eos = tokenizer.encodePrompt(checkpoint.tokenizerConfig().eosText());
      endOfTurn = eos[eos.length - 1]; // the template above writes no turns
    }
  }

  @AfterAll
  static void close() {
    runtime.close();
    reference.close();
    tokenizer.close();
  }

  @Test
  void theAnswerIsTheLabelWithTheBestScoreInWhateverOrderTheyStand() {
    Set<String> answers = new HashSet<>();
    for (List<String> labels :
        List.of(
            List.of("the", "row two", "and", "something longer"),
            List.of("row two", "the", "something longer", "and"))) {
      List<String> texts = classify(labels);
      for (int i = 0; i < CONTENTS.length; i++) {
        double[] scores = scores(labels, CONTENTS[i]);
        double best = Arrays.stream(scores).max().orElseThrow();
        double chosen = scores[labels.indexOf(texts.get(i))];
        assertEquals(best, chosen, TOLERANCE, CONTENTS[i] + " " + labels);
        answers.add(texts.get(i));
      }
    }
    assertTrue(answers.size() > 1, "the choice depends on the text: " + answers);
  }

  @Test
  void theEnginesScoresAreSumsOfLogProbabilities() {
    List<String> labels = List.of("the", "row two", "and", "something longer");
    for (String content : CONTENTS) {
      int[] prompt = prompt(labels, content);
      double[] scores =
          runtime
              .engine()
              .submit(GenerationRequest.score(prompt, continuations(labels)))
              .join()
              .logProbs();
      for (int i = 0; i < scores.length; i++) {
        assertEquals(sum(prompt, continuations(labels).get(i)), scores[i], TOLERANCE);
      }
    }
  }

  private static List<String> classify(List<String> labels) {
    List<String> texts = new ArrayList<>();
    try (Utf8Writer writer = Utf8Column.writer(runtime.memory().allocator(), 8, 64)) {
      Arrays.stream(CONTENTS).forEach(writer::write);
      try (Utf8Column column = writer.finish();
          RowResults results =
              runtime.submit(new RowTask.Classify(labels, null, Overflow.ERROR), column).join()) {
        for (int i = 0; i < CONTENTS.length; i++) {
          texts.add(results.text().text(i));
        }
      }
    }
    return texts;
  }

  /** Each label's score, less what it scores for a text that says nothing. */
  private static double[] scores(List<String> labels, String content) {
    List<int[]> continuations = continuations(labels);
    int[] prompt = prompt(labels, content);
    double[] nothing = NOTHING.computeIfAbsent(labels, ClassificationScoreTest::nothing);
    double[] scores = new double[labels.size()];
    for (int i = 0; i < scores.length; i++) {
      scores[i] = sum(prompt, continuations.get(i)) - nothing[i];
    }
    return scores;
  }

  private static double[] nothing(List<String> labels) {
    int[] prompt = prompt(labels, "N/A");
    return continuations(labels).stream().mapToDouble(c -> sum(prompt, c)).toArray();
  }

  private static List<int[]> continuations(List<String> labels) {
    List<int[]> ended = new ArrayList<>();
    for (String label : labels) {
      int[] tokens = tokenizer.encodeText(label);
      int[] all = Arrays.copyOf(tokens, tokens.length + 1);
      all[tokens.length] = endOfTurn;
      ended.add(all);
    }
    return ended;
  }

  private static int[] prompt(List<String> labels, String content) {
    StringBuilder text = new StringBuilder("Answer with exactly one of these labels: ");
    text.append(String.join(", ", labels)).append(".\n\n");
    labels.forEach(l -> text.append("Text: %s%nLabel: %s%n%n".formatted(l, l)));
    return tokenizer.encodePrompt(text.append("Text: " + content + "\nLabel:").toString());
  }

  /** Sum over a continuation's tokens of the natural log of their probability. */
  private static double sum(int[] prompt, int[] continuation) {
    int[] tokens = Arrays.copyOf(prompt, prompt.length + continuation.length);
    System.arraycopy(continuation, 0, tokens, prompt.length, continuation.length);
    float[][] logits = logits(tokens);
    double sum = 0;
    for (int i = prompt.length; i < tokens.length; i++) {
      double total = 0;
      for (float logit : logits[i - 1]) {
        total += Math.exp(logit);
      }
      sum += logits[i - 1][tokens[i]] - Math.log(total);
    }
    return sum;
  }

  /** After each token but the first, which has a step of its own: plans want a first token. */
  private static float[][] logits(int[] tokens) {
    int[] rest = Arrays.copyOfRange(tokens, 1, tokens.length);
    Sequence sequence = new Sequence(new int[] {tokens[0]}, List.of(rest));
    BlockPool pool = new BlockPool(16, LlamaEngine.BLOCK_TOKENS, false);
    while (sequence.numBlocks() * pool.blockTokens() < tokens.length) {
      sequence.addBlock(pool.take());
    }
    BatchPlanBuilder first = new BatchPlanBuilder(pool.blockTokens());
    first.add(sequence, 1);
    reference.execute(first.build());
    float[][] logits = new float[tokens.length][reference.vocabulary()];
    for (int offset = 0; offset < rest.length; offset += STEP_ROWS) {
      int rows = Math.min(STEP_ROWS, rest.length - offset);
      BatchPlanBuilder step = new BatchPlanBuilder(pool.blockTokens());
      int[] blocks = step.blockTable(sequence, 1 + offset + rows);
      step.addContinuation(sequence, 0, offset, rows, blocks);
      StepExecutor.Logits output = reference.execute(step.build());
      for (int i = 0; i < rows; i++) {
        output.read(i, logits[1 + offset + i]);
      }
    }
    return logits;
  }
}
