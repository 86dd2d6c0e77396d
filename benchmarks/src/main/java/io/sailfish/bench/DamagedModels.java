package io.sailfish.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.ThreadMXBean;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.packed.PackedSource;
import io.sailfish.llama.LlamaRuntimes;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.checkpoint.FusedWeights;
import io.sailfish.llama.checkpoint.SailfishWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Damages one file of one golden model at a time, opens the model, reads the end of every tensor,
 * parses the chat template and, at times where the damage may lie in it, makes the tokenizer. Each
 * is read, or refused with the one exception that names the file: within a second, and (but for
 * making the tokenizer) with no more memory allocated in all, garbage included, than twice the size
 * of the model's files. Belongs to one thread.
 */
final class DamagedModels {
  private static final long MAX_NANOS = 1_000_000_000L;

  /**
   * Times that a file is opened before it counts as slow or large: others use the processor too,
   * and the first that fails in a new place pays for loading classes.
   */
  private static final int MAX_TRIES = 3;

  /** One in so many tokenizers that may be damaged is made: that takes longer than all the rest. */
  private static final int TOKENIZERS = 8;

  /** What may be allocated for the smallest files: buffers, exceptions, parsed JSON. */
  private static final long MIN_ALLOWED_BYTES = 256 << 10;

  private static final Pattern SPLIT = Pattern.compile("(.*)-\\d{5}-of-\\d{5}\\.gguf");
  private static final int ROWS = 2;
  private static final int PAGE = 4096;

  /** One in so many models is read from a file of ours as well. */
  private static final int OWN = 4;

  /** Which of so many is read from one with weights as a card keeps them. */
  private static final int PACKED = 2;

  private static final String[] IN_LAYER = {
    "attention_norm",
    "q",
    "k",
    "v",
    "o",
    "ffn_norm",
    "gate",
    "up",
    "down",
    "q_bias",
    "k_bias",
    "v_bias",
    "o_bias",
    "q_norm",
    "k_norm"
  };
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  /** What became of one damaged model. */
  record Outcome(boolean refused, String failure) {}

  /** A model copied to the work folder. */
  private record Model(String name, Path path, List<Path> files, List<byte[]> whole, long bytes) {}

  private final List<Model> models = new ArrayList<>();

  /**
   * @param golden folder with GGUF files and model folders, at any depth
   * @param work where damaged copies go
   */
  DamagedModels(Path golden, Path work) throws IOException {
    List<Path> found;
    try (Stream<Path> all = Files.walk(golden)) {
      found =
          all.filter(p -> isFirstGguf(p) || Files.exists(p.resolve("config.json")))
              .sorted()
              .toList();
    }
    for (Path source : found) {
      models.add(copy(source, work.resolve("" + models.size())));
    }
    for (int i = 0, last = models.size(); i < last; i++) {
      if (i % OWN == 0 || i % OWN == PACKED) {
        Path target = work.resolve("" + models.size());
        models.add(converted(models.get(i), target, i % OWN == PACKED));
      }
    }
    for (Model model : models) { // the first one pays for loading classes
      read(model.path, Long.MAX_VALUE, true);
    }
  }

  int numModels() {
    return models.size();
  }

  /** The same model in a file of ours. */
  private static Model converted(Model model, Path target, boolean packed) throws IOException {
    String name = model.path.getFileName() + (packed ? "-packed" : "") + SailfishWriter.ENDING;
    Path file = Files.createDirectories(target).resolve(name);
    try (Checkpoint checkpoint = Checkpoints.open(model.path)) {
      Map<String, WeightSource> tensors = new LinkedHashMap<>();
      checkpoint.tensorNames().forEach(ours -> tensors.put(ours, checkpoint.tensor(ours)));
      ObjectNode provenance = new ObjectMapper().createObjectNode().put("source", model.name);
      SailfishWriter.Description all = SailfishWriter.Description.of(checkpoint, provenance);
      if (packed) {
        SailfishWriter.writePacked(file, all, tensors);
      } else {
        SailfishWriter.write(file, all, tensors);
      }
    }
    byte[] content = Files.readAllBytes(file);
    return new Model(name, file, List.of(file), List.of(content), content.length);
  }

