package io.sailfish.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class MainTest {
  static final String GOLDEN = "../llama-runtime/src/test/resources/golden/";

  @TempDir Path folder;

  record Outcome(int code, String out, String err) {
    JsonNode json() throws Exception {
      return new ObjectMapper().readTree(out);
    }
  }

  static Outcome run(Object... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine command = Main.commandLine();
    command.setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
    String[] texts = new String[args.length];
    for (int i = 0; i < args.length; i++) {
      texts[i] = args[i].toString();
    }
    return new Outcome(command.execute(texts), out.toString(), err.toString());
  }

  @Test
  void convertQuantizeEvaluateInspectRun() throws Exception {
    Path text = Files.writeString(folder.resolve("t.txt"), "A cat and 12 dogs sat. ".repeat(60));
    Path copy = folder.resolve("copy.sailfish");
    assertEquals(0, run("convert", GOLDEN + "hf/smollm2", copy).code());

    Path small = folder.resolve("small.sailfish");
    Outcome quantized =
        run(
            "quantize",
            copy,
            small,
            "--method",
            "gptq",
            "--grid",
            "int4",
            "--group",
            32,
            "--calibration",
            text,
            "--sequences",
            4,
            "--length",
            64,
            "--keep",
            "layers.1.*",
            "--json");
    assertEquals(0, quantized.code(), quantized.err());
    assertTrue(quantized.json().get("recipe").asText().startsWith("gptq int4 g32"));

    Outcome inspected = run("inspect", small, "--verify", "--tensors", "--json");
    assertEquals(0, inspected.code(), inspected.err());
    assertEquals("bf16", tensor(inspected.json(), "layers.1.q"));
    assertEquals("u4", tensor(inspected.json(), "layers.0.q"));
    assertEquals(64, inspected.json().get("provenance").get("calibration_length").asInt());
    assertTrue(run("inspect", small).out().contains("bits a weight"));

    Outcome evaluated =
        run(
            "evaluate",
            small,
            "--text",
            text,
            "--original",
            copy,
            "--window",
            64,
            "--windows",
            2,
            "--backend",
            "cpu",
            "--json");
    assertEquals(0, evaluated.code(), evaluated.err());
    assertEquals(126, evaluated.json().get("tokens").asInt());
    assertTrue(evaluated.json().get("KL divergence, nats").asDouble() > 0);
    JsonNode errors = evaluated.json().get("relative errors by layer");
    assertEquals(0, errors.get(1).get("q").asDouble());
    assertTrue(errors.get(1).get("output").asDouble() > 0, evaluated.out());

    Outcome answered =
        run(
            "run",
            small,
            "hello",
            "bye",
            "--max-tokens",
            3,
            "--backend",
            "cpu",
            "--context",
            64,
            "--json");
    assertEquals(0, answered.code(), answered.err());
    assertEquals("bye", answered.json().get("answers").get(1).get("prompt").asText());
    assertTrue(answered.json().get("answers").get(1).has("answer"), answered.out());
  }

  @Test
  void precisionIsMixedByTensor() throws Exception {
    Path small = folder.resolve("mixed.sailfish");
    Outcome quantized =
        run(
            "quantize",
            GOLDEN + "hf/smollm2",
            small,
            "--method",
            "rtn",
            "--grid",
            "int3",
            "--mix",
            "layers.0.*=int4:32",
            "--mix",
            ".*down=int8:0:rtn",
            "--keep",
            "layers.1.o");
    assertEquals(0, quantized.code(), quantized.err());
    JsonNode inspected = run("inspect", small, "--tensors", "--json").json();
    assertEquals("u4", tensor(inspected, "layers.0.q"));
    assertEquals("u3", tensor(inspected, "layers.1.q"));
    assertEquals("u8", tensor(inspected, "layers.0.down"));
    assertEquals("bf16", tensor(inspected, "layers.1.o"));
    assertEquals(
        "rtn int3 g64 clip; layers.0.*: rtn int4 g32 clip; .*down: rtn int8 channel clip;"
            + " layers.1.o: as it is",
        inspected.get("provenance").get("recipe").asText());
  }

  private static String tensor(JsonNode inspected, String name) {
    for (JsonNode row : inspected.get("tensors")) {
      if (row.get("tensor").asText().equals(name)) {
        return row.get("format").asText();
      }
    }
    return "none";
  }

  @Test
  void mistakesAreToldInALine() {
    Path target = folder.resolve("x.sailfish");
    for (Outcome outcome :
        new Outcome[] {
          run("inspect", folder.resolve("none.gguf")),
          run("inspect", GOLDEN + "plain.gguf", "--verify"),
          run("quantize", GOLDEN + "plain.gguf", target, "--grid", "int9"),
          run("quantize", GOLDEN + "plain.gguf", target, "--group", 7),
          run("quantize", GOLDEN + "plain.gguf", target, "--mix", "int4"),
          run("quantize", GOLDEN + "plain.gguf", target, "--mix", "x=int4:32:rtn:1"),
          run("quantize", GOLDEN + "plain.gguf", target, "--mix", "x=int4:a"),
          run("quantize", GOLDEN + "plain.gguf", target, "--mix", "x=int4:32:best"),
          run("quantize", GOLDEN + "plain.gguf", target, "--mix", "x=int4:32:awq"),
          run("quantize", GOLDEN + "plain.gguf", target, "--layers", "x"),
          run("quantize", GOLDEN + "plain.gguf", target, "--calibration", folder.resolve("no.txt")),
          run("quantize", GOLDEN + "plain.gguf", target),
          run("evaluate", GOLDEN + "plain.gguf", "--text", folder, "--window", 1),
          run("evaluate", GOLDEN + "plain.gguf", "--text", folder, "--column", "a")
        }) {
      assertEquals(Main.MISTAKE, outcome.code(), outcome.err());
      assertTrue(outcome.err().startsWith("sailfish: "), outcome.err());
      assertEquals(1, outcome.err().lines().count(), outcome.err());
    }
    assertFalse(Files.exists(target));
    assertEquals(2, run("quantize", "one").code());
  }

  @Test
  void barsAreDrawnInPlaceAndLoggedSeldom() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    ProgressBar bar = new ProgressBar("layers", new PrintStream(bytes), true);
    bar.show(1, 2, "x");
    bar.show(2, 2, "y");
    String drawn = bytes.toString();
    assertTrue(drawn.contains("\r[###############...............] 1 of 2 layers"), drawn);
    assertTrue(drawn.strip().endsWith("y"), drawn);
    bytes.reset();
    ProgressBar log = new ProgressBar("layers", new PrintStream(bytes), false);
    log.show(1, 2, "");
    log.show(2, 2, "");
    assertEquals(1, bytes.toString().lines().count(), bytes.toString());
  }
}
