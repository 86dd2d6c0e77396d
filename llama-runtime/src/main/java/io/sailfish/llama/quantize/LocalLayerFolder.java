package io.sailfish.llama.quantize;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A folder of this machine: files are written beside where they are kept and renamed. */
final class LocalLayerFolder implements LayerFolder {
  private static final String UNFINISHED = ".part";

  private final Path folder;

  LocalLayerFolder(Path folder) throws IOException {
    this.folder = Files.createDirectories(folder);
  }

  @Override
  public boolean has(String name) {
    return Files.exists(folder.resolve(name));
  }

  @Override
  public Path scratch(String name) {
    return folder.resolve(name + UNFINISHED);
  }

  @Override
  public void keep(String name) throws IOException {
    Files.move(
        scratch(name),
        folder.resolve(name),
        StandardCopyOption.ATOMIC_MOVE,
        StandardCopyOption.REPLACE_EXISTING);
  }

  @Override
  public Path local(String name) {
    return folder.resolve(name);
  }

  @Override
  public void delete(String name) throws IOException {
    Files.deleteIfExists(folder.resolve(name));
  }

  @Override
  public void delete() throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      List<Path> all = files.sorted(Comparator.reverseOrder()).toList();
      for (Path path : all) {
        Files.delete(path);
      }
    }
  }

  @Override
  public String toString() {
    return folder.toString();
  }
}
