package io.sailfish.bench.gpu;

import io.sailfish.arrow.ArrowMemory;
import io.sailfish.arrow.IntBlock;
import io.sailfish.bench.BenchmarkResult;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.cuda.CudaEvent;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * What it costs to bring a step's integers to a card: an array at a time, or gathered and with one
 * copy; and of prompts each from its own memory, or gathered. Behind ADR 14.
 *
 * <p>Options: {@code --commit ID}, {@code --results FOLDER}.
 */
public final class GpuTransferBench {
  private static final int ARRAYS = 6;
  private static final int LARGEST = 4352;
  private static final int STEPS = 400;

  private final CudaBackend backend;
  private final IntBlock block;
  private final List<List<String>> table = new ArrayList<>();

  private GpuTransferBench(CudaBackend backend, IntBlock block) {
    this.backend = backend;
    this.block = block;
  }

  public static void main(String[] args) throws IOException {
    Options options = new Options(args);
    CardProgram.requireCard("measured");
    try (CudaBackend backend = CudaBackend.open(0);
        ArrowMemory memory = new ArrowMemory(8 << 20, backend.transferMemory().orElseThrow());
        IntBlock block = new IntBlock(memory.allocator())) {
      block.ensure(ARRAYS * LARGEST);
      GpuTransferBench bench = new GpuTransferBench(backend, block);
      for (int rows : new int[] {16, 256, 4096}) {
        bench.arrays(rows);
      }
      bench.prompts(8, 512);
      bench.prompts(128, 32);
      bench.write(options);
    }
    System.exit(0);
  }

  private void arrays(int rows) {
    IntTensor[] single = new IntTensor[ARRAYS];
    Arrays.setAll(single, i -> backend.ints(LARGEST, "one array"));
    IntTensor all = backend.ints(ARRAYS * LARGEST, "all arrays");
    int[] values = new int[rows];
    Arrays.setAll(values, i -> i);
    measure(
        "%d rows: %d arrays, a copy each".formatted(rows, ARRAYS),
        () -> {
          for (IntTensor array : single) {
            backend.write(array, values, rows);
          }
        });
    measure(
        "%d rows: gathered, one copy".formatted(rows),
        () -> {
          for (int array = 0; array < ARRAYS; array++) {
            gather(values, array * rows);
          }
          backend.upload(all, block.address(0, ARRAYS * rows), ARRAYS, rows);
        });
  }

  private void prompts(int count, int tokens) {
    IntTensor ids = backend.ints(LARGEST, "token ids");
    IntTensor[] places = new IntTensor[count];
    Arrays.setAll(places, i -> backend.part(ids, i * tokens, tokens));
    int[] values = new int[count * tokens];
    Arrays.setAll(values, i -> i);
    gather(values, 0);
    measure(
        "ids of %d prompts of %d: each from its own memory".formatted(count, tokens),
        () -> {
          for (int i = 0; i < count; i++) {
            backend.upload(places[i], block.address(i * tokens, tokens), 1, tokens);
          }
        });
    measure(
        "ids of %d prompts of %d: gathered, one copy".formatted(count, tokens),
        () -> {
          gather(values, 0);
          backend.upload(ids, block.address(0, values.length), 1, values.length);
        });
  }

  private void gather(int[] values, int at) {
    for (int i = 0; i < values.length; i++) {
      block.set(at + i, values[i]);
    }
  }

  /** Time of the host for a step and of the card's stream, which has nothing else to do. */
  private void measure(String what, Runnable step) {
    for (int i = 0; i < STEPS; i++) {
      step.run();
    }
    backend.stream().synchronize();
    try (CudaEvent start = backend.stream().device().newEvent();
        CudaEvent end = backend.stream().device().newEvent()) {
      backend.stream().record(start);
      long begin = System.nanoTime();
      for (int i = 0; i < STEPS; i++) {
        step.run();
      }
      double host = (System.nanoTime() - begin) / 1e3 / STEPS;
      backend.stream().record(end);
      end.synchronize();
      List<String> row = List.of(what, text(host), text(end.microsSince(start) / STEPS));
      System.out.println(row);
      table.add(row);
    }
  }

  private static String text(double micros) {
    return String.format(Locale.ROOT, "%.1f", micros);
  }

  private void write(Options options) throws IOException {
    List<String> columns = List.of("step", "host, µs", "card, µs");
    String note =
        "The card's column is the larger of its own time and the host's, as nothing else runs.";
    BenchmarkResult.Table result =
        new BenchmarkResult.Table("Bringing a step's integers to the card", note, columns, table);
    new CardProgram(GpuTransferBench.class, "gpu-transfer", options)
        .write(List.of(), List.of(result));
  }
}
