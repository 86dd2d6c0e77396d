package io.sailfish.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.SamplingParams;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Holds every golden model against the tool that made it: dequantised weights bit for bit, greedy
 * tokens one by one.
 *
 * <pre>FormatImport GOLDEN_FOLDER RESULTS_FOLDER</pre>
 */
public final class FormatImport {
  private FormatImport() {}

  /** What one model gave. */
  private record Row(String name, String description, int tensors, int inexact, boolean equal) {}

  public static void main(String[] args) throws IOException {
    if (args.length != 2) {
      throw new IllegalArgumentException("FormatImport GOLDEN_FOLDER RESULTS_FOLDER");
    }
    Path golden = Path.of(args[0]);
    List<Row> rows = new ArrayList<>();
    for (Path json : cases(golden)) {
      String name = golden.relativize(json).toString().replace(".json", "");
      JsonNode expected = new ObjectMapper().readTree(json.toFile());
      rows.add(check(name, model(golden.resolve(name)), expected));
      System.out.println(rows.get(rows.size() - 1));
    }
    System.out.println(result(rows).write(Path.of(args[1])));
  }

  /** The case files that lie beside a model of their name. */
  private static List<Path> cases(Path golden) throws IOException {
    try (Stream<Path> all = Files.walk(golden)) {
      return all.filter(p -> p.toString().endsWith(".json"))
          .filter(p -> model(Path.of(p.toString().replace(".json", ""))) != null)
          .sorted()
          .toList();
    }
  }

  /** The GGUF file of that name, the first of several, or the folder; null without. */
  private static Path model(Path stem) {
    for (String end : List.of(".gguf", "-00001-of-00003.gguf")) {
      if (Files.exists(Path.of(stem + end))) {
        return Path.of(stem + end);
      }
    }
    return Files.exists(stem.resolve("config.json")) ? stem : null;
  }

  private static Row check(String name, Path model, JsonNode expected) {
    int tensors = 0;
    int inexact = 0;
    String description;
    Set<Integer> stops;
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      description = checkpoint.describe().replaceFirst("^.*?, ", "");
      stops = checkpoint.tokenizerConfig().stopIds();
      String type = expected.path("weightType").asText("f32");
      for (Iterator<Map.Entry<String, JsonNode>> it = expected.path("weights").fields();
          it.hasNext(); ) {
        Map.Entry<String, JsonNode> weight = it.next();
        String digest = digest(checkpoint.tensor(weight.getKey()), type);
        tensors++;
        inexact += digest.equals(weight.getValue().asText()) ? 0 : 1;
      }
    }
    return new Row(name, description, tensors, inexact, greedyEqual(model, expected, stops));
  }

  private static boolean greedyEqual(Path model, JsonNode expected, Set<Integer> stops) {
    int[] prompt = ids(expected.get("prompt"));
    int[] greedy = ids(expected.get("greedy"));
    int context = prompt.length + greedy.length;
    RuntimeConfig config =
        RuntimeConfig.defaults()
            .on(BackendRequest.of("cpu", 2))
            .withBatchCap(4)
            .withKvBytes(1 << 20)
            .withContextTokens(context);
    try (LoadedEngine loaded = LoadedEngine.load(model, config)) {
      SamplingParams params = SamplingParams.greedy(greedy.length);
      int[] got = loaded.run(List.of(GenerationRequest.generate(prompt, params))).get(0).tokens();
      for (int i = 0; i < got.length; i++) {
        if (got[i] != greedy[i]) {
          return false;
        }
      }
      // The tool was told to go on past the tokens that end an answer; we are not.
      return got.length == greedy.length || stops.contains(greedy[got.length]);
    }
  }

  private static int[] ids(JsonNode array) {
    int[] ids = new int[array.size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = array.get(i).asInt();
    }
    return ids;
  }

  /** SHA-256 of all weights, rounded once to the type that the tool computes in; -0 as +0. */
  private static String digest(WeightSource source, String type) {
    ByteBuffer encoded =
        ByteBuffer.allocate(Math.toIntExact(source.format().rowBytes(source.cols())));
    float[] row = new float[source.cols()];
    float[] inOrder = new float[source.cols()];
    int[] order = source.inputOrder();
    ByteBuffer rounded = ByteBuffer.allocate(4 * source.cols()).order(ByteOrder.LITTLE_ENDIAN);
    MessageDigest digest = sha256();
    for (int r = 0; r < source.rows(); r++) {
      source.readRows(r, 1, encoded.clear());
      source.format().codec().decode(encoded, 0, row, 0, row.length);
      for (int k = 0; k < row.length; k++) {
        inOrder[order == null ? k : order[k]] = row[k];
      }
      rounded.clear();
      for (float weight : inOrder) {
        putRounded(rounded, weight, type);
      }
      digest.update(rounded.flip());
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static void putRounded(ByteBuffer dst, float weight, String type) {
    if (type.equals("f32")) {
      dst.putFloat(weight + 0f);
    } else {
      TwoByteFloat half = type.equals("f16") ? TwoByteFloat.F16 : TwoByteFloat.BF16;
      dst.putShort(half.encode(half.decode(half.encode(weight)) + 0f));
    }
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }

  private static BenchmarkResult result(List<Row> rows) throws IOException {
    List<List<String>> table = new ArrayList<>();
    int inexact = 0;
    int equal = 0;
    for (Row row : rows) {
      inexact += row.inexact();
      equal += row.equal() ? 1 : 0;
      String tensors =
          row.tensors() == 0 ? "-" : row.tensors() - row.inexact() + " of " + row.tensors();
      table.add(List.of(row.name(), row.description(), tensors, row.equal() ? "equal" : "differ"));
    }
    return BenchmarkResult.here(
        "format-import",
        "benchmarks/run.sh FormatImport llama-runtime/src/test/resources/golden benchmarks/results",
        List.of(
            new BenchmarkResult.Figure("formats.import.inexact_tensors", (double) inexact, null),
            new BenchmarkResult.Figure(
                "formats.import.greedy_equal_share", (double) equal / rows.size(), null)),
        List.of(
            new BenchmarkResult.Table(
                "Imported models against the tools that made them",
                "Tiny random models (tools/golden). Tensors: those whose dequantised weights are"
                    + " the tool's bit for bit, in the type that the tool computes in. Greedy: 32"
                    + " tokens, or up to the first that ends an answer, against transformers in"
                    + " fp32.",
                List.of("model", "stored as", "tensors exact", "greedy tokens"),
                table)));
  }
}
