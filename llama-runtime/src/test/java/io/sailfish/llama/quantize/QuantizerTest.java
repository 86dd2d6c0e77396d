package io.sailfish.llama.quantize;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.llama.Golden;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.checkpoint.SailfishCheckpoint;
import io.sailfish.llama.checkpoint.SailfishWriter;
import io.sailfish.llama.evaluate.WeightErrors;
import io.sailfish.llama.model.LlamaWeights;
import io.sailfish.llama.quantize.Recipe.Choice;
import io.sailfish.llama.quantize.Recipe.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

class QuantizerTest {
  private static final List<String> FAMILIES = Golden.FAMILIES;
  private static final Quantizer.Progress QUIET = (done, of) -> {};

  @TempDir Path folder;

  private static Calibration calibration(int vocabulary) {
    Random random = new Random(3);
    List<int[]> sequences = new ArrayList<>();
    for (int i = 0; i < 9; i++) {
      sequences.add(random.ints(40, 0, vocabulary).toArray());
    }
    return new Calibration(sequences);
  }

  /** The pass through unquantised layers is the model's forward pass, bit for bit. */
  @ParameterizedTest
  @FieldSource("FAMILIES")
  void calibrationSeesWhatTheModelComputes(String family) {
    Golden golden = Golden.load(family);
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model(family));
        CpuBackend backend = CpuBackend.open(2);
        Workers workers = new Workers(1)) {
      int[] tokens = golden.prompt();
      CalibrationPass pass =
          new CalibrationPass(checkpoint.config(), backend, List.of(tokens, tokens));
      LlamaWeights weights = LlamaWeights.load(checkpoint, backend);
      pass.embed(weights.embedding());
      LayerQuantizer layers =
          new LayerQuantizer(checkpoint, Recipe.of(Method.RTN, Grid.INT4, 32), backend, workers);
      for (int layer = 0; layer < checkpoint.config().layers(); layer++) {
        layers.skip(layer, pass, Map.of());
      }
      assertEquals(
          CalibrationPass.activationBytes(checkpoint.config(), 2L * tokens.length),
          pass.heldBytes());
      float[] logits = ResidualLogits.of(checkpoint.config(), weights, backend, pass.stream(0));
      int rows = 2 * tokens.length;
      int vocabulary = golden.vocabulary();
      assertEquals(rows * vocabulary, logits.length);
      for (int i = 0; i < logits.length; i++) {
        assertEquals(golden.logits()[i % (tokens.length * vocabulary)], logits[i], 2e-4, "" + i);
      }
    }
  }

  private byte[] quantize(Recipe recipe, int threads, String name) throws Exception {
    Path target = folder.resolve(name);
    new Quantizer(Golden.model("hf/smollm2"), recipe, calibration(300), threads).run(target, QUIET);
    assertFalse(Files.exists(folder.resolve(name + ".layers")));
    return Files.readAllBytes(target);
  }

  @Test
  void everyRecipeGivesAModelThatTheRuntimeLoads() throws Exception {
    for (Method method : Method.values()) {
      for (Grid grid : List.of(Grid.INT4, Grid.INT3_SYM, Grid.NF4, Grid.LUT3)) {
        for (int group : new int[] {32, 0}) {
          givesAModel(method, grid, group);
        }
      }
    }
  }

  private void givesAModel(Method method, Grid grid, int group) throws Exception {
    String name = method + "-" + grid.id() + group + ".sailfish";
    Recipe recipe =
        new Recipe(
            new Choice(method, grid, group, true, true, 0.01),
            List.of(new Recipe.Exception("layers\\.0\\.down", null)));
    byte[] bytes = quantize(recipe, 2, name);
    assertArrayEquals(bytes, quantize(recipe, 1, "again"), name);
    try (Checkpoint checkpoint = Checkpoints.open(folder.resolve(name));
        CpuBackend backend = CpuBackend.open(1)) {
      assertTrue(LlamaWeights.load(checkpoint, backend).bytes() > 0);
      // What AWQ leaves unquantised has been scaled all the same.
      String kept = method == Method.AWQ ? "f32" : "bf16";
      assertEquals(kept, checkpoint.tensor("layers.0.down").format().id());
      String expected = grid == Grid.LUT3 ? "f32" : grid.format().id();
      assertEquals(expected, checkpoint.tensor("layers.0.q").format().id());
    }
  }

  @Test
  void aKilledRunGoesOnWhereItWas() throws Exception {
    Recipe recipe = Recipe.of(Method.GPTQ, Grid.INT4, 32);
    byte[] whole = quantize(recipe, 2, "whole.sailfish");
    Path target = folder.resolve("killed.sailfish");
    Path model = Golden.model("hf/smollm2");
    Quantizer quantizer = new Quantizer(model, recipe, calibration(300), 2);
    assertThrows(
        CancellationException.class,
        () ->
            quantizer.run(
                target,
                (done, of) -> {
                  throw new CancellationException();
                }));
    assertFalse(Files.exists(target));
    Path first = folder.resolve("killed.sailfish.layers/layer-00000.sailfish");
    byte[] layer = Files.readAllBytes(first);
    Object written = Files.getLastModifiedTime(first);
    Quantizer other = new Quantizer(model, Recipe.of(Method.RTN, Grid.INT4, 32), null, 2);
    RuntimeFailure e = assertThrows(RuntimeFailure.class, () -> other.run(target, QUIET));
    assertTrue(e.getMessage().contains("another job"), e.getMessage());
    List<Integer> steps = new ArrayList<>();
    quantizer.run(
        target,
        (done, of) -> {
          steps.add(done);
          if (done == 1) {
            try {
              assertEquals(written, Files.getLastModifiedTime(first));
              assertArrayEquals(layer, Files.readAllBytes(first));
            } catch (java.io.IOException io) {
              throw new java.io.UncheckedIOException(io);
            }
          }
        });
    assertEquals(List.of(1, 2), steps);
    assertArrayEquals(whole, Files.readAllBytes(target));
  }

  /** As a disk that filled up or a file system without atomic renames may leave them. */
  @Test
  void damagedLayersAreDoneAgain() throws Exception {
    Recipe recipe = Recipe.of(Method.GPTQ, Grid.INT4, 32);
    byte[] whole = quantize(recipe, 2, "whole.sailfish");
    Quantizer quantizer = new Quantizer(Golden.model("hf/smollm2"), recipe, calibration(300), 2);
    Path target = folder.resolve("damaged.sailfish");
    Path layer = folder.resolve("damaged.sailfish.layers/layer-00000.sailfish");
    Path digest = folder.resolve("damaged.sailfish.layers/layer-00000.sha256");
    for (int damage = 0; damage < 3; damage++) {
      assertThrows(CancellationException.class, () -> quantizer.run(target, QuantizerTest::cancel));
      byte[] bytes = Files.readAllBytes(layer);
      switch (damage) {
        case 0 -> Files.write(layer, java.util.Arrays.copyOf(bytes, bytes.length / 2));
        case 1 -> {
          bytes[bytes.length - 1] ^= 1;
          Files.write(layer, bytes);
        }
        default -> Files.delete(digest);
      }
      quantizer.run(target, QUIET);
      assertArrayEquals(whole, Files.readAllBytes(target), "damage " + damage);
    }
  }

  private static void cancel(int done, int of) {
    throw new CancellationException();
  }

  /** Rows of 256 inputs, so that every group is one of several or ends short. */
  @Test
  void everyGridWithEveryGroup() {
    Path model = Golden.model("types/q6_k");
    Map<Integer, Double> largest = Map.of(8, 0.01, 4, 0.15, 3, 0.3, 2, 0.7);
    for (Grid grid : Grid.values()) {
      for (int group : new int[] {32, 64, 96, 128, 0}) {
        Path target = folder.resolve(grid.id() + group + ".sailfish");
        new Quantizer(model, Recipe.of(Method.RTN, grid, group), null, 2).run(target, QUIET);
        for (double[] layer : WeightErrors.of(target, model)) {
          for (double error : layer) {
            String what = "%s g%d: %s".formatted(grid.id(), group, error);
            assertTrue(error > 0 && error < largest.get(grid.bits()), what);
          }
        }
      }
    }
  }

  @Test
  void packedFilesHoldTheSameModel() throws Exception {
    Recipe recipe = Recipe.of(Method.RTN, Grid.INT4, 32);
    byte[] rows = quantize(recipe, 2, "rows.sailfish");
    Path packed = folder.resolve("packed.sailfish");
    new Quantizer(Golden.model("hf/smollm2"), recipe, calibration(300), 2)
        .packed()
        .run(packed, QUIET);
    String version = "\"packed_version\"";
    assertTrue(new String(Files.readAllBytes(packed), ISO_8859_1).contains(version));
    assertFalse(new String(rows, ISO_8859_1).contains(version));
    Path back = folder.resolve("back.sailfish");
    try (Checkpoint checkpoint = Checkpoints.open(packed)) {
      Map<String, WeightSource> tensors = new java.util.LinkedHashMap<>();
      checkpoint.tensorNames().forEach(name -> tensors.put(name, checkpoint.tensor(name)));
      ObjectNode provenance = (ObjectNode) ((SailfishCheckpoint) checkpoint).provenance();
      SailfishWriter.write(back, SailfishWriter.Description.of(checkpoint, provenance), tensors);
    }
    assertArrayEquals(rows, Files.readAllBytes(back));
  }

  /** Sequences that are one array, so that nothing is allocated before the refusal. */
  @Test
  void moreTextThanMemoryIsRefused() {
    int[] sequence = new int[1 << 16];
    Calibration endless = new Calibration(java.util.Collections.nCopies(1 << 20, sequence));
    Quantizer quantizer =
        new Quantizer(
            Golden.model("hf/smollm2"), Recipe.of(Method.GPTQ, Grid.INT4, 32), endless, 1);
    RuntimeFailure e =
        assertThrows(
            RuntimeFailure.class, () -> quantizer.run(folder.resolve("x.sailfish"), QUIET));
    assertTrue(e.getMessage().contains("fewer sequences"), e.getMessage());
  }

  @Test
  void refusesWhatCannotWork() {
    assertThrows(
        RuntimeFailure.class,
        () -> new Quantizer(folder, Recipe.of(Method.GPTQ, Grid.INT4, 32), null, 1));
    assertThrows(IllegalArgumentException.class, () -> Recipe.of(Method.RTN, Grid.INT4, 48));
    assertThrows(IllegalArgumentException.class, () -> Grid.byId("int5"));
    assertThrows(
        IllegalArgumentException.class,
        () -> new Choice(Method.GPTQ, Grid.INT4, 32, false, false, 0));
    assertThrows(IllegalArgumentException.class, () -> new Recipe.Exception("(", null));
  }
}
