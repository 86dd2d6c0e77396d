package io.sailfish.spark.quantize;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.quantize.Quantizer;
import io.sailfish.llama.quantize.Recipe;
import io.sailfish.spark.Sessions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Model, target and finished layers on a file system that is not this machine's. */
class HadoopLayerFolderTest {
  private static final Path MODEL =
      Sessions.TINY_LLAMA.resolveSibling("hf").resolve("smollm2").toAbsolutePath();
  private static final Quantizer.Progress QUIET = (done, of) -> {};
  private static SparkSession session;

  @TempDir Path folder;

  @BeforeAll
  static void start() {
    session = KilledQuantizeJob.session();
  }

  @AfterAll
  static void stop() {
    Sessions.stop(session);
  }

  private static String remote(Path path) {
    return "remote:" + path;
  }

  private byte[] onOneMachine() throws IOException {
    Path target = folder.resolve("one.sailfish");
    new Quantizer(MODEL, KilledQuantizeJob.RECIPE, KilledQuantizeJob.calibration(), 2)
        .run(target, QUIET);
    return Files.readAllBytes(target);
  }

  private ClusterQuantizer quantizer(Recipe recipe) {
    return new ClusterQuantizer(
        JavaSparkContext.fromSparkContext(session.sparkContext()),
        remote(MODEL),
        recipe,
        KilledQuantizeJob.calibration());
  }

  /** In a process of its own, which ends without a word when the first layer is done. */
  private void runAndKill(Path target, Path layers) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    String classPath =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    command.addAll(List.of("-cp", classPath, KilledQuantizeJob.class.getName()));
    command.addAll(List.of(remote(MODEL), remote(target), remote(layers)));
    Path log = folder.resolve("killed.log");
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    assertEquals(KilledQuantizeJob.KILLED, process.waitFor(), () -> read(log));
    assertFalse(Files.exists(target));
    assertTrue(Files.exists(layers.resolve("layer-00000.sha256")), () -> read(log));
    assertFalse(Files.exists(layers.resolve("layer-00001.sha256")));
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void aKilledJobGoesOnAfterItsLastLayer() throws Exception {
    Path target = folder.resolve("cluster.sailfish");
    Path layers = folder.resolve("layers");
    runAndKill(target, layers);

    Path first = layers.resolve("layer-00000.sailfish");
    Object written = Files.getLastModifiedTime(first);
    Recipe other = Recipe.of(Recipe.Method.GPTQ, KilledQuantizeJob.RECIPE.choice().grid(), 64);
    RuntimeFailure e =
        assertThrows(
            RuntimeFailure.class,
            () -> quantizer(other).run(remote(target), remote(layers), QUIET));
    assertTrue(e.getMessage().contains("layers of another job"), e.getMessage());

    List<Object> seen = new ArrayList<>();
    quantizer(KilledQuantizeJob.RECIPE)
        .run(
            remote(target),
            remote(layers),
            (done, of) -> {
              try {
                seen.add(Files.getLastModifiedTime(first));
              } catch (IOException io) {
                throw new UncheckedIOException(io);
              }
            });
    assertEquals(List.of(written, written), seen);
    assertArrayEquals(onOneMachine(), Files.readAllBytes(target));
    assertFalse(Files.exists(layers));
    try (Stream<Path> left = Files.list(folder)) {
      assertEquals(
          List.of("cluster.sailfish", "killed.log", "one.sailfish"),
          left.map(path -> path.getFileName().toString()).sorted().toList());
    }
  }

  @Test
  void halfWrittenFilesAreDoneAgain() throws Exception {
    Path target = folder.resolve("cluster.sailfish");
    Path layers = folder.resolve("cluster.sailfish.layers");
    assertThrows(
        IllegalStateException.class,
        () ->
            quantizer(KilledQuantizeJob.RECIPE)
                .run(
                    remote(target),
                    null,
                    (done, of) -> {
                      throw new IllegalStateException("stopped");
                    }));
    Path first = layers.resolve("layer-00000.sailfish");
    byte[] whole = Files.readAllBytes(first);
    Files.write(first, Arrays.copyOf(whole, whole.length / 2));
    Files.write(layers.resolve(".part-of-another"), new byte[3]);
    quantizer(KilledQuantizeJob.RECIPE).run(remote(target), null, QUIET);
    assertArrayEquals(onOneMachine(), Files.readAllBytes(target));
    assertFalse(Files.exists(layers));
  }

  @Test
  void whatCannotBeWrittenIsRefused() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "");
    RuntimeFailure e =
        assertThrows(
            RuntimeFailure.class,
            () ->
                quantizer(KilledQuantizeJob.RECIPE)
                    .run(remote(folder.resolve("x")), remote(file.resolve("layers")), QUIET));
    assertTrue(e.getMessage().contains("file/layers"), e.getMessage());
  }
}
