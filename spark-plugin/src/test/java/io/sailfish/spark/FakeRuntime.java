package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.sailfish.arrow.ArrowMemory;
import io.sailfish.arrow.Utf8Column;
import io.sailfish.arrow.Utf8Writer;
import io.sailfish.llama.DeviceUse;
import io.sailfish.llama.LlamaRuntime;
import io.sailfish.llama.RowResults;
import io.sailfish.llama.RowTask;
import io.sailfish.llama.RowUsage;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.RuntimeInfo;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A model whose answers are a function of the prompt: {@code gen<prompt>}, or the label at the
 * prompt's length modulo the number of labels. It counts prompts, and does what words in them say:
 * {@code !error}, {@code !empty}, {@code !retry}, {@code !defect}, {@code !fatal}.
 *
 * <p>Behaviour: {@code delayMs} per batch (doubled for every second one, so that batches finish out
 * of order), {@code marker} a file whose existence stops {@code !retry} and {@code !fatal}.
 */
public final class FakeRuntime implements LlamaRuntime {
  public static final AtomicLong PROMPTS = new AtomicLong();
  public static final AtomicInteger LOADED = new AtomicInteger();
  public static final AtomicInteger CANCELLED = new AtomicInteger();
  public static final AtomicInteger MOST_ROWS_AT_WORK = new AtomicInteger();
  public static final List<Integer> BATCHES = Collections.synchronizedList(new ArrayList<>());
  public static final List<RowTask> TASKS = Collections.synchronizedList(new ArrayList<>());
  private static final List<ArrowMemory> MEMORIES = Collections.synchronizedList(new ArrayList<>());
  private static final AtomicInteger OPEN_RESULTS = new AtomicInteger();
  private static final AtomicInteger AT_WORK = new AtomicInteger();

  private final AtomicInteger rowsAtWork = new AtomicInteger();
  private final AtomicInteger submitted = new AtomicInteger();
  private final ExecutorService workers = Executors.newFixedThreadPool(4, FakeRuntime::daemon);
  private final ArrowMemory memory;
  private final RuntimeConfig config;
  private final long delayMs;
  private final String marker;

  FakeRuntime(Properties behaviour, RuntimeConfig config) {
    this.config = config;
    memory = new ArrowMemory(config.arrowBytes());
    MEMORIES.add(memory);
    delayMs = Long.parseLong(behaviour.getProperty("delayMs", "0"));
    marker = behaviour.getProperty("marker");
    LOADED.incrementAndGet();
  }

  public static void reset() {
    PROMPTS.set(0);
    CANCELLED.set(0);
    MOST_ROWS_AT_WORK.set(0);
    BATCHES.clear();
    TASKS.clear();
  }

  /**
   * Fails when columns or results of any model are held after all batches have been answered. Waits
   * for that: a query that ends early leaves batches at work and tasks that are yet to close
   * theirs.
   */
  public static void assertAllIsBack() throws InterruptedException {
    for (int i = 0; i < 200 && !allIsBack(); i++) {
      Thread.sleep(50);
    }
    assertEquals(0, AT_WORK.get(), "batches at work");
    assertEquals(0, OPEN_RESULTS.get(), "open results");
    assertEquals(0, bytesInUse(), "bytes in use");
  }

  private static boolean allIsBack() {
    return AT_WORK.get() == 0 && OPEN_RESULTS.get() == 0 && bytesInUse() == 0;
  }

  private static long bytesInUse() {
    return MEMORIES.stream().mapToLong(memory -> memory.statistics().bytesInUse()).sum();
  }

  private static Thread daemon(Runnable work) {
    Thread thread = new Thread(work, "fake-engine");
    thread.setDaemon(true);
    return thread;
  }

  @Override
  public RuntimeInfo info() {
    return new RuntimeInfo("Fake 1M", "fake q4_0", "cpu: fake", 32, "measured: fake", 2048);
  }

  @Override
  public ArrowMemory memory() {
    return memory;
  }

