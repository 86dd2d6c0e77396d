package io.sailfish.llama.quantize;

import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.SailfishFile;
import io.sailfish.llama.checkpoint.SailfishWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Layers that are done, each a file in the folder {@code TARGET.layers}, and the text of the job
 * that they belong to. A file is there when it is whole.
 */
final class FinishedLayers {
  private static final String JOB = "job.json";

  private final Path folder;

  private FinishedLayers(Path folder) {
    this.folder = folder;
  }

  /** Tensors of a layer, readable until closed. */
  record Part(SailfishFile file) implements AutoCloseable {
    Map<String, WeightSource> tensors() {
      return file.tensors();
    }

    @Override
    public void close() {
      file.close();
    }
  }

  /**
   * @param job describes everything that the layers depend on
   * @throws RuntimeFailure when the folder belongs to another job
   */
  static FinishedLayers open(Path target, String job) {
    Path folder = target.resolveSibling(target.getFileName() + ".layers");
    try {
      Files.createDirectories(folder);
      Path file = folder.resolve(JOB);
      if (!Files.exists(file)) {
        Path unfinished = Files.writeString(folder.resolve(JOB + ".part"), job);
        Files.move(unfinished, file, java.nio.file.StandardCopyOption.ATOMIC_MOVE);
      }
      String found = Files.readString(file);
      if (!found.equals(job)) {
        throw new RuntimeFailure(
            Kind.USER,
            "%s holds layers of another job: %s; delete the folder or choose another target"
                .formatted(folder, found),
            null);
      }
    } catch (IOException e) {
      throw new RuntimeFailure(Kind.USER, folder + ": cannot be used: " + e, e);
    }
    return new FinishedLayers(folder);
  }

  private Path file(int layer) {
    return folder.resolve("layer-%05d%s".formatted(layer, SailfishWriter.ENDING));
  }

  boolean has(int layer) {
    return Files.exists(file(layer));
  }

  void put(int layer, Map<String, WeightSource> tensors) {
    SailfishWriter.writePart(file(layer), tensors);
  }

  Part part(int layer) {
    return new Part(SailfishFile.open(file(layer)));
  }

  /** To be called when the model is written. */
  void delete() {
    try (Stream<Path> files = Files.walk(folder)) {
      List<Path> all = files.sorted(Comparator.reverseOrder()).toList();
      for (Path path : all) {
        Files.delete(path);
      }
    } catch (IOException e) {
      throw new RuntimeFailure(Kind.USER, folder + ": cannot be deleted: " + e, e);
    }
  }
}