  private static boolean isFirstGguf(Path path) {
    String name = path.getFileName().toString();
    return name.endsWith(".gguf") && (!SPLIT.matcher(name).matches() || name.contains("-00001-"));
  }

  /** The files of a folder, the one of a GGUF model, or its parts. */
  private static List<Path> sources(Path source) throws IOException {
    Matcher split = SPLIT.matcher(source.getFileName().toString());
    boolean folder = Files.isDirectory(source);
    if (!folder && !split.matches()) {
      return List.of(source);
    }
    try (Stream<Path> files = Files.list(folder ? source : source.getParent())) {
      return files
          .filter(file -> folder || file.getFileName().toString().startsWith(split.group(1) + "-0"))
          .sorted()
          .toList();
    }
  }

  private static Model copy(Path source, Path target) throws IOException {
    Files.createDirectories(target);
    List<Path> files = new ArrayList<>();
    List<byte[]> whole = new ArrayList<>();
    long bytes = 0;
    for (Path from : sources(source)) {
      byte[] content = Files.readAllBytes(from);
      files.add(Files.write(target.resolve(from.getFileName()), content));
      whole.add(content);
      bytes += content.length;
    }
    Path path = Files.isDirectory(source) ? target : files.get(0);
    return new Model(source.getFileName().toString(), path, files, whole, bytes);
  }

