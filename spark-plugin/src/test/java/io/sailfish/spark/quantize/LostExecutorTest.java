package io.sailfish.spark.quantize;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.sailfish.llama.quantize.Grid;
import io.sailfish.llama.quantize.Quantizer;
import io.sailfish.llama.quantize.Recipe;
import io.sailfish.llama.quantize.Recipe.Method;
import io.sailfish.spark.Sessions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two executors in processes of their own, one of which is killed while a model is quantised. */
class LostExecutorTest {
  private static final Path MODEL =
      Sessions.TINY_LLAMA.resolveSibling("hf").resolve("smollm2").toAbsolutePath();
  private static SparkSession session;
  private static JavaSparkContext spark;

  @TempDir Path folder;

  @BeforeAll
  static void start() throws Exception {
    String classPath = Sessions.layOutSpark();
    session =
        Sessions.strictKryo("local-cluster[2,1,600]", "lost executor")
            .config("spark.executor.memory", "600m")
            .config("spark.executor.extraClassPath", classPath)
            .getOrCreate();
    spark = JavaSparkContext.fromSparkContext(session.sparkContext());
  }

  @AfterAll
  static void stop() {
    Sessions.stop(session);
  }

  private static Set<Long> executors() {
    return new TreeSet<>(
        spark
            .parallelize(List.of(1, 2, 3, 4), 4)
            .map(
                i -> {
                  Thread.sleep(300); // so that one executor does not take all tasks
                  return ProcessHandle.current().pid();
                })
            .collect());
  }

  /**
   * What the killed executor held of the shards is computed again; the layer that was done before
   * is not touched, and the bytes are those of one machine.
   */
  @Test
  void aKilledExecutorCostsWhatItHeld() throws Exception {
    Recipe recipe = Recipe.of(Method.GPTQ, Grid.INT4, 32);
    Path one = folder.resolve("one.sailfish");
    new Quantizer(MODEL, recipe, ClusterQuantizerTest.calibration(), 2).run(one, (done, of) -> {});
    Set<Long> before = executors();
    assertEquals(2, before.size());
    Path target = folder.resolve("cluster.sailfish");
    Path first = folder.resolve("cluster.sailfish.layers/layer-00000.sailfish");
    List<Object> written = new ArrayList<>();
    new ClusterQuantizer(spark, MODEL, recipe, ClusterQuantizerTest.calibration())
        .run(
            target,
            (done, of) -> {
              try {
                written.add(Files.getLastModifiedTime(first));
              } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
              }
              if (done == 1) {
                ProcessHandle.of(before.iterator().next()).orElseThrow().destroyForcibly();
              }
            });
    assertEquals(2, written.size());
    assertEquals(written.get(0), written.get(1));
    assertArrayEquals(Files.readAllBytes(one), Files.readAllBytes(target));
    long killed = before.iterator().next();
    assertFalse(executors().contains(killed), killed + " was killed");
  }
}
