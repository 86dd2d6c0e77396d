package io.sailfish.llama.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.arrow.Utf8Column;
import io.sailfish.arrow.Utf8Writer;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.llama.Golden;
import io.sailfish.llama.LlamaRuntimes;
import io.sailfish.llama.RowResults;
import io.sailfish.llama.RowTask;
import io.sailfish.llama.RowTask.Overflow;
import io.sailfish.llama.RowUsage;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.engine.SamplingParams;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.apache.arrow.memory.ArrowBuf;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Rows through template, tokenizer and a tiny random Llama with a context of 256 tokens. */
@Timeout(120)
class EngineRuntimeTest {
  private static final RowTask.Generate GENERATE = generate(12, Overflow.ERROR);

  private static EngineRuntime runtime;

  /** What the tests need of the answers; the Arrow columns are closed. */
  private record Answers(List<String> texts, List<String> errors, RowUsage usage) {}

  @BeforeAll
  static void open() {
    runtime = LlamaRuntimes.open(Golden.model("plain"), config(null));
  }

  /** Fails when any column of any test is still open. */
  @AfterAll
  static void close() {
    runtime.close();
  }

  private static RuntimeConfig config(String template) {
    return RuntimeConfig.defaults()
        .on(BackendRequest.of("cpu", 1))
        .withBatchCap(4)
        .withPrefillChunk(64)
        .withArrowBytes(64L << 20)
        .withChatTemplate(template);
  }

  private static RowTask.Generate generate(int maxTokens, Overflow overflow) {
    return new RowTask.Generate(null, SamplingParams.greedy(maxTokens), overflow);
  }

  private static RowTask.Classify classify(String... labels) {
    return new RowTask.Classify(List.of(labels), null, Overflow.ERROR);
  }

  private static CompletableFuture<RowResults> submit(
      EngineRuntime runtime, RowTask task, List<String> rows) {
    try (Utf8Writer writer = Utf8Column.writer(runtime.memory().allocator(), rows.size(), 64)) {
      rows.forEach(writer::write);
      try (Utf8Column column = writer.finish()) {
        return runtime.submit(task, column);
      }
    }
  }

  private static Answers run(EngineRuntime runtime, RowTask task, List<String> rows) {
    try (RowResults results = submit(runtime, task, rows).join()) {
      assertEquals(rows.size(), results.rows());
      return new Answers(texts(results.text()), texts(results.error()), results.usage());
    }
  }

  private static Answers run(RowTask task, String... rows) {
    return run(runtime, task, Arrays.asList(rows));
  }