  /** Damages, opens and restores; the same for the same seed and index. */
  Outcome check(long seed, long index) {
    Random random = new Random(seed * 0x9E3779B97F4A7C15L + index);
    Model model = models.get(random.nextInt(models.size()));
    int file = random.nextInt(model.files.size());
    byte[] whole = model.whole.get(file);
    byte[] damaged = FileDamage.damage(whole, headBytes(whole), random);
    Path path = model.files.get(file);
    String name = path.getFileName().toString();
    long bytes = model.bytes + damaged.length - whole.length;
    boolean inTokenizer = model.files.size() == 1 || name.startsWith("tokenizer");
    try {
      replace(path, whole, damaged);
      Outcome outcome =
          open(
              model,
              Math.max(2 * bytes, MIN_ALLOWED_BYTES),
              inTokenizer && random.nextInt(TOKENIZERS) == 0,
              "file %d (%s of %s)".formatted(index, name, model.name));
      replace(path, damaged, whole);
      return outcome;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Makes a file that holds {@code before} hold {@code after}, writing the pages that differ. */
  private static void replace(Path path, byte[] before, byte[] after) throws IOException {
    if (before.length != after.length) {
      Files.write(path, after);
      return;
    }
    try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
      for (int at = 0; at < after.length; at += PAGE) {
        int end = Math.min(after.length, at + PAGE);
        if (!Arrays.equals(before, at, end, after, at, end)) {
          file.write(ByteBuffer.wrap(after, at, end - at), at);
        }
      }
    }
  }

  /** Where the data of a binary file begin, about; text files have no data. */
  private static int headBytes(byte[] whole) {
    boolean gguf = whole.length > 4 && whole[0] == 'G' && whole[1] == 'G';
    if (gguf) {
      return Math.min(whole.length, 24_000);
    }
    ByteBuffer head = ByteBuffer.wrap(whole).order(ByteOrder.LITTLE_ENDIAN);
    if (whole.length > 16 && whole[0] == 'S' && whole[1] == 'A') {
      return (int) Math.min(whole.length, 16 + head.getLong(8) + 12_000);
    }
    long header = whole.length < 8 ? -1 : head.getLong(0);
    return header > 0 && header < whole.length ? (int) header + 8 : whole.length;
  }

  private static Outcome open(Model model, long limit, boolean tokenizer, String what) {
    for (int attempt = 1; ; attempt++) {
      long start = System.nanoTime();
      boolean refused = false;
      boolean tooMuch = false;
      String failure;
      try {
        failure = read(model.path, limit, tokenizer);
        tooMuch = failure != null;
      } catch (RuntimeFailure e) {
        refused = true;
        failure = unclear(e, model);
      } catch (Throwable t) { // whatever it is, it is what we look for
        StackTraceElement at = t.getStackTrace().length > 0 ? t.getStackTrace()[0] : null;
        failure = t + " at " + at;
      }
      long nanos = System.nanoTime() - start;
      boolean slow = failure == null && nanos > MAX_NANOS;
      if (attempt < MAX_TRIES && (tooMuch || slow)) {
        continue;
      }
      if (slow) {
        failure = "took %d ms".formatted(nanos / 1_000_000);
      }
      return new Outcome(refused, failure == null ? null : what + ": " + failure);
    }
  }

  /** Null when the message names the file and more than it; else what is wrong with it. */
  private static String unclear(RuntimeFailure e, Model model) {
    String message = String.valueOf(e.getMessage());
    boolean namesFile = message.contains(model.path.getParent().toString());
    boolean clear = namesFile && message.length() > model.path.toString().length() + 10;
    return e.kind() == RuntimeFailure.Kind.USER && clear && message.length() < 2000
        ? null
        : "unclear error: " + e.kind() + " " + message;
  }

  /** Null, or how much more was allocated than allowed. */
  private static String read(Path path, long limit, boolean tokenizer) {
    long before = THREADS.getCurrentThreadAllocatedBytes();
    Checkpoint checkpoint;
    String tooMuch;
    try {
      checkpoint = Checkpoints.open(path);
    } catch (RuntimeFailure e) {
      return orThrow(tooMuch(before, limit), e);
    }
    try (checkpoint) {
      try {
        readTensors(checkpoint);
        LlamaRuntimes.template(path, checkpoint, RuntimeConfig.defaults());
        tooMuch = tooMuch(before, limit);
      } catch (RuntimeFailure e) {
        return orThrow(tooMuch(before, limit), e);
      }
      if (tooMuch == null && tokenizer) {
        LlamaRuntimes.tokenizer(path, checkpoint).close();
      }
      return tooMuch;
    }
  }

  private static String orThrow(String tooMuch, RuntimeFailure e) {
    if (tooMuch == null) {
      throw e;
    }
    return tooMuch + ", then " + e.getMessage();
  }

  private static void readTensors(Checkpoint checkpoint) {
    checkpoint.describe();
    Set<String> read = new HashSet<>();
    for (FusedWeights weights : FusedWeights.of(checkpoint.config())) {
      PackedSource packed = checkpoint.packed(weights);
      if (packed != null) {
        readEnd(packed);
        // Rows of the other parts come out of the same panels, whole ones for every part: of files
        // as small as these that would be more than what is allowed for all.
        read.addAll(weights.parts().subList(1, weights.parts().size()));
      }
    }
    for (String name : List.of("embedding", "output", "output_norm")) {
      readEnd(checkpoint.tensor(name));
    }
    for (int layer = 0; layer < checkpoint.config().layers(); layer++) {
      for (String part : IN_LAYER) {
        String name = "layers." + layer + "." + part;
        if (!read.contains(name)) {
          readEnd(checkpoint.tensor(name));
        }
      }
    }
  }

  private static void readEnd(PackedSource source) {
    if (source != null) {
      long bytes = source.form().bytes();
      ByteBuffer end = ByteBuffer.allocate((int) Math.min(PAGE, bytes));
      source.read(bytes - end.capacity(), end);
    }
  }

  private static String tooMuch(long before, long limit) {
    long bytes = THREADS.getCurrentThreadAllocatedBytes() - before;
    return bytes <= limit ? null : "allocated %d bytes, %d allowed".formatted(bytes, limit);
  }

  private static void readEnd(WeightSource source) {
    if (source == null) {
      return;
    }
    int rows = Math.min(ROWS, source.rows());
    ByteBuffer bytes =
        ByteBuffer.allocate(Math.toIntExact(rows * source.format().rowBytes(source.cols())));
    source.inputOrder();
    source.readRows(source.rows() - rows, rows, bytes);
  }
}
