package io.sailfish.spark.conf;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.spark.conf.ConfEntry.Scope;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * Every {@code spark.sailfish.*} setting, and a checked view of the values somebody gave. A value
 * comes from the session ({@code SET}), else from the application ({@code --conf}), else it is the
 * default. Startup settings are read from the application alone.
 */
public final class SailfishConf {
  public static final String PREFIX = "spark.sailfish.";

  /** Name of the model that {@code spark.sailfish.model.path} gives. */
  public static final String DEFAULT_MODEL_NAME = "default";

  /** Documented form of the key of a named model's path. */
  public static final String NAMED_PATH = PREFIX + "models.<name>.path";

  private static final Pattern NAMED_PATH_KEY =
      Pattern.compile("spark\\.sailfish\\.models\\.([A-Za-z0-9_-]+)\\.path");

  public static final ConfEntry<String> MODEL_PATH =
      ConfEntry.text(PREFIX + "model.path")
          .doc(
              "Model file (GGUF or .sailfish) or folder (safetensors with config.json and"
                  + " tokenizer.json), by any path that Hadoop opens. Its endpoint name is"
                  + " `default`. Files that are not local are fetched once per host.")
          .startup("");

  public static final ConfEntry<String> MODEL_DEFAULT =
      ConfEntry.text(PREFIX + "model.default")
          .doc(
              "Name of the model that `ai_gen` and `ai_classify` use. Empty: `default`, or the only"
                  + " named model.")
          .runtime("");

  public static final ConfEntry<String> CHAT_TEMPLATE =
      ConfEntry.text(PREFIX + "model.chatTemplate")
          .doc(
              "Chat template, as Jinja text, to use instead of the models' own. Empty: a model that"
                  + " brings none answers no prompts.")
          .startup("");

  public static final ConfEntry<Boolean> PRELOAD =
      ConfEntry.flag(PREFIX + "model.preload.enabled")
          .doc(
              "Whether an executor loads the default model as soon as it starts, in the background."
                  + " Otherwise the first row that needs a model loads it.")
          .startup("true");

  public static final ConfEntry<String> BACKEND =
      ConfEntry.choice(PREFIX + "backend", "auto", "cpu", "cuda")
          .doc(
              "Where the model runs. `auto` takes the GPU that Spark gave the executor, or in local"
                  + " mode the first one; where there is none, the CPU. It logs what it took and"
                  + " why. `cuda` without a usable GPU is an error. See gpu.md.")
          .startup("auto");

  public static final ConfEntry<Integer> CPU_THREADS =
      ConfEntry.integer(PREFIX + "cpu.threads")
          .doc("Threads of the CPU backend. 0: all processors that the JVM sees.")
          .check(v -> v >= 0, "must not be negative")
          .startup("0");

  public static final ConfEntry<Double> GPU_MEMORY =
      ConfEntry.fraction(PREFIX + "gpu.memoryFraction")
          .doc(
              "Share of the GPU's memory that an executor takes at most; executors that share a GPU"
                  + " have to share it out. What weights and steps leave is for keys and values.")
          .check(v -> v > 0 && v <= 1, "must be above 0 and up to 1")
          .startup(Double.toString(BackendRequest.MEMORY_FRACTION));

  public static final ConfEntry<String> GPU_ACTIVATIONS =
      ConfEntry.choice(PREFIX + "gpu.activations", "fp16", "bf16")
          .doc(
              "Type of activations, keys and values on a GPU. `fp16` keeps 11 bits of a number but"
                  + " ends at 65504; `bf16` keeps 8 and has no end in practice. A model whose"
                  + " activations leave fp16 (some that were trained in bf16 do) fails with an error"
                  + " that names this key. A CPU computes in fp32 either way. See gpu.md.")
          .startup("fp16");

  public static final ConfEntry<String> GPU_STREAMING =
      ConfEntry.choice(PREFIX + "gpu.streaming", "auto", "off")
          .doc(
              "What happens to a model that is larger than the GPU's memory. `auto`: layers that do"
                  + " not fit stay in page-locked memory of the host and come to the GPU in every"
                  + " step, which log and EXPLAIN announce with the time that takes. `off`: such a"
                  + " model is refused. Answers are the same.")
          .startup("auto");

  public static final ConfEntry<Integer> BATCH_CAP =
      ConfEntry.integer(PREFIX + "engine.batchCap")
          .doc("Rows that one step of the model computes at most. 0: measured at load.")
          .check(v -> v >= 0, "must not be negative")
          .startup("0");

  public static final ConfEntry<Long> KV_BYTES =
      ConfEntry.bytes(PREFIX + "engine.kvBytes")
          .doc(
              "Memory for keys and values of the rows in the batch. 0: as much as a full batch"
                  + " needs, within what is free.")
          .check(v -> v >= 0, "must not be negative")
          .startup("0");

  public static final ConfEntry<Integer> CONTEXT_TOKENS =
      ConfEntry.integer(PREFIX + "engine.contextTokens")
          .doc("Longest prompt plus answer, in tokens. 0: what the model was made for.")
          .check(v -> v >= 0, "must not be negative")
          .startup("0");

