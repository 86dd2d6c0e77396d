package io.sailfish.llama.quantize;

import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.SailfishFile;
import io.sailfish.llama.checkpoint.SailfishWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Layers that are done, in a folder, and the text of the job that they belong to:
 *
 * <pre>
 * job.json                what the layers depend on; of another job the folder is refused
 * layer-00000.sailfish    tensors of a layer
 * layer-00000.sha256      digest of that file, kept after it: a layer without is not done
 * </pre>
 *
 * <p>A layer whose file is not what its digest says, since a disk or a file system without atomic
 * renames failed, is done again.
 */
final class FinishedLayers {
  private static final Logger LOG = LoggerFactory.getLogger(FinishedLayers.class);
  private static final String JOB = "job.json";

  private final LayerFolder folder;

  private FinishedLayers(LayerFolder folder) {
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

  /** Something that the folder may fail at. */
  private interface Access<T> {
    T run() throws IOException;
  }

  private <T> T access(Access<T> access) {
    try {
      return access.run();
    } catch (IOException e) {
      throw new RuntimeFailure(Kind.USER, folder + ": cannot be used: " + e, e);
    }
  }

  /**
   * @param job describes everything that the layers depend on
   * @throws RuntimeFailure when the folder belongs to another job
   */
  static FinishedLayers open(LayerFolder folder, String job) {
    FinishedLayers layers = new FinishedLayers(folder);
    String found =
        layers.access(
            () -> {
              if (!folder.has(JOB)) {
                layers.keepText(JOB, job);
              }
              return Files.readString(folder.local(JOB));
            });
    if (!found.equals(job)) {
      throw new RuntimeFailure(
          Kind.USER,
          "%s holds layers of another job: %s; delete the folder or choose another"
              .formatted(folder, found),
          null);
    }
    return layers;
  }

  private void keepText(String name, String text) throws IOException {
    Files.writeString(folder.scratch(name), text);
    folder.keep(name);
  }

  private static String name(int layer) {
    return "layer-%05d%s".formatted(layer, SailfishWriter.ENDING);
  }

  private static String digestName(int layer) {
    return "layer-%05d.sha256".formatted(layer);
  }

  void put(int layer, Map<String, WeightSource> tensors) {
    access(
        () -> {
          Path file = folder.scratch(name(layer));
          SailfishWriter.writePart(file, tensors);
          String digest = SourceDigest.of(file);
          folder.keep(name(layer));
          keepText(digestName(layer), digest);
          return null;
        });
  }

  /** A layer that is done; null when it is to be done, or to be done again. */
  Part part(int layer) {
    return access(
        () -> {
          if (!folder.has(digestName(layer)) || !folder.has(name(layer))) {
            return null;
          }
          String expected = Files.readString(folder.local(digestName(layer)));
          Path file = folder.local(name(layer));
          if (SourceDigest.of(file).equals(expected)) {
            return new Part(SailfishFile.open(file));
          }
          LOG.warn("{}: {} is not what was written; the layer is done again", folder, file);
          folder.delete(digestName(layer));
          return null;
        });
  }

  /** To be called when the model is written. */
  void delete() {
    access(
        () -> {
          folder.delete();
          return null;
        });
  }
}
