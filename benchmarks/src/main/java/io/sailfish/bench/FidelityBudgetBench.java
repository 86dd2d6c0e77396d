package io.sailfish.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sailfish.bench.BenchmarkResult.Table;
import io.sailfish.bench.HalfRounding.Stage;
import io.sailfish.kernels.cpu.CpuBackend;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * What each rounding to fp16 costs the tiny random Llamas: the reference operators on the CPU,
 * whose sums are double, with the results of one stage rounded, then of several. Needs no card.
 *
 * <p>Arguments: folder of the golden files, folder for the result, commit.
 */
public final class FidelityBudgetBench {
  static final int VOCABULARY = 512;

  private static final List<String> VARIANTS =
      List.of("plain", "tied", "llama3", "linear", "headdim");

  private FidelityBudgetBench() {}

  public static void main(String[] args) throws IOException {
    Path golden = Path.of(args[0]);
    List<List<String>> rows = new ArrayList<>();
    rows.add(row(golden, "nothing", EnumSet.noneOf(Stage.class)));
    for (Stage stage : Stage.values()) {
      rows.add(row(golden, stage.text, EnumSet.of(stage)));
    }
    Set<Stage> wide = EnumSet.allOf(Stage.class);
    wide.remove(Stage.RESIDUAL);
    rows.add(row(golden, "all but the residual stream", wide));
    wide.remove(Stage.WEIGHTS);
    rows.add(row(golden, "all but residual stream and weights", wide));
    rows.add(row(golden, "all of these", EnumSet.allOf(Stage.class)));
    List<String> columns = new ArrayList<>(List.of("rounded to fp16"));
    columns.addAll(VARIANTS);
    Table table =
        new Table(
            "What a rounding to fp16 costs the tiny Llamas",
            "Largest absolute difference of a logit from transformers in fp32, all else computed"
                + " with double sums on the CPU. The bound for a card is 0.002.",
            columns,
            rows);
    new BenchmarkResult(
            "fidelity-budget",
            RunFacts.date(),
            args[2],
            RunFacts.machine(),
            "java io.sailfish.bench.FidelityBudgetBench GOLDEN RESULTS COMMIT",
            List.of(),
            List.of(table))
        .write(Path.of(args[1]));
  }

  private static List<String> row(Path golden, String name, Set<Stage> stages) throws IOException {
    List<String> row = new ArrayList<>(List.of(name));
    for (String variant : VARIANTS) {
      row.add("%.1e".formatted(difference(golden, variant, stages)));
    }
    System.out.println(String.join("  ", row));
    return row;
  }

  private static double difference(Path golden, String variant, Set<Stage> stages)
      throws IOException {
    JsonNode json =
        new ObjectMapper().readTree(Files.readString(golden.resolve(variant + ".json")));
    List<Integer> ids = new ArrayList<>();
    json.get("prompt").forEach(id -> ids.add(id.asInt()));
    json.get("greedy").forEach(id -> ids.add(id.asInt()));
    int[] tokens = ids.stream().mapToInt(Integer::intValue).toArray();
    Path file = golden.resolve(variant + ".gguf");
    try (TinyForward forward =
        new TinyForward(file, HalfRounding.of(CpuBackend.reference(), stages), tokens.length)) {
      float[] logits = forward.logits(tokens, 0);
      ByteBuffer expected =
          ByteBuffer.wrap(Files.readAllBytes(golden.resolve(variant + ".logits.f32")))
              .order(ByteOrder.LITTLE_ENDIAN);
      double worst = 0;
      for (float logit : logits) {
        double apart = Math.abs((double) logit - expected.getFloat());
        worst = Double.isNaN(apart) ? Double.POSITIVE_INFINITY : Math.max(worst, apart);
      }
      return worst;
    }
  }
}