  public static final ConfEntry<Integer> PREFILL_CHUNK =
      ConfEntry.integer(PREFIX + "engine.prefillChunk")
          .doc(
              "Prompt tokens that one step computes at most. 0: what the backend does best with,"
                  + " 256 on a CPU and 4096 on a GPU.")
          .check(v -> v >= 0, "must not be negative")
          .startup("0");

  public static final ConfEntry<Boolean> PREFIX_REUSE =
      ConfEntry.flag(PREFIX + "engine.prefixReuse.enabled")
          .doc("Whether a beginning that prompts share is computed once.")
          .startup("true");

  public static final ConfEntry<String> SPECULATION =
      ConfEntry.choice(PREFIX + "engine.speculation", "auto", "on", "always", "off")
          .doc(
              "Whether the engine guesses how an answer goes on where its newest tokens stood"
                  + " before, in the prompt or the answer, and computes several tokens in a step."
                  + " Answers are the same. `auto`: where it pays, measured while it runs; mistakes cost"
                  + " 1 % of the time at most (gpu.md). `on`: the same without that limit. `always`:"
                  + " wherever there is something to guess from, for checks.")
          .startup("auto");

  public static final ConfEntry<String> TIMELINE_DIR =
      ConfEntry.text(PREFIX + "engine.timelineDir")
          .doc(
              "Folder on the executors for a timeline of every step of a model, a file each, which"
                  + " Perfetto opens (gpu.md). Empty: none.")
          .startup("");

  public static final ConfEntry<Long> ARROW_BYTES =
      ConfEntry.bytes(PREFIX + "arrow.maxBytes")
          .doc("Off-heap memory per model for the texts of rows in flight.")
          .check(v -> v >= 1 << 20, "must be at least 1m")
          .startup("256m");

  public static final ConfEntry<String> CACHE_DIR =
      ConfEntry.text(PREFIX + "cache.dir")
          .doc(
              "Local folder for fetched models, shared by the executors of a host. Empty:"
                  + " `sailfish-<user>` in the JVM's temporary folder.")
          .startup("");

  public static final ConfEntry<Integer> MAX_TOKENS =
      ConfEntry.integer(PREFIX + "generate.maxTokens")
          .doc("Tokens of an answer at most, where the call does not say.")
          .check(v -> v > 0, "must be positive")
          .runtime("256");

  public static final ConfEntry<Integer> TASK_BATCH_ROWS =
      ConfEntry.integer(PREFIX + "task.batchRows")
          .doc("Rows that a task hands to the engine at a time.")
          .check(v -> v > 0 && v <= 4096, "must be between 1 and 4096")
          .runtime("16");

  public static final ConfEntry<Integer> TASK_FIRST_ROWS =
      ConfEntry.integer(PREFIX + "task.firstRows")
          .doc(
              "Rows that a task has in flight at first where a LIMIT may end it early; doubled with"
                  + " every batch that is read, so that the LIMIT costs few rows.")
          .check(v -> v > 0, "must be positive")
          .runtime("16");

  public static final ConfEntry<Integer> TASK_ROWS =
      ConfEntry.integer(PREFIX + "task.rowsInFlight")
          .doc(
              "Rows that a task has in flight at most. 0: twice the model's batch cap, at least"
                  + " 256.")
          .check(v -> v >= 0, "must not be negative")
          .runtime("0");

  public static final ConfEntry<Long> TASK_BYTES =
      ConfEntry.bytes(PREFIX + "task.bytesInFlight")
          .doc("Bytes of input rows that a task holds while their answers are made.")
          .check(v -> v > 0, "must be positive")
          .runtime("64m");

  public static final ConfEntry<Integer> MIN_PARTITIONS =
      ConfEntry.integer(PREFIX + "minPartitions")
          .doc(
              "Spreads the rows over this many partitions before the model sees them, where they"
                  + " are not sorted. Use it when few files or a coalesced shuffle would leave"
                  + " executors without work. 0: off.")
          .check(v -> v >= 0, "must not be negative")
          .runtime("0");

  /** All settings, in the order of the documentation. */
  public static final List<ConfEntry<?>> ENTRIES =
      List.of(
          MODEL_PATH,
          MODEL_DEFAULT,
          CHAT_TEMPLATE,
          PRELOAD,
          BACKEND,
          CPU_THREADS,
          GPU_MEMORY,
          GPU_ACTIVATIONS,
          GPU_STREAMING,
          BATCH_CAP,
          KV_BYTES,
          CONTEXT_TOKENS,
          PREFILL_CHUNK,
          PREFIX_REUSE,
          SPECULATION,
          TIMELINE_DIR,
          ARROW_BYTES,
          CACHE_DIR,
          MAX_TOKENS,
          TASK_BATCH_ROWS,
          TASK_FIRST_ROWS,
          TASK_ROWS,
          TASK_BYTES,
          MIN_PARTITIONS);

  private final Map<String, String> given;

  private SailfishConf(Map<String, String> given) {
    this.given = given;
  }

