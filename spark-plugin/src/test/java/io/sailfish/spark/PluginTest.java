package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.spark.catalyst.SailfishExtensions;
import java.nio.file.Path;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Starting, failing to start, and ending. Each case is an application of its own. */
class PluginTest {
  private static final Path MODELS = Sessions.FOLDER.resolve("m");
  private SparkSession spark;

  @AfterEach
  void stop() {
    if (spark != null) {
      Sessions.stop(spark);
    }
  }

  private static String model(String... behaviour) {
    return FakeRuntimeFactory.model(MODELS, "plugin", behaviour);
  }

  private static String failure(SparkSession.Builder builder) {
    Throwable thrown = assertThrows(Throwable.class, builder::getOrCreate);
    SparkSession.clearActiveSession();
    SparkSession.clearDefaultSession();
    return thrown.getMessage();
  }

  private static String deepest(Throwable thrown) {
    StringBuilder all = new StringBuilder();
    for (Throwable t = thrown; t != null; t = t.getCause()) {
      all.append(t.getMessage()).append('\n');
    }
    return all.toString();
  }

  private String answer() {
    return spark.sql("SELECT ai_gen('a')").head().getString(0);
  }

  @Test
  void withoutAModelNothingStarts() {
    assertTrue(failure(Sessions.builder()).contains("set spark.sailfish.model.path"));
    assertTrue(
        failure(Sessions.builder().config("spark.sailfish.model.path", " "))
            .contains("set spark.sailfish.model.path"));
  }

  @Test
  void withABadSettingNothingStarts() {
    assertTrue(
        failure(
                Sessions.builder()
                    .config("spark.sailfish.model.path", model())
                    .config("spark.sailfish.engine.batchcap", "3"))
            .contains("did you mean spark.sailfish.engine.batchCap?"));
    assertTrue(
        failure(
                Sessions.builder()
                    .config("spark.sailfish.model.path", model())
                    .config("spark.sailfish.model.default", "other"))
            .contains("the configured models are default"));
  }

  @Test
  void otherExtensionsStay() {
    spark =
        Sessions.builder()
            .config("spark.sailfish.model.path", model())
            .config("spark.sql.extensions", SailfishExtensions.class.getName())
            .getOrCreate();
    assertEquals("gen<a>", answer());
    assertEquals("gen<b>", spark.newSession().sql("SELECT ai_gen('b')").head().getString(0));
  }

  @Test
  void anExistingContextIsEnough() {
    SparkContext context =
        new SparkContext(
            new SparkConf()
                .setMaster("local[1]")
                .setAppName("test")
                .set("spark.ui.enabled", "false")
                .set("spark.plugins", SailfishPlugin.class.getName())
                .set("spark.sailfish.models.only.path", model()));
    spark = SparkSession.builder().getOrCreate();
    assertEquals(context, spark.sparkContext());
    assertEquals("gen<a>", answer());
  }

  @Test
  void aModelIsLoadedOnceAndOnlyWhenNeeded() {
    int before = FakeRuntime.LOADED.get();
    spark =
        Sessions.builder()
            .config("spark.sailfish.model.path", model())
            .config("spark.sailfish.model.preload.enabled", "false")
            .getOrCreate();
    assertEquals(before, FakeRuntime.LOADED.get());
    spark.range(0, 100, 1, 8).selectExpr("ai_gen(id)").collectAsList();
    assertEquals(before + 1, FakeRuntime.LOADED.get());
  }

  @Test
  void aMissingFileFailsTheFirstQuery() {
    spark =
        Sessions.builder().config("spark.sailfish.model.path", "/no/such/model.gguf").getOrCreate();
    assertEquals(3, spark.range(3).count());
    String message = deepest(assertThrows(Exception.class, this::answer));
    assertTrue(message.contains("[SAILFISH_MODEL_UNAVAILABLE]"), message);
    assertTrue(message.contains("/no/such/model.gguf"), message);
    assertTrue(message.contains("there is no such file on this host"), message);
  }

  @Test
  void aBadFileFailsTheFirstQuery() {
    spark =
        Sessions.builder()
            .config("spark.sailfish.model.path", model("loadError=no GGUF magic"))
            .getOrCreate();
    for (int i = 0; i < 2; i++) {
      String message = deepest(assertThrows(Exception.class, this::answer));
      assertTrue(message.contains("no GGUF magic"), message);
    }
  }

  @Test
  void aModelWithoutRoomForOneSequenceSaysWhichKeyToChange() {
    spark =
        Sessions.builder()
            .config("spark.sailfish.model.path", Sessions.TINY_LLAMA.toString())
            .config("spark.sailfish.engine.kvBytes", "5000")
            .getOrCreate();
    String message = deepest(assertThrows(Exception.class, this::answer));
    assertTrue(message.contains("spark.sailfish.engine.kvBytes=5000"), message);
    assertTrue(message.matches("(?s).*one sequence.*\\d{6} bytes.*contextTokens.*"), message);
  }

  @Test
  void explainBeforeTheModelIsLoaded() {
    spark =
        Sessions.builder()
            .config("spark.sailfish.model.path", model())
            .config("spark.sailfish.model.preload.enabled", "false")
            .getOrCreate();
    String plan = spark.sql("EXPLAIN SELECT ai_gen(string(id)) FROM range(3)").head().getString(0);
    assertTrue(plan.contains("not loaded yet, backend auto, batch cap measured at load"), plan);
  }
}