  @Override
  public CompletableFuture<RowResults> submit(RowTask task, Utf8Column... columns) {
    List<String> prompts = new ArrayList<>();
    for (int i = 0; i < columns[0].rows(); i++) {
      prompts.add(columns[0].isNull(i) ? null : columns[0].text(i));
    }
    int rows = (int) prompts.stream().filter(p -> p != null).count();
    PROMPTS.addAndGet(rows);
    BATCHES.add(rows);
    TASKS.add(task);
    MOST_ROWS_AT_WORK.accumulateAndGet(rowsAtWork.addAndGet(rows), Math::max);
    long delay = delayMs * (1 + submitted.getAndIncrement() % 2);
    CompletableFuture<RowResults> future = new CompletableFuture<>();
    AT_WORK.incrementAndGet();
    workers.execute(
        () -> {
          try {
            Thread.sleep(delay);
            rowsAtWork.addAndGet(-rows);
            Results results = answer(task, prompts);
            if (!future.complete(results)) {
              CANCELLED.addAndGet(rows);
              results.close();
            }
          } catch (Throwable e) {
            future.completeExceptionally(e);
          } finally {
            AT_WORK.decrementAndGet();
          }
        });
    return future;
  }

  private Results answer(RowTask task, List<String> prompts) throws Exception {
    long rows = 0;
    long errors = 0;
    try (Utf8Writer text = Utf8Column.writer(memory.allocator(), prompts.size(), 64);
        Utf8Writer error = Utf8Column.writer(memory.allocator(), prompts.size(), 64)) {
      for (String prompt : prompts) {
        if (prompt == null) {
          text.writeNull();
          error.writeNull();
          continue;
        }
        rows++;
        failIfAsked(prompt);
        if (prompt.contains("!error")) {
          errors++;
          text.writeNull();
          error.write("bad row: " + prompt);
        } else {
          text.write(answer(task, prompt));
          error.writeNull();
        }
      }
      RowUsage usage =
          new RowUsage(
              rows,
              10 * rows,
              5 * rows,
              2 * rows,
              1,
              errors,
              1000 * rows,
              24,
              1,
              new DeviceUse(20 * rows, 50 * rows, 40 * rows, 10 * rows, 0.5));
      return new Results(text.finish(), error.finish(), usage);
    }
  }

  private static String answer(RowTask task, String prompt) {
    if (task instanceof RowTask.Classify classify) {
      return classify.labels().get(prompt.length() % classify.labels().size());
    }
    return prompt.contains("!empty") ? "" : "gen<" + prompt + ">";
  }

  private void failIfAsked(String prompt) throws Exception {
    if (prompt.contains("!defect")) {
      throw new NullPointerException("fake defect");
    }
    boolean retry = prompt.contains("!retry");
    boolean fatal = prompt.contains("!fatal");
    if (!retry && !fatal) {
      return;
    }
    if (marker != null) {
      if (Files.exists(Path.of(marker))) {
        return;
      }
      Files.createFile(Path.of(marker));
    }
    throw new RuntimeFailure(fatal ? Kind.FATAL : Kind.RETRYABLE, "fake trouble", null);
  }

  RuntimeConfig config() {
    return config;
  }

  @Override
  public void close() {
    AT_WORK.addAndGet(-workers.shutdownNow().size());
  }

  private static final class Results implements RowResults {
    private final Utf8Column text;
    private final Utf8Column error;
    private final RowUsage usage;

    Results(Utf8Column text, Utf8Column error, RowUsage usage) {
      this.text = text;
      this.error = error;
      this.usage = usage;
      OPEN_RESULTS.incrementAndGet();
    }

    @Override
    public int rows() {
      return text.rows();
    }

    @Override
    public Utf8Column text() {
      return text;
    }

    @Override
    public Utf8Column error() {
      return error;
    }

    @Override
    public RowUsage usage() {
      return usage;
    }

    @Override
    public void close() {
      text.close();
      error.close();
      OPEN_RESULTS.decrementAndGet();
    }
  }
}
