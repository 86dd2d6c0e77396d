package io.sailfish.bench.gpu;

import io.sailfish.bench.BenchmarkResult;
import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.cuda.CudaDevice;
import io.sailfish.kernels.cuda.CudaMemory;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.engine.Engine;
import io.sailfish.llama.engine.EngineMetrics;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.LlamaEngine;
import io.sailfish.llama.engine.Ticket;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.model.RopeConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * An engine under full load for as long as is wanted: prompts and answers of mixed lengths, greedy
 * and sampled, some cancelled on the way, and a cache so small that rows are put back. No request
 * may be lost, each must be answered as it was before, and neither the card's memory nor the
 * process's may grow.
 *
 * <p>Options: {@code --seconds N} (120), {@code --requests N} (ends after so many), {@code --tiny}
 * (two layers, for the tools that look for faults; memory is not judged then), {@code --kv TOKENS}
 * (that the cache holds, 30000), {@code --cap N} (256), {@code --commit ID}, {@code --results
 * FOLDER}.
 */
public final class GpuSoakBench {
  private static final int CONTEXT = 1024;
  private static final int WAITING = 128;
  private static final int CANCELLED_ONE_IN = 16;
  private static final int MOST_CANCEL_MILLIS = 3000;
  private static final double SAMPLE_SECONDS = 2;
  private static final long MOST_HOST_GROWTH = 64L << 20;

  /** What is looked at from time to time. */
  private record Sample(double seconds, long done, long putBack, long cardFree, long resident) {}

  private final Options options;
  private final ModelConfig model;
  private final SoakRequests requests;
  private final AtomicReferenceArray<int[]> answers =
      new AtomicReferenceArray<>(SoakRequests.PERIOD);
  private final AtomicInteger answered = new AtomicInteger();
  private final AtomicInteger cancelled = new AtomicInteger();
  private final AtomicInteger failed = new AtomicInteger();
  private final AtomicInteger differing = new AtomicInteger();
  private final List<Sample> samples = new ArrayList<>();
  private int submitted;

  private GpuSoakBench(Options options) {
    this.options = options;
    this.model = options.has("tiny") ? tiny() : StepModel.LLAMA_8B;
    this.requests = new SoakRequests(model.vocabulary(), CONTEXT);
  }

  /** Shapes that take the same kernels as a large model's. */
  private static ModelConfig tiny() {
    ModelConfig large = StepModel.LLAMA_8B;
    RopeConfig rope = large.rope();
    AttentionShape shape = new AttentionShape(8, 2, 128);
    return new ModelConfig(
        "tiny", 2, 1024, 1536, shape, large.variant(), 2048, 8192, 1e-5f, rope, false, List.of());
  }

  public static void main(String[] args) throws IOException, InterruptedException {
    CardProgram.requireCard("measured");
    System.exit(new GpuSoakBench(new Options(args)).run(args) ? 0 : 1);
  }

  private boolean run(String[] args) throws IOException, InterruptedException {
    CudaBackend backend = CudaBackend.open(0);
    CudaDevice device = backend.stream().device();
    LlamaEngine.Loaded loaded =
        new LlamaEngine.Loaded(
            model, StepModel.weights(model, backend), "random weights", Set.of());
    long block = backend.kvBlockBytes(model.layers(), 16, model.attention());
    RuntimeConfig config =
        RuntimeConfig.defaults()
            .on(BackendRequest.of("cuda", 0))
            .withBatchCap((int) options.number("cap", 256))
            .withKvBytes(options.number("kv", 30_000) / 16 * block)
            .withContextTokens(CONTEXT);
    try (Engine engine = LlamaEngine.start(loaded, backend, new IdTokenizer(), config)) {
      double seconds = load(engine, device.memory());
      EngineMetrics metrics = engine.metrics();
      boolean fine = judge(metrics);
      write(seconds, metrics, fine);
      return fine;
    }
  }

  /** Keeps the engine full; returns how long. */
  private double load(Engine engine, CudaMemory memory) throws InterruptedException {
    int room = engine.config().batchCap() + WAITING;
    Semaphore free = new Semaphore(room);
    ScheduledExecutorService canceller = Executors.newSingleThreadScheduledExecutor();
    Random random = new Random(3);
    long most = options.number("requests", Long.MAX_VALUE);
    double until = options.number("seconds", 120);
    long start = System.nanoTime();
    double seconds = 0;
    double nextSample = 0;
    while (seconds < until && submitted < most) {
      if (seconds >= nextSample) {
        sample(seconds, engine, memory);
        nextSample = seconds + SAMPLE_SECONDS;
      }
      if (free.tryAcquire(100, TimeUnit.MILLISECONDS)) {
        int number = submitted++;
        Ticket ticket = engine.submit(requests.request(number));
        ticket.whenComplete(
            (result, error) -> {
              ended(number, result, error, ticket.isCancelled());
              free.release();
            });
        if (random.nextInt(CANCELLED_ONE_IN) == 0) {
          int after = random.nextInt(MOST_CANCEL_MILLIS);
          canceller.schedule(() -> ticket.cancel(true), after, TimeUnit.MILLISECONDS);
        }
      }
      seconds = (System.nanoTime() - start) / 1e9;
    }
    free.acquire(room); // all have ended
    seconds = (System.nanoTime() - start) / 1e9;
    canceller.shutdownNow();
    sample(seconds, engine, memory);
    return seconds;
  }

