package io.sailfish.llama.quantize;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.Golden;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.quantize.Recipe.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Quantising in a JVM of its own, with as much memory or disk as it is said to need, or less. */
class QuantizerLimitsTest {
  private static final Path MODEL = Golden.model("hf/smollm2");
  private static final int LENGTH = 512;

  /** Blocks of 512 bytes, in which a POSIX shell counts. */
  private static final int BLOCK = 512;

  /** Java's young generation, whose survivors' half is never full. */
  private static final long YOUNG_BYTES = 12L << 20;

  /** Classes' constants, scratch of products and what else any model takes. */
  private static final long ANY_MODEL_BYTES = 24L << 20;

  @TempDir Path folder;

  private record Ended(int status, String output) {}

  /** What the other JVM runs: MODEL TARGET SEQUENCES. */
  static final class Job {
    public static void main(String[] args) {
      quantize(Path.of(args[0]), Path.of(args[1]), Integer.parseInt(args[2]));
    }
  }

  private static void quantize(Path model, Path target, int sequences) {
    new Quantizer(
            model,
            Recipe.of(Method.GPTQ, Grid.INT4, 32),
            calibration(sequences),
            Runtime.getRuntime().availableProcessors())
        .run(target, (done, of) -> {});
  }

  private static Calibration calibration(int sequences) {
    Random random = new Random(3);
    List<int[]> all = new ArrayList<>();
    for (int i = 0; i < sequences; i++) {
      all.add(random.ints(LENGTH, 0, 300).toArray());
    }
    return new Calibration(all);
  }

  /**
   * @param shell what a shell does before it becomes the JVM
   */
  private static Ended inAnother(String shell, List<String> options, Path target, int sequences)
      throws Exception {
    List<String> command = new ArrayList<>(List.of("sh", "-c", shell + "exec \"$@\"", "sh"));
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--add-modules=jdk.incubator.vector", "-XX:-UsePerfData"));
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Job.class.getName()));
    command.addAll(List.of(MODEL.toString(), target.toString(), Integer.toString(sequences)));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Ended(process.waitFor(), output);
  }

  /** A second copy of the activations, or of the wider ones alone, would not fit. */
  @Test
  void memoryIsThatOfTheFormula() throws Exception {
    int sequences = 128;
    long formula;
    try (Checkpoint checkpoint = Checkpoints.open(MODEL)) {
      formula = Quantizer.calibrationBytes(checkpoint.config(), (long) sequences * LENGTH);
    }
    assertTrue(formula > 2 * ANY_MODEL_BYTES, "the formula must be what counts: " + formula);
    long most = formula + YOUNG_BYTES + ANY_MODEL_BYTES;
    List<String> options = List.of("-XX:+UseSerialGC", "-Xmn" + YOUNG_BYTES, "-Xmx" + most);
    Path target = folder.resolve("small.sailfish");
    Ended ended = inAnother("", options, target, sequences);
    assertEquals(0, ended.status(), ended.output());
    assertTrue(Files.exists(target));
    Ended refused =
        inAnother("", List.of("-XX:+UseSerialGC", "-Xmx" + formula / 2), target, sequences);
    assertTrue(refused.output().contains("fewer sequences"), refused.output());
  }

  /** Files that may not grow are what a disk that is full looks like. */
  @Test
  void aFullDiskLeavesNoHalfModel() throws Exception {
    Path whole = folder.resolve("whole.sailfish");
    quantize(MODEL, whole, 1);
    Path target = folder.resolve("small.sailfish");
    long most = Files.size(whole) / BLOCK - 1;
    for (long blocks : new long[] {4, most}) {
      Ended ended = inAnother("ulimit -f %d; ".formatted(blocks), List.of(), target, 1);
      assertEquals(1, ended.status(), ended.output());
      assertTrue(ended.output().contains("cannot be written"), ended.output());
      assertFalse(Files.exists(target), "after " + blocks + " blocks");
      try (var left = Files.list(folder)) {
        List<String> names = left.map(path -> path.getFileName().toString()).sorted().toList();
        assertEquals(List.of("small.sailfish.layers", "whole.sailfish"), names);
      }
    }
    quantize(MODEL, target, 1);
    assertArrayEquals(Files.readAllBytes(whole), Files.readAllBytes(target));
  }
}