  private static List<String> texts(Utf8Column column) {
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < column.rows(); i++) {
      texts.add(column.isNull(i) ? null : column.text(i));
    }
    return texts;
  }

  private static String words(int count) {
    StringBuilder text = new StringBuilder();
    Random random = new Random(count);
    for (int i = 0; i < count; i++) {
      text.append("the row and that ".split(" ")[random.nextInt(4)]).append(' ');
    }
    return text.toString();
  }

  @Test
  void everyRowHasItsAnswerWhateverItsNeighbours() {
    List<String> prompts = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      prompts.add("prompt number " + i + " " + words(i));
    }
    Answers together = run(runtime, GENERATE, prompts);
    assertEquals(Collections.nCopies(20, null), together.errors());
    assertTrue(together.texts().stream().distinct().count() > 10, "answers differ by prompt");
    for (int i = 0; i < 20; i += 3) {
      assertEquals(together.texts().get(i), run(GENERATE, prompts.get(i)).texts().get(0));
    }
    assertEquals(20, together.usage().rows());
    assertTrue(together.usage().outputTokens() > 0 && together.usage().outputTokens() <= 240);
    assertTrue(together.usage().promptTokens() > 20 * 10);
    assertTrue(together.usage().stepRows() >= together.usage().steps());
  }

  @Test
  void nullStaysNullWithoutTheEngineAndEmptyIsAPrompt() {
    Answers answers = run(GENERATE, null, "", null, "x");
    assertEquals(null, answers.texts().get(0));
    assertEquals(null, answers.errors().get(0));
    assertNotEquals(null, answers.texts().get(1));
    assertEquals(null, answers.texts().get(2));
    assertEquals(2, answers.usage().rows());
    assertEquals(List.of(), run(GENERATE).texts());
    assertEquals(0, run(GENERATE, null, null).usage().rows());
  }

  @Test
  void theSystemMessageMatters() {
    RowTask system = new RowTask.Generate("Be the row.", SamplingParams.greedy(12), Overflow.ERROR);
    assertNotEquals(run(GENERATE, "hello").texts(), run(system, "hello").texts());
  }

  @Test
  void tooLongAPromptIsThatRowsErrorWithBothCounts() {
    Answers answers = run(GENERATE, "first", words(600), "last");
    String error = answers.errors().get(1);
    assertTrue(error.matches("the prompt has \\d{3,} tokens.* holds 256 and leaves 255.*"), error);
    assertTrue(error.contains("spark.sailfish.engine.contextTokens"), error);
    assertEquals(null, answers.texts().get(1));
    assertEquals(run(GENERATE, "first", "last").texts().get(0), answers.texts().get(0));
    assertEquals(run(GENERATE, "first", "last").texts().get(1), answers.texts().get(2));
    assertEquals(1, answers.usage().errorRows());
    assertEquals(2, answers.usage().rows());
  }

  @Test
  void aMegabyteIsRefusedQuicklyAndHugeOnesAreNotEvenCounted() {
    String megabyte = "a line of a log that nobody reads\n".repeat(30_841);
    Answers answers =
        assertTimeoutPreemptively(
            Duration.ofSeconds(60), () -> run(GENERATE, megabyte, "short", megabyte.repeat(3)));
    assertTrue(answers.errors().get(0).matches("the prompt has \\d{6} tokens.*"));
    assertEquals(null, answers.errors().get(1));
    assertTrue(answers.errors().get(2).startsWith("the prompt has more than "));
  }

  @Test
  void overflowPolicies() {
    String tooLong = words(600);
    Answers nulls = run(generate(8, Overflow.NULL), tooLong, "short");
    assertEquals(null, nulls.texts().get(0));
    assertEquals(null, nulls.errors().get(0));
    assertEquals(1, nulls.usage().truncatedRows());
    for (Overflow overflow : List.of(Overflow.TRUNCATE_HEAD, Overflow.TRUNCATE_TAIL)) {
      Answers cut = run(generate(8, overflow), tooLong, "short");
      assertEquals(null, cut.errors().get(0));
      assertFalse(cut.texts().get(0).isEmpty());
      assertEquals(1, cut.usage().truncatedRows());
      assertTrue(cut.usage().promptTokens() <= 248 + 40);
    }
  }

  @Test
  void answersEndAtTheContext() {
    String nearlyFull = words(165);
    Answers answers = run(generate(10_000, Overflow.ERROR), nearlyFull);
    assertEquals(null, answers.errors().get(0));
    RowUsage usage = answers.usage();
    assertTrue(usage.promptTokens() > 200, "the test's prompt has " + usage.promptTokens());
    assertTrue(usage.promptTokens() + usage.outputTokens() <= 256);
  }

  @Test
  void aRefusalOfTheTemplateIsTheRowsError() {
    String picky =
        "{% if 'bad' in messages[0].content %}{{ raise_exception('no ' ~ messages[0].content) }}"
            + "{% endif %}{{ messages[0].content }}<|im_end|>";
    try (EngineRuntime runtime = LlamaRuntimes.open(Golden.model("plain"), config(picky))) {
      Answers answers = run(runtime, GENERATE, List.of("good", "bad row", "good too"));
      assertTrue(answers.errors().get(1).contains("no bad row"), answers.errors().get(1));
      assertEquals(1, answers.usage().errorRows());
      assertEquals(null, answers.errors().get(0));
      assertEquals(null, answers.errors().get(2));
    }
  }

  @Test
  void invalidUtf8IsARowLikeAnyOther() {
    byte[] invalid = {'a', (byte) 0xff, (byte) 0xed, (byte) 0xa0, (byte) 0x80};
    try (Utf8Writer writer = Utf8Column.writer(runtime.memory().allocator(), 1, 8)) {
      writer.write(invalid, 0, invalid.length);
      try (Utf8Column column = writer.finish();
          RowResults results = runtime.submit(GENERATE, column).join()) {
        assertTrue(results.error().isNull(0));
        assertFalse(results.text().isNull(0));
      }
    }
  }

  @Test
  void classifyGivesOneOfTheLabelsWhateverTheBatch() {
    RowTask task = classify("the", "row two", "and", "?");
    List<String> rows = new ArrayList<>();
    for (int i = 0; i < 24; i++) {
      rows.add(i + " " + words(i));
    }
    Answers together = run(runtime, task, rows);
    assertEquals(Collections.nCopies(24, null), together.errors());
    assertTrue(List.of("the", "row two", "and", "?").containsAll(together.texts()));
    assertTrue(together.texts().stream().distinct().count() > 1, "" + together.texts());
    for (int i = 0; i < 24; i += 5) {
      assertEquals(
          together.texts().get(i), run(runtime, task, List.of(rows.get(i))).texts().get(0));
    }
    assertEquals(24, together.usage().rows());
    assertEquals(0, together.usage().outputTokens());
  }

  @Test
  void theOrderOfRowsDoesNotMatterAndNullStaysNull() {
    RowTask task = classify("alpha", "beta");
    Answers forth = run(task, "one", null, "two three");
    Answers back = run(task, "two three", null, "one");
    assertEquals(forth.texts().get(0), back.texts().get(2));
    assertEquals(forth.texts().get(2), back.texts().get(0));
    assertEquals(null, forth.texts().get(1));
    assertEquals(null, forth.errors().get(1));
  }

  @Test
  void aSingleLabelNeedsNoEngine() {
    long before = runtime.engine().metrics().steps();
    Answers answers = run(classify("only"), "anything", null, words(900));
    assertEquals(Arrays.asList("only", null, "only"), answers.texts());
    assertEquals(before, runtime.engine().metrics().steps());
  }

  @Test
  void wrongLabelsFailTheSubmission() {
    for (RowTask task :
        List.of(classify(), classify("a", "a"), classify("a", ""), classify("a", "  "))) {
      CompletionException e =
          assertThrows(CompletionException.class, () -> submit(runtime, task, List.of("x")).join());
      assertEquals(RuntimeFailure.Kind.USER, ((RuntimeFailure) e.getCause()).kind());
    }
  }

  @Test
  void classifyOverflow() {
    Answers error = run(classify("a", "b"), words(900), "ok");
    assertTrue(error.errors().get(0).contains("holds 256"), error.errors().get(0));
    assertEquals(null, error.errors().get(1));
    RowTask cut = new RowTask.Classify(List.of("a", "b"), null, Overflow.TRUNCATE_TAIL);
    assertTrue(List.of("a", "b").contains(run(cut, words(900)).texts().get(0)));
  }

  @Test
  void cancellingGivesEverythingBack() {
    for (int i = 0; i < 20; i++) {
      List<String> rows = List.of("cancelled " + i, words(20 + i), words(40 + i));
      CompletableFuture<RowResults> future = submit(runtime, generate(100, Overflow.ERROR), rows);
      if (future.cancel(true)) {
        assertThrows(CancellationException.class, future::join);
      } else {
        future.join().close();
      }
    }
    assertEquals(null, run(GENERATE, "after").errors().get(0));
  }

  @Test
  void resultsThatDoNotFitTheMemoryAreRetryable() {
    List<String> rows = List.of("one", "two");
    try (Utf8Writer writer = Utf8Column.writer(runtime.memory().allocator(), 2, 16)) {
      rows.forEach(writer::write);
      try (Utf8Column column = writer.finish()) {
        List<ArrowBuf> hoard = new ArrayList<>();
        CompletableFuture<RowResults> future;
        try {
          for (int bytes = 32 << 20; bytes >= 8; bytes /= 2) {
            var statistics = runtime.memory().statistics();
            if (statistics.maxBytes() - statistics.bytesInUse() >= bytes) {
              hoard.add(runtime.memory().allocator().buffer(bytes));
            }
          }
          future = runtime.submit(GENERATE, column);
          CompletionException e = assertThrows(CompletionException.class, future::join);
          assertEquals(RuntimeFailure.Kind.RETRYABLE, ((RuntimeFailure) e.getCause()).kind());
        } finally {
          hoard.forEach(ArrowBuf::close);
        }
      }
    }
  }

  @Test
  void aClosedEngineFailsTheSubmissionAndNoRow() {
    EngineRuntime closed = LlamaRuntimes.open(Golden.model("plain"), config(null));
    closed.engine().close();
    CompletionException e =
        assertThrows(
            CompletionException.class, () -> submit(closed, GENERATE, List.of("a", "b")).join());
    assertEquals(RuntimeFailure.Kind.RETRYABLE, ((RuntimeFailure) e.getCause()).kind());
    closed.close();
  }

  @Test
  void infoSaysWhatRuns() {
    assertEquals("Tiny plain", runtime.info().model());
    assertEquals(256, runtime.info().context());
    assertEquals(4, runtime.info().batchCap());
    assertTrue(runtime.info().backend().contains("CPU"), runtime.info().backend());
  }
}
