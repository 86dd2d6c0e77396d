package io.sailfish.llama.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.arrow.ArrowMemory;
import io.sailfish.arrow.Utf8Column;
import io.sailfish.arrow.Utf8Writer;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.llama.Card;
import io.sailfish.llama.Golden;
import io.sailfish.llama.LlamaRuntimes;
import io.sailfish.llama.RowResults;
import io.sailfish.llama.RowTask;
import io.sailfish.llama.RowTask.Overflow;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.SamplingParams;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The copies of a row's text that docs/memory.md names, and no others. What goes to a card and back
 * is counted by StepTransfersTest and CardCopiesTest.
 */
class RowCopiesTest {
  private static final List<String> ROWS =
      Arrays.asList("one", null, "two words", "", "drei, mit \u00fcml\u00e4uten");

  @Test
  void aTextIsCopiedOnceToArrowAndOnceToItsPrompt() {
    copies("cpu");
  }

  @Test
  @Tag("gpu")
  void theSameWithACard() {
    Card.assume();
    copies("cuda");
  }

  private static void copies(String backend) {
    RuntimeConfig config =
        RuntimeConfig.defaults()
            .on(BackendRequest.of(backend, 1))
            .withBatchCap(4)
            .withContextTokens(128)
            .withArrowBytes(1L << 20)
            .withChatTemplate("{{ messages[0]['content'] }}");
    RowTask task = new RowTask.Generate(null, SamplingParams.greedy(5), Overflow.ERROR);
    long bytes = bytes(ROWS);
    try (EngineRuntime runtime = LlamaRuntimes.open(Golden.model("plain"), config)) {
      ArrowMemory memory = runtime.memory();
      try (Utf8Writer writer = Utf8Column.writer(memory.allocator(), ROWS.size(), 64)) {
        ROWS.forEach(writer::write);
        assertEquals(ROWS.size(), writer.rows());
        assertEquals(bytes, writer.bytes(), "row to Arrow");
        try (Utf8Column column = writer.finish();
            RowResults results = runtime.submit(task, column).join()) {
          assertEquals(4, column.copiedRows(), "Arrow to prompt, without the null row");
          assertAnswers(results);
        }
      }
      assertEquals(0, memory.statistics().bytesInUse());
    }
  }

  /** Answers are written once, and read where they lie. */
  private static void assertAnswers(RowResults results) {
    assertEquals(ROWS.size(), results.rows());
    assertEquals(0, results.text().copiedRows(), "Arrow to Spark");
    long bytes = 0;
    for (int row = 0; row < results.rows(); row++) {
      assertEquals(
          ROWS.get(row) == null || !results.error().isNull(row), results.text().isNull(row));
      bytes += results.text().byteLength(row);
    }
    assertTrue(bytes > 0, "there are answers");
    assertEquals(bytes, results.text().vector().getDataBuffer().writerIndex());
    assertEquals(0, results.text().copiedRows());
  }

  private static long bytes(List<String> rows) {
    return rows.stream()
        .filter(Objects::nonNull)
        .mapToLong(row -> row.getBytes(StandardCharsets.UTF_8).length)
        .sum();
  }
}
