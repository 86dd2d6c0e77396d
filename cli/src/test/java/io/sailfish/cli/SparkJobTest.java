package io.sailfish.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.cli.MainTest.Outcome;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Commands as Spark jobs, in this process. */
class SparkJobTest {
  private static final String MODEL = MainTest.GOLDEN + "hf/smollm2";
  private static final String ORIGINAL = MainTest.GOLDEN + "hf/smollm2";

  @TempDir Path folder;

  private static Outcome onSpark(Object... args) {
    Object[] all = new Object[args.length + 3];
    System.arraycopy(args, 0, all, 0, args.length);
    all[args.length] = "--spark";
    all[args.length + 1] = "--master";
    all[args.length + 2] = "local[2]";
    return MainTest.run(all);
  }

  @Test
  void evaluateGivesTheReportOfOneProcess() throws Exception {
    Path text = Files.writeString(folder.resolve("t.txt"), "A cat and 12 dogs sat. ".repeat(30));
    Path here = folder.resolve("here");
    Path there = folder.resolve("there");
    Object[] args = {
      "evaluate", MODEL, "--original", ORIGINAL, "--text", text, "--window", 64, "--backend", "cpu"
    };
    assertEquals(0, MainTest.run(with(args, "--report", here)).code());
    Outcome spark = onSpark(with(args, "--report", there, "--json"));
    assertEquals(0, spark.code(), spark.err());
    String expected = Files.readString(folder.resolve("here.json"));
    assertEquals(expected, Files.readString(folder.resolve("there.json")));
    assertEquals(expected.strip(), spark.out().strip());
    String plot = Files.readString(folder.resolve("there.svg"));
    assertEquals(Files.readString(folder.resolve("here.svg")), plot);
    assertTrue(plot.startsWith("<svg"), plot);
  }

  @Test
  void quantizeGivesTheBytesOfOneProcess() throws Exception {
    Path text = Files.writeString(folder.resolve("t.txt"), "A cat and 12 dogs sat. ".repeat(60));
    Path here = folder.resolve("here.sailfish");
    Path there = folder.resolve("there.sailfish");
    Object[] recipe = {
      "--method", "gptq", "--group", 32, "--calibration", text, "--sequences", 4, "--length", 64
    };
    Object[] all = with(recipe, "--packed", "--keep", "layers.1.*");
    assertEquals(0, MainTest.run(with(new Object[] {"quantize", MODEL, here}, all)).code());
    Outcome spark = onSpark(with(new Object[] {"quantize", MODEL, there}, all));
    assertEquals(0, spark.code(), spark.err());
    assertArrayEquals(Files.readAllBytes(here), Files.readAllBytes(there));
  }

  @Test
  void mistakesAreToldInALine() throws Exception {
    Path text = Files.writeString(folder.resolve("t.csv"), "a,b\nx,y\n");
    Path none = folder.resolve("none.gguf");
    for (Outcome outcome :
        new Outcome[] {
          onSpark("evaluate", MODEL, "--text", text),
          onSpark("evaluate", MODEL, "--text", folder.resolve("none.csv")),
          onSpark("evaluate", none, "--text", text, "--column", "a")
        }) {
      assertEquals(Main.MISTAKE, outcome.code(), outcome.err());
      assertTrue(outcome.err().startsWith("sailfish: "), outcome.err());
      assertEquals(1, outcome.err().lines().count(), outcome.err());
    }
  }

  private static Object[] with(Object[] args, Object... more) {
    Object[] all = new Object[args.length + more.length];
    System.arraycopy(args, 0, all, 0, args.length);
    System.arraycopy(more, 0, all, args.length, more.length);
    return all;
  }
}