  private void ended(int number, GenerationResult result, Throwable error, boolean wasCancelled) {
    if (wasCancelled) {
      cancelled.incrementAndGet();
      return;
    }
    if (error != null) {
      failed.incrementAndGet();
      System.out.println("request " + number + ": " + error);
      return;
    }
    GenerationRequest request = requests.request(number);
    int which = number % SoakRequests.PERIOD;
    int[] tokens = result.tokens();
    if (!answers.compareAndSet(which, null, tokens) && !Arrays.equals(answers.get(which), tokens)) {
      differing.incrementAndGet();
      System.out.println("request " + number + " is answered otherwise than before");
    }
    if (tokens.length != request.params().maxTokens()) {
      failed.incrementAndGet();
      System.out.printf(
          "request %d: %d of %d tokens%n", number, tokens.length, request.params().maxTokens());
      return;
    }
    answered.incrementAndGet();
  }

  private void sample(double seconds, Engine engine, CudaMemory memory) {
    EngineMetrics metrics = engine.metrics();
    long free = memory.freeBytes();
    Sample sample =
        new Sample(seconds, metrics.finishedRows(), metrics.preemptions(), free, residentBytes());
    samples.add(sample);
    System.out.printf(
        Locale.ROOT,
        "%.0f s: %d rows done, %d put back, %d MiB of the card free, %d MiB resident%n",
        seconds,
        sample.done(),
        sample.putBack(),
        free >> 20,
        sample.resident() >> 20);
  }

  /** Of this process; 0 where the system does not say. */
  private static long residentBytes() {
    try {
      return Files.readAllLines(Path.of("/proc/self/status")).stream()
          .filter(line -> line.startsWith("VmRSS:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) << 10)
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      return 0;
    }
  }

  private int lost() {
    return submitted - answered.get() - cancelled.get() - failed.get();
  }

  private boolean judge(EngineMetrics metrics) {
    boolean fine = lost() == 0 && failed.get() == 0 && differing.get() == 0;
    if (!options.has("tiny")) {
      fine &= metrics.preemptions() > 0 && cardGrowth() <= 0 && hostGrowth() <= MOST_HOST_GROWTH;
    }
    System.out.printf(
        "%d submitted, %d answered, %d cancelled, %d failed, %d lost, %d answered otherwise than"
            + " before, %d put back; from the middle on the card's memory grew by %d bytes, the"
            + " process by %d KiB: %s%n",
        submitted,
        answered.get(),
        cancelled.get(),
        failed.get(),
        lost(),
        differing.get(),
        metrics.preemptions(),
        cardGrowth(),
        hostGrowth() >> 10,
        fine ? "fine" : "NOT fine");
    return fine;
  }

  /** From the middle of the run to its end: by then every kind of step has been seen. */
  private long cardGrowth() {
    return middle().cardFree() - last().cardFree();
  }

  private long hostGrowth() {
    return last().resident() - middle().resident();
  }

  private Sample middle() {
    return samples.get(samples.size() / 2);
  }

  private Sample last() {
    return samples.get(samples.size() - 1);
  }

  private void write(double seconds, EngineMetrics metrics, boolean fine) throws IOException {
    List<List<String>> rows = new ArrayList<>();
    int step = Math.max(1, samples.size() / 10);
    for (int i = 0; i < samples.size(); i += step) {
      rows.add(row(samples.get(i)));
    }
    rows.add(row(last()));
    String note =
        String.format(
            Locale.ROOT,
            "%.0f s of full load, batch cap %d, %d steps of %.0f sequences on average: prompts of 1"
                + " to 860 tokens and answers of 4 to 163, a quarter sampled, random weights. %d"
                + " requests: %d answered, %d cancelled on the way, %d failed, %d lost; %d answers"
                + " differ from those to the same request before; %d times a row was put back."
                + " %s.",
            seconds,
            options.number("cap", 256),
            metrics.steps(),
            metrics.batchFill(),
            submitted,
            answered.get(),
            cancelled.get(),
            failed.get(),
            lost(),
            differing.get(),
            metrics.preemptions(),
            fine ? "Fine" : "Not fine");
    BenchmarkResult.Table table =
        new BenchmarkResult.Table(
            "Full load for long, Llama %s shapes, w4a16 g128".formatted(model.name()),
            note,
            List.of("s", "rows done", "put back", "card free, MiB", "process resident, MiB"),
            rows);
    new CardProgram(GpuSoakBench.class, "gpu-soak", options).write(List.of(), List.of(table));
  }

  private static List<String> row(Sample s) {
    return List.of(
        String.format(Locale.ROOT, "%.0f", s.seconds()),
        Long.toString(s.done()),
        Long.toString(s.putBack()),
        Long.toString(s.cardFree() >> 20),
        Long.toString(s.resident() >> 20));
  }
}
