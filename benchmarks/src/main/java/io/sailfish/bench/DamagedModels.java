package io.sailfish.bench;

import com.sun.management.ThreadMXBean;
import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

/**
 * Damages one file of one golden model at a time, opens the model and reads the start of every
 * tensor. Each is read, or refused with the one exception that names the file: within a second, and
 * with no more memory than the undamaged model took and twice its size.
 */
final class DamagedModels {
  private static final long MAX_NANOS = 1_000_000_000L;

  /** Buffers, and what varies from run to run. */
  private static final long SLACK_BYTES = 1 << 20;

  private static final int ROWS = 2;
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
  private final long[] allocated;

  /**
   * @param golden folder with GGUF files and model folders, at any depth
   * @param work where damaged copies go
   */
  DamagedModels(Path golden, Path work) throws IOException {
    List<Path> found;
    try (Stream<Path> all = Files.walk(golden)) {
      found =
          all.filter(p -> p.toString().endsWith(".gguf") || Files.exists(p.resolve("config.json")))
              .sorted()
              .toList();
    }
    for (Path source : found) {
      models.add(copy(source, work.resolve("" + models.size())));
    }
    allocated = new long[models.size()];
    for (int round = 0; round < 3; round++) { // the first ones pay for loading classes
      for (int i = 0; i < allocated.length; i++) {
        long before = THREADS.getCurrentThreadAllocatedBytes();
        readAll(models.get(i).path);
        allocated[i] = THREADS.getCurrentThreadAllocatedBytes() - before;
      }
    }
  }

  int numModels() {
    return models.size();
  }

  private static Model copy(Path source, Path target) throws IOException {
    Files.createDirectories(target);
    List<Path> sources = new ArrayList<>();
    if (Files.isDirectory(source)) {
      try (Stream<Path> files = Files.list(source)) {
        files.sorted().forEach(sources::add);
      }
    } else {
      sources.add(source);
    }
    List<Path> files = new ArrayList<>();
    List<byte[]> whole = new ArrayList<>();
    long bytes = 0;
    for (Path from : sources) {
      byte[] content = Files.readAllBytes(from);
      files.add(Files.write(target.resolve(from.getFileName()), content));
      whole.add(content);
      bytes += content.length;
    }
    Path path = Files.isDirectory(source) ? target : files.get(0);
    return new Model(source.getFileName().toString(), path, files, whole, bytes);
  }

  /** Damages, opens and restores; the same for the same seed and index. */
  Outcome check(long seed, long index) throws IOException {
    Random random = new Random(seed * 0x9E3779B97F4A7C15L + index);
    int which = random.nextInt(models.size());
    Model model = models.get(which);
    int file = random.nextInt(model.files.size());
    byte[] whole = model.whole.get(file);
    byte[] damaged = FileDamage.damage(whole, headBytes(whole), random);
    Path path = model.files.get(file);
    Files.write(path, damaged);
    try {
      long limit = allocated[which] + 2 * model.bytes + SLACK_BYTES;
      return open(
          model, limit, "file %d (%s of %s)".formatted(index, path.getFileName(), model.name));
    } finally {
      Files.write(path, whole);
    }
  }

  /** Where a safetensors or GGUF file's data begin, about; text files have no data. */
  private static int headBytes(byte[] whole) {
    boolean gguf = whole.length > 4 && whole[0] == 'G' && whole[1] == 'G';
    if (gguf) {
      return Math.min(whole.length, 24_000);
    }
    ByteBuffer head = ByteBuffer.wrap(whole).order(ByteOrder.LITTLE_ENDIAN);
    long header = whole.length < 8 ? -1 : head.getLong(0);
    return header > 0 && header < whole.length ? (int) header + 8 : whole.length;
  }

  private static Outcome open(Model model, long limit, String what) {
    long before = THREADS.getCurrentThreadAllocatedBytes();
    long start = System.nanoTime();
    boolean refused = false;
    String failure = null;
    try {
      readAll(model.path);
    } catch (RuntimeFailure e) {
      refused = true;
      failure = unclear(e, model);
    } catch (Throwable t) { // whatever it is, it is what we look for
      StackTraceElement at = t.getStackTrace().length > 0 ? t.getStackTrace()[0] : null;
      failure = t + " at " + at;
    }
    long nanos = System.nanoTime() - start;
    long bytes = THREADS.getCurrentThreadAllocatedBytes() - before;
    if (failure == null && nanos > MAX_NANOS) {
      failure = "took %d ms".formatted(nanos / 1_000_000);
    }
    if (failure == null && bytes > limit) {
      failure = "allocated %d bytes, %d allowed".formatted(bytes, limit);
    }
    return new Outcome(refused, failure == null ? null : what + ": " + failure);
  }

  /** Null when the message names the file and more than it; else what is wrong with it. */
  private static String unclear(RuntimeFailure e, Model model) {
    String message = String.valueOf(e.getMessage());
    boolean namesFile = message.contains(model.path.toString());
    boolean clear = namesFile && message.length() > model.path.toString().length() + 10;
    return e.kind() == RuntimeFailure.Kind.USER && clear && message.length() < 2000
        ? null
        : "unclear error: " + e.kind() + " " + message;
  }

  private static void readAll(Path path) {
    try (Checkpoint checkpoint = Checkpoints.open(path)) {
      checkpoint.tokenizerJson();
      checkpoint.tokenizerConfig();
      checkpoint.chatTemplate();
      checkpoint.describe();
      for (String name : List.of("embedding", "output", "output_norm")) {
        readStart(checkpoint.tensor(name));
      }
      for (int layer = 0; layer < checkpoint.config().layers(); layer++) {
        for (String part : IN_LAYER) {
          readStart(checkpoint.tensor("layers." + layer + "." + part));
        }
      }
    }
  }

  private static void readStart(WeightSource source) {
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
