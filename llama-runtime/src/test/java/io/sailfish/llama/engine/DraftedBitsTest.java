package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.choice.TokenChooser;
import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.llama.Card;
import io.sailfish.llama.Golden;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.model.LlamaWeights;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The logits after each token of an answer have the same bits whether the tokens come one a step or
 * several at a time, right drafts and wrong ones mixed, over a real forward pass. The drafts are
 * made of the answers that the steps without drafts gave.
 */
class DraftedBitsTest {
  private static final int CONTEXT = 128;
  private static final int ROWS = 9;
  private static final int ANSWER = 50;

  @ParameterizedTest
  @ValueSource(strings = {"plain", "llama3", "types/q4_0", "quantized/bnb_nf4"})
  void onACpu(String model) {
    check(model, () -> CpuBackend.open(2));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"llama3", "types/q4_0", "quantized/gptq_w4_g32_desc_act", "quantized/bnb_nf4"})
  @Tag("gpu")
  void onACard(String model) {
    Card.assume();
    check(model, () -> CudaBackend.open(0));
  }

  private interface Opening {
    Backend open();
  }

  private static void check(String model, Opening backend) {
    List<Answer> expected = answers(model, backend.open(), null);
    List<Answer> drafted = answers(model, backend.open(), expected);
    long accepted = 0;
    for (int i = 0; i < ROWS; i++) {
      assertArrayEquals(expected.get(i).tokens(), drafted.get(i).tokens(), "row " + i);
      for (int t = 0; t < ANSWER; t++) {
        assertArrayEquals(
            expected.get(i).bits.get(t), drafted.get(i).bits.get(t), "row " + i + " token " + t);
      }
      accepted += drafted.get(i).accepted;
    }
    assertTrue(accepted > ROWS * ANSWER / 4, "accepted " + accepted);
  }

  /** One row's tokens and the bits of the logits that each was chosen from. */
  private static final class Answer {
    final Sequence sequence;
    final List<int[]> bits = new ArrayList<>();
    long accepted;

    Answer(int[] prompt) {
      sequence = new Sequence(prompt, List.of());
    }

    int[] tokens() {
      return sequence.generated();
    }
  }

  /**
   * @param known the answers to draft from, null for none
   */
  private static List<Answer> answers(String model, Backend backend, List<Answer> known) {
    EngineConfig config =
        new EngineConfig(
            "bits",
            ROWS,
            "test",
            CONTEXT,
            ROWS * CONTEXT / LlamaEngine.BLOCK_TOKENS,
            LlamaEngine.BLOCK_TOKENS,
            1,
            64,
            backend.promptCut(),
            true,
            Set.of(),
            known == null ? Drafting.OFF : Drafting.ALWAYS);
    BlockPool pool =
        new BlockPool(config.kvBlocks(), config.blockTokens(), true, backend.separatesPrompts());
    Scheduler scheduler = new Scheduler(config.limits(), pool);
    List<Answer> answers = new ArrayList<>();
    for (int i = 0; i < ROWS; i++) {
      Random random = new Random(i);
      int length = 1 + random.nextInt(60);
      answers.add(new Answer(IntStream.range(0, length).map(j -> random.nextInt(512)).toArray()));
      scheduler.add(answers.get(i).sequence);
    }
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model(model));
        LlamaExecutor executor =
            new LlamaExecutor(
                checkpoint.config(), LlamaWeights.load(checkpoint, backend), backend, config)) {
      Random random = new Random(5);
      while (scheduler.numRunning() + scheduler.numWaiting() > 0) {
        for (int i = 0; known != null && i < ROWS; i++) {
          answers.get(i).sequence.draft(draft(answers.get(i), known.get(i), random));
        }
        step(scheduler, executor, answers);
      }
    }
    return answers;
  }

  /** What comes next, one token of it wrong at times. */
  private static int[] draft(Answer answer, Answer known, Random random) {
    int done = answer.sequence.length() - answer.sequence.promptLength();
    int most = Math.max(0, Math.min(6, ANSWER - done - 1));
    int[] draft = new int[random.nextInt(most + 1)];
    System.arraycopy(known.tokens(), done, draft, 0, draft.length);
    if (draft.length > 0 && random.nextInt(3) == 0) {
      draft[random.nextInt(draft.length)] = random.nextInt(512);
    }
    return draft;
  }

  private static void step(Scheduler scheduler, LlamaExecutor executor, List<Answer> answers) {
    BatchPlan plan = scheduler.plan();
    StepExecutor.Logits output = executor.execute(plan);
    output.await();
    for (int p = 0; p < plan.parts().size(); p++) {
      BatchPlan.Part part = plan.parts().get(p);
      Answer answer =
          answers.stream().filter(a -> a.sequence == part.sequence()).findFirst().orElseThrow();
      int draft = plan.queryStarts()[p] + 1;
      boolean goesOn = true;
      for (int i = 0; i < part.logits() && goesOn; i++) {
        float[] logits = new float[executor.vocabulary()];
        output.read(part.firstLogit() + i, logits);
        int token = TokenChooser.best(logits);
        answer.bits.add(
            IntStream.range(0, logits.length)
                .map(k -> Float.floatToRawIntBits(logits[k]))
                .toArray());
        answer.sequence.append(token);
        goesOn = i < part.drafts() && token == plan.tokenIds()[draft + i];
        if (goesOn) {
          answer.sequence.confirm();
          answer.accepted++;
        }
      }
      if (answer.bits.size() == ANSWER) {
        scheduler.remove(part.sequence());
      }
    }
  }
}
