package io.sailfish.spark.exec;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.arrow.ArrowMemory;
import io.sailfish.arrow.ArrowMemoryException;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.RuntimeInfo;
import io.sailfish.spark.SailfishException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import org.apache.spark.TaskContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FailurePolicyTest {
  private final List<String> exits = new ArrayList<>();

  private final ExecutorHost host =
      new ExecutorHost() {
        @Override
        public void loaded(String model, RuntimeInfo info) {}

        @Override
        public void exit(String reason) {
          exits.add(reason);
        }

        @Override
        public void giveUp(TaskContext task, SailfishException failure) {}
      };

  @ParameterizedTest
  @CsvSource({
    "USER, SAILFISH_ENGINE_FAILED, false, 0",
    "RETRYABLE, SAILFISH_ENGINE_FAILED, false, 0",
    "DEFECT, SAILFISH_INTERNAL_ERROR, true, 0",
    "FATAL, SAILFISH_ENGINE_FAILED, false, 1"
  })
  void kindsOfFailure(Kind kind, String condition, boolean isFinal, int numExits) {
    RuntimeFailure cause = new RuntimeFailure(kind, "the reason", null);
    SailfishException e = FailurePolicy.engineFailure("m", new CompletionException(cause), host);
    assertEquals(condition, e.getCondition());
    assertEquals(isFinal, e.isFinal());
    assertEquals(numExits, exits.size());
    assertSame(cause, e.getCause());
    assertEquals("the reason", e.getMessageParameters().get("reason"));
  }

  @Test
  void onlyWhatNobodyExpectsIsADefect() {
    assertTrue(FailurePolicy.engineFailure("m", new NullPointerException("x"), host).isFinal());
    assertTrue(FailurePolicy.engineFailure("m", new IllegalStateException(), host).isFinal());
    assertTrue(!FailurePolicy.engineFailure("m", new CancellationException(), host).isFinal());
    assertTrue(!FailurePolicy.engineFailure("m", noMemory(), host).isFinal());
  }

  private static ArrowMemoryException noMemory() {
    try (ArrowMemory memory = new ArrowMemory(1024)) {
      memory.allocator().buffer(1 << 20).close();
      throw new AssertionError("the cap was not kept");
    } catch (ArrowMemoryException e) {
      return e;
    }
  }

  @Test
  void aLoadThatMayWorkLaterIsKeptAsRetryable() {
    RuntimeException kept = FailurePolicy.loadFailure("m", "/p", new IOException("no route"));
    assertEquals(Kind.RETRYABLE, ((RuntimeFailure) kept).kind());
    SailfishException thrown = FailurePolicy.unavailable("m", new CompletionException(kept), host);
    assertEquals("SAILFISH_MODEL_UNAVAILABLE", thrown.getCondition());
    kept =
        FailurePolicy.loadFailure("m", "/p", new RuntimeFailure(Kind.USER, "no GGUF magic", null));
    assertEquals("SAILFISH_MODEL_UNAVAILABLE", ((SailfishException) kept).getCondition());
    assertTrue(kept.getMessage().contains("no GGUF magic"));
  }
}