  /**
   * Checks every {@code spark.sailfish.*} key among {@code all}; other keys are left alone.
   *
   * @throws IllegalArgumentException for an unknown key, naming the nearest, or a bad value
   */
  public static SailfishConf of(Map<String, String> all) {
    Map<String, ConfEntry<?>> byKey = new HashMap<>();
    for (ConfEntry<?> entry : ENTRIES) {
      byKey.put(entry.key(), entry);
    }
    Map<String, String> given = new TreeMap<>();
    all.forEach(
        (key, text) -> {
          if (!key.startsWith(PREFIX)) {
            return;
          }
          ConfEntry<?> entry = byKey.get(key);
          if (entry != null) {
            entry.parse(text);
            given.put(key, text);
          } else if (NAMED_PATH_KEY.matcher(key).matches()) {
            given.put(key, text);
          } else {
            throw new IllegalArgumentException(
                "unknown setting " + key + "; did you mean " + nearest(key) + "?");
          }
        });
    return new SailfishConf(given);
  }

  public <T> T value(ConfEntry<T> entry) {
    return entry.parse(given.getOrDefault(entry.key(), entry.defaultText()));
  }

  /** Paths of the configured models by name. */
  public Map<String, String> models() {
    Map<String, String> models = new TreeMap<>();
    if (!value(MODEL_PATH).isBlank()) {
      models.put(DEFAULT_MODEL_NAME, value(MODEL_PATH));
    }
    given.forEach(
        (key, path) -> {
          Matcher named = NAMED_PATH_KEY.matcher(key);
          if (named.matches()) {
            models.put(named.group(1), path);
          }
        });
    return models;
  }

  /** Name of the model for calls that name none; empty if it takes a choice nobody made. */
  public String defaultModel() {
    String chosen = value(MODEL_DEFAULT);
    Map<String, String> models = models();
    if (!chosen.isBlank()) {
      return chosen;
    }
    if (models.containsKey(DEFAULT_MODEL_NAME)) {
      return DEFAULT_MODEL_NAME;
    }
    return models.size() == 1 ? models.keySet().iterator().next() : "";
  }

  /**
   * @param id {@code auto}, {@code cpu} or {@code cuda}
   * @param card address of the card, null = any
   */
  public BackendRequest backend(String id, String card) {
    TwoByteFloat activations =
        value(GPU_ACTIVATIONS).equals(TwoByteFloat.BF16.describe())
            ? TwoByteFloat.BF16
            : TwoByteFloat.F16;
    return new BackendRequest(id, value(CPU_THREADS), card, value(GPU_MEMORY), activations);
  }

  /**
   * @param backend what {@link #BACKEND} asks for, on this executor
   * @param templateTime the time that chat templates see, the same on all executors; null = when a
   *     model is loaded
   */
  public RuntimeConfig runtimeConfig(BackendRequest backend, String templateTime) {
    return RuntimeConfig.defaults()
        .on(backend)
        .withBatchCap(value(BATCH_CAP))
        .withKvBytes(value(KV_BYTES))
        .withContextTokens(value(CONTEXT_TOKENS))
        .withPrefillChunk(value(PREFILL_CHUNK))
        .withPrefixReuse(value(PREFIX_REUSE))
        .withArrowBytes(value(ARROW_BYTES))
        .withChatTemplate(value(CHAT_TEMPLATE).isBlank() ? null : value(CHAT_TEMPLATE))
        .withTemplateTime(templateTime)
        .withTimeline(value(TIMELINE_DIR).isBlank() ? null : value(TIMELINE_DIR))
        .withSpeculation(value(SPECULATION))
        .withStreaming(value(GPU_STREAMING));
  }

  /**
   * Refuses startup settings that a session changed after the application started, as they would
   * have no effect.
   */
  public void requireStartupAsIn(SailfishConf application) {
    Map<String, String> mine = startup();
    Map<String, String> theirs = application.startup();
    List<String> keys = new ArrayList<>(mine.keySet());
    keys.addAll(theirs.keySet());
    for (String key : keys) {
      String now = mine.get(key);
      String then = theirs.get(key);
      if (now != null && !now.equals(then)) {
        throw new IllegalArgumentException(
            key
                + " is read when the application starts ("
                + (then == null ? "not set there" : "'" + then + "'")
                + ") and cannot be changed to '"
                + now
                + "' in a session; give it with --conf");
      }
    }
  }

  private Map<String, String> startup() {
    Map<String, String> startup = new TreeMap<>(given);
    for (ConfEntry<?> entry : ENTRIES) {
      if (entry.scope() == Scope.RUNTIME) {
        startup.remove(entry.key());
      }
    }
    return startup;
  }

  private static String nearest(String key) {
    if (key.startsWith(PREFIX + "models.")) {
      return NAMED_PATH;
    }
    UTF8String wanted = UTF8String.fromString(key);
    return ENTRIES.stream()
        .map(ConfEntry::key)
        .min(Comparator.comparingInt(k -> UTF8String.fromString(k).levenshteinDistance(wanted)))
        .orElseThrow();
  }
}
